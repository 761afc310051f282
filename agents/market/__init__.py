"""The market that is played: users, operators, what they announce, agree on and owe each other.

Each round is negotiated, simulated task by task and settled in a ledger; its tables say it all.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
