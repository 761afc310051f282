"""How the program ends when it is told to: signals, worker processes, standard streams."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
