"""A validation in figures and in sentences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from airan_market.analysis.runs.summary import plain
from airan_market.analysis.validation.batches import (
    ANSWER,
    FIRST,
    GROWS,
    SAME_TASKS,
    summarise_batches,
)
from airan_market.analysis.validation.beyond import OWN, USUAL, summarise_beyond
from airan_market.analysis.validation.bound.independence import summarise_independence
from airan_market.analysis.validation.bound.map import summarise_map
from airan_market.analysis.validation.bound.markets import summarise_markets
from airan_market.analysis.validation.findings import Findings
from airan_market.analysis.validation.ladder import CHERNOFF, PRIORITY, PRIORITY_BOUND, THEORIES
from airan_market.analysis.validation.verdicts import (
    CAUSES,
    FAILS_FAR,
    HOLDS,
    IDLE,
    NOT_SEEN,
    SATURATED,
    UNDECIDED,
    VIOLATED,
)
from airan_market.analysis.verdict import TOO_LITTLE
from airan_market.analysis.wording import formatted, number, probability

JUDGED = (HOLDS, VIOLATED, UNDECIDED)
STATES = (*JUDGED, SATURATED, IDLE, NOT_SEEN)


def summarise_validation(found: Findings, level: float) -> dict[str, Any]:
    """Content of `summary.json`, which `validate --json` prints; nothing is NaN or infinite.

    Parameters
    ----------
    found : Findings
        Its `summary` is not looked at.
    level : float
        Of the verdicts of a table together.
    """
    verdicts = found.verdicts
    paper = verdicts[verdicts["method"] == CHERNOFF]
    judged = paper[paper["verdict"].isin(JUDGED)]
    return plain(
        {
            "scenario": found.scenario.name,
            "seed": found.seed,
            "status": found.status,
            "mechanism": found.scenario.mechanism.name,
            "belief": found.scenario.mechanism.belief,
            "chernoff_zeta": found.scenario.mechanism.chernoff_zeta,
            "level": level,
            "pairs": len(paper),
            "operators_simulated": found.simulated,
            "replications": [
                {"operator": site.operator + 1, **spent}
                for site, spent in zip(found.sites, found.spent, strict=True)
                if spent
            ],
            "verdicts": {
                method: {
                    state: int((verdicts[verdicts["method"] == method]["verdict"] == state).sum())
                    for state in STATES
                }
                for method in THEORIES
            },
            "tails": {
                method: {
                    name: int(verdicts[verdicts["method"] == method][f"tail_{name}"].sum())
                    for name in ("latencies", "holds", "violated", "undecided")
                }
                for method in THEORIES
            },
            "bound_violated": _places(judged[judged["verdict"] == VIOLATED]),
            "bound_fails_in_far_tail": _names(paper, FAILS_FAR, "far_tail"),
            "bound_slackest": _extreme(judged, "ratio", largest=True),
            "bound_tightest": _extreme(judged, "ratio", largest=False),
            "causes_median_decades": {
                cause: float(judged[cause].median()) if judged[cause].notna().any() else None
                for cause in CAUSES
            },
            "independent_stages": _independence(verdicts),
            "saturated": _names(paper, SATURATED),
            "no_traffic": _names(paper, IDLE),
            "beyond": summarise_beyond(found.beyond).to_dict("records")
            if len(found.beyond)
            else [],
            "map": summarise_map(found.map) if len(found.map) else None,
            "markets": summarise_markets(found.markets).to_dict("records")
            if len(found.markets)
            else [],
            "independence": summarise_independence(found.independence)
            if len(found.independence)
            else [],
            **_batches(found.batches),
            "notes": list(found.notes),
        }
    )


def answer(summary: dict[str, Any]) -> list[str]:
    """What a validation asks and what came out, for whoever has not read the papers."""
    counts = summary["verdicts"][CHERNOFF]
    judged, broken = sum(counts[state] for state in JUDGED), counts[VIOLATED]
    asked = "May operators trust the formula by which they promise how fast they are?"
    if not judged:
        return [asked, "Nothing was simulated that could tell."]
    told = f"It is on the safe side for {counts[HOLDS]} of {judged} promises"
    if broken:
        worst = summary["bound_violated"][0]
        told += (
            f" and too low for {broken}: of 1,000 tasks of operator {worst['operator']}, type "
            f"{worst['type']}, {number(1000 * worst['belief'], 2)} were to be late and "
            f"{number(1000 * worst['truth'], 2)} are"
        )
    else:
        told += " and too low for none"
    undecided = f"; for {counts[UNDECIDED]} {TOO_LITTLE}" if counts[UNDECIDED] else ""
    own = next((row for row in summary["beyond"] if row["law"] == OWN and row["violated"]), None)
    others = f"; with the laws of this scenario it is too low for {own['violated']}" if own else ""
    return [asked, f"{told}{undecided}{others}."]


def _batches(rows: pd.DataFrame) -> dict[str, Any]:
    """Nothing where no GPU batches."""
    if rows.empty:
        return {}
    grown = rows[rows["verdict"] == GROWS].drop_duplicates(["operator", "load", "type"])
    return {"batches": summarise_batches(rows), "batches_grow": len(grown)}


def sentences(summary: dict[str, Any]) -> list[str]:
    """The findings in a few sentences, each read off the summary."""
    counts = summary["verdicts"][CHERNOFF]
    judged = sum(counts[state] for state in JUDGED)
    too_little = f", where {TOO_LITTLE}" if counts[UNDECIDED] else ""
    told = [
        f"The paper's bound at the agreed latencies, of {judged} pairs of operator and type: holds "
        f"in {counts[HOLDS]}, violated beyond doubt in {counts[VIOLATED]}, undecided in "
        f"{counts[UNDECIDED]}{too_little} (all verdicts together right with "
        f"{summary['level']:.0%})."
    ]
    for place in summary["bound_violated"][:3]:
        told.append(f"Violated: {_place(place)}, {number(1 / place['ratio'], 3)} times as often.")
    slackest = summary["bound_slackest"]
    if slackest and slackest["ratio"] is not None and slackest["ratio"] > 1:
        told.append(f"Slackest: {_place(slackest)}, 1/{number(slackest['ratio'], 3)} of it.")
    if summary["bound_fails_in_far_tail"]:
        told.append(
            "At every latency that is long enough the bound fails (its exponent is larger than the "
            "exact decay rate), operator.type: "
            f"{_listed(summary['bound_fails_in_far_tail'])}."
        )
    independent = summary["independent_stages"]
    if independent:
        told.append(
            "Preemptive law with independent stages: "
            f"{independent['median_percent']:.1f} % off the simulated estimate in the median pair, "
            f"{_at_most(independent['greatest_percent'])}, told apart from it beyond doubt in "
            f"{independent['told_apart']} of {independent['pairs']}. Along the tails it is too low "
            f"beyond doubt at {independent['tail_too_low']} of {independent['tail_latencies']} "
            f"latencies and too high at {independent['tail_too_high']}."
        )
        bound = summary["tails"][PRIORITY_BOUND]
        told.append(
            "The bound of that law (belief chernoff-priority): below the simulation beyond doubt "
            f"at the agreed latency in {summary['verdicts'][PRIORITY_BOUND][VIOLATED]} of "
            f"{independent['pairs']} pairs, along the tails at {bound['violated']} of "
            f"{bound['latencies']} latencies."
        )
    told += _of_independence(summary.get("independence", []))
    told += batch_sentences(summary.get("batches", []))
    for law in summary["beyond"]:
        if law["violated"] and law["law"] != USUAL:
            told.append(
                f"{law['law']}: belief too low beyond doubt in {law['violated']} of {law['pairs']} "
                f"pairs; furthest off operator {law['operator']}, type {law['type']}, believed "
                f"{probability(law['belief'])}, simulated {probability(law['probability'])}."
            )
    for market in summary["markets"]:
        if market["pairs_that_fail"]:
            told.append(
                f"Variant {market['family']} {market['setting']}: the bound is below the exact law "
                f"in {market['pairs_that_fail']} of {market['pairs']} pairs, at most "
                f"{number(market['worst_ratio'], 3)} times (operator {market['worst_operator']}, "
                f"type {market['worst_type']})."
            )
    if summary["saturated"]:
        named = _listed(summary["saturated"])
        told.append(f"Saturated, no stationary law (operator.type): {named}.")
    return told


def _of_independence(rows: list[dict[str, Any]]) -> list[str]:
    """What two loaded stages of equal size do to the law of independent stages."""
    if not rows:
        return []
    low = [row for row in rows if row["too_low"]]
    worst = min((row["lowest_error"] for row in low), default=0.0)
    alone = [row for row in rows if row["position"] == 1]
    said = (
        f"Two equally loaded stations, simulated over load, servers and priority: independent "
        f"stages make {sum(row['too_low'] for row in rows)} of "
        f"{sum(row['tails'] for row in rows)} tails too low beyond doubt"
        + (f", by up to {-worst:.0%}" if low else "")
        + f", and {sum(row['too_high'] for row in rows)} too high; of the type that nobody "
        f"interrupts {sum(row['too_low'] + row['too_high'] for row in alone)} of "
        f"{sum(row['tails'] for row in alone)}."
    )
    return [said]


def _at_most(percent: float) -> str:
    """How far off something is: more than all of it as a factor.

    >>> _at_most(2.84), _at_most(1160.0)
    ('2.8 % at most', '12.6 times it at most')
    """
    if percent > 100:
        return f"{number(1 + percent / 100, 3)} times it at most"
    return f"{percent:.1f} % at most"


def batch_sentences(rows: list[dict[str, Any]]) -> list[str]:
    """Which belief comes nearest to a GPU that batches, and what is promised on first tokens.

    Parameters
    ----------
    rows : list of dict
        As `analysis.validation.batches.summarise_batches` returns them.
    """
    answers = [row for row in rows if row["promise"] == ANSWER and row["belief"] != SAME_TASKS]
    same = {row["promise"]: row for row in rows if row["belief"] == SAME_TASKS}
    if not answers:
        return []
    nearest = answers[0]
    said = [
        f"GPUs that batch, latencies that 19 of 20 answers are promised to keep, "
        f"{nearest['pairs']} of operator, load and type: nearest is {nearest['belief']}, typically "
        f"off by {_typical(nearest)} ({_off(nearest)}), farthest {answers[-1]['belief']}, by "
        f"{_typical(answers[-1])} ({_off(answers[-1])})."
    ]
    measured = next((row for row in answers if row["belief"] == "measured"), None)
    exact = next((row for row in answers if row["belief"] == "priority"), None)
    if measured and exact:
        said.append(
            f"measured is typically off by {_typical(measured)}, the exact law priority by "
            f"{_typical(exact)}: what is measured is an M/M/c station, not the GPU."
        )
    if same.keys() >= {ANSWER, FIRST}:
        said.append(
            "The same tasks in the M/M/c station: its promise on the whole answer is off by "
            f"{_typical(same[ANSWER])} ({_off(same[ANSWER])}), on the first token by "
            f"{_typical(same[FIRST])} ({_off(same[FIRST])})."
        )
    return said


def _typical(row: dict[str, Any]) -> str:
    """The median of the errors' sizes, as a factor."""
    return f"a factor of {number(float(np.exp(row['nearness'])), 3)}"


