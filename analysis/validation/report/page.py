"""A validation as one HTML page."""

from __future__ import annotations

from pathlib import Path

from airan_market.analysis.page import Picture, write_page
from airan_market.analysis.validation.report.figures import drawable
from airan_market.analysis.validation.report.summary import sentences
from airan_market.analysis.validation.report.text import sections
from airan_market.analysis.validation.stored import Validation

#: Title, caption and alternative text of each figure; of "tails-1", "tails-2", … by the first word.
_SAID = {
    "tails": (
        "How likely is it to take longer?",
        "Tails of every type by each theory and by simulation, with its 95 % interval. The "
        "vertical line is the agreed latency. A line ends in a triangle where it goes on below "
        "the axis.",
        "Falling curves on a logarithmic axis, a panel per type of the operator.",
    ),
    "decomposition": (
        "What is the error made of?",
        "Belief over truth at the agreed latency, in powers of ten: causes that make the belief "
        "too high are stacked up from 0, those that make it too low down from 0. The diamond is "
        "their sum, with the interval of the simulated truth.",
        "Stacked bars by type, a panel per operator.",
    ),
    "beyond": (
        "When work and arrivals follow other laws",
        "What operators believe (strokes) and what happens under other laws at the same loads. A "
        "hollow marker stands at the upper limit where nothing late was seen.",
        "Points with intervals by type, a panel per operator.",
    ),
    "map": (
        "Where the bound holds and where it fails",
        "One station, exact law over bound, by load and servers; boxes are the types of this "
        "market.",
        "Maps of load against servers, a panel per priority position.",
    ),
}


def write_report(found: Validation) -> Path:
    """Write `figures/*.png` and `report.html` into the directory; returns the page."""
    pictures = [
        Picture(name, *_SAID[name.partition("-")[0]], figure)
        for name, figure in drawable(found).items()
    ]
    seed = found.manifest.seed
    return write_page(
        found.path, found.manifest, "validation", pictures, sentences(found.summary),
        again=f"airan-market validate DIR/scenario.toml --seed {seed} --out again",
        notes=found.summary["notes"], sections=sections(found),
    )  # fmt: skip
