"""What happens: queueing theory of a station, and the simulation of the same station."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
