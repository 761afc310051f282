"""How full the stations were during a span: read off what an engine hands back, exactly."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Self

import numpy as np

from airan_market.sim.arrays import FloatArray, IntArray
from airan_market.sim.engines.capacity import CapacityChanges
from airan_market.sim.trace import State, Trace
from airan_market.sim.workload import STAGES


@dataclass(frozen=True, eq=False)
class Occupancy:
    """Servers and tasks of every operator and stage over one span; arrays are (M, 3).

    Attributes
    ----------
    span_s : float
        Length of the span, s.
    available_s : array
        Servers in force, integrated over the span, server s.
    busy_s : array
        Servers that served, integrated over the span, server s; at most `available_s`.
    waiting_s : array
        Tasks that waited for a server, integrated over the span, task s.

    Examples
    --------
    >>> full = Occupancy(2.0, np.array([[4.0] * 3]), np.array([[1.0] * 3]), np.array([[3.0] * 3]))
    >>> full.utilisation, full.waiting, full.in_service
    (array([[0.25, 0.25, 0.25]]), array([[1.5, 1.5, 1.5]]), array([[0.5, 0.5, 0.5]]))
    """

    span_s: float
    available_s: FloatArray
    busy_s: FloatArray
    waiting_s: FloatArray

    @classmethod
    def total(cls, spans: Iterable[Self]) -> Self:
        """Of one span after another, at least one, as of one span."""
        first, *others = spans
        for other in others:
            pairs = ((getattr(first, f.name), getattr(other, f.name)) for f in fields(cls))
            first = cls(*(a + b for a, b in pairs))
        return first

    @property
    def utilisation(self) -> FloatArray:
        """Part of the servers' time that was used; NaN where there was none."""
        return _ratio(self.busy_s, self.available_s)

    @property
    def waiting(self) -> FloatArray:
        """Mean number of tasks that wait; NaN in a span of no length."""
        return _ratio(self.waiting_s, self.span_s)

    @property
    def in_service(self) -> FloatArray:
        """Mean number of tasks that are served; NaN in a span of no length."""
        return _ratio(self.busy_s, self.span_s)


def _ratio(part: FloatArray, whole: FloatArray | float) -> FloatArray:
    with np.errstate(invalid="ignore"):
        return part / whole


def occupancy(
    trace: Trace, before: State, after: State, changes: CapacityChanges | None = None
) -> Occupancy:
    """Say how full every station was between two states of a run.

    A task that is served gets one server at its full rate, so what is missing of its work between
    the two states is the time for which it held a server, whatever the discipline; and it waited as
    long as its end of service was put off: from the end it could expect when it came, or when the
    span began, to the end it had, or could expect when the span ended. Summed over the tasks and
    divided by the span these are the means over time (Little's law, without its limit). Only a
    discipline in which work once done is lost would be misread.

    Parameters
    ----------
    trace, after
        What `sim.simulate` returned for the span.
    before : State
        The state that it started from.
    changes : CapacityChanges, optional
        The changes of the span; those of other times are left out.

    Raises
    ------
    ValueError
        If the states do not follow each other, or a task that was under way is in neither result.

    Examples
    --------
    One GPU; a task of 2 s is interrupted for 1 s, and still under way at 2 s.

    >>> from airan_market.sim.engines.engine import simulate
    >>> from airan_market.sim.workload import Workload
    >>> work = Workload(task=[0, 1], arrival_s=[0.0, 0.5], type=[1, 0], operator=[0, 0],
    ...                 user=[0, 1], service_s=[[0.0, 2.0, 0.0], [0.0, 1.0, 0.0]])
    >>> before = State.start([[1, 1, 1]])
    >>> trace, after = simulate(work, before.servers, until_s=2.0, state=before)
    >>> full = occupancy(trace, before, after)
    >>> full.busy_s, full.waiting_s, full.utilisation
    (array([[0., 2., 0.]]), array([[0., 1., 0.]]), array([[0., 1., 0.]]))
    """
    if before.servers.shape != after.servers.shape or after.clock_s < before.clock_s:
        raise ValueError("before, after: allowed two states of one run, the earlier one first")
    rows = _places(before, trace, after)
    operator, service_s, end_s = (
        np.concatenate([getattr(trace, name), getattr(after, name)])
        for name in ("operator", "service_s", "stage_end_s")
    )
    came_s = np.concatenate([trace.arrival_s, after.arrival_s])
    began, left = _to_do(before), _to_do(after)
    busy_s, waiting_s = np.empty((2, *before.servers.shape))
    for stage in range(len(STAGES)):
        # work done between the states, and by how much the end of service was put off
        work_s, reached_s = service_s[:, stage].copy(), end_s[:, stage].copy()
        expected_s = came_s + work_s
        here, there = before.stage == stage, after.stage == stage
        work_s[rows[here]], expected_s[rows[here]] = (amount[here] for amount in began)
        under_way = len(trace) + np.flatnonzero(there)
        work_s[under_way] -= left[0][there]
        reached_s[under_way] = left[1][there]
        reached_s -= expected_s
        past, to_come = rows[before.stage > stage], len(trace) + np.flatnonzero(after.stage < stage)
        for sums, amount in ((busy_s, work_s), (waiting_s, reached_s)):
            amount[past] = amount[to_come] = 0.0
            sums[:, stage] = np.bincount(operator, amount, len(sums))
        came_s = end_s[:, stage]
    span_s = after.clock_s - before.clock_s
    return Occupancy(span_s, _available_s(before, after.clock_s, changes), busy_s, waiting_s)


def _places(before: State, trace: Trace, after: State) -> IntArray:
    """Rows of the tasks of a state among those that ended, then those under way after it.

    Raises
    ------
    ValueError
        If one is in neither.
    """
    place = np.full(len(before), -1)
    for first, tasks in ((0, trace.task), (len(trace), after.task)):  # both in task order
        found = np.minimum(np.searchsorted(tasks, before.task), len(tasks) - 1)
        there = tasks[found] == before.task if len(tasks) else np.zeros(len(before), dtype=bool)
        place[there] = first + found[there]
    if (place < 0).any():
        lost = before.task[place < 0][0]
        raise ValueError(f"task = {lost}: under way before, and neither done nor after")
    return place


def _to_do(state: State) -> tuple[FloatArray, FloatArray]:
    """Work that each task of a state needs at its stage, and its end if served from now on, s."""
    work_s = np.where(state.in_service, state.due_s - state.clock_s, state.remaining_s)
    return work_s, np.where(state.in_service, state.due_s, state.clock_s + state.remaining_s)


def _available_s(before: State, until_s: float, changes: CapacityChanges | None) -> FloatArray:
    """Integral of the servers in force, (M, 3), server s."""
    servers = before.servers.copy()
    available_s = servers.astype(np.float64) * (until_s - before.clock_s)
    changes = CapacityChanges.none() if changes is None else changes
    changes = changes.between(before.clock_s, until_s)
    for time_s, operator, stage, number in zip(*changes.columns().values(), strict=True):
        available_s[operator, stage] += (number - servers[operator, stage]) * (until_s - time_s)
        servers[operator, stage] = number
    return available_s
