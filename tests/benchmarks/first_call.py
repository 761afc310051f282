"""What the first call of the compiled engine costs in a process: prints seconds as JSON.

Run by `start_up.py` with an empty cache of machine code, and then with what that run has left.
"""

import json
from time import perf_counter

start = perf_counter()
from tandem8 import SERVERS, tandem8  # noqa: E402 - the clock starts before what it measures

from airan_market.sim.engines.engine import simulate  # noqa: E402

workload = tandem8(100)


def call_s() -> float:
    """Return the time of a call with next to nothing to do."""
    before = perf_counter()
    simulate(workload, SERVERS, until_s=1e6, engine="compiled")
    return perf_counter() - before


imported = perf_counter()
print(json.dumps({"imports": imported - start, "first call": call_s(), "second call": call_s()}))
