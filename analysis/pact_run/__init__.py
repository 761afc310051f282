"""What a played PACT market shows.

Its requests told and drawn: summary, figures and report.

>>> from airan_market.analysis.store.columns import declared
>>> list(declared()["pact"])
['rounds', 'market', 'items', 'capacity', 'capacity_curve', 'tasks']
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
