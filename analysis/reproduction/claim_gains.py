"""Claims about the proposed method against the benchmarks: gains, signs, order."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from airan_market.analysis.reproduction import published
from airan_market.analysis.reproduction.cells import SWEEPS
from airan_market.analysis.reproduction.claim import (
    MOST,
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
    gains,
    one,
    points,
    spread,
    strongest,
    whole,
    win_rate,
)
from airan_market.analysis.reproduction.published import (
    BENCHMARKS,
    OPERATOR,
    PROPOSED,
    TOTALS,
    WELFARE,
)

Test = Callable[[pd.DataFrame], pd.Series]
TOLERANCE = 0.02  # of a gain "about", within which the fitted market has it


def gain_row(outcomes: Outcomes, gain: published.Gain) -> Row:
    """A published gain over the best benchmark at a setting."""
    where = SWEEP_NAMES[gain.sweep].format(gain.setting)
    about = gain.low is not None and gain.low == gain.high
    criterion = (
        "gains about: the published gain within our 90 % range over draws; the fitted market "
        f"within {100 * TOLERANCE:g} points of it"
        if about
        else "gains at least, or from … to: our median gain is; direction only: its sign is right "
        "in most draws"
    )
    text = f"{where}: {gain.total}, gain over best benchmark"
    claim = Claim(text, gain.sweep, gain.printed, criterion)
    floor = -np.inf if gain.low is None else gain.low
    ceiling = np.inf if gain.high is None else gain.high
    draws, fitted = (
        of(outcomes, gain.sweep, gain.setting, gain.total) for of in (draws_of, fitted_of)
    )

    def find() -> Row:
        ours, alone = gains(draws), gains(fitted)
        low, median, high = points(ours)
        if about:
            holds, times = low <= floor <= high, beyond(ours, floor)
            true = np.abs(alone - floor) <= TOLERANCE
        else:
            holds, times = floor <= median <= ceiling, true_of((ours >= floor) & (ours <= ceiling))
            true = (alone >= floor) & (alone <= ceiling)
        agrees = float(((ours > 0) == (ceiling > 0)).mean())
        return claim.row(
            f"{spread(100 * ours, '{:+.1f}')} %; wins {np.mean(ours > 0):.0%}",
            bool(holds),
            "" if holds else strongest(draws),
            direction=agrees > MOST,
            times=times,
            sides=2 if about else 1,
            fitted=one(true),
        )

    return whole(claim, draws, find)


def _negative(draws: pd.DataFrame) -> pd.Series:
    return (draws[list(BENCHMARKS)] < 0).all(axis=1)


def _all_negative(draws: pd.DataFrame) -> pd.Series:
    return (draws[[PROPOSED, *BENCHMARKS]] < 0).all(axis=1)


def _best(draws: pd.DataFrame) -> pd.Series:
    return draws[PROPOSED] > draws[list(BENCHMARKS)].max(axis=1)


def _strongest_is(name: str) -> Test:
    return lambda draws: draws[list(BENCHMARKS)].idxmax(axis=1) == name


_SIGNS: tuple[tuple[str, float, str, str, Test], ...] = (
    ("users", 30.0, OPERATOR, "the best benchmark is CT", _strongest_is("ct")),
    ("users", 120.0, OPERATOR, "the best benchmark is MC", _strongest_is("mc")),
    ("violation_cost", 1.5, WELFARE, "all benchmarks negative", _negative),
    *(("dirichlet", 0.1, total, "all methods negative", _all_negative) for total in TOTALS),
    *(("dirichlet", 0.1, total, "proposed best (least negative)", _best) for total in TOTALS),
)


def sign_rows(outcomes: Outcomes) -> list[Row]:
    """Claims about signs and order, each true or false in every draw."""
    return [_sign_row(outcomes, *claim) for claim in _SIGNS]


def _sign_row(
    outcomes: Outcomes, sweep: str, setting: float, total: str, words: str, test: Test
) -> Row:
    where = SWEEP_NAMES[sweep].format(setting)
    criterion = "signs and order: true in most draws"
    claim = Claim(f"{where}: {total}, {words}", sweep, "true", criterion)
    draws, fitted = (of(outcomes, sweep, setting, total) for of in (draws_of, fitted_of))

    def find() -> Row:
        true = test(draws)
        part = float(true.mean())
        return claim.row(
            f"true in {part:.0%} of draws",
            part > MOST,
            "" if part > MOST else strongest(draws),
            times=true_of(true),
            fitted=one(test(fitted)) if len(fitted) else None,
        )

    return whole(claim, draws, find)


def best_rows(outcomes: Outcomes) -> list[Row]:
    """Sweeps in which the proposed method is published as the best at every setting."""
    sweeps = (("zeta", "every ζ"), ("refund", "every refund"))
    return [_best_row(outcomes, sweep, words, total) for sweep, words in sweeps for total in TOTALS]


def _best_row(outcomes: Outcomes, sweep: str, words: str, total: str) -> Row:
    criterion = "best throughout: a win rate above one half at every setting"
    claim = Claim(f"{words}: {total}, proposed is the best", sweep, "true", criterion)
    cells, alone = (
        [of(outcomes, sweep, setting, total) for setting in SWEEPS[sweep]]
        for of in (draws_of, fitted_of)
    )

    def find() -> Row:
        rates = [win_rate(draws) for draws in cells]
        told = (f"{rate:.0%} at {at:g}" for rate, at in zip(rates, SWEEPS[sweep], strict=True))
        holds = min(rates) > MOST
        return claim.row(
            "wins " + ", ".join(told),
            holds,
            "" if holds else strongest(cells[int(np.argmin(rates))]),
            times=true_of(np.all([gains(draws) > 0 for draws in cells], axis=0)),
            fitted=one(np.all([gains(row) > 0 for row in alone], axis=0)),
        )

    return find() if all(len(draws) for draws in cells) else claim.missing()
