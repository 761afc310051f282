"""One HTML page that needs no other file: what was found, pictures, tables, how to get them again."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from matplotlib.figure import Figure

from airan_market.analysis.figure_style import png
from airan_market.analysis.store.manifest import KINDS, Manifest, write_text
from airan_market.analysis.wording import Section, interval, number, probability

PAGE = "report.html"
TEMPLATE = "page.html.j2"


@dataclass(frozen=True)
class Picture:
    """One figure of a page: file name, title, how to read it, what it shows, and itself."""

    name: str
    title: str
    caption: str
    alt: str
    figure: Figure


def write_page(
    directory: Path,
    manifest: Manifest,
    title: str,
    pictures: Iterable[Picture],
    sentences: Sequence[str],
    *,
    again: str,
    notes: Sequence[str] = (),
    sections: Sequence[Section] = (),
    figures: str = "figures",
    template: str = TEMPLATE,
    **more: Any,
) -> Path:
    """Write figures and `report.html` into a directory; every text of a scenario is escaped.

    Parameters
    ----------
    directory, manifest
    title : str
        What the page is about, besides the scenario.
    pictures : iterable of Picture
    sentences : sequence of str
        The headline.
    again : str
        The command that gives the same, DIR for the directory.
    notes : sequence of str
    sections : sequence of Section
        Tables below the pictures.
    figures : str
        Where the pictures are written, below the directory.
    template : str
        A page below `analysis/` that extends the common one.
    **more
        What that one shows.

    Returns
    -------
    Path
        The page.
    """
    (directory / figures).mkdir(exist_ok=True)
    images = []
    for picture in pictures:
        content = png(picture.figure)
        (directory / figures / f"{picture.name}.png").write_bytes(content)
        images.append((picture, base64.b64encode(content).decode("ascii")))
    environment = Environment(
        loader=FunctionLoader(_source), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {"number": number, "probability": probability, "interval": interval}
    text = environment.get_template(template).render(
        manifest=manifest, noun=KINDS[manifest.kind], title=title, images=images,
        sentences=sentences, again=again, notes=notes, sections=sections, **more,
    )  # fmt: skip
    write_text(directory / PAGE, text)
    return directory / PAGE


def _source(name: str) -> str:
    return files("airan_market.analysis").joinpath(name).read_text(encoding="utf-8")
