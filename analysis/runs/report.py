"""A run as one HTML page that needs no other file: numbers, pictures, and how to get them again."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined, Template
from matplotlib.figure import Figure

from airan_market.analysis.runs import figures
from airan_market.analysis.runs.headline import headline, interval, number, probability
from airan_market.analysis.runs.summary import summarise
from airan_market.analysis.store.manifest import write_text
from airan_market.analysis.store.reader import Run

TEMPLATE = "report.html.j2"


@dataclass(frozen=True)
class Picture:
    """One figure of the report: file name, title, what it shows, and how to read it."""

    name: str
    title: str
    caption: str
    alt: str
    draw: Callable[[Run, list[str]], Figure]


def write_report(run: Run) -> Path:
    """Write `figures/*.png` and `report.html` into a run's directory.

    Returns
    -------
    Path
        The page.
    """
    directory = run.path / "figures"
    directory.mkdir(exist_ok=True)
    names = [operator.name for operator in run.scenario.operators]
    summary = summarise(run)
    images = []
    for picture in pictures(run, summary):
        path = directory / f"{picture.name}.png"
        figures.save(picture.draw(run, names), path)
        images.append((picture, base64.b64encode(path.read_bytes()).decode("ascii")))
    page = run.path / "report.html"
    write_text(page, render(run, summary, images))
    return page


def page_template(package: str) -> Template:
    """The page `report.html.j2` of a package, with the filters that numbers need."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"number": number, "probability": probability, "interval": interval}
    return environment.from_string(files(package).joinpath(TEMPLATE).read_text(encoding="utf-8"))


def render(run: Run, summary: dict[str, Any], images: list[tuple[Picture, str]]) -> str:
    """The page as text; every text that comes from the scenario is escaped.

    Parameters
    ----------
    run : Run
    summary : dict
        As `analysis.runs.summary.summarise` gives it.
    images : list of (Picture, str)
        Figures with their PNG in base64.
    """
    return page_template("airan_market.analysis.runs").render(
        summary=summary,
        manifest=run.manifest,
        simulation=run.scenario.simulation,
        sentences=headline(summary),
        images=images,
        last=run.rounds[run.rounds["round"] == run.rounds["round"].max()].to_dict("records"),
        cells={(cell["operator"], cell["type"]): cell for cell in summary["violations"]["cells"]},
    )


def pictures(run: Run, summary: dict[str, Any]) -> list[Picture]:
    """The figures of the report, with texts that say what this run's figures show."""
    rounds = run.rounds
    last = rounds[rounds["round"] == rounds["round"].max()]
    out = 1 - last.groupby("type")["match_probability"].sum()
    level = f"{summary['confidence_level']:.0%}"
    return [
        Picture(
            "menus",
            "What operators offer",
            "Left: the latency each operator agrees to for each user type. Right: what a task "
            "costs. Impatient types (small numbers) get short latencies at high prices. Strong "
            "lines are the final round, faint ones earlier rounds.",
            f"Two line charts by user type: latency agreements from {number(last.latency_s.min())} "
            f"to {number(last.latency_s.max())} s and prices from {number(last.price_usd.min())} "
            f"to {number(last.price_usd.max())} USD per task.",
            lambda run, names: figures.menus(run.rounds, names),
        ),
        Picture(
            "matching",
            "Who goes where",
            "How likely a user of each type takes each operator, or none, in the final round; "
            "the parts of a column sum to 1.",
            "Stacked columns by user type: the probability to stay out lies between "
            f"{probability(max(out.min(), 0.0))} and {probability(max(out.max(), 0.0))}.",
            lambda run, names: figures.matching(run.rounds, names),
        ),
        Picture(
            "violations",
            "Were promises kept?",
            "The probability that a task misses its agreed latency: what the operator believed "
            f"when it wrote the menu (diamonds) and what the simulated tasks met (dots, {level} "
            "intervals that count tasks of one round as related), on a logarithmic axis. A diamond "
            "above an interval is a belief on the safe side; below it, one too low. An arrow "
            "hangs from the upper limit where no violation was seen.",
            f"A panel per operator; {_verdict_text(summary)}.",
            lambda run, names: figures.violations(run.rounds, run.tally, names),
        ),
        Picture(
            "utilities",
            "What it was worth",
            "Utilities in every round: expected from the beliefs (dashed, diamonds) and realised "
            "task by task (dots). Where dots lie below diamonds, promises cost more than expected. "
            "The dotted line is the mean of what was realised, the band its 95% interval.",
            f"Line charts over {run.manifest.rounds} rounds; all numbers stand in the table of "
            "operators and the headline.",
            lambda run, names: figures.utilities(run.market, run.operators, names),
        ),
    ]


def _verdict_text(summary: dict[str, Any]) -> str:
    verdicts = summary["violations"]["verdicts"]
    return "; ".join(f"{verdict}: {count} pairs" for verdict, count in verdicts.items())
