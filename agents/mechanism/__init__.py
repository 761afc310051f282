"""How menus and a matching are agreed: Algorithm 1 and the three benchmarks.

A mechanism is a function `agree(primitives) -> Agreement`; what ours are made of is here too.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
