"""A PACT run as one HTML page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from airan_market.analysis.pact_run import figures
from airan_market.analysis.pact_run.headline import headline
from airan_market.analysis.pact_run.summary import WORDS, services_in_order, summarise, type_table
from airan_market.analysis.page import Picture, write_page
from airan_market.analysis.store.reader import PactRun
from airan_market.analysis.verdict import Verdict


def write_report(run: PactRun) -> Path:
    """Write `figures/*.png` and `report.html` into a run's directory; returns the page."""
    summary = summarise(run)
    return write_page(
        run.path, run.manifest, "PACT run", pictures(run, summary), headline(summary),
        again=f"airan-market run DIR/scenario.toml --seed {run.manifest.seed} --out again",
        notes=summary["notes"], template="pact_run/report.html.j2", summary=summary,
        horizon_s=run.scenario.simulation.horizon_s,
        names=[service.name for service in services_in_order(run)],
    )  # fmt: skip


def pictures(run: PactRun, summary: dict[str, Any]) -> list[Picture]:
    """The figures of the report, those that this run has something to show in."""
    level = summary["confidence_level"]
    tasks = [task.name for task in run.scenario.pact.tasks or ()]
    names = [service.name for service in services_in_order(run)]
    found: list[Picture] = []
    if summary["requests"]:
        types = type_table(run.rounds, level)
        found += _by_type(types, tasks, level)
    found.append(
        Picture(
            "totals",
            "What it was worth, round by round",
            "Utilities of as many requests as were made, at what the menu promised (diamonds) and "
            "as it came (dots). They differ by waiting, by answers that by chance met or missed "
            "what was expected, and, where sizes vary, by work.",
            f"Line charts over {run.manifest.rounds} rounds for provider, users and both.",
            figures.totals(run.market, level),
        )
    )
    if run.capacity["users"].notna().any():
        found.append(
            Picture(
                "capacity",
                "How many users the promises bear",
                "Quality of each service that the menu uses against the number of users of the "
                "whole market: more users wait longer. The hatched band is the number of users, "
                "with its interval, up to which the promise holds within the tolerance.",
                f"A panel per service; the promises bear {summary['capacity']['users']} users.",
                figures.capacity(
                    run.capacity, run.capacity_curve, names, run.scenario.traffic.users, level
                ),
            )
        )
    return found


def _by_type(types: Any, tasks: list[str], level: float) -> list[Picture]:
    short = int((types["quality_verdict"] == WORDS[Verdict.BELOW]).sum())
    return [
        Picture(
            "promises",
            "Were promises kept?",
            "What the menu promised each type (diamonds) and what its requests met (dots; the "
            f"{level:.0%} intervals take rounds as the units of chance). Quality moves with "
            "waiting and with the luck of answers, response time with waiting and sizes alone.",
            f"Quality and response time by type; {short} types are below their promise.",
            figures.promises(types, tasks, level),
        ),
        Picture(
            "profit",
            "Profit and liability",
            "What a request of each type left to the provider and to its user, promised and "
            "realised, and what unmet answers cost the provider in liability.",
            "Three charts by type: provider's profit, user's utility and liability per request.",
            figures.profit(types, tasks, level),
        ),
    ]
