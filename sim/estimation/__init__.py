"""What simulation says and how surely: replications, warm-up, intervals, tails of samples.

`replicate` plays a `TandemModel` as often as asked and `until_precise` as often as needed; every
interval of this program is computed by `intervals` or `proportions`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
