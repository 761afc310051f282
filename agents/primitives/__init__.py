"""What a mechanism is given: operators, users and tasks as arrays, before anybody decides anything.

Also how many users of each type there are, and the traffic that a scenario asks for.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
