"""A run as one HTML page: numbers, pictures, and how to get them again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from airan_market.analysis.dynamics.story import Story
from airan_market.analysis.page import write_page
from airan_market.analysis.runs import figures
from airan_market.analysis.runs.headline import answer, headline
from airan_market.analysis.store.reader import Run


def write_report(run: Run, summary: dict[str, Any]) -> Path:
    """Write `figures/*.png` and `report.html` into a run's directory; returns the page."""
    rounds = run.rounds
    names = [operator.name for operator in run.scenario.operators]
    cells = {(cell["operator"], cell["type"]): cell for cell in summary["violations"]["cells"]}
    last = rounds[rounds["round"] == rounds["round"].max()]
    out = (1 - last.groupby("type")["match_probability"].sum()).clip(lower=0.0)
    drawn = {
        "menus": figures.menus(rounds, names),
        "matching": figures.matching(rounds, names),
        "violations": figures.violations(rounds, run.tally, names),
        "utilities": figures.utilities(run.market, run.operators, names),
    }
    if "over_time" in summary:
        drawn = {"over_time": Story(run).figure(), **drawn}
    return write_page(
        run.path, run.manifest, "runs/report.html.j2", drawn,
        answer(summary), headline(summary),
        notes=summary["notes"], summary=summary, cells=cells, last=last.to_dict("records"),
        out=out.tolist(), horizon_s=run.scenario.simulation.horizon_s,
    )  # fmt: skip
