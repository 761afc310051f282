"""The monotone screening problem in which both markets end: separable concave terms, x_1 ≤ … ≤ x_N.

Solved by pooling, whatever the terms are: closed forms, derivatives, or envelopes of a tail.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
