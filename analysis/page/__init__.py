"""What every report shares: the page, what a reader needs to judge a study, how to cite it."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
