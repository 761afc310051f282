"""What a service takes and what it is worth: latency, satisfaction, quality and cost of a request.

By its physics, (1) to (7) of the paper, by rated answers, or as given.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
