"""A run in a few sentences."""

from __future__ import annotations

from math import inf
from typing import Any

from airan_market.analysis.dynamics.story import sentences as path_of
from airan_market.analysis.runs.violations import WORDS
from airan_market.analysis.verdict import Verdict, counted
from airan_market.analysis.wording import in_brackets, number, probability

ALIKE = 1.25  # a factor between simulated and expected within which a layman calls them alike


def headline(summary: dict[str, Any]) -> list[str]:
    """The run in a few sentences, each of them read off the summary.

    Parameters
    ----------
    summary : dict
        As `analysis.runs.summary.summarise` gives it.
    """
    moved = path_of(summary["over_time"]) if "over_time" in summary else []
    sentences = [
        *moved,
        _totals("All operators together", summary["operator_utility_usd_per_s"], summary["rounds"]),
        _totals("Social welfare", summary["social_welfare_usd_per_s"], summary["rounds"]),
    ]
    total = summary["violations"]["total"]
    if total is None:
        sentences.append("No task was served under a contract.")
        return sentences
    sentences.append(
        f"Of {total['decided']} decided tasks {probability(total['simulated'])} missed the agreed "
        f"latency{in_brackets(total, probability)}; operators believed "
        f"{probability(total['believed'])}{_times(total['ratio'])}."
    )
    verdicts = summary["violations"]["verdicts"]
    sentences.append(
        f"Of {sum(verdicts.values())} pairs of operator and type: "
        f"{counted(verdicts, '{word} in {count}')}."
    )
    return sentences + _worst(summary["violations"]["cells"])


def answer(summary: dict[str, Any]) -> list[str]:
    """What the run asks and what came out, in two sentences for whoever has not read the papers."""
    total = summary["violations"]["total"]
    asked = "Do operators keep the promises that they sell, and what is the market worth?"
    if total is None or not total["decided"]:
        return [asked, "Nobody bought anything."]
    late, believed = (1000 * total[what] for what in ("simulated", "believed"))
    how = "about as many as"
    if total["ratio"] is None or total["ratio"] > ALIKE:
        how = "more than"
    elif total["ratio"] < 1 / ALIKE:
        how = "fewer than"
    within = total["low"] is not None and total["low"] <= total["believed"] <= total["high"]
    unsure = ", which may be chance" if within else ""
    operators = summary["operator_utility_usd_per_s"]["realised"]["mean"]
    everybody = summary["social_welfare_usd_per_s"]["realised"]["mean"]
    return [
        asked,
        f"Of 1,000 tasks {number(late, 2)} came later than promised, {how} operators expected "
        f"({number(believed, 2)}){unsure}; every second operators together earn "
        f"{number(operators, 3)} USD and users gain {number(everybody - operators, 3)} USD.",
    ]


def _totals(what: str, entry: dict[str, Any], rounds: int) -> str:
    expected, realised = entry["expected"], entry["realised"]
    sentence = (
        f"{what}: {number(expected['last_round'])} USD/s expected in the last round, "
        f"{number(realised['last_round'])} realised"
    )
    if rounds == 1:
        return f"{sentence}."
    return (
        f"{sentence}; mean over {rounds} rounds {number(expected['mean'])} expected, "
        f"{number(realised['mean'])} realised{in_brackets(realised)}."
    )


def _worst(cells: list[dict[str, Any]]) -> list[str]:
    """The pair whose belief falls furthest short, if one does beyond doubt."""
    short = [cell for cell in cells if cell["verdict"] == WORDS[Verdict.FAILS]]
    if not short:
        return []
    # a belief of 0 has no ratio and is the furthest off that a belief can be
    worst = max(short, key=lambda cell: inf if cell["ratio"] is None else cell["ratio"])
    return [
        f"Furthest too low: operator {worst['operator']}, type {worst['type']}, believed "
        f"{probability(worst['believed'])}, simulated {probability(worst['simulated'])}"
        f"{in_brackets(worst, probability)}."
    ]


def _times(ratio: float | None) -> str:
    return "" if ratio is None else f", so that simulated is {number(ratio, 3)} times believed"
