"""Recorded tasks: a trace of one's own, with documented columns."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import numpy.typing as npt

from airan_market.sim.arrays import FloatArray, IntArray
from airan_market.sim.columns import Amounts, Column, Columns
from airan_market.sim.traffic.request_trace import RequestTrace
from airan_market.sim.traffic.trace_file import AMOUNT, Field, TraceError, read_columns, whole
from airan_market.sim.workload import Workload

UNKNOWN: Final = -1
"""Type or user of a task where the file does not say."""

ARRIVAL: Final = "arrival_s"
WORK: Final = ("input_bits", "work_flop", "output_bits")
TYPE, USER = "type", "user"


@dataclass(frozen=True, eq=False)
class TaskTrace(Columns):
    """Tasks in order of arrival.

    Attributes
    ----------
    arrival_s : (n,) float
        s, from the start of the trace, never decreasing.
    work : (n, 3) float
        What goes up, is computed, and comes down: bit, FLOP, bit.
    type, user : (n,) int64
        0-based, -1 where it is unknown.

    Examples
    --------
    >>> trace = TaskTrace([0.0, 1.0], [[8e3, 4e9, 8e3]] * 2, [1, 0], [-1, -1])
    >>> trace.workload([1e6, 4e12, 2e6]).service_s
    array([[0.008, 0.001, 0.004],
           [0.008, 0.001, 0.004]])
    """

    arrival_s: Amounts
    work: Annotated[FloatArray, Column(np.float64, 3, finite=True, non_negative=True)]
    type: Annotated[IntArray, Column(np.int64)]
    user: Annotated[IntArray, Column(np.int64)]

    def __post_init__(self) -> None:
        super().__post_init__()
        if (np.diff(self.arrival_s) < 0).any():
            raise ValueError("arrival_s: allowed times that never decrease")
        if ((self.type >= 0) & (self.user >= 0)).any():
            raise ValueError("type, user: allowed one of them, a user's type is known")

    @classmethod
    def of_requests(
        cls, requests: RequestTrace, bits_per_token: float, flop_per_token: float
    ) -> "TaskTrace":
        """Take requests as tasks: the size of their tokens on the radio, and their computation."""
        scale = np.array([bits_per_token, flop_per_token, bits_per_token])
        nobody = np.full(len(requests), UNKNOWN)
        return cls(requests.arrival_s, requests.work * scale, nobody, nobody)

    def workload(self, rates: npt.ArrayLike) -> Workload:
        """Return the tasks at one operator, those of unknown type or user as of the first.

        Parameters
        ----------
        rates : (3,) array_like of float
            Rate of one server of uplink, GPU and downlink: bit/s, FLOP/s, bit/s; above 0.
        """
        rate = np.asarray(rates, dtype=np.float64)
        if rate.shape != (3,) or not (rate > 0).all():
            raise ValueError(f"rates = {rate.tolist()}: allowed three numbers above 0")
        type_, user = np.maximum(self.type, 0), np.maximum(self.user, 0)
        return Workload.arriving(self.arrival_s, type_, self.work / rate, user=user)


def read_tasks(path: str | Path, users_by_type: npt.ArrayLike | None = None) -> TaskTrace:
    r"""Read a trace of tasks, the format "tasks": CSV (`.gz` or not) or Parquet.

    Columns, in any order, others are left alone: `arrival_s` (s from the start, never decreasing),
    `input_bits`, `work_flop`, `output_bits` (numbers of at least 0), and at most one of `type` and
    `user` (whole numbers, counted from 1 as in all that people read).

    Parameters
    ----------
    path : str or Path
    users_by_type : (N,) array_like of int, optional
        Users of each type: then a type has to have users, and a user has to be one of them.

    Returns
    -------
    TaskTrace

    Raises
    ------
    TraceError
        As `sim.traffic.trace_file.read_columns`.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "mine.csv")
    ...     _ = file.write_text("arrival_s,type,input_bits,work_flop,output_bits\n"
    ...                         "0.5,2,8e3,1e9,4e3\n0.75,1,8e3,2e9,0\n")
    ...     trace = read_tasks(file)
    >>> trace.type, trace.work[:, 1]
    (array([1, 0]), array([1.e+09, 2.e+09]))
    """
    fields = {ARRIVAL: replace(AMOUNT, rising=True), **dict.fromkeys(WORK, AMOUNT)}
    columns = read_columns(path, fields, optional=_who(users_by_type))
    if columns.keys() >= {TYPE, USER}:
        raise TraceError([f"{path}: columns type and user: allowed one of them"])
    nobody = np.full(len(columns[ARRIVAL]), UNKNOWN + 1)
    type_, user = (columns.get(name, nobody) - 1 for name in (TYPE, USER))
    return TaskTrace(columns[ARRIVAL], np.column_stack([columns[w] for w in WORK]), type_, user)


def _who(users_by_type: npt.ArrayLike | None) -> dict[str, Field]:
    """What may stand in the columns type and user."""
    if users_by_type is None:
        return dict.fromkeys((TYPE, USER), whole("a whole number, at least 1", lambda n: n > 0))
    users = np.asarray(users_by_type)
    types = np.flatnonzero(users) + 1
    names = ", ".join(map(str, types))
    return {
        TYPE: whole(f"a type that has users, {names}", lambda numbers: np.isin(numbers, types)),
        USER: whole(f"a user, 1 to {users.sum()}", lambda n: (n > 0) & (n <= users.sum())),
    }
