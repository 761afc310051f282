"""Where the paper's bound holds, and where it fails.

One station is mapped, then solved markets are searched.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
