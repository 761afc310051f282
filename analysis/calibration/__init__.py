"""What Table I and the two default totals say of the values that the paper leaves out.

Each is fitted, and profiled for what the data pin down.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
