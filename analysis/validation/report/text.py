"""The verdicts for people: sections of a page, and the same in Markdown."""

from __future__ import annotations

import numpy as np
import pandas as pd

from airan_market.analysis.validation.batches import LATE
from airan_market.analysis.validation.findings import Findings
from airan_market.analysis.validation.ladder import CHERNOFF, FIRST_COME, OPTIMISED, PRIORITY
from airan_market.analysis.validation.report.summary import sentences
from airan_market.analysis.validation.stored import Validation
from airan_market.analysis.validation.verdicts import CAUSES
from airan_market.analysis.verdict import TOO_LITTLE
from airan_market.analysis.wording import Section, formatted, probability

ABOUT = f"""Each row is a pair of operator and type at its agreed latency. *Believed* is the paper's
bound (Chernoff with fixed ζ), *best η* the same bound with its best exponent, *first come* the law
that both bound (eq. 9), *priority* the exact preemptive law with independent stages. *Simulated* is
the tandem itself; its interval is drawn at a level that lets all intervals of the table cover their
truths together with {{level:.0%}}. The verdict is on *believed*: the bound **holds** when the whole
interval lies below it, is **violated beyond doubt** when the whole interval lies above it, and is
**undecided** otherwise: {TOO_LITTLE}. Verdicts on the other methods are in `verdicts.csv`.

*Decades* is log10(believed / simulated); the four columns after it are its causes and add up to it.
*Tail* counts the latencies of the grid, of those judged, at which the bound is violated beyond
doubt. *Far tail* compares how fast bound and exact preemptive law fall: **fails** means that the
bound is too low at every latency that is long enough, agreed or not.
"""


def verdicts_text(found: Findings | Validation) -> str:
    """Headline, the table of verdicts, other laws, map and markets where there are any."""
    parts = [
        f"# Do the beliefs hold? {found.scenario.name}, seed {found.summary['seed']}",
        "\n".join(f"- {sentence}" for sentence in sentences(found.summary)),
    ]
    for section in sections(found):
        parts += [text for text in (section.title and f"## {section.title}", section.about) if text]
        parts.append(section.markdown())
    if found.summary["notes"]:
        parts += ["## Notes", "\n".join(f"- {note}" for note in found.summary["notes"])]
    return "\n\n".join(parts) + "\n"


def sections(found: Findings | Validation) -> list[Section]:
    """The table of verdicts; other laws, map and variants of the market where there are any."""
    about = ABOUT.format(level=found.summary["level"]).strip()
    answer = [Section("", _HEAD, _verdicts(found.verdicts), about)]
    if len(found.batches):
        answer += _batches(found)
    if len(found.beyond):
        answer.append(_beyond(found.beyond))
    if found.summary["map"]:
        answer.append(_map(found.summary["map"]))
    if found.summary.get("independence"):
        answer.append(_independence(found.summary["independence"]))
    if found.summary["markets"]:
        rows = pd.DataFrame(found.summary["markets"])
        answer.append(Section.of("Variants of this market", rows))
    return answer


def page_sections(found: Findings | Validation) -> list[Section]:
    """`sections` for a page, which is narrower than Markdown: verdicts, then what explains them."""
    whole, *others = sections(found)
    about, _, causes = whole.about.partition("\n\n")
    return [
        whole.columns("Verdicts", _JUDGED, about),
        whole.columns("Other methods, and what the error is made of", _EXPLAINED, causes),
        *others,
    ]


_JUDGED = (
    "operator", "type", "agreed, s", "load", "believed", "simulated", "believed / simulated",
    "verdict",
)  # fmt: skip
_EXPLAINED = (
    "operator", "type", "best η", "first come", "priority", "decades", *CAUSES, "tail violated",
    "far tail", "simulated by",
)  # fmt: skip
_HEAD = (
    "operator", "type", "agreed, s", "load", "believed", "best η", "first come", "priority",
    "simulated", "verdict", "believed / simulated", "decades", *CAUSES, "tail violated",
    "far tail", "simulated by",
)  # fmt: skip


def _verdicts(verdicts: pd.DataFrame) -> list[list[object]]:
    wide = verdicts.pivot(index=["operator", "type"], columns="method", values="belief")
    rows = []
    for row in verdicts[verdicts["method"] == CHERNOFF].to_dict("records"):
        beliefs = wide.loc[(row["operator"], row["type"])]
        methods = (CHERNOFF, OPTIMISED, FIRST_COME, PRIORITY)
        rows.append(
            [
                row["operator"],
                row["type"],
                row["latency_s"],
                f"{row['load']:.3f}",
                *(formatted(beliefs[method]) for method in methods),
                _interval(row["truth"], row["truth_low"], row["truth_high"]),
                row["verdict"],
                _interval(row["ratio"], row["ratio_low"], row["ratio_high"]),
                *(formatted(row[name], "+.2f") for name in ("decades", *CAUSES)),
                f"{row['tail_violated']} of {row['tail_latencies']}",
                row["far_tail"] or None,
                row["simulation"],
            ]
        )
    return rows


