"""
An operator promises what it will not keep
==========================================

Half of the honest latency, at the price of a safe promise; later the refund is quadrupled.
"""

from pathlib import Path
from tempfile import mkdtemp

from airan_market import figures, load_run, load_scenario, play

scenario = load_scenario("overpromise")
run = play(scenario, seed=1, out=Path(mkdtemp(), "run"), figures=False)
figure = figures.over_time(load_run(run.path))
