"""The compiled engine: the contract of the SimPy engine, task by task and bit by bit, by Numba.

Operators share nothing during a span, so they are played in parallel, each by one thread; what
comes out does not depend on how many threads there are.
"""

from functools import cached_property
from typing import Any

import numpy as np

from airan_market.sim.arrays import BoolArray, IntArray
from airan_market.sim.columns import values_at
from airan_market.sim.engines.capacity import CapacityChanges
from airan_market.sim.engines.kernel import Changes, Columns, Queue, play_tandem
from airan_market.sim.processors import processors
from airan_market.sim.threads import threads
from airan_market.sim.trace import State, Trace
from airan_market.sim.workload import STAGES, TaskColumns, Workload

CHUNK = 4096  # arrivals whose rows stay in the cache while the stages are played


def run_compiled(
    workload: Workload,
    state: State,
    *,
    until_s: float,
    changes: CapacityChanges,
    workers: int | None = None,
    chunk: int = CHUNK,
) -> tuple[Trace, State]:
    """Serve the workload from `state` until `until_s`; `sim.simulate` with the inputs checked.

    Parameters
    ----------
    workload, state, until_s, changes
        As in `sim.simulate`, which checks them; here they are taken as they are.
    workers : int, optional
        Threads; default: one for each processor there is, at most one an operator.
    chunk : int
        Arrivals to a pass over the stages; it changes the speed and nothing else.

    Returns
    -------
    trace : Trace
        Tasks that left the downlink in the span, in task order.
    state : State
        The rest, at `until_s`.

    Examples
    --------
    >>> work = Workload(task=[0], arrival_s=[1.0], type=[0], operator=[0], user=[0],
    ...                 service_s=[[1.0, 1.0, 1.0]])
    >>> trace, state = run_compiled(work, State.start([[1, 1, 1]]), until_s=3.0,
    ...                             changes=CapacityChanges.none())
    >>> len(trace), state.stage, state.due_s
    (0, array([1]), array([3.]))
    """
    span = _Span(workload, state, changes)
    span.play(until_s, workers or processors(), chunk)
    return span.trace(), span.state(until_s)


class _Span:
    """The tasks of one span, those carried over first, and what happens to them."""

    def __init__(self, workload: Workload, state: State, changes: CapacityChanges) -> None:
        self.carried = state
        self.changes = changes
        self.columns = state.joined(workload)
        self.rows = len(state) + len(workload)
        self.types = int(self.columns["type"].max(initial=0)) + 1
        self.servers = state.servers.copy()
        self.tasks = self._tasks(state)

    def _tasks(self, state: State) -> Columns:
        """Return the columns that the kernel works on, as they are at the start of the span."""
        carried = len(state)
        end_s = np.empty((self.rows, len(STAGES)))  # the kernel fills it as tasks come
        end_s[:carried] = state.stage_end_s
        preemptions = np.zeros((self.rows, len(STAGES)), dtype=np.int64)
        preemptions[:carried] = state.preemptions
        remaining_s, due_s = np.full(self.rows, np.nan), np.full(self.rows, np.nan)
        remaining_s[:carried], due_s[:carried] = state.remaining_s, state.due_s
        service_s = np.ascontiguousarray(self.columns["service_s"]).view()
        service_s.setflags(write=False)  # as columns are: one kind of array, compiled for once
        return Columns(
            number=self.columns["task"],
            type=self.columns["type"].astype(np.int32),
            service_s=service_s,
            remaining_s=remaining_s,
            due_s=due_s,
            end_s=end_s,
            preemptions=preemptions,
        )

    def play(self, until_s: float, workers: int, chunk: int) -> None:
        operators = range(len(self.servers))
        if min(workers, len(operators)) == 1:
            for operator in operators:
                self._play_operator(operator, until_s, chunk)
            return
        with threads(workers) as pool:
            plays = [pool.submit(self._play_operator, m, until_s, chunk) for m in operators]
            for play in plays:
                play.result()

    def _play_operator(self, operator: int, until_s: float, chunk: int) -> None:
        carried = self._carried_rows(operator)
        arrivals = self._arrivals(operator)
        changes = [self._changes(operator, stage) for stage in range(len(STAGES))]
        servers = self.servers[operator].astype(np.int64)
        play_tandem(
            self.tasks,
            self.types,
            servers,
            carried.astype(np.int32),
            self.carried.stage[carried],
            arrivals,
            tuple(changes),
            float(self.carried.clock_s),
            float(until_s),
            chunk,
        )
        self.servers[operator] = servers

    def _carried_rows(self, operator: int) -> IntArray:
        """Rows of the tasks under way at an operator, by station in order of priority."""
        state = self.carried
        rows = np.flatnonzero(state.operator == operator)
        keys = (state.task, state.stage_arrival_s, state.type, state.stage)
        return rows[np.lexsort([key[rows] for key in keys])]

    def _arrivals(self, operator: int) -> Queue:
        carried, arrival_s = len(self.carried), self.columns["arrival_s"]
        if len(self.servers) == 1:  # all of them, and nothing to copy but the times
            return Queue(np.arange(carried, self.rows, dtype=np.int32), arrival_s[carried:].copy())
        rows = carried + np.flatnonzero(self.columns["operator"][carried:] == operator)
        return Queue(rows.astype(np.int32), arrival_s[rows])

    def _changes(self, operator: int, stage: int) -> Changes:
        changes = self.changes
        here = (changes.operator == operator) & (changes.stage == stage)
        return Changes(changes.time_s[here], changes.servers[here])

    def trace(self) -> Trace:
        """Return the tasks that left the downlink."""
        rows = self._by_task(self._left)
        return Trace.checked(
            **self._columns(rows),
            stage_end_s=values_at(self.tasks.end_s, rows),
            preemptions=values_at(self.tasks.preemptions, rows),
        )

    def state(self, until_s: float) -> State:
        """Return the tasks that are still under way."""
        rows = self._by_task(~self._left)
        end_s, due_s = self.tasks.end_s[rows], self.tasks.due_s[rows]
        stage = (~np.isnan(end_s)).sum(axis=1)
        came_s = np.column_stack([self.columns["arrival_s"][rows], end_s])
        in_service = ~np.isnan(due_s)
        return State(
            **self._columns(rows),
            clock_s=float(until_s),
            servers=self.servers,
            stage=stage,
            stage_arrival_s=came_s[np.arange(len(stage)), stage],
            in_service=in_service,
            due_s=due_s,
            remaining_s=np.where(in_service, np.nan, self.tasks.remaining_s[rows]),
            stage_end_s=end_s,
            preemptions=self.tasks.preemptions[rows],
        )

    @cached_property
    def _left(self) -> BoolArray:
        """Which tasks have left the downlink; once the span is played."""
        return ~np.isnan(self.tasks.end_s[:, -1])

    def _columns(self, rows: IntArray | slice) -> dict[str, Any]:
        return {name: values_at(self.columns[name], rows) for name in TaskColumns.rules()}

    def _by_task(self, mask: BoolArray) -> IntArray | slice:
        """Rows of a mask in task order; a slice, which copies nothing, where that will do."""
        rows = np.flatnonzero(mask)
        number = self.columns["task"][rows]
        if not (number[1:] > number[:-1]).all():
            return rows[np.argsort(number, kind="stable")]
        whole = rows.size == self.rows
        return slice(None) if whole else rows
