"""A published claim, what became of it, and the table that says so.

The criteria are fixed before any number is looked at, and say what a verdict means:

- a level holds when the published number lies within our 90 % range over Dirichlet draws;
- a gain "at least" or "from … to" holds when our median gain does the same; one "about" holds when
  it lies within our 90 % range;
- a gain that misses so but has the published sign in most draws is `direction only`;
- a statement about signs or order holds when it does in most draws;
- entries of Table I and the two default totals are in sample: they were fitted, and hold when
  they are met to 0.02 and to 1 %.

A gain is (u − b) / |b| of a draw, b the best benchmark of that draw. A claim that depends on GSMC
is judged twice: with types split by the operators' quotas, and with types kept whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
import pandas as pd

from airan_market.analysis.reproduction.published import BENCHMARKS, PROPOSED, WHOLE_TYPES
from airan_market.analysis.verdict import Verdict
from airan_market.analysis.wording import Section

#: Verdicts on a claim as they are told.
WORDS = {
    Verdict.HOLDS: "holds",
    Verdict.PARTLY: "direction only",
    Verdict.FAILS: "does not hold",
    Verdict.MISSING: "not computed",
}
HOLDS, DIRECTION, FAILS, MISSING = WORDS.values()
MOST = 0.5
#: The benchmarks in the two readings of GSMC.
SPLIT = BENCHMARKS
WHOLE = tuple(WHOLE_TYPES if name == "gsmc" else name for name in BENCHMARKS)

SWEEP_NAMES = {
    "users": "{:g} users",
    "types": "{:g} types",
    "refund": "refund × {:g}",
    "violation_cost": "violation cost × {:g}",
    "dirichlet": "Dirichlet parameter {:g}",
    "zeta": "ζ = {:g}",
    "default": "default market",
}
NAMES = {
    PROPOSED: "proposed",
    "ct": "CT",
    "mc": "MC",
    "gsmc": "GSMC",
    WHOLE_TYPES: "GSMC with whole types",
}


@dataclass(frozen=True)
class Row:
    """A published claim and what became of it; text as it is printed.

    `whole` and `whole_verdict` are `ours` and `verdict` with GSMC's types kept whole; empty where
    that makes no difference to the claim.
    """

    claim: str
    published: str
    ours: str
    in_sample: bool
    verdict: str
    criterion: str
    why: str = ""
    whole: str = ""
    whole_verdict: str = ""


@dataclass(frozen=True)
class Claim:
    """What the paper says, how it prints it, and when that holds."""

    text: str
    published: str
    criterion: str
    in_sample: bool = False

    def row(self, ours: str, holds: bool, why: str = "", *, direction: bool = False) -> Row:
        """Row of a claim that holds, or does not although its `direction` is right."""
        verdict = HOLDS if holds else DIRECTION if direction else FAILS
        return Row(self.text, self.published, ours, self.in_sample, verdict, self.criterion, why)

    def missing(self) -> Row:
        """Row of a claim whose cells were not computed."""
        return replace(self.row("–", holds=False), verdict=MISSING)


def in_both_readings(make: Callable[[tuple[str, ...]], Row]) -> Row:
    """The row of a claim about the benchmarks, judged in both readings of GSMC.

    Examples
    --------
    >>> claim = Claim("c", "1", "k")
    >>> found = in_both_readings(lambda names: claim.row("2", "gsmc" in names))
    >>> found.verdict, found.whole_verdict
    ('holds', 'does not hold')
    """
    split, whole = make(SPLIT), make(WHOLE)
    return replace(split, whole=whole.ours, whole_verdict=whole.verdict)


def table(rows: Iterable[Row]) -> pd.DataFrame:
    """Rows as a frame, one column per field, `sample` as in or out."""
    frame = pd.DataFrame([asdict(row) for row in rows])
    frame["in_sample"] = np.where(frame["in_sample"], "in", "out")
    return frame.rename(columns={"in_sample": "sample"})


def counts(rows: Iterable[Row], *, whole: bool = False) -> dict[str, dict[str, int]]:
    """Number of rows of each verdict, in and out of sample; `whole` with GSMC's types kept whole.

    Examples
    --------
    >>> rows = [Row("c", "1", "1", False, HOLDS, "", whole="2", whole_verdict=FAILS)]
    >>> counts(rows)["out"]["holds"], counts(rows, whole=True)["out"]["holds"]
    (1, 0)
    """
    answer = {sample: dict.fromkeys(WORDS.values(), 0) for sample in ("in", "out")}
    for row in rows:
        verdict = (whole and row.whole_verdict) or row.verdict
        answer["in" if row.in_sample else "out"][verdict] += 1
    return answer


def section(rows: Sequence[Row]) -> Section:
    """The table for people."""
    head = (
        "claim", "published", "ours: median [90 % range]", "sample", "verdict",
        "ours with GSMC's types whole", "verdict with GSMC's types whole", "why not",
    )  # fmt: skip
    cells = [
        (row.claim, row.published, row.ours, "in" if row.in_sample else "out", row.verdict,
         row.whole, row.whole_verdict, row.why)
        for row in rows
    ]  # fmt: skip
    return Section("Claims", head, cells)


def markdown(rows: Sequence[Row]) -> str:
    """The table and its criteria in Markdown."""
    criteria = [f"- {text}" for text in dict.fromkeys(row.criterion for row in rows)]
    return "\n".join([section(rows).markdown(), "", "Criteria:", "", *criteria]) + "\n"
