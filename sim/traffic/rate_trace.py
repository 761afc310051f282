"""Rates of a station's servers that were measured over time."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from airan_market.sim.arrays import FloatArray
from airan_market.sim.columns import Amounts, Columns
from airan_market.sim.traffic.trace_file import AMOUNT, Field, TraceError, amounts, read_columns

NOTHING = ("", "-", "nan", "None")  # what files write where nothing was measured


@dataclass(frozen=True, eq=False)
class RateTrace(Columns):
    """A rate that holds from its time on until the next one; after the last row the first follows.

    The last row holds as long as rows do on average, and the run begins with the first. All of the
    work of a task is divided by the rate at its arrival at the operator.

    Attributes
    ----------
    time_s : (n,) float
        Never decreasing; of several rows of one time the last holds, s.
    rate : (n,) float
        Above 0, bit/s or FLOP/s.
    left_out : int
        Rows of the file that are not among them.

    Examples
    --------
    >>> trace = RateTrace([5.0, 6.0, 8.0], [1e6, 4e6, 2e6])
    >>> trace.at([0.0, 0.5, 1.0, 2.9, 3.0, 4.5]), trace.period_s
    (array([1000000., 1000000., 4000000., 4000000., 2000000., 1000000.]), 4.5)
    >>> trace.mean_rate  # 4.5 / (1 / 1e6 + 2 / 4e6 + 1.5 / 2e6)
    2000000.0
    """

    time_s: Amounts
    rate: Amounts
    left_out: int = field(default=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not len(self) or (np.diff(self.time_s) < 0).any() or (self.rate == 0).any():
            raise ValueError("time_s, rate: allowed times that never decrease, rates above 0")

    @cached_property
    def _place_s(self) -> FloatArray:
        return self.time_s - self.time_s[0]

    @property
    def period_s(self) -> float:
        """Time after which the trace begins again, s; 0 for a rate that never changes."""
        rows = len(self)
        return float(self._place_s[-1] * rows / (rows - 1)) if rows > 1 else 0.0

    @property
    def mean_rate(self) -> float:
        """1 / E[1 / rate] over time: the rate at which the mean time of a service is as measured.

        Work is divided by a rate, so the mean time is the mean work times E[1 / rate], for arrivals
        that come at any time alike; the arithmetic mean of the rates would promise more.
        """
        if not self.period_s:
            return float(self.rate[-1])
        lasts_s = np.diff(np.append(self._place_s, self.period_s))
        return float(self.period_s / (lasts_s / self.rate).sum())

    def at(self, time_s: npt.ArrayLike) -> FloatArray:
        """Rate at the given times of a run, s."""
        time_s = np.asarray(time_s, dtype=np.float64)
        if not self.period_s:
            return np.full(time_s.shape, self.rate[-1])
        row = np.searchsorted(self._place_s, time_s % self.period_s, side="right") - 1
        return self.rate[row]


def read_rates(
    path: str | Path,
    column: str,
    *,
    unit: float = 1.0,
    time: str = "time_s",
    time_format: str | None = None,
    least: float | None = None,
) -> RateTrace:
    r"""Read a measured rate: one column of times and one of rates, CSV (`.gz` or not) or Parquet.

    Parameters
    ----------
    path : str or Path
        Other columns are left alone.
    column : str
        Name of the column of rates.
    unit : float
        What its values are to be multiplied by, to be bit/s or FLOP/s.
    time : str
        Name of the column of times, never decreasing.
    time_format : str, optional
        How times are written, as for `datetime.strptime`; default: as seconds.
    least : float, optional
        Rows with a lower rate, or with none (nothing, "-" or NaN), are left out: the rate before
        them goes on. Measured rates are low where nothing was sent, too, and by default a row
        without a rate above 0 is a fault.

    Raises
    ------
    TraceError
        As `sim.traffic.trace_file.read_columns`, and when no row is left.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "drive.csv")
    ...     _ = file.write_text("Timestamp,DL_bitrate\n07.26.43,800\n07.26.44,-\n07.26.46,500\n")
    ...     trace = read_rates(file, "DL_bitrate", unit=1e3, time="Timestamp",
    ...                        time_format="%H.%M.%S", least=1e4)
    >>> trace.rate, trace.left_out, trace.at([0.0, 2.9, 3.0])
    (array([800000., 500000.]), 1, array([800000., 800000., 500000.]))
    """

    def rates(texts: Sequence[str]) -> FloatArray:
        if least is not None:
            texts = ["0" if text.strip() in NOTHING else text for text in texts]
        values = unit * amounts(texts)
        if least is None and not (values > 0).all():
            raise ValueError
        return values

    def times(texts: Sequence[str]) -> FloatArray:
        moments = [datetime.strptime(text, str(time_format)) for text in texts]
        return np.array([(m if m.tzinfo else m.replace(tzinfo=UTC)).timestamp() for m in moments])

    seconds = Field(AMOUNT.allowed, amounts, rising=True)
    written = Field(f"a time as in {time_format}", times, rising=True)
    above = "a number above 0 (least_bps leaves rows out)" if least is None else "a number"
    fields = {time: seconds if time_format is None else written, column: Field(above, rates)}
    columns = read_columns(path, fields)
    kept = columns[column] >= (least or 0.0)
    if not kept.any():
        raise TraceError([f"{path}: {column}: allowed at least one rate from {least:g} on"])
    time_s = columns[time][kept]
    return RateTrace(time_s - time_s[0], columns[column][kept], int((~kept).sum()))