def _off(row: dict[str, Any]) -> str:
    return (
        f"{row['least_error']:+.0%} to {row['greatest_error']:+.0%}, too short beyond doubt in "
        f"{row['too_short']}, too long in {row['too_long']} of {row['pairs']}"
    )


def _listed(places: list[dict[str, int]]) -> str:
    return ", ".join(f"{at['operator']}.{at['type']}" for at in places)


def _place(place: dict[str, Any]) -> str:
    return (
        f"operator {place['operator']}, type {place['type']}, at "
        f"{number(place['latency_s'], 3)} s: believed {formatted(place['belief'])}, "
        f"simulated {formatted(place['truth'])}"
    )


_FIELDS = [
    "operator", "type", "latency_s", "load", "own_share", "belief", "truth", "truth_low",
    "truth_high", "ratio",
]  # fmt: skip


def _places(rows: pd.DataFrame) -> list[dict[str, Any]]:
    return rows.sort_values("ratio")[_FIELDS].to_dict("records")


def _extreme(rows: pd.DataFrame, column: str, *, largest: bool) -> dict[str, Any] | None:
    known = rows[np.isfinite(rows[column].astype(float))]
    if known.empty:
        return None
    place = known[column].idxmax() if largest else known[column].idxmin()
    return known.loc[[place], _FIELDS].to_dict("records")[0]


def _names(rows: pd.DataFrame, state: str, column: str = "verdict") -> list[dict[str, int]]:
    chosen = rows[rows[column] == state]
    return [
        {"operator": int(o), "type": int(n)}
        for o, n in zip(chosen["operator"], chosen["type"], strict=True)
    ]


def _independence(verdicts: pd.DataFrame) -> dict[str, Any] | None:
    """How far the exact law of independent stages is from the tandem, and where it is proven."""
    exact = verdicts[(verdicts["method"] == PRIORITY) & (verdicts["truth"] > 0)]
    if exact.empty:
        return None
    apart = (exact["belief"] < exact["truth_low"]) | (exact["belief"] > exact["truth_high"])
    return {
        "pairs": len(exact),
        "told_apart": int(apart.sum()),
        "greatest_percent": float(100 * np.abs(exact["ratio"] - 1).max()),
        "median_percent": float(100 * np.abs(exact["ratio"] - 1).median()),
        "tail_latencies": int(exact["tail_latencies"].sum()),
        "tail_too_low": int(exact["tail_violated"].sum()),
        "tail_too_high": int(exact["tail_holds"].sum()),
        "too_low_from_s": float(exact["violated_from_s"].min()),
    }
