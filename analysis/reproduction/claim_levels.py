"""Claims about levels: totals in USD/s at a setting of a sweep, and their course over a sweep."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from airan_market.analysis.reproduction import published
from airan_market.analysis.reproduction.cells import SWEEPS
from airan_market.analysis.reproduction.claim import (
    NAMES,
    SWEEP_NAMES,
    Claim,
    Row,
    beyond,
    true_of,
)
from airan_market.analysis.reproduction.claim_draws import (
    Outcomes,
    draws_of,
    fitted_of,
    one,
    points,
    spread,
    strongest,
    whole,
)
from airan_market.analysis.reproduction.published import BENCHMARKS, OPERATOR, PROPOSED, WELFARE

TOLERANCE = 0.01  # of a published level, within which the fitted market has it
CRITERION = (
    "levels: the published number within our 90 % range over draws; the fitted market within "
    f"{TOLERANCE:.0%} of it"
)


def level_row(outcomes: Outcomes, level: published.Level) -> Row:
    """A published total of a method at a setting."""
    where = SWEEP_NAMES[level.sweep].format(level.setting)
    text = f"{where}: {level.total}, {NAMES[level.mechanism]}"
    claim = Claim(text, level.sweep, f"{level.usd_per_s:g}", CRITERION)
    at = level.sweep, level.setting, level.total
    draws, fitted = draws_of(outcomes, *at), fitted_of(outcomes, *at)
    if level.mechanism not in draws:
        return claim.missing()
    ours = [part[level.mechanism] for part in (draws, fitted)]
    return _level(claim, level.usd_per_s, *ours, _unrest_why(outcomes, level))


def _level(claim: Claim, value: float, ours: pd.Series, fitted: pd.Series, *known: str) -> Row:
    low, median, high = points(ours)
    holds = bool(low <= value <= high)
    parts = () if holds else (f"our median is {median - value:+.3f} off", *known)
    return claim.row(
        spread(ours),
        holds,
        "; ".join(part for part in parts if part),
        times=beyond(ours, value),
        sides=2,
        fitted=one((fitted - value).abs() <= TOLERANCE * abs(value)),
    )


def _unrest_why(outcomes: Outcomes, level: published.Level) -> str:
    """That CT's users do not come to rest, where they do not."""
    if level.mechanism != "ct":
        return ""
    frame = outcomes.frame
    cell = frame[(frame["sweep"] == level.sweep) & (frame["setting"] == level.setting)]
    settled = float(cell.loc[cell["mechanism"] == "ct", "converged"].mean())
    if settled == 1:
        return ""
    return f"CT's users, who reselect in turn, come to rest in {settled:.0%} of the draws"


def ten_types_row(outcomes: Outcomes) -> Row:
    """The best benchmark with ten types."""
    value = published.BEST_BENCHMARK_AT_TEN_TYPES
    text = "10 types: operator utility, best benchmark"
    claim = Claim(text, "types", f"{value:g}", CRITERION)
    draws, fitted = (of(outcomes, "types", 10.0, OPERATOR) for of in (draws_of, fitted_of))

    def find() -> Row:
        best, alone = (part[list(BENCHMARKS)].max(axis=1) for part in (draws, fitted))
        return _level(claim, value, best, alone, strongest(draws))

    return whole(claim, draws, find)


def refund_rows(outcomes: Outcomes) -> list[Row]:
    """The proposed totals over all refunds: their range and their course."""
    rows = []
    for total, (low, high) in published.REFUND_RANGES.items():
        claim = Claim(
            f"refund × 0.5 to 1.5: {total}, proposed, stays in its range",
            "refund",
            f"{low:g} to {high:g}",
            "refund range: our medians at all factors lie in the published range",
        )

        def inside(values: pd.DataFrame, low: float = low, high: float = high) -> pd.Series:
            return ((values >= low) & (values <= high)).all(axis=1)

        def misses(medians: pd.Series, low: float = low, high: float = high) -> str:
            off = {"above": medians.max() - high, "below": low - medians.min()}
            return "; ".join(f"{part:.3f} {side}" for side, part in off.items() if part > 0)

        rows.append(_refund_row(claim, outcomes, total, inside, misses))
    claim = Claim(
        "refund × 0.5 to 1.5: social welfare, proposed, increases",
        "refund",
        "increases slightly",
        "refund trend: our median welfare increases from each factor to the next",
    )

    def rises(values: pd.DataFrame) -> pd.Series:
        return (values.diff(axis=1).iloc[:, 1:] > 0).all(axis=1)

    return [*rows, _refund_row(claim, outcomes, WELFARE, rises, lambda medians: "")]


def _refund_row(
    claim: Claim,
    outcomes: Outcomes,
    total: str,
    test: Callable[[pd.DataFrame], pd.Series],
    miss: Callable[[pd.Series], str],
) -> Row:
    """A claim about all refunds together: of their medians, of each draw, of the fitted market."""
    settings = SWEEPS["refund"]
    parts = [draws_of(outcomes, "refund", setting, total) for setting in settings]
    if any(PROPOSED not in part for part in parts):
        return claim.missing()
    draws = pd.concat([part[PROPOSED] for part in parts], axis=1, keys=settings)
    alone = [fitted_of(outcomes, "refund", setting, total)[PROPOSED] for setting in settings]
    fitted = pd.concat(alone, axis=1, keys=settings)
    medians = draws.median()
    return claim.row(
        f"medians {', '.join(f'{value:.3f}' for value in medians)}",
        bool(test(medians.to_frame().T).iloc[0]),
        miss(medians),
        times=true_of(test(draws)),
        fitted=one(test(fitted)),
    )
