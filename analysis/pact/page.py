"""A PACT menu as figures and as one HTML page."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from airan_market.agents.pact.outcome import PactOutcome, SolvedMarket
from airan_market.analysis.pact import claims as pact_claims
from airan_market.analysis.pact import figures
from airan_market.analysis.pact.tables import break_evens
from airan_market.analysis.pact.text import (
    answer,
    break_even_sentence,
    certificate_sentences,
    curve_sentence,
)
from airan_market.analysis.page import write_page
from airan_market.analysis.store.manifest import Manifest
from airan_market.analysis.wording import Section, capital


def places(directory: Path, outcome: PactOutcome) -> list[tuple[SolvedMarket, Path]]:
    """Each task and where its files are: `task1`, `task2`, … or the directory itself."""
    return [
        (solved, directory / f"task{number}" if solved.market.name else directory)
        for number, solved in enumerate(outcome.markets, start=1)
    ]


def write_report(directory: Path, manifest: Manifest, outcome: PactOutcome) -> Path:
    """Write the figures and `report.html` of a directory whose tables are there."""
    sections, tasks = [], []
    sentences = [f"{capital(break_even_sentence(outcome))}."]
    for solved, place in places(directory, outcome):
        task = f"{solved.market.name}: " if solved.market.name else ""
        under = f"{place.name}/" if task else ""
        tasks.append((under, task))
        told = [curve_sentence(solved), *certificate_sentences(solved)]
        sentences += [f"{capital(task + sentence)}." for sentence in told]
        for name, title in (("services", "Services"), ("menus", "Menus"), ("claims", "Claims")):
            if (place / f"{name}.csv").is_file():
                frame = pd.read_csv(place / f"{name}.csv", keep_default_na=False)
                sections.append(Section.of(task + title, frame, f"{under}{name}.csv"))
    return write_page(
        directory, manifest, "pact/page.html.j2", drawable(directory, outcome), answer(outcome),
        sentences, place=".", tasks=tasks, notes=outcome.notes(), sections=sections,
    )  # fmt: skip


def drawable(directory: Path, outcome: PactOutcome) -> dict[str, Figure]:
    """All figures of a menu by name, those of a task led by its folder."""
    return {
        f"{place.name}/{name}" if solved.market.name else name: figure
        for solved, place in places(directory, outcome)
        for name, figure in _drawn(solved, place).items()
    }


def _drawn(solved: SolvedMarket, place: Path) -> dict[str, Figure]:
    """The figures of a task, those whose tables are there."""
    drawn = {
        "services": figures.services(solved),
        "figure2": figures.own_items(solved),
        "figure3": figures.menus(solved),
        "figure4": figures.utilities(solved),
    }
    if (place / "liability.csv").is_file():
        points, audits, scales = (
            pd.read_csv(place / f"{name}.csv") for name in ("liability", "audits", "break_even")
        )
        drawn["liability"] = figures.liability(points, break_evens(solved.market))
        drawn["audits"] = figures.audits(audits)
        if scales["level"].notna().any():  # a provider that may leave types out never loses
            drawn["break_even"] = figures.break_even_over_scale(scales)
    if (place / "readings.csv").is_file():
        grid = pd.read_csv(place / "readings.csv")
        shares = {name: pact_claims.by_value(grid, name) for name in pact_claims.CLAIMS}
        drawn["claims"] = figures.claims(shares)
    return drawn
