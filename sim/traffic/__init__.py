"""When tasks come and what they need: laws of arrivals and of work, drawn or recorded.

It answers what users ask for in a round (`drawn_demand`, `recorded_demand`), and `offer` sends it
to the operators as a workload.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
