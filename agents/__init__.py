"""Who decides: screening, menus, selection and the agents of the market."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
