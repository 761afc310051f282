"""
Best answers with tied prices
=============================

Operators can compete by worse promises only, until the war begins again.
"""

from pathlib import Path
from tempfile import mkdtemp

from airan_market import figures, load_run, load_scenario, play

scenario = load_scenario("price_war")
run = play(scenario, seed=1, out=Path(mkdtemp(), "run"), figures=False)
figure = figures.over_time(load_run(run.path))
