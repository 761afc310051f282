"""What the printed numbers of the paper identify: market, users, and the reading behind them."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
