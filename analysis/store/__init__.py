"""Directories of what was computed, written whole or not at all.

A manifest says what is in them; they are read back and checked.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
