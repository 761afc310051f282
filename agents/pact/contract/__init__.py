"""The contract of a PACT provider: a quality and a price for every type of user.

Along a curve of costs, or out of the configured services alone; both with their first best.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
