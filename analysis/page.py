"""One HTML page that needs no other file: findings, pictures, tables, how to get them again."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from matplotlib.figure import Figure

from airan_market.analysis.figure_style import save
from airan_market.analysis.store.durable import write_text
from airan_market.analysis.store.manifest import KINDS, Manifest
from airan_market.analysis.wording import Section, interval, number, probability

PAGE = "report.html"


def write_page(
    directory: Path,
    manifest: Manifest,
    template: str,
    figures: Mapping[str, Figure],
    sentences: Sequence[str] = (),
    *,
    place: str = "figures",
    notes: Sequence[str] = (),
    sections: Sequence[Section] = (),
    **more: Any,
) -> Path:
    """Write figures and `report.html` into a directory; every text of a scenario is escaped.

    Parameters
    ----------
    directory, manifest
    template : str
        A page below `analysis/` that extends `page.html.j2`: it says what the figures show.
    figures : mapping of str to Figure
    sentences : sequence of str
        The headline.
    place : str
        Where figures are written, below the directory.
    notes : sequence of str
    sections : sequence of Section
        Tables below the pictures.
    **more
        What the template shows besides.

    Returns
    -------
    Path
        The page.
    """
    save(figures, directory / place)
    pictures = {name: (directory / place / f"{name}.png").read_bytes() for name in figures}
    environment = Environment(
        loader=FunctionLoader(_source), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {"number": number, "probability": probability, "interval": interval}
    text = environment.get_template(template).render(
        manifest=manifest, noun=KINDS[manifest.kind], sentences=sentences, notes=notes,
        sections=sections, **more,
        images={name: base64.b64encode(png).decode("ascii") for name, png in pictures.items()},
    )  # fmt: skip
    write_text(directory / PAGE, text)
    return directory / PAGE


def _source(name: str) -> str:
    return files("airan_market.analysis").joinpath(name).read_text(encoding="utf-8")
