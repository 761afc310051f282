"""What a rent for users recovers, what anarchy costs, what a better belief is worth.

Each is cut into cells and answered in tables, figures and findings.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
