"""A published claim, what became of it under a reading, and the table that says so.

The criteria are fixed before any number is looked at, and say what a verdict means:

- a level holds when the published number lies within our 90 % range over Dirichlet draws;
- a gain "at least" or "from … to" holds when our median gain does the same; one "about" holds when
  it lies within our 90 % range;
- a gain that misses so but has the published sign in most draws is `direction only`;
- a statement about signs or order holds when it does in most draws;
- entries of Table I hold when they are met to 0.02, and the two default totals when they are to
  1 %, by the market that the reading is fitted to.

The paper computed each sweep once, for one draw of its users. So every claim is judged as that of
a single draw, too: `happens` is the part of our draws of which it is true, and of a level or a gain
"about", of which no draw is exactly true, how often a draw is as far from our median on either side
as the published number. And it is held against the one market that the reading is fitted to, where
the claim is about as many types and no other shares.

A gain is (u − b) / |b| of a draw, b the best benchmark of that draw.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
import pandas as pd

from airan_market.analysis.reproduction.published import PROPOSED
from airan_market.analysis.verdict import Verdict
from airan_market.analysis.wording import NONE, Section
from airan_market.scenarios import Reading
from airan_market.sim.estimation.proportions import clopper_pearson

#: Verdicts on a claim as they are told.
WORDS = {
    Verdict.HOLDS: "holds",
    Verdict.PARTLY: "direction only",
    Verdict.FAILS: "does not hold",
    Verdict.MISSING: "not computed",
}
HOLDS, DIRECTION, FAILS, MISSING = WORDS.values()
MOST = 0.5

#: Where a claim is made. Those of Table I and the two default totals are not of a sweep.
TABLE, TABLE_BENCHMARKS, DEFAULT_TOTALS, MENUS = "table_i", "table_i_benchmarks", "totals", "menus"
SWEEP_NAMES = {
    "users": "{:g} users",
    "types": "{:g} types",
    "refund": "refund × {:g}",
    "violation_cost": "violation cost × {:g}",
    "dirichlet": "Dirichlet parameter {:g}",
    "zeta": "ζ = {:g}",
}
PLACES = (TABLE, TABLE_BENCHMARKS, DEFAULT_TOTALS, MENUS, *SWEEP_NAMES)
NAMES = {PROPOSED: "proposed", "ct": "CT", "mc": "MC", "gsmc": "GSMC"}


@dataclass(frozen=True)
class Row:
    """A published claim and what became of it; text as it is printed.

    Attributes
    ----------
    claim, place, published, ours, verdict, criterion, why : str
        `place` is one of `PLACES`.
    happens, happens_low, happens_high : float, optional
        How often in a draw, with its 95 % interval (Clopper–Pearson); none where no draws are.
    fitted : bool, optional
        Whether it is true of the market that the reading is fitted to; none where there is none.
    used : str
        What the claim was looked at for: the "settings" of the reading, the "users" of the market
        that it is fitted to, or nothing.
    """

    claim: str
    place: str
    published: str
    ours: str
    verdict: str
    criterion: str
    why: str = ""
    happens: float | None = None
    happens_low: float | None = None
    happens_high: float | None = None
    fitted: bool | None = None
    used: str = ""

    @property
    def in_sample(self) -> bool:
        """Whether the reading owes its settings to this claim among others."""
        return self.used == "settings"


@dataclass(frozen=True)
class Claim:
    """What the paper says, where, how it prints it, and when that holds."""

    text: str
    place: str
    published: str
    criterion: str

    def row(
        self,
        ours: str,
        holds: bool,
        why: str = "",
        *,
        direction: bool = False,
        times: tuple[int, int] | None = None,
        sides: int = 1,
        fitted: bool | None = None,
    ) -> Row:
        """Row of a claim that holds, or does not although its `direction` is right.

        Parameters
        ----------
        ours, why : str
        holds, direction : bool
        times : tuple, optional
            In how many draws it happens, of how many.
        sides : int
            By which that is multiplied, 2 where the nearer of two ends was counted.
        fitted : bool, optional
        """
        verdict = HOLDS if holds else DIRECTION if direction else FAILS
        row = Row(self.text, self.place, self.published, ours, verdict, self.criterion, why)
        if times is not None:
            part, of = times
            low, high = clopper_pearson(part, of)
            row = replace(
                row,
                happens=min(1.0, sides * part / of),
                happens_low=min(1.0, sides * low),
                happens_high=min(1.0, sides * high),
            )
        return replace(row, fitted=fitted)

    def missing(self) -> Row:
        """Row of a claim whose cells were not computed."""
        return replace(self.row(NONE, holds=False), verdict=MISSING)


def used_by(row: Row, reading: Reading) -> Row:
    """The row with what the reading looked at the claim for.

    Examples
    --------
    >>> row = Claim("c", "refund", "1", "k").row("2", holds=True)
    >>> used_by(row, Reading("mine", used_for_users=("refund",))).used
    'users'
    """
    if row.place in reading.used:
        return replace(row, used="settings")
    return replace(row, used="users" if row.place in reading.used_for_users else "")


def table(rows: Iterable[Row]) -> pd.DataFrame:
    """Rows as a frame, one column per field."""
    frame = pd.DataFrame([asdict(row) for row in rows])
    return frame.astype({"fitted": "boolean"})


def counts(rows: Iterable[Row]) -> dict[str, dict[str, int]]:
    """Number of rows of each verdict, in and out of sample.

    Examples
    --------
    >>> counts([Row("c", "refund", "1", "1", HOLDS, "")])["out"]["holds"]
    1
    """
    answer = {sample: dict.fromkeys(WORDS.values(), 0) for sample in ("in", "out")}
    for row in rows:
        answer["in" if row.in_sample else "out"][row.verdict] += 1
    return answer


def how_often(row: Row) -> str:
    """`happens` and its interval in words."""
    if row.happens is None or row.happens_low is None or row.happens_high is None:
        return NONE
    return f"{row.happens:.0%} ({100 * row.happens_low:.0f} to {row.happens_high:.0%})"


def in_words(fitted: bool | None) -> str:
    """Whether a claim is true of the fitted market."""
    return NONE if fitted is None else "yes" if fitted else "no"


def section(title: str, rows: Sequence[Row]) -> Section:
    """The table for people."""
    head = (
        "claim", "published", "ours: median [90 % range]", "used for", "verdict",
        "happens in a draw (95 %)", "true of the fitted market", "why not",
    )  # fmt: skip
    cells = [
        (row.claim, row.published, row.ours, row.used or NONE, row.verdict, how_often(row),
         in_words(row.fitted), row.why)
        for row in rows
    ]  # fmt: skip
    return Section(title, head, cells)


def markdown(rows: Sequence[Row]) -> str:
    """The table and its criteria in Markdown."""
    criteria = [f"- {text}" for text in dict.fromkeys(row.criterion for row in rows)]
    return "\n".join([section("", rows).markdown(), "", "Criteria:", "", *criteria]) + "\n"


def true_of(values: pd.Series | np.ndarray) -> tuple[int, int]:
    """In how many draws something is true, of how many."""
    found = np.asarray(values, dtype=bool)
    return int(found.sum()), int(found.size)


def beyond(ours: pd.Series | np.ndarray, value: float) -> tuple[int, int]:
    """How many draws are at a value or beyond it, on the side where fewer are, of how many.

    Examples
    --------
    >>> beyond(np.array([1.0, 2.0, 3.0, 4.0]), 3.5)
    (1, 4)
    """
    ours = np.asarray(ours, dtype=float)
    return int(min((ours <= value).sum(), (ours >= value).sum())), int(ours.size)
