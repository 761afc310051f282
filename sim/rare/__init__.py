"""Violations too rare to be seen by simulating everybody: P(T > t) down to 1e-9 and beyond.

One tagged task is followed through the tandem as an exact Markov chain, and paths that promise to
be late are split.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
