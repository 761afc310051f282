"""Claims about the default market: Table I, the two totals, the menus of Figure 3."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from airan_market.analysis.reproduction import published
from airan_market.analysis.reproduction.claim import NAMES, Claim, Row
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
        printed = " ".join(f"{p:g}" for p in entries)
        claim = Claim(f"Table I: type {n + 1}, proposed", printed, criterion, in_sample=True)
        if fitted.empty:
            rows.append(claim.missing())
            continue
        ours = np.array(fitted["match_probability"].iloc[0])[:, n]
        text = " ".join(f"{p:.3f}" for p in ours)
        if not drawn.empty:
            over = np.array(drawn["match_probability"].to_list())[:, :, n]
            text += "; drawn " + ", ".join(spread(column) for column in over.T)
        worst = np.abs(ours - entries).max()
        why = "" if worst <= TABLE_TOLERANCE else f"largest difference {worst:.4f}"
        # the tolerance is printed to two digits, and so read
        rows.append(claim.row(text, bool(round(worst, 3) <= TABLE_TOLERANCE), why))
    return rows


def benchmark_rows(frame: pd.DataFrame) -> list[Row]:
    """Table I, benchmarks, a row each; out of sample."""
    rows = []
    for name in TABLE_I_BENCHMARKS:
        row = _benchmark_row(frame, name, name)
        if name == "gsmc":
            whole = _benchmark_row(frame, WHOLE_TYPES, name)
            whys = (row.why, f"with whole types {whole.why}" if whole.why else "")
            why = "; ".join(text for text in whys if text)
            row = replace(row, whole=whole.ours, whole_verdict=whole.verdict, why=why)
        rows.append(row)
    return rows


def _benchmark_row(frame: pd.DataFrame, mechanism: str, name: str) -> Row:
    places = np.array(TABLE_I_BENCHMARKS[name])
    claim = Claim(
        f"Table I: operator of types 1 to 8, {NAMES[name]}",
        " ".join(map(str, places)),
        "Table I, benchmarks: all eight types at the published operator, fitted market",
    )
    fitted, drawn = cell_of(frame, "fitted", mechanism), cell_of(frame, "default", mechanism)
    if fitted.empty:
        return claim.missing()
    ours = _operators(np.array(fitted["match_probability"].iloc[0]))
    met = int((ours == places).sum())
    text = " ".join(map(str, ours))
    if not drawn.empty:
        same = [(_operators(np.array(z)) == places).mean() for z in drawn["match_probability"]]
        text += f"; drawn, part of the types: {spread(np.array(same), '{:.2f}')}"
    why = "" if met == places.size else _column_why(name, ours, met)
    return claim.row(text, met == places.size, why)


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
        text = f"default market: {total}, proposed"
        claim = Claim(text, f"{value:.2f}", criterion, in_sample=True)
        if fitted.empty:
            rows.append(claim.missing())
            continue
        ours = float(fitted[total].iloc[0])
        text = f"{ours:.3f}" + ("" if drawn.empty else f"; drawn {spread(drawn[total])}")
        off = ours / value - 1
        holds = bool(abs(off) <= TOTAL_TOLERANCE)
        rows.append(claim.row(text, holds, "" if holds else f"{off:+.1%}"))
    return rows


def menu_row(frame: pd.DataFrame) -> Row:
    """Figure 3: agreements increase with the type."""
    claim = Claim(
        "Fig. 3: latency agreements increase with the type, every operator and method",
        "all",
        "Fig. 3: no agreement shorter than that of the type before, in any draw",
    )
    cells = frame[frame["sweep"].isin(["fitted", "default"])] if len(frame) else frame
    if cells.empty:
        return claim.missing()
    # pooled types have equal agreements up to rounding
    ordered = [bool((np.diff(np.array(menu)) >= -1e-12).all()) for menu in cells["latency_s"]]
    return claim.row(f"{sum(ordered)} of {len(ordered)} outcomes", all(ordered))
