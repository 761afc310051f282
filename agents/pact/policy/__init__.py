"""What a regulator can do to a PACT market, and what rivals do to each other.

Liability and its break-even, audits that cost money, providers that compete for the same users.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
