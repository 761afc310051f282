"""What operators take the probability of a late task to be, and how it enters their menus.

A belief is built by a function of servers, service rates and loads; a formula of P(T > t) will do.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
