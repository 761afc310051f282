"""The workloads of the benchmark by name, each made by NumPy from named streams."""

from collections.abc import Callable
from functools import partial

from tandem8 import SERVERS, tandem8
from turns import MARKET

from airan_market.sim.arrays import IntArray
from airan_market.sim.workload import Workload

GPU_LOAD = {"tandem-8": 0.75, "load 0.95": 0.95}  # at 0.95: long queues, many interruptions


def workload(name: str) -> tuple[Callable[[int], Workload], IntArray]:
    """Return how a workload of some number of tasks is made, and the servers (M, 3) it is for."""
    if name == MARKET:
        # only here: the agents would weigh on the memory of all the others
        from default_market import default_market, servers

        return default_market, servers()
    return partial(tandem8, gpu_load=GPU_LOAD[name]), SERVERS
