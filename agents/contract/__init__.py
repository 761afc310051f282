"""The contract menu of an operator: what it offers, at which prices, and what it is worth to whom.

Designed for given loads under a belief, and checked to leave every type its own item.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
