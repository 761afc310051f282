"""The draws of a cell: one total of all mechanisms, gains over the benchmarks, ranges in words."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from airan_market.analysis.reproduction.claim import NAMES, SPLIT, Claim, Row, in_both_readings
from airan_market.analysis.reproduction.published import PROPOSED

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


def draws_of(frame: pd.DataFrame, sweep: str, setting: float, total: str) -> pd.DataFrame:
    """One total of a cell: a row per draw, a column per mechanism; empty when not computed."""
    if frame.empty:
        return pd.DataFrame()
    cell = frame[(frame["sweep"] == sweep) & (frame["setting"] == setting)]
    return cell.pivot(index="draw", columns="mechanism", values=total)


def against(claim: Claim, draws: pd.DataFrame, find: Callable[[Sequence[str]], Row]) -> Row:
    """Row of a claim about the proposed method and the benchmarks, in both readings of GSMC."""

    def make(benchmarks: Sequence[str]) -> Row:
        there = {PROPOSED, *benchmarks} <= set(draws.columns)
        return find(benchmarks) if there else claim.missing()

    return in_both_readings(make)


def gains(draws: pd.DataFrame, benchmarks: Sequence[str] = SPLIT) -> np.ndarray:
    """(u − b) / |b| of every draw; empty when a mechanism is missing."""
    if not {PROPOSED, *benchmarks} <= set(draws.columns):
        return np.empty(0)
    best = draws[list(benchmarks)].max(axis=1)
    return ((draws[PROPOSED] - best) / best.abs()).to_numpy()


def win_rate(draws: pd.DataFrame, benchmarks: Sequence[str] = SPLIT) -> float:
    """Part of the draws in which the proposed method beats the best benchmark; NaN if none."""
    won = gains(draws, benchmarks) > 0
    return float(won.mean()) if won.size else float("nan")


def strongest(draws: pd.DataFrame, benchmarks: Sequence[str] = SPLIT) -> str:
    """Which benchmark is the best in most draws, and where its median stands."""
    best = draws[list(benchmarks)].idxmax(axis=1).mode().iloc[0]
    others = [name for name in benchmarks if name != best]
    against = (draws[PROPOSED] > draws[others].max(axis=1)).mean()
    return (
        f"best benchmark is mostly {NAMES[best]} at {draws[best].median():.3f}, proposed "
        f"{draws[PROPOSED].median():.3f}; over the two others it wins {against:.0%}"
    )
