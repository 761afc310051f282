"""Claims about the proposed method against the benchmarks: gains, signs, order."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from airan_market.analysis.reproduction import published
from airan_market.analysis.reproduction.claim import (
    MOST,
    SWEEP_NAMES,
    Claim,
    Row,
    in_both_readings,
)
from airan_market.analysis.reproduction.claim_draws import (
    against,
    draws_of,
    gains,
    points,
    spread,
    strongest,
    win_rate,
)
from airan_market.analysis.reproduction.published import OPERATOR, PROPOSED, TOTALS, WELFARE

Test = Callable[[pd.DataFrame, Sequence[str]], pd.Series]


def gain_row(frame: pd.DataFrame, gain: published.Gain) -> Row:
    """A published gain over the best benchmark at a setting."""
    where = SWEEP_NAMES[gain.sweep].format(gain.setting)
    about = gain.low is not None and gain.low == gain.high
    criterion = (
        "gains about: the published gain within our 90 % range over draws"
        if about
        else "gains at least, or from … to: our median gain is; direction only: its sign is right "
        "in most draws"
    )
    claim = Claim(f"{where}: {gain.total}, gain over best benchmark", gain.printed, criterion)
    floor = -np.inf if gain.low is None else gain.low
    ceiling = np.inf if gain.high is None else gain.high
    draws = draws_of(frame, gain.sweep, gain.setting, gain.total)

    def find(benchmarks: Sequence[str]) -> Row:
        ours = gains(draws, benchmarks)
        low, median, high = points(ours)
        holds = low <= floor <= high if about else floor <= median <= ceiling
        agrees = float(((ours > 0) == (ceiling > 0)).mean())
        why = "" if holds else strongest(draws, benchmarks) + _truncated(frame, gain, benchmarks)
        text = f"{spread(100 * ours, '{:+.1f}')} %; wins {np.mean(ours > 0):.0%}"
        return claim.row(text, bool(holds), why, direction=agrees > MOST)

    return against(claim, draws, find)


def _truncated(frame: pd.DataFrame, gain: published.Gain, benchmarks: Sequence[str]) -> str:
    """The gain with user counts truncated to whole users, where that was computed."""
    if gain.sweep != "users":
        return ""
    ours = gains(draws_of(frame, "users_truncated", gain.setting, gain.total), benchmarks)
    if not ours.size:
        return ""
    return f"; with counts truncated to whole users {spread(100 * ours, '{:+.1f}')} %"


def _negative(draws: pd.DataFrame, names: Sequence[str]) -> pd.Series:
    return (draws[list(names)] < 0).all(axis=1)


def _all_negative(draws: pd.DataFrame, benchmarks: Sequence[str]) -> pd.Series:
    return _negative(draws, [PROPOSED, *benchmarks])


def _best(draws: pd.DataFrame, benchmarks: Sequence[str]) -> pd.Series:
    return draws[PROPOSED] > draws[list(benchmarks)].max(axis=1)


def _strongest_is(name: str) -> Test:
    return lambda draws, benchmarks: draws[list(benchmarks)].idxmax(axis=1) == name


_SIGNS: tuple[tuple[str, float, str, str, Test], ...] = (
    ("users", 30.0, OPERATOR, "the best benchmark is CT", _strongest_is("ct")),
    ("users", 120.0, OPERATOR, "the best benchmark is MC", _strongest_is("mc")),
    ("violation_cost", 1.5, WELFARE, "all benchmarks negative", _negative),
    *(("dirichlet", 0.1, total, "all methods negative", _all_negative) for total in TOTALS),
    *(("dirichlet", 0.1, total, "proposed best (least negative)", _best) for total in TOTALS),
)


def sign_rows(frame: pd.DataFrame) -> list[Row]:
    """Claims about signs and order, each true or false in every draw."""
    return [_sign_row(frame, *claim) for claim in _SIGNS]


def _sign_row(
    frame: pd.DataFrame, sweep: str, setting: float, total: str, words: str, test: Test
) -> Row:
    where = SWEEP_NAMES[sweep].format(setting)
    claim = Claim(f"{where}: {total}, {words}", "true", "signs and order: true in most draws")
    draws = draws_of(frame, sweep, setting, total)

    def find(benchmarks: Sequence[str]) -> Row:
        part = float(test(draws, benchmarks).mean())
        why = "" if part > MOST else strongest(draws, benchmarks)
        return claim.row(f"true in {part:.0%} of draws", part > MOST, why)

    return against(claim, draws, find)


def best_rows(frame: pd.DataFrame) -> list[Row]:
    """Sweeps in which the proposed method is published as the best at every setting."""
    sweeps = (("zeta", "every ζ"), ("refund", "every refund"))
    return [_best_row(frame, sweep, words, total) for sweep, words in sweeps for total in TOTALS]


def _best_row(frame: pd.DataFrame, sweep: str, words: str, total: str) -> Row:
    criterion = "best throughout: a win rate above one half at every setting"
    claim = Claim(f"{words}: {total}, proposed is the best", "true", criterion)
    settings = sorted(set(frame.loc[frame["sweep"] == sweep, "setting"])) if len(frame) else []
    cells = [draws_of(frame, sweep, setting, total) for setting in settings]

    def make(benchmarks: tuple[str, ...]) -> Row:
        rates = [win_rate(draws, benchmarks) for draws in cells]
        if not rates or np.isnan(rates).any():
            return claim.missing()
        told = (f"{rate:.0%} at {at:g}" for rate, at in zip(rates, settings, strict=True))
        holds = min(rates) > MOST
        why = "" if holds else strongest(cells[int(np.argmin(rates))], benchmarks)
        return claim.row("wins " + ", ".join(told), holds, why)

    return in_both_readings(make)
