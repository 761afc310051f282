"""What an engine hands back: the trace of the tasks that ended, and the state of the rest."""

from dataclasses import dataclass
from typing import Annotated, Any, Self

import numpy as np
import numpy.typing as npt

from airan_market.sim.arrays import FloatArray, IntArray
from airan_market.sim.columns import Amounts, Column, Flags, MaybeAmounts, Numbers
from airan_market.sim.workload import STAGES, TaskColumns, Workload


@dataclass(frozen=True, eq=False)
class Trace(TaskColumns):
    """Tasks that left the downlink, in task order: the columns of the workload and what happened.

    Attributes
    ----------
    stage_end_s : (n, 3) float
        When the task left uplink, GPU and downlink, absolute simulated time, s.
    preemptions : (n, 3) int64
        How often its service was interrupted at each stage.

    Examples
    --------
    >>> trace = Trace(task=[0], arrival_s=[1.0], type=[0], operator=[0], user=[0],
    ...               service_s=[[0.5, 0.25, 0.25]], stage_end_s=[[1.5, 1.75, 2.0]],
    ...               preemptions=[[0, 0, 0]])
    >>> trace.latency_s
    array([1.])
    """

    stage_end_s: Annotated[FloatArray, Column(np.float64, 3, finite=True)]
    preemptions: Annotated[IntArray, Column(np.int64, 3, non_negative=True)]

    @property
    def latency_s(self) -> FloatArray:
        """Time from arrival to the end of the downlink, (n,), s."""
        return self.stage_end_s[:, -1] - self.arrival_s

    @property
    def stage_arrival_s(self) -> FloatArray:
        """When the task came to uplink, GPU and downlink, (n, 3), s."""
        return np.column_stack([self.arrival_s, self.stage_end_s[:, :-1]])


@dataclass(frozen=True, eq=False)
class State(TaskColumns):
    """Everything that one span hands to the next: the clock, the servers, the tasks under way.

    Attributes
    ----------
    clock_s : float
        Simulated time; every event before it has happened, none at it or after it.
    servers : (M, 3) int64
        Servers in force at each operator and stage.
    stage : (n,) int64
        Where the task is, 0, 1 or 2; rows are in task order.
    stage_arrival_s : (n,) float
        When it came there: with type and number its place in the order of service.
    in_service : (n,) bool
        Whether it holds a server.
    due_s : (n,) float
        When its service ends if nothing interrupts it; NaN for a task that waits.
    remaining_s : (n,) float
        What it still needs of a server; NaN for a task in service.
    stage_end_s, preemptions : (n, 3)
        As in `Trace`; the ends that are still to come are NaN.

    Examples
    --------
    >>> state = State.start([[2, 1, 2]])
    >>> state.clock_s, len(state), state.servers.tolist()
    (0.0, 0, [[2, 1, 2]])
    """

    clock_s: float
    servers: IntArray
    stage: Numbers
    stage_arrival_s: Amounts
    in_service: Flags
    due_s: MaybeAmounts
    remaining_s: MaybeAmounts
    stage_end_s: Annotated[FloatArray, Column(np.float64, 3)]
    preemptions: Annotated[IntArray, Column(np.int64, 3, non_negative=True)]

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "servers", as_servers(self.servers))
        if not (np.isfinite(self.clock_s) and self.clock_s >= 0):
            raise ValueError(f"clock_s = {self.clock_s}: allowed a finite number, at least 0")
        self._check_tasks()

    def joined(self, workload: Workload) -> dict[str, npt.NDArray]:
        """Return {name: values} of what is known of the tasks under way, then of those to come."""
        columns = workload.columns()
        if not len(self):
            return columns  # nothing to copy
        joined = {name: np.concatenate([getattr(self, name), columns[name]]) for name in columns}
        for values in joined.values():
            values.setflags(write=False)  # as columns are: one kind of array, compiled for once
        return joined

    def _check_tasks(self) -> None:
        """Refuse tasks that no engine could have left like this."""
        late = np.where(self.in_service, self.due_s >= self.clock_s, self.remaining_s >= 0)
        for wrong, allowed in (
            (self.stage >= len(STAGES), "stage 0, 1 or 2"),
            (self.operator >= len(self.servers), f"operator below {len(self.servers)}"),
            (~late, "due_s from clock_s on if in service, else remaining_s of at least 0"),
        ):
            if wrong.any():
                raise ValueError(f"task = {self.task[wrong][0]}: allowed {allowed}")

    @classmethod
    def start(cls, servers: npt.ArrayLike, clock_s: float = 0.0) -> Self:
        """Return the state with nothing under way; servers is (M, 3)."""
        empty: dict[str, Any] = {name: [] for name in cls.rules()}
        return cls(clock_s=clock_s, servers=as_servers(servers), **empty)


def as_servers(servers: npt.ArrayLike) -> IntArray:
    """Return numbers of servers as a read-only (M, 3) array of int64.

    Raises
    ------
    ValueError
        If the shape is not (M, 3) or an entry is negative or not a whole number.
    """
    array = np.asarray(servers)
    if array.ndim != 2 or array.shape[1] != len(STAGES) or not len(array):
        raise ValueError(f"servers: shape {array.shape}, allowed (operators, {len(STAGES)})")
    if array.dtype.kind not in "iu" or (array < 0).any():
        raise ValueError(f"servers = {array.tolist()}: allowed whole numbers, at least 0")
    array = array.astype(np.int64)
    array.setflags(write=False)
    return array
