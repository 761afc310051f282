"""Rates of a station's servers that were measured over time."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt

from airan_market.sim.arrays import FloatArray
from airan_market.sim.columns import Amounts, Columns
from airan_market.sim.traffic.trace_file import AMOUNT, Field, TraceError, amount, read_columns

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
    left_out: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not len(self) or (np.diff(self.time_s) < 0).any() or (self.rate == 0).any():
            raise ValueError("time_s, rate: allowed times that never decrease, rates above 0")

    @property
    def period_s(self) -> float:
        """Time after which the trace begins again, s; infinite for a rate that never changes."""
        last_s = float(self.time_s[-1] - self.time_s[0])
        return last_s * len(self) / (len(self) - 1) if last_s else np.inf

    @property
    def mean_rate(self) -> float:
        """1 / E[1 / rate] over time: the rate at which the mean time of a service is right.

        Work is divided by a rate, so the mean time is the mean work times E[1 / rate], for arrivals
        that come at any time alike; the arithmetic mean of the rates would promise more.
        """
        if np.isinf(self.period_s):
            return float(self.rate[-1])
        lasts_s = np.diff(self.time_s - self.time_s[0], append=self.period_s)
        return float(self.period_s / (lasts_s / self.rate).sum())

    def at(self, time_s: npt.ArrayLike) -> FloatArray:
        """Rate at the given times of a run, s."""
        place_s = np.asarray(time_s, dtype=np.float64) % self.period_s
        row = np.searchsorted(self.time_s - self.time_s[0], place_s, side="right") - 1
        return self.rate[row]


class RateSteps:
    """A rate that changes at given moments of a run, and does not come back by itself.

    Parameters
    ----------
    time_s, rate : array_like of float
        From each time on, the first 0, the rate.

    Examples
    --------
    >>> RateSteps([0.0, 2.0], [1e6, 4e6]).at([0.0, 1.9, 2.0]).tolist()
    [1000000.0, 1000000.0, 4000000.0]
    """

    def __init__(self, time_s: npt.ArrayLike, rate: npt.ArrayLike) -> None:
        self._time_s, self._rate = (np.asarray(part, dtype=float) for part in (time_s, rate))

    def at(self, time_s: npt.ArrayLike) -> FloatArray:
        """Rate at the given times of a run, s."""
        return self._rate[np.searchsorted(self._time_s, time_s, side="right") - 1]


def read_rates(
    trace: str | Path,
    column: str,
    *,
    unit_bps: float = 1.0,
    time: str = "time_s",
    time_format: str | None = None,
    least_bps: float | None = None,
) -> RateTrace:
    r"""Read a measured rate: one column of times and one of rates, CSV (`.gz` or not) or Parquet.

    Parameters
    ----------
    trace : str or Path
        The file; see `sim.traffic.trace_file.read_columns`.
    column, time : str
        Names of the columns of rates, and of times, which never decrease.
    unit_bps : float
        What a rate in the file is multiplied by, to be bit/s.
    time_format : str, optional
        How times are written, as for `datetime.strptime`; default: as seconds.
    least_bps : float, optional
        Rows with a lower rate, or with none (nothing, "-" or NaN), are left out: the rate before
        them goes on. Measured rates are low where nothing was sent, too, and by default a row
        without a rate above 0 is a fault.

    Raises
    ------
    TraceError
        As that, and when no row is left.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "drive.csv")
    ...     _ = file.write_text("Timestamp,DL_bitrate\n07.26.43,800\n07.26.44,-\n07.26.46,500\n")
    ...     trace = read_rates(file, "DL_bitrate", unit_bps=1e3, time="Timestamp",
    ...                        time_format="%H.%M.%S", least_bps=1e4)
    >>> trace.rate, trace.left_out, trace.at([0.0, 2.9, 3.0])
    (array([800000., 500000.]), 1, array([800000., 800000., 500000.]))
    """

    def rate(text: str) -> float:
        if least_bps is not None:
            return 0.0 if text.strip() in NOTHING else unit_bps * amount(text)
        if not amount(text):
            raise ValueError
        return unit_bps * amount(text)

    def moment(text: str) -> float:
        if time_format is None:
            return amount(text)
        when = datetime.strptime(text, time_format)
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()

    written = AMOUNT.allowed if time_format is None else f"a time as in {time_format}"
    above = "a number above 0 (least_bps leaves rows out)" if least_bps is None else "a number"
    fields = {time: Field(written, moment, rising=True), column: Field(above, rate)}
    time_s, rates = read_columns(trace, fields).values()
    kept = rates >= (least_bps or 0.0)
    if not kept.any():
        raise TraceError([f"{trace}: {column}: allowed at least one rate from {least_bps:g} on"])
    return RateTrace(time_s[kept] - time_s[kept][0], rates[kept], int((~kept).sum()))
