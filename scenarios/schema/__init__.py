"""What a scenario may say: every setting with its unit, its range and its default.

Checks between settings stand beside the settings they check.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
