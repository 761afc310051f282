"""A market played in rounds: what is agreed, how its tasks are simulated and how a run ends.

The markets of both papers are such a model; each adds what its agents agree on and what is booked.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
