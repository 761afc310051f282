"""The workload: which task arrives when, at which operator, and what it needs of each stage."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Self

import numpy as np
import numpy.typing as npt

from airan_market.sim.arrays import FloatArray, IntArray
from airan_market.sim.columns import Amounts, Column, Columns, Numbers

STAGES = ("uplink", "gpu", "downlink")


@dataclass(frozen=True, eq=False)
class TaskColumns(Columns):
    """What is known of a task before it is served: the columns that every table of tasks has.

    Attributes
    ----------
    task : (n,) int64
        Number of the task, unique, at least 0.
    arrival_s : (n,) float
        Arrival at the uplink, absolute simulated time, s.
    type, operator, user : (n,) int64
        0-based; type 0 has the highest priority.
    service_s : (n, 3) float
        Time that the task needs of one server of uplink, GPU and downlink, s; 0 is allowed.
    """

    task: Numbers
    arrival_s: Amounts
    type: Numbers
    operator: Numbers
    user: Numbers
    service_s: Annotated[FloatArray, Column(np.float64, 3, finite=True, non_negative=True)]

    def __post_init__(self) -> None:
        super().__post_init__()
        check_unique(self.task)


def check_unique(task: IntArray) -> None:
    """Raise ValueError if a task number occurs twice."""
    if (task[1:] > task[:-1]).all():
        return  # in order, as almost always: no need to sort a million numbers
    numbers, counts = np.unique(task, return_counts=True)
    if (counts > 1).any():
        raise ValueError(f"task = {numbers[counts > 1][0]}: occurs more than once")


A_RUN = 1e-3  # falls in a list of times, to a time: fewer of them are between runs


def order_of(arrival_s: FloatArray) -> IntArray:
    """Return the stable order of arrival times.

    Where times are sorted runs, one for each type, as `ArrivalStream` has them, the stable sort
    only merges them. Elsewhere it is five times slower than the fast one, which is not stable: how
    that orders equal times depends on the processor. They are rare, so the fast one goes first, and
    the stable one only where there are any.

    Examples
    --------
    >>> order_of(np.array([2.0, 1.0, 2.0, 1.0]))
    array([1, 3, 0, 2])
    """
    falls = np.count_nonzero(arrival_s[1:] < arrival_s[:-1])
    if falls < A_RUN * len(arrival_s):
        return np.argsort(arrival_s, kind="stable")
    order = np.argsort(arrival_s)
    sorted_s = arrival_s[order]
    if (sorted_s[1:] == sorted_s[:-1]).any():
        return np.argsort(arrival_s, kind="stable")
    return order


@dataclass(frozen=True, eq=False)
class Workload(TaskColumns):
    """The tasks offered to the operators, sorted by (arrival_s, task); see `TaskColumns`.

    Raises
    ------
    ValueError
        Naming column, row and value: not finite, negative, wrong shape, a task number twice, or
        rows out of order.

    Examples
    --------
    >>> work = Workload(task=[0, 1], arrival_s=[0.0, 0.5], type=[1, 0], operator=[0, 0],
    ...                 user=[4, 2], service_s=[[0.1, 0.2, 0.1], [0.1, 0.0, 0.1]])
    >>> len(work), work.select(work.type == 0).task
    (2, array([1]))
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        later, earlier = self.arrival_s[1:], self.arrival_s[:-1]
        wrong = (later < earlier) | ((later == earlier) & (self.task[1:] < self.task[:-1]))
        if wrong.any():
            row = int(np.argmax(wrong)) + 1
            raise ValueError(
                f"arrival_s[{row}] = {self.arrival_s[row]} (task {self.task[row]}): "
                "allowed rows sorted by (arrival_s, task)"
            )

    @classmethod
    def empty(cls) -> Self:
        """Return the workload without a task."""
        return cls(task=[], arrival_s=[], type=[], operator=[], user=[], service_s=[])  # type: ignore[arg-type]

    @classmethod
    def arriving(
        cls,
        arrival_s: npt.ArrayLike,
        type_: npt.ArrayLike,
        service_s: npt.ArrayLike,
        *,
        operator: npt.ArrayLike = 0,
        user: npt.ArrayLike = 0,
        first_task: int = 0,
    ) -> Self:
        """Return tasks numbered in order of arrival, those of one instant in the order given.

        Parameters
        ----------
        arrival_s : (n,) array_like of float
            In any order, s.
        type_, operator, user : (n,) array_like of int, or int
            0-based; one number stands for all tasks: the default is one operator.
        service_s : (n, 3) array_like of float
        first_task : int
            Number of the first task.

        Raises
        ------
        ValueError
            As the class.

        Examples
        --------
        >>> work = Workload.arriving([2.0, 1.0], 0, [[1.0, 2.0, 1.0], [3.0, 4.0, 3.0]], user=[7, 8])
        >>> work.arrival_s, work.operator, work.user, work.service_s[:, 1]
        (array([1., 2.]), array([0, 0]), array([8, 7]), array([4., 2.]))
        """
        arrival_s = np.asarray(arrival_s, dtype=np.float64)
        order = order_of(arrival_s)
        given = {"type": type_, "operator": operator, "user": user}
        whole = {
            name: np.full(order.shape, n) if np.ndim(n) == 0 else np.asarray(n).take(order)
            for name, n in given.items()
        }
        return cls(
            task=first_task + np.arange(len(order)),
            arrival_s=arrival_s[order],
            service_s=np.asarray(service_s, dtype=np.float64).take(order, axis=0),
            **whole,
        )

    def spans(self, most: int, end_s: float) -> Iterator[tuple[Self, float]]:
        """Cut the tasks where they come, so that no part has many more than `most`.

        Yields
        ------
        workload, until_s
            The next tasks, and when their span ends: all that come before, none at it. The last
            ends at `end_s`.

        Examples
        --------
        >>> work = Workload.arriving([0.0, 1.0, 1.0, 2.0], 0, [[1.0, 1.0, 1.0]] * 4)
        >>> [(part.task.tolist(), until_s) for part, until_s in work.spans(2, 9.0)]
        [([0, 1, 2], 2.0), ([3], 9.0)]
        """
        first, arrival_s = 0, self.arrival_s
        while len(self) - first > most:
            last_s = arrival_s[first + most - 1]  # tasks of one instant stay together
            end = int(np.searchsorted(arrival_s, last_s, side="right"))
            if end == len(self):
                break
            yield self._rows(slice(first, end)), float(arrival_s[end])
            first = end
        yield self._rows(slice(first, None)) if first else self, end_s

    def _rows(self, rows: slice) -> Self:
        return self.checked(**self.columns(rows))

    @classmethod
    def concat(cls, *workloads: Self) -> Self:
        """Return the tasks of all workloads as one, sorted by (arrival_s, task).

        Examples
        --------
        >>> one = dict(type=[0], operator=[0], user=[0], service_s=[[1.0, 1.0, 1.0]])
        >>> late, early = Workload([0], [2.0], **one), Workload([1], [1.0], **one)
        >>> Workload.concat(late, early).task
        array([1, 0])
        """
        tables = [cls.empty(), *workloads]
        joined = {
            name: np.concatenate([getattr(table, name) for table in tables]) for name in cls.rules()
        }
        order = np.lexsort((joined["task"], joined["arrival_s"]))
        return cls(**{name: values.take(order, axis=0) for name, values in joined.items()})
