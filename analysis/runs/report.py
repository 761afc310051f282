"""A run as one HTML page: numbers, pictures, and how to get them again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from airan_market.analysis.dynamics.story import Story
from airan_market.analysis.page import write_page
from airan_market.analysis.runs import figures
from airan_market.analysis.runs.headline import answer, headline
from airan_market.analysis.store.reader import Run


def drawable(run: Run, summary: dict[str, Any]) -> dict[str, Figure]:
    """All figures of a run by name."""
    names = [operator.name for operator in run.scenario.operators]
    services = run.scenario.service_of_types
    drawn = {"over_time": Story(run).figure()} if "over_time" in summary else {}
    return drawn | {
        "menus": figures.menus(run.rounds, names, services),
        "matching": figures.matching(run.rounds, names, services),
        "violations": figures.violations(run.rounds, run.tally, names, services=services),
        "utilities": figures.utilities(run.market, run.operators, names),
    }


def write_report(run: Run, summary: dict[str, Any]) -> Path:
    """Write `figures/*` and `report.html` into a run's directory; returns the page."""
    rounds = run.rounds
    cells = {(cell["operator"], cell["type"]): cell for cell in summary["violations"]["cells"]}
    last = rounds[rounds["round"] == rounds["round"].max()]
    out = (1 - last.groupby("type")["match_probability"].sum()).clip(lower=0.0)
    return write_page(
        run.path, run.manifest, "runs/report.html.j2", drawable(run, summary),
        answer(summary), headline(summary),
        notes=summary["notes"], summary=summary, cells=cells, last=last.to_dict("records"),
        out=out.tolist(), services=run.scenario.service_of_types,
        horizon_s=run.scenario.simulation.horizon_s,
    )  # fmt: skip
