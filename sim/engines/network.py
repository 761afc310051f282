"""Processes beside the stations: what a SimPy generator sees of the network, and may change."""

from collections.abc import Callable, Generator, Sequence
from typing import Any

import numpy as np
import simpy

from airan_market.sim.arrays import IntArray
from airan_market.sim.engines.capacity import CapacityChanges
from airan_market.sim.engines.simpy_clock import CHANGE, Clock, base_priority
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
    >>> def breakdown(env, network):
    ...     yield env.timeout(1.5)
    ...     network.set_servers(0, 1, 0)
    ...     yield env.timeout(4.0)
    ...     network.set_servers(0, 1, 1)
    >>> work = Workload.arriving([0.0], 0, [[1.0, 2.0, 0.0]])
    >>> simulate(work, [[1, 1, 1]], until_s=9.0, processes=[breakdown])[0].stage_end_s
    array([[1., 7., 7.]])
    """

    def __init__(
        self, clock: Clock, stations: Sequence[Sequence[Station]], changes: CapacityChanges
    ) -> None:
        self._clock, self._stations = clock, stations
        self._rows: list[tuple[float, int, int, int]] = []
        self._asked: dict[tuple[int, int], tuple[float, int]] = {}
        for row in zip(*(values.tolist() for values in changes.columns().values()), strict=True):
            self._schedule(*row)

    @property
    def servers(self) -> IntArray:
        """Servers in force; where they change at this very instant, the new number."""
        servers = self._numbers("servers")
        for station, (time_s, number) in self._asked.items():
            servers[station] = number if time_s == self._clock.now else servers[station]
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
        """All changes so far, those of the span too: what plays the same without processes."""
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
        asked = {"operator": operator, "stage": stage, "servers": servers}
        limits = (len(self._stations) - 1, len(STAGES) - 1, np.inf)
        for (name, value), most in zip(asked.items(), limits, strict=True):
            if not (isinstance(value, int | np.integer) and 0 <= value <= most):
                allowed = "a whole number, at least 0" if most == np.inf else f"0 to {most}"
                raise ValueError(f"{name} = {value!r}: allowed {allowed}")
        self._schedule(self._clock.now, *map(int, asked.values()))
        self._asked[operator, stage] = self._clock.now, int(servers)

    def _schedule(self, time_s: float, operator: int, stage: int, servers: int) -> None:
        event = ServerChange(self._stations[operator][stage], servers)
        self._clock.schedule_at(event, time_s, base_priority(stage, CHANGE) + len(self._rows))
        self._rows.append((time_s, operator, stage, servers))

    def _numbers(self, name: str) -> IntArray:
        return np.array([[getattr(s, name) for s in tandem] for tandem in self._stations])
