"""A run as one HTML page: numbers, pictures, and how to get them again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from airan_market.analysis.page import Picture, write_page
from airan_market.analysis.runs import figures
from airan_market.analysis.runs.headline import headline
from airan_market.analysis.runs.summary import summarise
from airan_market.analysis.store.reader import Run
from airan_market.analysis.wording import number, probability


def write_report(run: Run) -> Path:
    """Write `figures/*.png` and `report.html` into a run's directory; returns the page."""
    summary, rounds = summarise(run), run.rounds
    cells = {(cell["operator"], cell["type"]): cell for cell in summary["violations"]["cells"]}
    return write_page(
        run.path, run.manifest, "AI-RAN market run", pictures(run, summary), headline(summary),
        again=f"airan-market run DIR/scenario.toml --seed {run.manifest.seed} --out again",
        notes=summary["notes"], template="runs/report.html.j2", summary=summary, cells=cells,
        horizon_s=run.scenario.simulation.horizon_s,
        last=rounds[rounds["round"] == rounds["round"].max()].to_dict("records"),
    )  # fmt: skip


def pictures(run: Run, summary: dict[str, Any]) -> list[Picture]:
    """The figures of the report, with texts that say what this run's figures show."""
    rounds, names = run.rounds, [operator.name for operator in run.scenario.operators]
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
            figures.menus(rounds, names),
        ),
        Picture(
            "matching",
            "Who goes where",
            "How likely a user of each type takes each operator, or none, in the final round; "
            "the parts of a column sum to 1.",
            "Stacked columns by user type: the probability to stay out lies between "
            f"{probability(max(out.min(), 0.0))} and {probability(max(out.max(), 0.0))}.",
            figures.matching(rounds, names),
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
            figures.violations(rounds, run.tally, names),
        ),
        Picture(
            "utilities",
            "What it was worth",
            "Utilities in every round: expected from the beliefs (dashed, diamonds) and realised "
            "task by task (dots). Where dots lie below diamonds, promises cost more than expected. "
            "The dotted line is the mean of what was realised, the band its 95% interval.",
            f"Line charts over {run.manifest.rounds} rounds; all numbers stand in the table of "
            "operators and the headline.",
            figures.utilities(run.market, run.operators, names),
        ),
    ]


def _verdict_text(summary: dict[str, Any]) -> str:
    verdicts = summary["violations"]["verdicts"]
    return "; ".join(f"{verdict}: {count} pairs" for verdict, count in verdicts.items())
