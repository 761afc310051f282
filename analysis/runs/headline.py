"""A run in a few sentences, and how numbers are written for people."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any

from airan_market.analysis.runs.violations import TOO_LOW


def headline(summary: dict[str, Any]) -> list[str]:
    """The run in a few sentences, each of them read off the summary.

    Parameters
    ----------
    summary : dict
        As `analysis.runs.summary.summarise` gives it.
    """
    sentences = [
        _totals("All operators together", summary["operator_utility_usd_per_s"], summary["rounds"]),
        _totals("Social welfare", summary["social_welfare_usd_per_s"], summary["rounds"]),
    ]
    total = summary["violations"]["total"]
    if total is None:
        sentences.append("No task was served under a contract.")
        return sentences
    sentences.append(
        f"Of {total['decided']} decided tasks {probability(total['simulated'])} missed the agreed "
        f"latency{_in_brackets(total, probability)}; operators believed "
        f"{probability(total['believed'])}{_times(total['ratio'])}."
    )
    verdicts = summary["violations"]["verdicts"]
    counts = [f"{verdict} in {count}" for verdict, count in verdicts.items() if count]
    sentences.append(
        f"Of {sum(verdicts.values())} pairs of operator and type: {', '.join(counts)}."
    )
    return sentences + _worst(summary["violations"]["cells"])


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
        f"{number(realised['mean'])} realised{_in_brackets(realised)}."
    )


def _worst(cells: list[dict[str, Any]]) -> list[str]:
    """The pair whose belief falls furthest short, if one does beyond doubt."""
    short = [cell for cell in cells if cell["verdict"] == TOO_LOW]
    if not short:
        return []
    # a belief of 0 has no ratio and is the furthest off that a belief can be
    worst = max(short, key=lambda cell: inf if cell["ratio"] is None else cell["ratio"])
    return [
        f"Furthest too low: operator {worst['operator']}, type {worst['type']}, believed "
        f"{probability(worst['believed'])}, simulated {probability(worst['simulated'])}"
        f"{_in_brackets(worst, probability)}."
    ]


def number(value: float | None, digits: int = 4) -> str:
    """A number with at most `digits` significant digits; a dash where there is none.

    Examples
    --------
    >>> number(2.05123), number(0.00012), number(None), number(123456.0)
    ('2.051', '0.00012', '–', '123456')
    """
    if value is None or value != value:
        return "–"
    if abs(value) >= 10**digits:
        return f"{value:.0f}"
    return f"{value:.{digits}g}"


def probability(value: float | None) -> str:
    """A probability in percent, three significant digits.

    Examples
    --------
    >>> probability(0.04137), probability(0.0), probability(2.5e-7), probability(None)
    ('4.14%', '0%', '2.5e-05%', '–')
    """
    if value is None or value != value:
        return "–"
    return f"{100 * value:.3g}%"


def interval(entry: dict[str, Any], write: Callable[[float | None], str] = number) -> str:
    """Low and high of an entry of the summary.

    Examples
    --------
    >>> interval({"low": 0.5, "high": 0.75}), interval({"low": None, "high": None})
    ('0.5 to 0.75', '–')
    """
    if entry["low"] is None:
        return "–"
    return f"{write(entry['low'])} to {write(entry['high'])}"


def _in_brackets(entry: dict[str, Any], write: Callable[[float | None], str] = number) -> str:
    return "" if entry["low"] is None else f" ({interval(entry, write)})"


def _times(ratio: float | None) -> str:
    return "" if ratio is None else f", so that simulated is {number(ratio, 3)} times believed"
