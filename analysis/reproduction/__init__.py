"""Which published tables and figures come out again.

Ours stand beside theirs, every claim with a verdict.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
