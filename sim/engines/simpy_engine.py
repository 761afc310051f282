"""The SimPy engine: three stations an operator on one clock. It is the reference of all engines.

Order of events, to the bit: a span [clock, until) contains its start, not its end. At one instant
uplinks come before GPUs before downlinks; inside a station completions come first, in task order,
then capacity changes, then arrivals, in task order, and an event that another one of its instant
brings about takes its place in that same order. As tasks only move on, this equals simulating one
station after the other. Processes beside the stations go on before all of them.
"""

from collections import Counter
from collections.abc import Generator, Sequence
from operator import attrgetter
from typing import Any

import numpy as np

from airan_market.sim.arrays import IntArray
from airan_market.sim.engines.capacity import CapacityChanges
from airan_market.sim.engines.network import Network, Process
from airan_market.sim.engines.simpy_clock import Clock
from airan_market.sim.engines.station import Station, Task, TaskEvent
from airan_market.sim.trace import State, Trace
from airan_market.sim.workload import STAGES, Workload


def run_simpy(
    workload: Workload,
    state: State,
    *,
    until_s: float,
    changes: CapacityChanges,
    station: type[Station] | None = None,
    processes: Sequence[Process] = (),
) -> tuple[Trace, State]:
    """Serve the workload from `state` until `until_s`; `sim.simulate` with the inputs checked.

    Parameters
    ----------
    workload, state, until_s, changes
        As in `sim.simulate`, which checks them; here they are taken as they are.
    station : type, optional
        The service discipline: a subclass of `Station`; default: that itself.
    processes : sequence of callables
        What goes on beside the stations.

    Returns
    -------
    trace : Trace
        Tasks that left the downlink in the span, in task order.
    state : State
        The rest, at `until_s`.

    Raises
    ------
    ValueError
        For a station or a process that is none, or a state with tasks under way and a discipline
        that cannot be cut in spans.
    RuntimeError
        Where a discipline has lost a task or serves one twice.

    Examples
    --------
    >>> work = Workload(task=[0], arrival_s=[1.0], type=[0], operator=[0], user=[0],
    ...                 service_s=[[1.0, 1.0, 1.0]])
    >>> trace, state = run_simpy(work, State.start([[1, 1, 1]]), until_s=3.0,
    ...                          changes=CapacityChanges.none())
    >>> len(trace), state.stage, state.due_s
    (0, array([1]), array([3.]))
    """
    run = _Run(workload, state, changes, Station if station is None else station)
    run.start(processes)
    return run.until(until_s)