BATCHES = f"""*Promised* is the latency that all but {LATE:.0%} of the tasks keep by the belief,
fitted to a GPU whose batch is always full; *true* what they keep at the GPU that batches. *M/M/c,
same tasks* sends the tasks of the simulation through the fitted station. The first token is there
when a service begins, its prompt is read and a token written. Where latencies grow, the GPU has no
capacity for the load, and no promise can be kept."""


def _batches(found: Findings | Validation) -> list[Section]:
    """How far beliefs are off, and at the solved loads every promise."""
    head = ("promise", "belief", "pairs", "typical factor", "median error", "least", "greatest",
            "too short", "too long", "late at the most")  # fmt: skip
    rows = [
        [
            row["promise"], row["belief"], row["pairs"], f"{np.exp(row['nearness']):.3g}",
            *(f"{row[name]:+.0%}" for name in ("median_error", "least_error", "greatest_error")),
            row["too_short"], row["too_long"], f"{row['greatest_late']:.1%}",
        ]
        for row in found.summary["batches"]
    ]  # fmt: skip
    solved = found.batches[found.batches["solved"]]
    each = [
        [
            row["operator"], row["type"], f"{row['load']:.0%}", row["promise"], row["belief"],
            row["promised_s"],
            _seconds(row["true_s"], row["true_low_s"], row["true_high_s"]),
            f"{row['late_simulated']:.1%}", row["verdict"],
        ]
        for row in solved.to_dict("records")
    ]  # fmt: skip
    columns = ("operator", "type", "load", "promise", "belief", "promised, s", "true, s", "late",
               "verdict")  # fmt: skip
    return [
        Section("GPUs that batch: which belief comes nearest", head, rows, BATCHES),
        Section("GPUs that batch: promises at the solved loads", columns, each),
    ]


def _beyond(beyond: pd.DataFrame) -> Section:
    head = ("law", "operator", "type", "believed", "simulated", "verdict", "believed / simulated")
    rows = [
        [
            row["law"],
            row["operator"],
            row["type"],
            formatted(row["belief"]),
            _interval(row["probability"], row["ci_low"], row["ci_high"]),
            row["verdict"],
            None if row["probability"] == 0 else f"{row['ratio']:.3g}",
        ]
        for row in beyond.to_dict("records")
    ]
    return Section("Beyond exponential work and Poisson arrivals", head, rows)


def _map(summary: dict) -> Section:
    head = (
        "the type feels … times its own load", "cells", "bound fails in",
        "at believed 1 %", "most servers with which it fails",
    )  # fmt: skip
    columns = ("cells", "fails", "fails_at_1_percent", "most_servers_that_fail")
    rows = [
        [position, *(cell[name] for name in columns)]
        for position, cell in summary["by_position"].items()
    ]
    return Section("Where the bound fails: one station", head, rows)


def _independence(rows: list[dict]) -> Section:
    head = (
        "the type feels … times its own load", "independent stages say", "tails",
        "too low beyond doubt", "by up to", "too high beyond doubt", "by up to",
    )  # fmt: skip
    cells = [
        [f"{row['position']:g}", probability(row["independent"]), row["tails"], row["too_low"],
         _part(row["lowest_error"]), row["too_high"], _part(row["highest_error"])]
        for row in rows
    ]  # fmt: skip
    return Section("Two equally loaded stations, stages taken to be independent", head, cells)


def _part(error: float | None) -> str | None:
    return None if error is None else f"{abs(error):.0%}"


def _seconds(value: float, low: float, high: float) -> str | None:
    return None if pd.isna(value) else f"{value:.3g} [{low:.3g}, {high:.3g}]"


def _interval(value: float, low: float, high: float) -> str:
    """Estimate with its limits; a dash where there is none.

    Examples
    --------
    >>> _interval(0.001, 0.0009, 0.0011), _interval(float("nan"), 0.0, 1.0)
    ('1.00e-03 [9.00e-04, 1.10e-03]', '–')
    """
    limits = "" if pd.isna(value) else f" [{low:.2e}, {high:.2e}]"
    return formatted(value) + limits
