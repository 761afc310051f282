"""What happens to a workload at the stations, task by task and with nothing random in it.

Two engines equal to the bit answer it: SimPy, readable and open to other disciplines and processes,
and one in machine code, some fifty times as fast.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
