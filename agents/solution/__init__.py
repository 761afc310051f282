"""What a scenario comes to without traffic: the agreement of its mechanism, and what is in it.

`solve` takes a scenario, `settle` a market given as arrays, `arrive` leaves out the certificates.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
