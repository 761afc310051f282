"""
The RAN takes GPUs and gives them back
======================================

Baseband processing comes first; patient users of AI pay for it with broken promises.
"""

from pathlib import Path
from tempfile import mkdtemp

from airan_market import figures, load_run, load_scenario, play

scenario = load_scenario("ran_takes_gpus")
run = play(scenario, seed=1, out=Path(mkdtemp(), "run"), figures=False)
figure = figures.over_time(load_run(run.path))
