"""Processes beside the stations: what a SimPy generator sees of the network, and may change."""

from collections.abc import Callable, Generator, Iterator, Sequence
from itertools import count
from typing import Any

import numpy as np
import simpy

from airan_market.sim.arrays import IntArray
from airan_market.sim.engines.capacity import CapacityChanges
from airan_market.sim.engines.clock import CHANGE, Clock, base_priority
from airan_market.sim.engines.station import ServerChange, Station
from airan_market.sim.workload import STAGES

Process = Callable[[simpy.Environment, "Network"], Generator[simpy.Event, Any, Any]]


class Network:
    """The stations of all operators, as a process beside them sees them.

    Numbers are (M, 3): operators, and uplink, GPU and downlink. At one instant processes go before
    the stations, so they see what was before it.

    Parameters
    ----------
    clock : Clock
    stations : sequence of sequences of Station
        By operator and stage.
    changes : CapacityChanges
        Those of the span, which no process brings about.

    Examples
    --------
    >>> from airan_market.sim.engines.engine import simulate
    >>> from airan_market.sim.workload import Workload
    >>> work = Workload(task=[0], arrival_s=[0.0], type=[0], operator=[0], user=[0],
    ...                 service_s=[[1.0, 2.0, 0.0]])
    >>> def breakdown(env, network):
    ...     yield env.timeout(1.5)
    ...     network.set_servers(0, 1, 0)
    ...     yield env.timeout(4.0)
    ...     network.set_servers(0, 1, 1)
    >>> trace, state = simulate(work, [[1, 1, 1]], until_s=9.0, processes=[breakdown])
    >>> trace.stage_end_s
    array([[1., 7., 7.]])
    """

    def __init__(
        self, clock: Clock, stations: Sequence[Sequence[Station]], changes: CapacityChanges
    ) -> None:
        self._clock = clock
        self._stations = stations
        self._rows: list[tuple[float, int, int, int]] = []
        self._number: Iterator[int] = count()
        self._asked: dict[tuple[int, int], tuple[float, int]] = {}
        for row in zip(*(values.tolist() for values in changes.columns().values()), strict=True):
            self._schedule(*row)

    @property
    def servers(self) -> IntArray:
        """Servers in force; where they change at this very instant, the new number."""
        servers = self._numbers("servers")
        for station, (time_s, number) in self._asked.items():
            if time_s == self._clock.now:
                servers[station] = number
        return servers

    @property
    def in_service(self) -> IntArray:
        """Tasks in service."""
        return self._numbers("busy_count")

    @property
    def waiting(self) -> IntArray:
        """Tasks that wait for a server."""
        return self._numbers("waiting_count")

    @property
    def changes(self) -> CapacityChanges:
        """All changes that were brought about so far: what plays the same without the processes."""
        rows = np.array(sorted(self._rows, key=lambda row: row[0]), dtype=np.float64).reshape(-1, 4)
        return CapacityChanges(rows[:, 0], *rows[:, 1:].T.astype(np.int64))

    def set_servers(self, operator: int, stage: int, servers: int) -> None:
        """Change the number of servers now, as a row of `CapacityChanges` with this time would.

        So after the ends of service of this instant, and before its arrivals; of two changes of one
        station at one instant the later one holds.

        Raises
        ------
        ValueError
            For an operator or stage that does not exist, or a number of servers that is negative
            or not whole.
        """
        shape = (len(self._stations), len(STAGES))
        for name, value, limit in zip(("operator", "stage"), (operator, stage), shape, strict=True):
            if not (isinstance(value, int | np.integer) and 0 <= value < limit):
                raise ValueError(f"{name} = {value!r}: allowed 0 to {limit - 1}")
        if not (isinstance(servers, int | np.integer) and servers >= 0):
            raise ValueError(f"servers = {servers!r}: allowed a whole number, at least 0")
        self._schedule(self._clock.now, int(operator), int(stage), int(servers))
        self._asked[operator, stage] = self._clock.now, int(servers)

    def _schedule(self, time_s: float, operator: int, stage: int, servers: int) -> None:
        self._rows.append((time_s, operator, stage, servers))
        event = ServerChange(self._stations[operator][stage], servers)
        priority = base_priority(stage, CHANGE) + next(self._number)
        self._clock.schedule_at(event, time_s, priority)

    def _numbers(self, name: str) -> IntArray:
        return np.array([[getattr(s, name) for s in tandem] for tandem in self._stations])
