"""What is asked: the scenario of a market, its file, its checks and the files that ship."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
