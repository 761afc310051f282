"""
Two weeks of demand
===================

Days, nights and weekends, fitted to requests to a language model.
"""

from pathlib import Path
from tempfile import mkdtemp

from airan_market import figures, load_run, load_scenario, play

scenario = load_scenario("two_weeks")
run = play(scenario, seed=1, out=Path(mkdtemp(), "run"), figures=False)
figure = figures.over_time(load_run(run.path))
