"""Profiles of menus from which no operator gains: found by answering in turn, certified, bounded.

And, where users are whole types and markets small, all of them by looking at every profile.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
