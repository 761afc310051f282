"""The PACT market that is played: users choose, requests are served, promises meet what happened.

Its tables hold promised beside measured, and how many users the promises bear.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
