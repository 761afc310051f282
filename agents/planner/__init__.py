"""What a central planner would do with the same operators and users, and what nobody could better.

The plan found is a lower bound of the best welfare, Lagrangian duality gives an upper one.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
