"""The verdicts for people, in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from airan_market.analysis.validation.ladder import CHERNOFF, FIRST_COME, OPTIMISED, PRIORITY
from airan_market.analysis.validation.summary import sentences
from airan_market.analysis.validation.verdicts import CAUSES

if TYPE_CHECKING:
    from airan_market.analysis.validation.validate import Findings

ABOUT = """Each row is a pair of operator and type at its agreed latency. *Believed* is the paper's
bound (Chernoff with fixed ζ), *best η* the same bound with its best exponent, *first come* the law
that both bound (eq. 9), *priority* the exact preemptive law with independent stages. *Simulated* is
the tandem itself; its interval is drawn at a level that lets all intervals of the table cover their
truths together with {level:.0%}. The verdict is on *believed*: the bound **holds** when the whole
interval lies below it, is **violated beyond doubt** when the whole interval lies above it. Verdicts
on the other methods are in `verdicts.csv`.

*Decades* is log10(believed / simulated); the four columns after it are its causes and add up to it.
*Tail* counts the latencies of the grid, of those judged, at which the bound is violated beyond
doubt. *Far tail* compares how fast bound and exact preemptive law fall: **fails** means that the
bound is too low at every latency that is long enough, agreed or not.
"""


def verdicts_text(found: Findings) -> str:
    """Headline, the table of verdicts, other laws, map and markets where there are any."""
    level = found.summary["level"]
    parts = [
        f"# Do the beliefs hold? {found.scenario.name}, seed {found.seed}",
        "\n".join(f"- {sentence}" for sentence in sentences(found.summary)),
        ABOUT.format(level=level).strip(),
        _verdicts(found.verdicts),
    ]
    if len(found.beyond):
        parts += ["## Beyond exponential work and Poisson arrivals", _beyond(found)]
    if found.summary["map"]:
        parts += ["## Where the bound fails: one station", _map(found.summary["map"])]
    if found.summary["markets"]:
        rows = pd.DataFrame(found.summary["markets"])
        parts += ["## Variants of this market", _table(rows.columns, rows.to_numpy().tolist())]
    if found.notes:
        parts += ["## Notes", "\n".join(f"- {note}" for note in found.notes)]
    return "\n\n".join(parts) + "\n"


def _verdicts(verdicts: pd.DataFrame) -> str:
    wide = verdicts.pivot(index=["operator", "type"], columns="method", values="belief")
    rows = []
    for row in verdicts[verdicts["method"] == CHERNOFF].to_dict("records"):
        beliefs = wide.loc[(row["operator"], row["type"])]
        rows.append(
            [
                row["operator"],
                row["type"],
                f"{row['latency_s']:.4g}",
                f"{row['load']:.3f}",
                *(_p(beliefs[method]) for method in (CHERNOFF, OPTIMISED, FIRST_COME, PRIORITY)),
                _interval(row["truth"], row["truth_low"], row["truth_high"]),
                row["verdict"],
                _interval(row["ratio"], row["ratio_low"], row["ratio_high"]),
                *(_d(row[name]) for name in ("decades", *CAUSES)),
                f"{row['tail_violated']} of {row['tail_latencies']}",
                row["far_tail"] or "–",
                row["simulation"] if isinstance(row["simulation"], str) else "–",
            ]
        )
    head = [
        "operator", "type", "agreed, s", "load", "believed", "best η", "first come", "priority",
        "simulated", "verdict", "believed / simulated", "decades", *CAUSES, "tail violated",
        "far tail", "simulated by",
    ]  # fmt: skip
    return _table(head, rows)


def _beyond(found: Findings) -> str:
    head = ["law", "operator", "type", "believed", "simulated", "verdict", "believed / simulated"]
    rows = [
        [
            row["law"],
            row["operator"],
            row["type"],
            _p(row["belief"]),
            _interval(row["probability"], row["ci_low"], row["ci_high"]),
            row["verdict"],
            f"{row['ratio']:.3g}" if np.isfinite(row["ratio"]) else "–",
        ]
        for row in found.beyond.to_dict("records")
    ]
    return _table(head, rows)


def _map(summary: dict) -> str:
    head = [
        "the type feels … times its own load", "cells", "bound fails in", "at believed 1 %",
        "most servers with which it fails",
    ]  # fmt: skip
    rows = [
        [
            position,
            cell["cells"],
            cell["fails"],
            cell["fails_at_1_percent"],
            cell["most_servers_that_fail"] or "–",
        ]
        for position, cell in summary["by_position"].items()
    ]
    return _table(head, rows)


def _table(head: Iterable[object], rows: Iterable[Sequence[object]]) -> str:
    names = list(head)
    lines = ["| " + " | ".join(map(str, names)) + " |", "|" + " --- |" * len(names)]
    lines += [
        "| " + " | ".join(_cell(value).replace("|", "\\|") for value in row) + " |" for row in rows
    ]
    return "\n".join(lines)


def _cell(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _p(value: float) -> str:
    return "–" if pd.isna(value) else f"{value:.2e}"


def _d(value: float) -> str:
    return "–" if pd.isna(value) else f"{value:+.2f}"


def _interval(value: float, low: float, high: float) -> str:
    """Estimate with its limits; a dash where there is none.

    Examples
    --------
    >>> _interval(0.001, 0.0009, 0.0011), _interval(float("nan"), 0.0, 1.0)
    ('1.00e-03 [9.00e-04, 1.10e-03]', '–')
    """
    if pd.isna(value):
        return "–"
    return f"{value:.2e} [{low:.2e}, {high:.2e}]"
