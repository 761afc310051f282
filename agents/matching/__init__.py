"""Who goes where: responses to menus, the loads that they bring, and the prices of congestion.

A mixed matching becomes whole users by assignment; deferred acceptance makes one that is stable.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
