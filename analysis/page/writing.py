"""One HTML page that needs no other file: findings, pictures, tables, how to get them again."""

from __future__ import annotations

import base64
import tomllib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from matplotlib.figure import Figure

from airan_market.analysis.figure_style import in_words, save
from airan_market.analysis.page.citation import bibtex
from airan_market.analysis.page.stress import scenario_sections, stress
from airan_market.analysis.store.durable import write_text
from airan_market.analysis.store.manifest import KINDS, Manifest
from airan_market.analysis.wording import Section, difference, interval, number, probability

PAGE = "report.html"
MOST_TOLD = 7  # sentences of the headline; what is found besides stands below it


def write_page(
    directory: Path,
    manifest: Manifest,
    template: str,
    figures: Mapping[str, Figure],
    answer: Sequence[str],
    sentences: Sequence[str] = (),
    *,
    place: str = "figures",
    notes: Sequence[str] = (),
    sections: Sequence[Section] = (),
    experiments: str = "",
    **more: Any,
) -> Path:
    """Write figures and `report.html` into a directory; every text of a scenario is escaped.

    Parameters
    ----------
    directory, manifest
    template : str
        A page below `analysis/` that extends `page.html.j2`: it says what the figures show.
    figures : mapping of str to Figure
    answer : sequence of str
        What was asked and what came out, a sentence each, for whoever has not read the papers.
    sentences : sequence of str
        The headline, with numbers and intervals.
    place : str
        Where figures are written, below the directory.
    notes : sequence of str
    sections : sequence of Section
        Tables below the pictures.
    experiments : str
        What was varied, where the manifest's settings do not say it best.
    **more
        What the template shows besides.

    Returns
    -------
    Path
        The page.
    """
    save(figures, directory / place)
    pictures = {name: (directory / place / f"{name}.png").read_bytes() for name in figures}
    scenario = tomllib.loads((directory / "scenario.toml").read_text(encoding="utf-8"))
    environment = Environment(
        loader=FunctionLoader(_source), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {
        "number": number, "probability": probability, "interval": interval,
        "difference": difference,
        "breakable": lambda name: str(name).replace("_", "_\u200b"),  # a column wraps between words
    }  # fmt: skip
    text = environment.get_template(template).render(
        manifest=manifest, noun=KINDS[manifest.kind], answer=answer, sentences=sentences,
        notes=notes, sections=sections, keys=scenario_sections(scenario),
        is_pact="pact" in scenario,
        stress=stress(manifest, scenario, answer[0], experiments=experiments),
        bibtex=bibtex(manifest.versions.get("airan-market", "unknown"), pact="pact" in scenario),
        shows={name: in_words(figure) for name, figure in figures.items()},
        wide_in={name: round(figure.get_figwidth(), 2) for name, figure in figures.items()},
        most_told=MOST_TOLD, **more,
        images={name: base64.b64encode(png).decode("ascii") for name, png in pictures.items()},
    )  # fmt: skip
    write_text(directory / PAGE, text)
    return directory / PAGE


def _source(name: str) -> str:
    return files("airan_market.analysis").joinpath(name).read_text(encoding="utf-8")
