"""Service disciplines beside preemptive resume (`sim.engines.station.Station`)."""

from airan_market.sim.engines.station import Station, Task


class NonPreemptive(Station):
    """Priority by type without preemption: who is served is not interrupted by an arrival.

    A free server takes the first waiting task in the order of (type, arrival at this station,
    number). Only a server that is taken away interrupts: the last task of the lowest type in
    service, which keeps its remaining work and its place.

    Examples
    --------
    >>> from airan_market.sim.engines.engine import simulate
    >>> from airan_market.sim.workload import Workload
    >>> work = Workload(task=[0, 1, 2], arrival_s=[0.0, 0.5, 1.0], type=[1, 1, 0], operator=[0] * 3,
    ...                 user=[0, 1, 2], service_s=[[0.0, 2.0, 0.0]] * 3)
    >>> simulate(work, [[1, 1, 1]], until_s=9.0, station=NonPreemptive)[0].stage_end_s[:, 1]
    array([2., 6., 4.])
    """

    def victim(self, task: Task) -> Task | None:
        """Nobody makes room for an arrival."""
        return None


class FirstComeFirstServed(NonPreemptive):
    """No priority: tasks are served in the order of (arrival at this station, number).

    A server that is taken away interrupts the last in this order, which keeps its remaining work
    and its place.

    Examples
    --------
    >>> from airan_market.sim.engines.engine import simulate
    >>> from airan_market.sim.workload import Workload
    >>> work = Workload(task=[0, 1, 2], arrival_s=[0.0, 0.5, 1.0], type=[1, 1, 0], operator=[0] * 3,
    ...                 user=[0, 1, 2], service_s=[[0.0, 2.0, 0.0]] * 3)
    >>> simulate(work, [[1, 1, 1]], until_s=9.0, station=FirstComeFirstServed)[0].stage_end_s[:, 1]
    array([2., 4., 6.])
    """

    def last_in_service(self) -> Task:
        """Return the task in service that came last."""
        return max(
            (self._last_of_type(n) for n in range(self.types) if self.in_service[n]), key=_place
        )

    def next_waiting(self) -> Task:
        """Take the waiting task that came first out of its queue."""
        return min((queue for queue in self.waiting if queue), key=lambda q: _place(q[0])).popleft()


def _place(task: Task) -> tuple[float, int]:
    return task.stage_arrival_s, task.number