class _Run:
    """One span: stations built from a state, fed with a workload, read out into a state."""

    def __init__(
        self,
        workload: Workload,
        state: State,
        changes: CapacityChanges,
        station: type[Station],
    ) -> None:
        self.clock = Clock(state.clock_s)
        # of a task that is done only numbers are kept: live objects would cost the garbage
        # collector a third of the running time
        self.done_rows: list[int] = []
        self.done_end_s: list[float] = []
        self.done_preemptions: list[int] = []
        self.under_way: dict[int, Task] = {}
        if not (isinstance(station, type) and issubclass(station, Station)):
            raise ValueError(f"station = {station!r}: allowed a subclass of Station")
        if len(state) and not station.cuttable:
            raise ValueError(
                f"station = {station.__name__}: cannot be cut in spans, allowed a state with "
                f"nothing under way (has {len(state)} tasks)"
            )
        self.columns = state.joined(workload)
        types = int(self.columns["type"].max(initial=-1)) + 1
        self.stations = [self._tandem(row, types, station) for row in state.servers.tolist()]
        for operator, tandem in enumerate(self.stations):
            for each in tandem:
                each.operator = operator
        self._carry_over(state)
        self.network = Network(self.clock, self.stations, changes)
        self._feed(workload, first_row=len(state))

    def _tandem(self, servers: list[int], types: int, kind: type[Station]) -> list[Station]:
        """Return the stations of one operator, each sending its tasks on to the next."""
        leave = self._finish
        tandem: list[Station] = []
        for stage in reversed(range(len(STAGES))):
            station = kind(self.clock, stage, servers[stage], types, leave)
            leave = station.expect
            tandem.insert(0, station)
        return tandem

    def _finish(self, task: Task) -> None:
        del self.under_way[task.row]
        self.done_rows.append(task.row)
        self.done_end_s.extend(task.end_s)
        self.done_preemptions.extend(task.preemptions)

    def _carry_over(self, state: State) -> None:
        """Put the tasks of the state where they were, in their order of priority."""
        order = np.lexsort((state.task, state.stage_arrival_s, state.type))
        table = [values[order].tolist() for values in state.columns().values()]
        names = state.rules()
        for row, values in zip(order.tolist(), zip(*table, strict=True), strict=True):
            was = dict(zip(names, values, strict=True))
            task = Task(row, was["task"], was["type"], was["service_s"])
            task.stage, task.stage_arrival_s = was["stage"], was["stage_arrival_s"]
            task.end_s, task.preemptions = was["stage_end_s"], was["preemptions"]
            task.due_s, task.remaining_s = was["due_s"], was["remaining_s"]
            self.under_way[row] = task
            station = self.stations[was["operator"]][task.stage]
            if was["in_service"]:
                station.serve_until(task, task.due_s)
            else:
                station.wait(task)

    def _feed(self, workload: Workload, first_row: int) -> None:
        """Have the tasks arrive one by one: of the arrivals to come only the next is scheduled."""
        self._to_come = zip(
            range(first_row, first_row + len(workload)),
            workload.task.tolist(),
            workload.type.tolist(),
            zip(*workload.service_s.T.tolist(), strict=True),
            workload.arrival_s.tolist(),
            workload.operator.tolist(),
            strict=True,
        )
        self._schedule_next_arrival()

    def _schedule_next_arrival(self) -> None:
        for row, number, type_, service_s, arrival_s, operator in self._to_come:
            task = Task(row, number, type_, service_s)
            station = self.stations[operator][0]
            station.schedule_arrival(task, arrival_s, self._enter)
            return

    def _enter(self, event: TaskEvent) -> None:
        self.under_way[event.task.row] = event.task
        event.station.arrive(event.task)
        self._schedule_next_arrival()

    def start(self, processes: Sequence[Process]) -> None:
        """Have the processes begin with the span."""
        for number, process in enumerate(processes):
            steps = process(self.clock, self.network)
            if not isinstance(steps, Generator):
                raise ValueError(
                    f"processes[{number}] = {process!r}: allowed a function of (env, network) that "
                    "yields SimPy events"
                )
            self.clock.process(steps)

    def until(self, until_s: float) -> tuple[Trace, State]:
        """Run the clock and read the result."""
        self.clock.run_until(until_s)
        for tandem in self.stations:
            for station in tandem:
                station.settle()
        self._check_conservation()
        return self._trace(), self._state(until_s)

    def _check_conservation(self) -> None:
        """Every task under way is at its station exactly once."""
        found = Counter(
            (task.number, operator, station.stage)
            for operator, tandem in enumerate(self.stations)
            for station in tandem
            for group in (*(served.values() for served in station.in_service), *station.waiting)
            for task in group
        )
        for task in self.under_way.values():
            found[task.number, int(self.columns["operator"][task.row]), task.stage] -= 1
        for (number, operator, stage), surplus in found.items():
            if surplus:
                name = type(self.stations[operator][stage]).__name__
                raise RuntimeError(
                    f"{name} at {STAGES[stage]} of operator {operator}: task {number} is there "
                    f"{surplus + 1} times, and should be there once"
                )

    def _trace(self) -> Trace:
        rows = np.array(self.done_rows, dtype=np.int64)
        order = np.argsort(self.columns["task"][rows])
        return Trace(
            **self._columns_at(rows[order]),
            stage_end_s=np.reshape(self.done_end_s, (-1, len(STAGES)))[order],
            preemptions=np.reshape(self.done_preemptions, (-1, len(STAGES)))[order],
        )

    def _state(self, until_s: float) -> State:
        tasks = sorted(self.under_way.values(), key=attrgetter("number"))
        in_service = np.array([task.completion is not None for task in tasks], dtype=bool)
        due_s = np.array([task.due_s for task in tasks])
        remaining_s = np.array([task.remaining_s for task in tasks])
        return State(
            clock_s=until_s,
            servers=np.array([[s.servers for s in tandem] for tandem in self.stations]),
            **self._columns_at(np.array([task.row for task in tasks], dtype=np.int64)),
            stage=np.array([task.stage for task in tasks], dtype=np.int64),
            stage_arrival_s=np.array([task.stage_arrival_s for task in tasks]),
            in_service=in_service,
            due_s=np.where(in_service, due_s, np.nan),
            remaining_s=np.where(in_service, np.nan, remaining_s),
            stage_end_s=np.array([task.end_s for task in tasks]),
            preemptions=np.array([task.preemptions for task in tasks], dtype=np.int64),
        )

    def _columns_at(self, rows: IntArray) -> dict[str, Any]:
        return {name: values[rows] for name, values in self.columns.items()}
