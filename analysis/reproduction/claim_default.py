"""Claims about the default market: Table I, the two totals, the menus of Figure 3."""

from __future__ import annotations

import numpy as np
import pandas as pd

from airan_market.analysis.reproduction import published
from airan_market.analysis.reproduction.cells import DEFAULT, FITTED
from airan_market.analysis.reproduction.claim import (
    DEFAULT_TOTALS,
    MENUS,
    NAMES,
    TABLE,
    TABLE_BENCHMARKS,
    Claim,
    Row,
    beyond,
    true_of,
)
from airan_market.analysis.reproduction.claim_draws import Outcomes, one, spread
from airan_market.analysis.reproduction.published import PROPOSED, TABLE_I_BENCHMARKS, TOTALS

TABLE_TOLERANCE, TOTAL_TOLERANCE = 0.02, 0.01


def _cell(outcomes: Outcomes, mechanism: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows of the default market and a mechanism: of the fitted market, and of the draws."""
    frame = outcomes.frame
    if frame.empty or DEFAULT not in set(frame["sweep"]):
        return pd.DataFrame(), pd.DataFrame()
    rows = frame[(frame["sweep"] == DEFAULT) & (frame["mechanism"] == mechanism)]
    return rows[rows["draw"] == FITTED], rows[rows["draw"] != FITTED]


def _matching(rows: pd.DataFrame) -> np.ndarray:
    """Match probabilities, (draws, M, N)."""
    return np.array(rows["match_probability"].to_list())


def table_rows(outcomes: Outcomes) -> list[Row]:
    """Table I, proposed method, a row per type."""
    criterion = f"Table I, proposed: every entry of the fitted market within {TABLE_TOLERANCE:g}"
    fitted, drawn = _cell(outcomes, PROPOSED)
    rows = []
    for n, entries in enumerate(published.table_i()):
        printed = " ".join(f"{p:g}" for p in entries)
        claim = Claim(f"Table I: type {n + 1}, proposed", TABLE, printed, criterion)
        if fitted.empty:
            rows.append(claim.missing())
            continue
        ours, over = _matching(fitted)[0, :, n], _matching(drawn)[:, :, n]
        text = " ".join(f"{p:.3f}" for p in ours)
        text += "; drawn " + ", ".join(spread(column) for column in over.T)
        # the tolerance is printed to two digits, and so read
        off, draws_off = (np.abs(part - entries).max(axis=-1).round(3) for part in (ours, over))
        met = bool(off <= TABLE_TOLERANCE)
        why = f"largest difference {np.abs(ours - entries).max():.4f}"
        times = true_of(draws_off <= TABLE_TOLERANCE)
        rows.append(claim.row(text, met, "" if met else why, times=times, fitted=met))
    return rows


def largest_table_error(outcomes: Outcomes) -> float:
    """Largest difference of the fitted market from an entry of Table I; NaN if not computed."""
    fitted, _ = _cell(outcomes, PROPOSED)
    if fitted.empty:
        return float("nan")
    return float(np.abs(_matching(fitted)[0].T - published.table_i()).max())


def benchmark_rows(outcomes: Outcomes) -> list[Row]:
    """Table I, benchmarks, a row each."""
    return [_benchmark_row(outcomes, name) for name in TABLE_I_BENCHMARKS]


def _benchmark_row(outcomes: Outcomes, name: str) -> Row:
    places = np.array(TABLE_I_BENCHMARKS[name])
    claim = Claim(
        f"Table I: operator of types 1 to 8, {NAMES[name]}",
        TABLE_BENCHMARKS,
        " ".join(map(str, places)),
        "Table I, benchmarks: all eight types at the published operator, fitted market",
    )
    fitted, drawn = _cell(outcomes, name)
    if fitted.empty:
        return claim.missing()
    ours = _operators(_matching(fitted)[0])
    met = int((ours == places).sum())
    same = np.array([_operators(z) == places for z in _matching(drawn)])
    text = f"{' '.join(map(str, ours))}; drawn, part of the types: "
    text += spread(same.mean(axis=1), "{:.2f}")
    holds = met == places.size
    why = "" if holds else _column_why(name, ours, met)
    return claim.row(text, holds, why, times=true_of(same.all(axis=1)), fitted=holds)


def _column_why(name: str, ours: np.ndarray, met: int) -> str:
    """How many types are as published, and whose published column ours is, if anyone's."""
    why = f"{met} of {ours.size} types as published"
    others = [k for k, v in TABLE_I_BENCHMARKS.items() if k != name and tuple(ours) == v]
    return why + (f"; ours is the published column of {NAMES[others[0]]}" if others else "")


def _operators(match_probability: np.ndarray) -> np.ndarray:
    """1-based operator with the largest part of each type, 0 for out, (N,)."""
    whole = np.vstack([1.0 - match_probability.sum(axis=0), match_probability])
    return whole.argmax(axis=0)


def total_rows(outcomes: Outcomes) -> list[Row]:
    """The two totals of the default market."""
    criterion = f"default totals, proposed: the fitted market within {TOTAL_TOLERANCE:.0%}"
    fitted, drawn = _cell(outcomes, PROPOSED)
    rows = []
    for total, value in zip(TOTALS, published.default_totals(), strict=True):
        text = f"default market: {total}, proposed"
        claim = Claim(text, DEFAULT_TOTALS, f"{value:.2f}", criterion)
        if fitted.empty:
            rows.append(claim.missing())
            continue
        ours = float(fitted[total].iloc[0])
        off = ours / value - 1
        holds = bool(abs(off) <= TOTAL_TOLERANCE)
        rows.append(
            claim.row(
                f"{ours:.3f}; drawn {spread(drawn[total])}",
                holds,
                "" if holds else f"{off:+.1%}",
                times=beyond(drawn[total], value),
                sides=2,
                fitted=holds,
            )
        )
    return rows


def menu_row(outcomes: Outcomes) -> Row:
    """Figure 3: agreements increase with the type."""
    claim = Claim(
        "Fig. 3: latency agreements increase with the type, every operator and method",
        MENUS,
        "all",
        "Fig. 3: no agreement shorter than that of the type before, in any draw",
    )
    frame = outcomes.frame
    cells = frame[frame["sweep"] == DEFAULT] if len(frame) else frame
    if cells.empty:
        return claim.missing()
    # pooled types have equal agreements up to rounding
    ordered = cells["latency_s"].map(lambda menu: (np.diff(np.array(menu)) >= -1e-12).all())
    by_draw = ordered.groupby(cells["draw"]).all()
    return claim.row(
        f"{ordered.sum()} of {len(ordered)} outcomes",
        bool(ordered.all()),
        times=true_of(by_draw.drop(index=FITTED, errors="ignore")),
        fitted=one(by_draw[by_draw.index == FITTED]),
    )
