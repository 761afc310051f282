"""The same workload in Ciw, an independent simulator: a second opinion, and a yardstick of speed.

What Ciw (3.2) shares with our process: tandem routing, servers in parallel, priority classes that
preempt and resume at every node, the interrupted task keeping its remaining work and its place
among its class (it stays in the node's list, from which the first without a server is served).

Where it differs, which a comparison has to keep clear of:

- several events of one instant happen in random order (`find_next_active_node` and
  `decide_between_simultaneous_individuals` draw), so workloads are compared without ties;
- of the lowest class in service it preempts the task that started or resumed last, not the one that
  arrived last. Inside a class tasks start and resume in order of arrival, so without ties these
  are the same task;
- a server schedule that preempts interrupts every task at every change and then serves all
  interrupted ones before any that wait, whatever their class, so capacity changes are not compared.
"""

from collections.abc import Sequence

import ciw
import numpy as np

from airan_market.sim.arrays import FloatArray
from airan_market.sim.workload import Workload


class _GivenArrivals(ciw.dists.Distribution):
    """The arrival times of one class, one after the other, then never."""

    def __init__(self, times_s: list[float]) -> None:
        self.times_s = iter(times_s)

    def sample(self, t=None, ind=None) -> float:
        return next(self.times_s, float("inf"))


class _AbsoluteArrivals(ciw.ArrivalNode):
    """Takes samples for times, not for gaps, which would add a rounding error each."""

    def increment_time(self, original: float, increment: float) -> float:
        return increment


class _GivenService(ciw.dists.Distribution):
    """The service time that the workload gives to the n-th task to arrive."""

    def __init__(self, service_s: list[float]) -> None:
        self.service_s = service_s

    def sample(self, t=None, ind=None) -> float:
        return self.service_s[ind.id_number - 1]


def run_ciw(
    workload: Workload, servers: Sequence[int | ciw.Schedule], until_s: float
) -> FloatArray:
    """Return when each task left each stage, (n, 3), s; NaN where it did not before `until_s`.

    `workload` is for one operator and without two arrivals at one time; servers has three entries.
    """
    stages = range(len(servers))
    classes = {f"type {n + 1}": n for n in range(int(workload.type.max()) + 1)}
    network = ciw.create_network(
        arrival_distributions={
            name: [_GivenArrivals(workload.arrival_s[workload.type == n].tolist()), None, None]
            for name, n in classes.items()
        },
        service_distributions={
            name: [_GivenService(workload.service_s[:, stage].tolist()) for stage in stages]
            for name in classes
        },
        number_of_servers=list(servers),
        priority_classes=(classes, ["resume"] * len(servers)),
        routing={name: [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]] for name in classes},
    )
    simulation = ciw.Simulation(network, arrival_node_class=_AbsoluteArrivals)
    simulation.simulate_until_max_time(until_s)
    end_s = np.full((len(workload), len(servers)), np.nan)
    for record in simulation.get_all_records(only=["service"]):
        end_s[record.id_number - 1, record.node - 1] = record.service_end_date
    return end_s
