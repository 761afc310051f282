"""The command line: a file for every command.

What commands ask for and tell alike stands once.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
