"""A PACT menu as figures and as one HTML page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from airan_market.agents.pact.outcome import PactOutcome, SolvedMarket
from airan_market.analysis.pact import claims as pact_claims
from airan_market.analysis.pact import figures
from airan_market.analysis.pact.tables import break_evens
from airan_market.analysis.pact.text import (
    break_even_sentence,
    certificate_sentences,
    curve_sentence,
)
from airan_market.analysis.page import Picture, write_page
from airan_market.analysis.store.manifest import Manifest
from airan_market.analysis.wording import Section


def places(directory: Path, outcome: PactOutcome) -> list[tuple[SolvedMarket, Path]]:
    """Each task and where its files are: `task1`, `task2`, … or the directory itself."""
    return [
        (solved, directory / f"task{number}" if solved.market.name else directory)
        for number, solved in enumerate(outcome.markets, start=1)
    ]


def write_report(directory: Path, manifest: Manifest, outcome: PactOutcome) -> Path:
    """Write the figures and `report.html` of a directory whose tables are there."""
    pictures, sections, sentences = [], [], []
    for solved, place in places(directory, outcome):
        task = f"{solved.market.name}: " if solved.market.name else ""
        own = place.relative_to(directory)
        pictures += [
            Picture(str(own / name), task + title, caption, alt, figure)
            for name, title, caption, alt, figure in _drawn(solved, place)
        ]
        told = [curve_sentence(solved), *certificate_sentences(solved)]
        sentences += [f"{task}{sentence}." for sentence in told]
        for name, title in (("services", "Services"), ("menus", "Menus"), ("claims", "Claims")):
            if (place / f"{name}.csv").is_file():
                frame = pd.read_csv(place / f"{name}.csv", keep_default_na=False)
                sections.append(Section.of(task + title, frame, f"{own / name}.csv"))
    return write_page(
        directory, manifest, "PACT menu", pictures, [f"{break_even_sentence(outcome)}.", *sentences],
        again="airan-market pact DIR/scenario.toml --out again", notes=outcome.notes(),
        sections=sections, figures=".",
    )  # fmt: skip


def _drawn(solved: SolvedMarket, place: Path) -> Iterator[tuple]:
    """Name, title, caption, alternative text and figure of every picture of a task."""
    yield (
        "services", "What services cost",
        "Cost of the services by quality, without and with liability, and the fitted curves; on "
        "the right what the fit leaves.",
        "Points and curves of cost over quality.", figures.services(solved),
    )  # fmt: skip
    yield (
        "figure2", "Is every type's own item its best?",
        "What some types would gain from every item; the star is their own.",
        "Lines of utility by item chosen.", figures.own_items(solved),
    )  # fmt: skip
    yield (
        "figure3", "What is sold, and at what price",
        "Quality and price by type, without and with liability, and with full information (first "
        "best).",
        "Two line charts by user type.", figures.menus(solved),
    )  # fmt: skip
    yield (
        "figure4", "What it is worth, and to whom",
        "Utility of users, provider and both by type, and expected over the users.",
        "Three line charts by user type and one of bars.", figures.utilities(solved),
    )  # fmt: skip
    if (place / "liability.csv").is_file():
        yield (
            "liability", "Who gains from liability",
            "Change against no liability by its level, for each kind of menu; bars are where a "
            "party gains.",
            "Lines by liability level, and bars below them.",
            figures.liability(pd.read_csv(place / "liability.csv"), break_evens(solved.market)),
        )  # fmt: skip
        yield (
            "audits", "How many answers to audit",
            "The best part of answers to audit by what an audit costs, a line per level charged.",
            "Falling lines over the cost of an audit.",
            figures.audits(pd.read_csv(place / "audits.csv")),
        )  # fmt: skip
        scales = pd.read_csv(place / "break_even.csv")
        if scales["level"].notna().any():  # a provider that may leave types out never loses
            yield (
                "break_even", "When does the provider break even?",
                "Liability level at which the provider gains nothing any more, by how much users "
                "value quality, a line per form of fit.",
                "Rising lines on logarithmic axes.", figures.break_even_over_scale(scales),
            )  # fmt: skip
    if (place / "readings.csv").is_file():
        grid = pd.read_csv(place / "readings.csv")
        yield (
            "claims", "The paper's claims over what it leaves open",
            "Per cent of the readings in which each claim holds, by the value of every assumption.",
            "A table of numbers, darker where a claim holds in more readings.",
            figures.claims({name: pact_claims.by_value(grid, name) for name in pact_claims.CLAIMS}),
        )  # fmt: skip
