"""Tandem-8: the benchmark workload, operator 1 of the default market with eight equal types."""

import numpy as np

from airan_market.sim.streams import stream
from airan_market.sim.workload import Workload

TYPES = 8
TASKS_PER_S = 1440.0
SERVERS = np.array([[48, 24, 194]])
SERVICE_RATE_PER_S = np.array([40.0, 80.0, 10.0])


def tandem8(tasks: int, seed: int = 1, gpu_load: float = 0.75) -> Workload:
    """Return the first `tasks` tasks of the workload; TASKS_PER_S is a GPU load of 0.75."""
    rng = stream(seed, "tandem-8")
    return Workload(
        task=np.arange(tasks),
        arrival_s=np.cumsum(rng.exponential(0.75 / gpu_load / TASKS_PER_S, tasks)),
        type=rng.integers(TYPES, size=tasks),
        operator=np.zeros(tasks, dtype=np.int64),
        user=np.zeros(tasks, dtype=np.int64),
        service_s=rng.exponential(1 / SERVICE_RATE_PER_S, (tasks, 3)),
    )
