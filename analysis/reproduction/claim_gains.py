"""Claims about the proposed method against the benchmarks: gains, signs, order."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from airan_market.analysis.reproduction import published
from airan_market.analysis.reproduction.claim import (
    HOLDS,
    MOST,
    SWEEP_NAMES,
    Row,
    in_both_readings,
    judge,
    missing,
)
from airan_market.analysis.reproduction.claim_draws import (
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
    claim = f"{where}: {gain.total}, gain over best benchmark"
    about = gain.low is not None and gain.low == gain.high
    criterion = (
        "gains about: the published gain within our 90 % range over draws"
        if about
        else "gains at least, or from … to: our median gain is; direction only: its sign is right "
        "in most draws"
    )
    draws = draws_of(frame, gain.sweep, gain.setting, gain.total)

    def make(benchmarks: tuple[str, ...]) -> Row:
        ours = gains(draws, benchmarks)
        if not ours.size:
            return missing(claim, gain.printed, criterion)
        low, median, high = points(ours)
        floor = -np.inf if gain.low is None else gain.low
        ceiling = np.inf if gain.high is None else gain.high
        holds = low <= floor <= high if about else floor <= median <= ceiling
        agrees = float(((ours > 0) == (ceiling > 0)).mean())
        verdict = judge(bool(holds), agrees > MOST)
        text = f"{spread(100 * ours, '{:+.1f}')} %; wins {np.mean(ours > 0):.0%}"
        why = "" if verdict == HOLDS else strongest(draws, benchmarks)
        why += "" if verdict == HOLDS else _truncated(frame, gain, benchmarks)
        return Row(claim, gain.printed, text, False, verdict, criterion, why)

    return in_both_readings(make)


def _truncated(frame: pd.DataFrame, gain: published.Gain, benchmarks: Sequence[str]) -> str:
    """The gain with user counts truncated to whole users, where that was computed."""
    if gain.sweep != "users":
        return ""
    ours = gains(draws_of(frame, "users_truncated", gain.setting, gain.total), benchmarks)
    if not ours.size:
        return ""
    return f"; with counts truncated to whole users {spread(100 * ours, '{:+.1f}')} %"


def _negative(everybody: bool) -> Test:
    def test(draws: pd.DataFrame, benchmarks: Sequence[str]) -> pd.Series:
        names = [PROPOSED, *benchmarks] if everybody else list(benchmarks)
        return (draws[names] < 0).all(axis=1)

    return test


def _best(draws: pd.DataFrame, benchmarks: Sequence[str]) -> pd.Series:
    return draws[PROPOSED] > draws[list(benchmarks)].max(axis=1)


def _strongest_is(name: str) -> Test:
    def test(draws: pd.DataFrame, benchmarks: Sequence[str]) -> pd.Series:
        return draws[list(benchmarks)].idxmax(axis=1) == name

    return test


_SIGNS: tuple[tuple[str, float, str, str, Test], ...] = (
    ("users", 30.0, OPERATOR, "the best benchmark is CT", _strongest_is("ct")),
    ("users", 120.0, OPERATOR, "the best benchmark is MC", _strongest_is("mc")),
    ("violation_cost", 1.5, WELFARE, "all benchmarks negative", _negative(everybody=False)),
    *(
        ("dirichlet", 0.1, total, "all methods negative", _negative(everybody=True))
        for total in TOTALS
    ),
    *(("dirichlet", 0.1, total, "proposed best (least negative)", _best) for total in TOTALS),
)


def sign_rows(frame: pd.DataFrame) -> list[Row]:
    """Claims about signs and order, each true or false in every draw."""
    return [_sign_row(frame, *claim) for claim in _SIGNS]


def _sign_row(
    frame: pd.DataFrame, sweep: str, setting: float, total: str, words: str, test: Test
) -> Row:
    criterion = "signs and order: true in most draws"
    claim = f"{SWEEP_NAMES[sweep].format(setting)}: {total}, {words}"
    draws = draws_of(frame, sweep, setting, total)

    def make(benchmarks: tuple[str, ...]) -> Row:
        if not {PROPOSED, *benchmarks} <= set(draws.columns):
            return missing(claim, "true", criterion)
        part = float(test(draws, benchmarks).mean())
        verdict = judge(part > MOST)
        why = "" if verdict == HOLDS else strongest(draws, benchmarks)
        text = f"true in {part:.0%} of draws"
        return Row(claim, "true", text, False, verdict, criterion, why)

    return in_both_readings(make)


def best_rows(frame: pd.DataFrame) -> list[Row]:
    """Sweeps in which the proposed method is published as the best at every setting."""
    sweeps = (("zeta", "every ζ"), ("refund", "every refund"))
    return [_best_row(frame, sweep, words, total) for sweep, words in sweeps for total in TOTALS]


def _best_row(frame: pd.DataFrame, sweep: str, words: str, total: str) -> Row:
    criterion = "best throughout: a win rate above one half at every setting"
    claim = f"{words}: {total}, proposed is the best"
    settings = sorted(set(frame.loc[frame["sweep"] == sweep, "setting"])) if len(frame) else []

    def make(benchmarks: tuple[str, ...]) -> Row:
        cells = [draws_of(frame, sweep, setting, total) for setting in settings]
        rates = [win_rate(draws, benchmarks) for draws in cells]
        if not rates or np.isnan(rates).any():
            return missing(claim, "true", criterion)
        text = "wins " + ", ".join(
            f"{rate:.0%} at {setting:g}" for setting, rate in zip(settings, rates, strict=True)
        )
        verdict = judge(min(rates) > MOST)
        worst = cells[int(np.argmin(rates))]
        why = "" if verdict == HOLDS else strongest(worst, benchmarks)
        return Row(claim, "true", text, False, verdict, criterion, why)

    return in_both_readings(make)
