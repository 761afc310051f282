"""How far an outcome is from its claims: feasible menus, a matching at rest, no gain alone.

Every check names its worst witness, and says by how much.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
