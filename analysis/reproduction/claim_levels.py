"""Claims about levels: totals in USD/s at a setting of a sweep, and their course over a sweep."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from airan_market.analysis.reproduction import published
from airan_market.analysis.reproduction.claim import (
    NAMES,
    SWEEP_NAMES,
    Claim,
    Row,
    in_both_readings,
)
from airan_market.analysis.reproduction.claim_draws import (
    against,
    draws_of,
    points,
    spread,
    strongest,
)
from airan_market.analysis.reproduction.published import OPERATOR, PROPOSED, WELFARE, WHOLE_TYPES

CRITERION = "levels: the published number within our 90 % range over draws"


def level_row(frame: pd.DataFrame, level: published.Level) -> Row:
    """A published total of a method at a setting."""
    where = SWEEP_NAMES[level.sweep].format(level.setting)
    text = f"{where}: {level.total}, {NAMES[level.mechanism]}"
    claim = Claim(text, f"{level.usd_per_s:g}", CRITERION)
    draws = draws_of(frame, level.sweep, level.setting, level.total)

    def make(benchmarks: tuple[str, ...]) -> Row:
        whole = level.mechanism == "gsmc" and WHOLE_TYPES in benchmarks
        name = WHOLE_TYPES if whole else level.mechanism
        if name not in draws:
            return claim.missing()
        known = (_whole_users_why(frame, level), _unrest_why(frame, level))
        return _level(claim, level.usd_per_s, draws[name], *known)

    return in_both_readings(make) if level.mechanism == "gsmc" else make(())


def _level(claim: Claim, value: float, ours: pd.Series, *known: str) -> Row:
    low, median, high = points(ours)
    holds = bool(low <= value <= high)
    parts = () if holds else (f"our median is {median - value:+.3f} off", *known)
    return claim.row(spread(ours), holds, "; ".join(part for part in parts if part))


def _whole_users_why(frame: pd.DataFrame, level: published.Level) -> str:
    """What whole users have to do with a level that is missed.

    The paper's user counts look truncated; what the totals of fractional and of truncated users
    are, and how many users would earn the published total at our total per user.
    """
    if level.sweep != "users":
        return ""
    parts = []
    for sweep, words in (
        ("users_truncated", "with counts truncated to whole users"),
        ("users_fractional", "with fractional users"),
    ):
        cell = draws_of(frame, sweep, level.setting, level.total)
        if level.mechanism in cell:
            parts.append(f"{words} {spread(cell[level.mechanism])}")
    draws = draws_of(frame, level.sweep, level.setting, level.total)
    served = level.setting * level.usd_per_s / draws[level.mechanism].median()
    parts.append(f"at our total per user the published one is that of {served:.0f} users")
    return "; ".join(parts)


def _unrest_why(frame: pd.DataFrame, level: published.Level) -> str:
    """That CT's users do not come to rest, where they do not."""
    if level.mechanism != "ct":
        return ""
    cell = frame[(frame["sweep"] == level.sweep) & (frame["setting"] == level.setting)]
    settled = float(cell.loc[cell["mechanism"] == "ct", "converged"].mean())
    if settled == 1:
        return ""
    return f"CT's users, who reselect in turn, come to rest in {settled:.0%} of the draws"


def ten_types_row(frame: pd.DataFrame) -> Row:
    """The best benchmark with ten types."""
    value = published.BEST_BENCHMARK_AT_TEN_TYPES
    claim = Claim("10 types: operator utility, best benchmark", f"{value:g}", CRITERION)
    draws = draws_of(frame, "types", 10.0, OPERATOR)

    def find(benchmarks: Sequence[str]) -> Row:
        best = draws[list(benchmarks)].max(axis=1)
        return _level(claim, value, best, strongest(draws, benchmarks))

    return against(claim, draws, find)


def refund_rows(frame: pd.DataFrame) -> list[Row]:
    """The proposed totals over all refunds: their range and their course."""
    rows = []
    for total, (low, high) in published.REFUND_RANGES.items():
        claim = Claim(
            f"refund × 0.5 to 1.5: {total}, proposed, stays in its range",
            f"{low:g} to {high:g}",
            "refund range: our medians at all factors lie in the published range",
        )
        medians = _medians(frame, "refund", total)
        if medians.empty:
            rows.append(claim.missing())
            continue
        inside = bool(((medians >= low) & (medians <= high)).all())
        text = f"medians {medians.min():.3f} to {medians.max():.3f}"
        rows.append(claim.row(text, inside, _range_why(medians, low, high)))
    claim = Claim(
        "refund × 0.5 to 1.5: social welfare, proposed, increases",
        "increases slightly",
        "refund trend: our median welfare increases from each factor to the next",
    )
    medians = _medians(frame, "refund", WELFARE)
    if medians.empty:
        return [*rows, claim.missing()]
    rises = bool((np.diff(medians) > 0).all())
    return [*rows, claim.row(", ".join(f"{value:.3f}" for value in medians), rises)]


def _range_why(medians: pd.Series, low: float, high: float) -> str:
    misses = {"above": medians.max() - high, "below": low - medians.min()}
    parts = [f"{off:.3f} {side}" for side, off in misses.items() if off > 0]
    return "; ".join(parts)


def _medians(frame: pd.DataFrame, sweep: str, total: str) -> pd.Series:
    if frame.empty:
        return pd.Series(dtype=float)
    rows = frame[(frame["sweep"] == sweep) & (frame["mechanism"] == PROPOSED)]
    return rows.groupby("setting")[total].median()
