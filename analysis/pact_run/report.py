"""A PACT run as one HTML page that needs no other file."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from airan_market.analysis.pact_run import figures
from airan_market.analysis.pact_run.headline import headline
from airan_market.analysis.pact_run.summary import services_in_order, summarise, type_table
from airan_market.analysis.runs.figures import save
from airan_market.analysis.runs.report import page_template
from airan_market.analysis.store.manifest import write_text
from airan_market.analysis.store.reader import PactRun


@dataclass(frozen=True)
class Picture:
    """One figure of the report: file name, title, what it shows, and how to read it."""

    name: str
    title: str
    caption: str
    alt: str
    draw: Callable[[], Figure]


def write_report(run: PactRun) -> Path:
    """Write `figures/*.png` and `report.html` into a run's directory; returns the page."""
    directory = run.path / "figures"
    directory.mkdir(exist_ok=True)
    summary = summarise(run)
    images = []
    for picture in pictures(run, summary):
        path = directory / f"{picture.name}.png"
        save(picture.draw(), path)
        images.append((picture, base64.b64encode(path.read_bytes()).decode("ascii")))
    page = run.path / "report.html"
    write_text(page, render(run, summary, images))
    return page


def render(run: PactRun, summary: dict[str, Any], images: list[tuple[Picture, str]]) -> str:
    """The page as text; every text that comes from the scenario is escaped."""
    return page_template("airan_market.analysis.pact_run").render(
        summary=summary,
        manifest=run.manifest,
        simulation=run.scenario.simulation,
        sentences=headline(summary),
        images=images,
        names=[service.name for service in services_in_order(run)],
    )


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
            lambda: figures.totals(run.market, level),
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
                lambda: figures.capacity(
                    run.capacity, run.capacity_curve, names, run.scenario.traffic.users, level
                ),
            )
        )
    return found


def _by_type(types: Any, tasks: list[str], level: float) -> list[Picture]:
    short = int((types["quality_verdict"] == "below").sum())
    return [
        Picture(
            "promises",
            "Were promises kept?",
            "What the menu promised each type (diamonds) and what its requests met (dots; the "
            f"{level:.0%} intervals take rounds as the units of chance). Quality moves with "
            "waiting and with the luck of answers, response time with waiting and sizes alone.",
            f"Quality and response time by type; {short} types are below their promise.",
            lambda: figures.promises(types, tasks, level),
        ),
        Picture(
            "profit",
            "Profit and liability",
            "What a request of each type left to the provider and to its user, promised and "
            "realised, and what unmet answers cost the provider in liability.",
            "Three charts by type: provider's profit, user's utility and liability per request.",
            lambda: figures.profit(types, tasks, level),
        ),
    ]
