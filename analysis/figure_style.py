"""How figures look: readable without colour, operators told apart the same way in each."""

from __future__ import annotations

import io
import textwrap
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
import seaborn as sns
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from airan_market.analysis.store.durable import write_bytes

MARKERS = ["o", "s", "^", "D", "v", "P", "X", "<", ">", "p"]
DASHES = ["-", "--", "-.", ":", (0, (6, 2)), (0, (5, 1, 1, 1, 1, 1))]
HATCHES = ["", "///", "...", "xxx", "\\\\\\", "ooo", "+++", "---"]
LOG_SPAN = 8.0  # beyond this ratio of largest to smallest a linear axis flattens the small values
LABEL_WIDTH = 22  # characters of a legend line
#: How what was believed, promised or expected is drawn beside what came of it.
BELIEVED: dict[str, Any] = {
    "color": "0.35",
    "marker": "D",
    "markerfacecolor": "white",
    "linestyle": "--",
}


@contextmanager
def style() -> Iterator[None]:
    """The look of every figure, for as long as it is entered."""
    with (
        sns.axes_style("whitegrid", {"grid.color": "0.9", "axes.edgecolor": "0.4"}),
        sns.plotting_context("notebook", font_scale=0.85),
        mpl.rc_context(
            {
                "font.family": "DejaVu Sans",  # comes with Matplotlib: the same on every machine
                "axes.linewidth": 0.8,
                "hatch.linewidth": 0.6,
                "lines.linewidth": 1.4,
                "legend.frameon": False,
            }
        ),
    ):
        yield


def colours(count: int) -> list[tuple[float, float, float]]:
    """As many colours, told apart by colour-blind readers as far as ten go (then they repeat)."""
    return sns.color_palette("colorblind", count)


def cycle(choices: Sequence[object], count: int) -> list:
    """The first `count` choices, from the start again when they are used up.

    Examples
    --------
    >>> cycle(["a", "b"], 3)
    ['a', 'b', 'a']
    """
    return [choices[place % len(choices)] for place in range(count)]


def line_look(place: int, count: int = 6) -> dict[str, Any]:
    """Colour, marker and dash of the line at a place, of about `count` that are to differ."""
    return {
        "color": colours(count)[place % count],
        "marker": MARKERS[place % len(MARKERS)],
        "linestyle": DASHES[place % len(DASHES)],
    }


def nested_look(place: int, count: int) -> dict[str, Any]:
    """`line_look`, thinner and smaller from line to line: two that coincide are both seen."""
    shrunk = place / max(count - 1, 1)
    return line_look(place, count) | {
        "linewidth": 3.2 - 2.0 * shrunk,
        "markersize": 9.0 - 4.5 * shrunk,
        "markeredgecolor": "white",
    }


def operator_labels(count: int, names: Sequence[str] | None = None) -> list[str]:
    """Labels of operators 1 to `count`: the name, led by its number unless it holds it.

    Dollar signs are escaped (Matplotlib would read mathematics), long names are broken.

    Examples
    --------
    >>> operator_labels(2), operator_labels(2, ["operator 1", "north"])
    (['operator 1', 'operator 2'], ['operator 1', '2: north'])
    """
    if names is None:
        return [f"operator {number}" for number in range(1, count + 1)]
    return [
        textwrap.fill(
            (name if str(number) in name.split() else f"{number}: {name}").replace("$", r"\$"),
            LABEL_WIDTH,
        )
        for number, name in enumerate(names, start=1)
    ]


class Drawing(Figure):
    """A figure that notebooks show without being told how."""

    def _repr_png_(self) -> bytes:
        return png(self)


def png(figure: Figure) -> bytes:
    """Figure as PNG, 150 dots per inch, without metadata that varies."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # a name in a script the font lacks is drawn as boxes; its number still tells the operator
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        # as `savefig` does, which draws a figure twice where a layout has to be found
        canvas, dpi = figure.canvas, figure.dpi
        try:
            figure.dpi = 150
            FigureCanvasAgg(figure).print_png(buffer, metadata={"Software": None})
        finally:
            figure.dpi = dpi
            figure.set_canvas(canvas)
    return buffer.getvalue()


def save(figures: Mapping[str, Figure], directory: Path) -> None:
    """Write each figure as `NAME.png` into a directory, which is made if it is missing."""
    directory.mkdir(exist_ok=True)
    for name, figure in figures.items():
        write_bytes(directory / f"{name}.png", png(figure))


def panels(
    count: int,
    columns: int,
    width_in: float = 4.0,
    height_in: float = 3.2,
    *,
    share_y: bool = False,
) -> tuple[Figure, list[Axes]]:
    """A figure of `count` panels in rows of at most `columns`."""
    columns = min(count, columns)
    rows = -(-count // columns)
    figure = Drawing(figsize=(width_in * columns, height_in * rows), layout="constrained")
    axes = figure.subplots(rows, columns, sharey=share_y, squeeze=False).ravel()
    for axis in axes[count:]:
        axis.remove()
    return figure, list(axes[:count])


def whole_ticks(axis: Axes) -> None:
    """Ticks of the x axis at whole numbers only (types and rounds have no halves)."""
    axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def spread_ticks(axis: Axes, values: Iterable[float]) -> None:
    """Make the y axis logarithmic when positive values span more than `LOG_SPAN`; plain ticks."""
    low, high = min(values), max(values)
    if low > 0 and high / low > LOG_SPAN:
        axis.set_yscale("log")
        axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=20))
        axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.yaxis.set_minor_locator(NullLocator())
    else:
        axis.ticklabel_format(axis="y", useOffset=False)


def legend_below(
    figure: Figure, axes: Sequence[Axes], entry_in: float = 2.1, title: str | None = None
) -> None:
    """One legend under all panels; a label that several panels have is listed once.

    Parameters
    ----------
    figure, axes
    entry_in : float
        Width of an entry, inches; as many stand side by side as the figure is wide, up to 6.
    title : str, optional
    """
    entries: dict[str, Artist] = {}
    for axis in axes:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    wide = max(1, int(figure.get_figwidth() // entry_in))
    figure.legend(
        list(entries.values()), list(entries), loc="outside lower center", title=title,
        ncols=min(wide, len(entries) or 1, 6),
    )  # fmt: skip
