"""Whether the approximation is true.

Every queueing belief is held against exact laws and against simulation.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
