"""The draws of a cell: one total of all mechanisms, gains over the benchmarks, ranges in words."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from airan_market.analysis.reproduction.cells import FITTED
from airan_market.analysis.reproduction.claim import NAMES, Claim, Row
from airan_market.analysis.reproduction.published import BENCHMARKS, PROPOSED, TOTALS

METHODS = (PROPOSED, *BENCHMARKS)
RANGE = (5.0, 95.0)


def points(values: pd.Series | np.ndarray) -> tuple[float, float, float]:
    """Low end, median and high end of the 90 % range.

    Examples
    --------
    >>> points(np.array([1.0, 2.0, 3.0]))
    (1.1, 2.0, 2.9)
    """
    with np.errstate(invalid="ignore"):  # a gain over a benchmark that earns nothing is infinite
        low, median, high = np.percentile(values, [RANGE[0], 50, RANGE[1]])
    return float(low), float(median), float(high)


def spread(values: pd.Series | np.ndarray, form: str = "{:.3f}") -> str:
    """Median and 90 % range as text.

    Examples
    --------
    >>> spread(np.array([1.0, 2.0, 3.0]))
    '2.000 [1.100, 2.900]'
    """
    low, median, high = points(values)
    return f"{form.format(median)} [{form.format(low)}, {form.format(high)}]"


class Outcomes:
    """Outcomes of one reading, and both totals of them laid out once for all claims.

    Parameters
    ----------
    frame : DataFrame
        Rows of one reading, as `reproduction.cells.totals` returns them.
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        self.frame = frame
        keys = ["sweep", "setting", "draw"]
        columns = [total for total in TOTALS if total in frame]
        wide = frame.pivot(index=keys, columns="mechanism", values=columns) if columns else frame
        self._tables = {
            (sweep, setting, total): part[total].droplevel([0, 1]).dropna(axis=1, how="all")
            for (sweep, setting), part in (wide.groupby(level=[0, 1]) if columns else ())
            for total in columns
        }

    def table(self, sweep: str, setting: float, total: str) -> pd.DataFrame:
        """One total of a cell: a row per draw, a column per mechanism; empty when not computed."""
        return self._tables.get((sweep, float(setting), total), pd.DataFrame())


def draws_of(outcomes: Outcomes, sweep: str, setting: float, total: str) -> pd.DataFrame:
    """One total of the draws of a cell, a row per draw, a column per mechanism."""
    return outcomes.table(sweep, setting, total).drop(index=FITTED, errors="ignore")


def fitted_of(outcomes: Outcomes, sweep: str, setting: float, total: str) -> pd.DataFrame:
    """The same of the fitted market: one row, or none."""
    found = outcomes.table(sweep, setting, total)
    return found[found.index == FITTED]


def whole(claim: Claim, draws: pd.DataFrame, find: Callable[[], Row]) -> Row:
    """Row of a claim about the proposed method and all benchmarks."""
    return find() if set(METHODS) <= set(draws.columns) else claim.missing()


def one(values: pd.Series | np.ndarray) -> bool | None:
    """What holds of the one fitted market; None where there is none."""
    found = np.asarray(values, dtype=bool)
    return bool(found[0]) if found.size else None


def gains(draws: pd.DataFrame) -> np.ndarray:
    """(u − b) / |b| of every draw; empty when a mechanism is missing."""
    if not set(METHODS) <= set(draws.columns):
        return np.empty(0)
    best = draws[list(BENCHMARKS)].max(axis=1)
    return ((draws[PROPOSED] - best) / best.abs()).to_numpy()


def win_rate(draws: pd.DataFrame) -> float:
    """Part of the draws in which the proposed method beats the best benchmark; NaN if none."""
    won = gains(draws) > 0
    return float(won.mean()) if won.size else float("nan")


def strongest(draws: pd.DataFrame) -> str:
    """Which benchmark is the best in most draws, and where its median stands."""
    best = draws[list(BENCHMARKS)].idxmax(axis=1).mode().iloc[0]
    others = [name for name in BENCHMARKS if name != best]
    against = (draws[PROPOSED] > draws[others].max(axis=1)).mean()
    return (
        f"best benchmark is mostly {NAMES[best]} at {draws[best].median():.3f}, proposed "
        f"{draws[PROPOSED].median():.3f}; over the two others it wins {against:.0%}"
    )
