"""A PACT run in a few sentences."""

from __future__ import annotations

from typing import Any

from airan_market.analysis.pact_run.summary import WORDS
from airan_market.analysis.verdict import Verdict, counted
from airan_market.analysis.wording import in_brackets, number


def headline(summary: dict[str, Any]) -> list[str]:
    """The run in a few sentences, each of them read off the summary.

    Parameters
    ----------
    summary : dict
        As `analysis.pact_run.summary.summarise` gives it.
    """
    sentences = [
        _side("The provider", summary["provider_utility_usd"]),
        _side("Users", summary["user_utility_usd"]),
    ]
    if not summary["requests"]:
        return [*sentences, "Nobody made a request."]
    unmet = summary["liability_events"]
    sentences.append(
        f"{summary['requests']} requests of {summary['users']} users, {summary['users_out']} "
        f"stayed out; {unmet} answers did not meet what was expected and cost "
        f"{number(summary['liability_usd'])} USD in liability."
    )
    sentences.append(
        f"Measured quality against the promise, of {len(summary['types'])} types: "
        f"{counted(summary['verdicts'], '{count} {word}')} (intervals over rounds)."
    )
    return sentences + _slowest(summary["items"]) + _capacity(summary["capacity"])


def answer(summary: dict[str, Any]) -> list[str]:
    """What the run asks and what came out, for whoever has not read the papers."""
    asked = "Do users of AI services get the quality that the menu promised, and who gains?"
    if not summary["requests"]:
        return [asked, "Nobody made a request."]
    below, types = summary["verdicts"][WORDS[Verdict.BELOW]], len(summary["types"])
    sides = ("provider_utility_usd", "user_utility_usd")
    provider, users = (summary[side]["realised"]["mean"] for side in sides)
    kept = "No group of users" if not below else f"{below} of {types} groups of users"
    return [
        asked,
        f"{kept} got less than promised beyond doubt; of 1,000 answers "
        f"{number(1000 * summary['liability_events'] / summary['requests'], 2)} were not what was "
        f"expected; a round left providers {number(provider, 3)} USD and users "
        f"{number(users, 3)} USD.",
    ]


def _side(who: str, entry: dict[str, Any]) -> str:
    gap = entry["difference"]
    return (
        f"{who}: {number(entry['promised']['mean'])} USD a round promised by the menu, "
        f"{number(entry['realised']['mean'])} realised"
        f"{in_brackets(gap, lead='difference ')}."
    )


def _slowest(items: list[dict[str, Any]]) -> list[str]:
    """The service whose response time is furthest above its promise, if one is beyond doubt."""
    late = [item for item in items if item["latency_s_verdict"] == WORDS[Verdict.ABOVE]]
    if not late:
        return []
    worst = max(late, key=lambda item: item["latency_s_measured"] - item["latency_s_promised"])
    return [
        f"Slowest against its promise: {worst['name']}, {number(worst['latency_s_measured'])} s "
        f"instead of {number(worst['latency_s_promised'])} s; its {worst['busiest']} is asked "
        f"for {100 * worst['load']:.0f}% of what it can serve."
    ]


def _capacity(capacity: dict[str, Any] | None) -> list[str]:
    if capacity is None:
        return []
    if capacity["users"] is None:
        return ["No number of users breaks a promise."]
    theory = capacity["users_theory"]
    return [
        f"Every promise holds within {number(capacity['tolerance'])} of quality up to "
        f"{capacity['users']} users ({capacity['users_low']} to {capacity['users_high']}"
        + ("" if theory is None else f"; {theory} by theory")
        + f"); the first to fall short is {capacity['name']}."
    ]
