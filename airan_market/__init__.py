"""A market for AI inference sold over radio access networks, and the simulator that checks it.

>>> from airan_market import load_scenario, solve
>>> outcome = solve(load_scenario("teleoperation"))
>>> outcome.menu.latency_s.shape
(3, 8)
"""

import lazy_loader

__version__ = "0.4.0"  # said here alone: pyproject.toml reads it
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
