"""What a PACT menu promises, and to whom.

The menu told and drawn, the paper's claims over what it leaves open, and rivals.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
