"""
Downlinks that fade as on a drive test
======================================

Promises made for a mean rate are broken in bursts.
"""

from pathlib import Path
from tempfile import mkdtemp

from airan_market import figures, load_run, load_scenario, play

scenario = load_scenario("drive_test")
run = play(scenario, seed=1, out=Path(mkdtemp(), "run"), figures=False)
figure = figures.over_time(load_run(run.path))
