"""Claims about the default market: Table I, the two totals, the menus of Figure 3."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from airan_market.analysis.reproduction import published
from airan_market.analysis.reproduction.claim import NAMES, Row, judge, missing
from airan_market.analysis.reproduction.claim_draws import spread
from airan_market.analysis.reproduction.published import (
    PROPOSED,
    TABLE_I_BENCHMARKS,
    TOTALS,
    WHOLE_TYPES,
)

TABLE_TOLERANCE, TOTAL_TOLERANCE = 0.02, 0.01


def cell_of(frame: pd.DataFrame, sweep: str, mechanism: str) -> pd.DataFrame:
    """The rows of a sweep and a mechanism."""
    if frame.empty:
        return frame
    return frame[(frame["sweep"] == sweep) & (frame["mechanism"] == mechanism)]


def table_rows(frame: pd.DataFrame) -> list[Row]:
    """Table I, proposed method, a row per type; in sample."""
    criterion = f"Table I, proposed: every entry of the fitted market within {TABLE_TOLERANCE:g}"
    fitted, drawn = cell_of(frame, "fitted", PROPOSED), cell_of(frame, "default", PROPOSED)
    rows = []
    for n, entries in enumerate(published.table_i()):
        claim = f"Table I: type {n + 1}, proposed"
        printed = " ".join(f"{p:g}" for p in entries)
        if fitted.empty:
            rows.append(missing(claim, printed, criterion, in_sample=True))
            continue
        ours = np.array(fitted["match_probability"].iloc[0])[:, n]
        text = " ".join(f"{p:.3f}" for p in ours)
        if not drawn.empty:
            over = np.array(drawn["match_probability"].to_list())[:, :, n]
            text += "; drawn " + ", ".join(spread(column) for column in over.T)
        worst = np.abs(ours - entries).max()
        # the tolerance is printed to two digits, and so read
        verdict = judge(bool(round(worst, 3) <= TABLE_TOLERANCE))
        why = "" if worst <= TABLE_TOLERANCE else f"largest difference {worst:.4f}"
        rows.append(Row(claim, printed, text, True, verdict, criterion, why))
    return rows


def benchmark_rows(frame: pd.DataFrame) -> list[Row]:
    """Table I, benchmarks, a row each; out of sample."""
    criterion = "Table I, benchmarks: all eight types at the published operator, fitted market"
    rows = []
    for name, places in TABLE_I_BENCHMARKS.items():
        row = _benchmark_row(frame, name, name, places, criterion)
        if name == "gsmc":
            whole = _benchmark_row(frame, WHOLE_TYPES, name, places, criterion)
            row = _with_whole(row, whole)
        rows.append(row)
    return rows


def _with_whole(split: Row, whole: Row) -> Row:
    why = "; ".join(
        text for text in (split.why, f"with whole types {whole.why}" if whole.why else "") if text
    )
    return replace(split, whole=whole.ours, whole_verdict=whole.verdict, why=why)


def _benchmark_row(
    frame: pd.DataFrame, mechanism: str, name: str, places: tuple[int, ...], criterion: str
) -> Row:
    claim = f"Table I: operator of types 1 to 8, {NAMES[name]}"
    printed = " ".join(map(str, places))
    fitted, drawn = cell_of(frame, "fitted", mechanism), cell_of(frame, "default", mechanism)
    if fitted.empty:
        return missing(claim, printed, criterion)
    ours = _operators(np.array(fitted["match_probability"].iloc[0]))
    met = int((ours == np.array(places)).sum())
    text = " ".join(map(str, ours))
    if not drawn.empty:
        same = [
            (_operators(np.array(z)) == np.array(places)).mean() for z in drawn["match_probability"]
        ]
        text += f"; drawn, part of the types: {spread(np.array(same), '{:.2f}')}"
    why = "" if met == len(places) else _column_why(name, ours, met)
    return Row(claim, printed, text, False, judge(met == len(places)), criterion, why)


def _column_why(name: str, ours: np.ndarray, met: int) -> str:
    """How many types are as published, and whose published column ours is, if anyone's."""
    why = f"{met} of {ours.size} types as published"
    others = [k for k, v in TABLE_I_BENCHMARKS.items() if k != name and tuple(ours) == v]
    if others:
        why += (
            f"; ours is the published column of {NAMES[others[0]]}: as if the paper's CT users "
            "chose by the posted workload and its MC users under congestion, the other way round "
            "from its text"
        )
    return why


def _operators(match_probability: np.ndarray) -> np.ndarray:
    """1-based operator with the largest part of each type, 0 for out, (N,)."""
    whole = np.vstack([1.0 - match_probability.sum(axis=0), match_probability])
    return whole.argmax(axis=0)


def total_rows(frame: pd.DataFrame) -> list[Row]:
    """The two totals of the default market; in sample."""
    criterion = f"default totals, proposed: the fitted market within {TOTAL_TOLERANCE:.0%}"
    fitted, drawn = cell_of(frame, "fitted", PROPOSED), cell_of(frame, "default", PROPOSED)
    rows = []
    for total, value in zip(TOTALS, published.default_totals(), strict=True):
        claim = f"default market: {total}, proposed"
        if fitted.empty:
            rows.append(missing(claim, f"{value:.2f}", criterion, in_sample=True))
            continue
        ours = float(fitted[total].iloc[0])
        text = f"{ours:.3f}" + ("" if drawn.empty else f"; drawn {spread(drawn[total])}")
        off = ours / value - 1
        verdict = judge(bool(abs(off) <= TOTAL_TOLERANCE))
        why = "" if abs(off) <= TOTAL_TOLERANCE else f"{off:+.1%}"
        rows.append(Row(claim, f"{value:.2f}", text, True, verdict, criterion, why))
    return rows


def menu_row(frame: pd.DataFrame) -> Row:
    """Figure 3: agreements increase with the type."""
    claim = "Fig. 3: latency agreements increase with the type, every operator and method"
    criterion = "Fig. 3: no agreement shorter than that of the type before, in any draw"
    cells = frame[frame["sweep"].isin(["fitted", "default"])] if len(frame) else frame
    if cells.empty:
        return missing(claim, "all", criterion)
    # pooled types have equal agreements up to rounding
    ordered = [bool((np.diff(np.array(menu)) >= -1e-12).all()) for menu in cells["latency_s"]]
    text = f"{sum(ordered)} of {len(ordered)} outcomes"
    return Row(claim, "all", text, False, judge(all(ordered)), criterion)
