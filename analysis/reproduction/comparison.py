"""Readings side by side: which claims each brings out, and which none does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from airan_market.analysis.reproduction.claim import (
    DIRECTION,
    FAILS,
    HOLDS,
    MISSING,
    Row,
    counts,
    how_often,
    in_words,
)
from airan_market.analysis.reproduction.claim_default import largest_table_error
from airan_market.analysis.reproduction.claim_draws import Outcomes
from airan_market.analysis.wording import NONE, Section, as_text, columns
from airan_market.scenarios import Reading

SHORT = {HOLDS: "holds", DIRECTION: "direction", FAILS: "no", MISSING: "?"}
_ABOUT = (
    "Of each reading: the verdict by the median over draws; how often the claim comes true in a "
    "draw, with its 95 % interval; whether it is true of the market that the reading is fitted to. "
    "A star: the claim was looked at to find the reading's settings; a ring: to find the users of "
    "its fitted market."
)
_MARKS = {"settings": " *", "users": " °", "": ""}


def compared(rows: Mapping[str, Sequence[Row]]) -> Section:
    """A row per claim, a column per reading."""
    by_claim = zip(*rows.values(), strict=True)
    cells = [(same[0].claim, same[0].published, *(_cell(row) for row in same)) for same in by_claim]
    return Section("Readings side by side", ("claim", "published", *rows), cells, _ABOUT)


def _cell(row: Row) -> str:
    if row.verdict == MISSING:
        return NONE
    told = f"{SHORT[row.verdict]}; {how_often(row)}; {in_words(row.fitted)}"
    return told + _MARKS[row.used]


def standing(
    asked: Sequence[Reading], rows: Mapping[str, Sequence[Row]], frame: pd.DataFrame
) -> pd.DataFrame:
    """How each reading stands: counts of verdicts, claims true of the fitted market, Table I.

    Returns
    -------
    DataFrame
        reading, description, claims (judged out of sample), holds, direction_only, does_not_hold,
        fitted_true and fitted_of (out of sample, the users not fitted to it either),
        expected_in_a_draw (sum of the probabilities), in_sample_holds, table_error.
    """
    found = []
    for reading in asked:
        own = rows[reading.name]
        out = [row for row in own if not row.in_sample and row.verdict != MISSING]
        alone = [row.fitted for row in out if row.fitted is not None and not row.used]
        told = counts(own)
        happens = [row.happens for row in out if row.happens is not None]
        mine = frame[frame["reading"] == reading.name] if len(frame) else frame
        found.append(
            {
                "reading": reading.name,
                "description": reading.description,
                "claims": len(out),
                "holds": told["out"][HOLDS],
                "direction_only": told["out"][DIRECTION],
                "does_not_hold": told["out"][FAILS],
                "expected_in_a_draw": sum(happens),
                "fitted_true": sum(alone),
                "fitted_of": len(alone),
                "in_sample_holds": told["in"][HOLDS],
                "in_sample": sum(told["in"].values()) - told["in"][MISSING],
                "table_error": largest_table_error(Outcomes(mine)),
            }
        )
    return pd.DataFrame(found)


def unexplained(rows: Mapping[str, Sequence[Row]]) -> str:
    """The claims that no reading brings out, a line each, in Markdown."""
    none = [same for same in zip(*rows.values(), strict=True) if not _explained(same)]
    if not none:
        return "Every claim holds under one reading at least."
    lines = [
        f"- {same[0].claim} (published {same[0].published}): {_best(same)}; reason: "
        f"{reason(same[0].claim)}"
        for same in none
    ]
    return "\n".join(["Claims that hold under no reading:", "", *lines])


#: Beginning of a claim → the argument (`contradictions`) by which it contradicts another.
KNOWN = {
    "8 types": "default_market",
    "refund × 1:": "default_market",
    "violation cost × 1:": "default_market",
    "violation cost × 1.5": "violation_cost",
    "90 users": "mc_at_90_users",
}


def reason(claim: str) -> str:
    """Why a claim holds under no reading, as far as that is known.

    Examples
    --------
    >>> reason("90 users: operator utility, gain over best benchmark")
    'contradicts other printed numbers (mc_at_90_users)'
    >>> reason("ζ = 0.7: social welfare, gain over best benchmark")
    'unknown'
    """
    found = [name for start, name in KNOWN.items() if claim.startswith(start)]
    return f"contradicts other printed numbers ({found[0]})" if found else "unknown"


def _explained(same: Sequence[Row]) -> bool:
    return any(row.verdict in (HOLDS, MISSING) for row in same)


def _best(same: Sequence[Row]) -> str:
    """How often it comes true where it does most often, in a draw."""
    often = max(same, key=lambda row: row.happens or 0.0)
    return f"at the most {how_often(often)} of a reading's draws"


def in_text(rows: Mapping[str, Sequence[Row]]) -> str:
    """`compared` for a terminal, and what no reading brings out."""
    found = compared(rows)
    columns_ = columns(found.title, found.head, left=found.head)
    for cells in found.cells():
        columns_.add_row(*cells)
    return as_text([columns_, found.about, "", unexplained(rows)])
