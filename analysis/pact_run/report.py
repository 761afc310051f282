"""A PACT run as one HTML page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from airan_market.analysis.pact_run import figures
from airan_market.analysis.pact_run.headline import answer, headline
from airan_market.analysis.pact_run.summary import WORDS, services_in_order, type_table
from airan_market.analysis.page import write_page
from airan_market.analysis.store.reader import PactRun
from airan_market.analysis.verdict import Verdict


def write_report(run: PactRun, summary: dict[str, Any]) -> Path:
    """Write `figures/*` and `report.html` into a run's directory; returns the page."""
    names = [service.name for service in services_in_order(run)]
    short = summary["verdicts"].get(WORDS[Verdict.BELOW], 0)
    return write_page(
        run.path, run.manifest, "pact_run/report.html.j2", drawable(run, summary), answer(summary),
        headline(summary), notes=summary["notes"], summary=summary, names=names, short=short,
        horizon_s=run.scenario.simulation.horizon_s,
    )  # fmt: skip


def drawable(run: PactRun, summary: dict[str, Any]) -> dict[str, Figure]:
    """All figures of a PACT run by name; those of promises need a request."""
    scenario = run.scenario
    level, names = summary["confidence_level"], [s.name for s in services_in_order(run)]
    drawn = {}
    if summary["requests"]:
        types = type_table(run.rounds, level)
        tasks = [task.name for task in scenario.pact.tasks or ()]
        drawn["promises"] = figures.promises(types, tasks, level)
        drawn["profit"] = figures.profit(types, tasks, level)
    drawn["totals"] = figures.totals(run.market, level)
    if run.capacity["users"].notna().any():
        drawn["capacity"] = figures.capacity(
            run.capacity, run.capacity_curve, names, scenario.traffic.users, level
        )
    return drawn
