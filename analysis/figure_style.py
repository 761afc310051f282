"""How figures look: readable without colour, operators told apart the same way in each."""

from __future__ import annotations

import io
import textwrap
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import matplotlib as mpl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from airan_market.analysis.store.durable import write_bytes

MARKERS = ["o", "s", "^", "D", "v", "P", "X", "<", ">", "p"]
DASHES = ["-", "--", "-.", ":", (0, (6, 2)), (0, (5, 1, 1, 1, 1, 1))]
HATCHES = ["", "///", "...", "xxx", "\\\\\\", "ooo", "+++", "---"]
LOG_SPAN = 8.0  # beyond this ratio of largest to smallest a linear axis flattens the small values
LEFT_IN, BOTTOM_IN, SPACE_IN, LINE_IN = 0.85, 0.52, 0.12, 0.21  # margins, a line of text
LABEL_WIDTH = 22  # characters of a legend line
MESSAGE_PER_IN = 10.5  # bold characters of an inch
#: How what was believed, promised or expected is drawn beside what came of it.
BELIEVED: dict[str, Any] = {
    "color": "0.35",
    "marker": "D",
    "markerfacecolor": "white",
    "linestyle": "--",
}


# seaborn's style "whitegrid", its context "notebook" at font_scale 0.85 and its palette
# "colorblind", as numbers: importing seaborn brings half a second of scipy.stats, and no more of it
# is needed
_STYLE: Any = {
    "font.family": "DejaVu Sans",  # comes with Matplotlib: the same on every machine
    "font.size": 10.2,
    "text.color": ".15",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.edgecolor": "0.4",
    "axes.labelcolor": ".15",
    "axes.labelsize": 10.2,
    "axes.linewidth": 0.8,
    "axes.titlesize": 10.2,
    "axes.titley": 1.0,  # where it is put anyway, after looking at everything that might be above
    "grid.color": "0.9",
    "grid.linewidth": 1.0,
    "hatch.linewidth": 0.6,
    "image.cmap": "magma",
    "legend.fontsize": 9.35,
    "legend.frameon": False,
    "legend.title_fontsize": 10.2,
    "lines.linewidth": 1.4,
    "lines.solid_capstyle": "round",
    "patch.edgecolor": "w",
    "patch.force_edgecolor": True,
    "xtick.bottom": False,
    "ytick.left": False,
    "xtick.color": ".15",
    "ytick.color": ".15",
    "xtick.labelsize": 9.35,
    "ytick.labelsize": 9.35,
    "xtick.major.size": 6.0,
    "ytick.major.size": 6.0,
    "xtick.minor.size": 4.0,
    "ytick.minor.size": 4.0,
    "xtick.major.width": 1.25,
    "ytick.major.width": 1.25,
    "xtick.minor.width": 1.0,
    "ytick.minor.width": 1.0,
}
_COLOURS = (
    "#0173b2", "#de8f05", "#029e73", "#d55e00", "#cc78bc",
    "#ca9161", "#fbafe4", "#949494", "#ece133", "#56b4e9",
)  # fmt: skip


@contextmanager
def style() -> Iterator[None]:
    """The look of every figure, for as long as it is entered."""
    with mpl.rc_context(_STYLE):
        yield


def colours(count: int) -> list[tuple[float, float, float]]:
    """As many colours, told apart by colour-blind readers as far as ten go (then they repeat)."""
    return [to_rgb(colour) for colour in cycle(_COLOURS, count)]


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
        "markersize": 9.5 - 3.0 * shrunk,
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


def svg(figure: Figure) -> bytes:
    """Figure as SVG, equal bytes for equal figures; letters are drawn, so no font is needed."""
    buffer = io.BytesIO()
    with warnings.catch_warnings(), mpl.rc_context({"svg.hashsalt": "airan-market"}):
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        canvas = figure.canvas
        try:
            FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None, "Creator": None})
        finally:
            figure.set_canvas(canvas)
    return buffer.getvalue()


def save(figures: Mapping[str, Figure], directory: Path) -> None:
    """Write each figure as `NAME.png` and `NAME.svg` into a directory, made if it is missing."""
    directory.mkdir(exist_ok=True)
    for name, figure in figures.items():
        write_bytes(directory / f"{name}.png", png(figure))
        write_bytes(directory / f"{name}.svg", svg(figure))


def in_words(figure: Figure) -> str:
    """What stands in a figure, for who cannot see it: its message, its panels, what is on the axes.

    Examples
    --------
    >>> figure, (axis,) = panels(1, 1)
    >>> _ = axis.set(title="all rise", xlabel="round", ylabel="welfare (USD/s)")
    >>> in_words(figure)
    'Panels: all rise. Axes: welfare (USD/s) over round.'
    """
    message = figure.get_suptitle()
    titles = dict.fromkeys(
        title for axis in figure.axes for place in ("left", "center", "right")
        if (title := axis.get_title(place))
    )  # fmt: skip
    axes = dict.fromkeys(
        " over ".join(filter(None, (axis.get_ylabel(), axis.get_xlabel()))) for axis in figure.axes
    )
    parts = (
        ("", [message]), ("Panels: ", list(titles)), ("Axes: ", [name for name in axes if name]),
    )  # fmt: skip
    told = [f"{lead}{'; '.join(names)}." for lead, names in parts if any(names)]
    return " ".join(" ".join(told).replace(r"\$", "$").split())


def panels(
    count: int,
    columns: int,
    width_in: float = 4.0,
    height_in: float = 3.2,
    *,
    share_y: bool = False,
    layout: Literal["constrained", "none"] = "constrained",
) -> tuple[Figure, list[Axes]]:
    """A figure of `count` panels in rows of at most `columns`.

    A "constrained" layout is found when the figure is drawn, by measuring all texts twice, which
    takes as long as drawing it. "none" leaves the panels to `lay_out`.
    """
    columns = min(count, columns)
    rows = -(-count // columns)
    figure = Drawing(figsize=(width_in * columns, height_in * rows))
    figure.set_layout_engine(layout)
    axes = figure.subplots(rows, columns, sharey=share_y, squeeze=False).ravel()
    for axis in axes[count:]:
        axis.remove()
    return figure, list(axes[:count])


def headed(figure: Figure, message: str) -> float:
    """Put what a figure says above its panels.

    Parameters
    ----------
    figure
    message : str
        A short sentence; it is broken into as many lines as it needs.

    Returns
    -------
    float
        Its height, inches, for `lay_out`.
    """
    wide_in, high_in = figure.get_size_inches()
    lines = textwrap.wrap(message.replace("$", r"\$"), int(wide_in * MESSAGE_PER_IN))
    figure.suptitle(
        "\n".join(lines), x=SPACE_IN / wide_in, ha="left", fontweight="bold", fontsize=10.2,
        **({} if figure.get_layout_engine() else {"y": 1 - 0.07 / high_in, "va": "top"}),
    )  # fmt: skip
    return SPACE_IN + LINE_IN * len(lines)


def ring(axis: Axes, x: Any, y: Any) -> None:
    """Circle points that the message speaks of; values that no axis has are left out."""
    axis.plot(
        x, y, linestyle="none", marker="o", markersize=15, markerfacecolor="none",
        markeredgecolor="black", markeredgewidth=1.3, zorder=8, scalex=False, scaley=False,
        label="_ring",
    )  # fmt: skip


def lay_out(
    figure: Figure,
    axes: Sequence[Axes],
    *,
    below_in: float = 0,
    right_in: float = 0,
    above_in: float = 0,
) -> None:
    """Place panels by fixed margins: room for labels of ticks of nine characters, and for titles.

    Parameters
    ----------
    figure, axes
        As `panels` gives them, complete: titles and labels are counted.
    below_in, right_in, above_in : float
        Room for a legend, and for a message (`headed`), inches.
    """
    width_in, height_in = figure.get_size_inches()
    grid = axes[0].get_gridspec()
    assert grid is not None
    lefts_in = [
        max(LEFT_IN if _has_labels(axis) else SPACE_IN for axis in axes[column :: grid.ncols])
        for column in range(grid.ncols)
    ]
    wide_in = (width_in - right_in - sum(lefts_in)) / grid.ncols - SPACE_IN
    rows = [axes[first : first + grid.ncols] for first in range(0, len(axes), grid.ncols)]
    tops_in = [SPACE_IN + LINE_IN * max(map(_title_lines, row)) for row in rows]
    bottoms_in = [
        (BOTTOM_IN if any(map(_has_numbers, row)) else 0.0) + LINE_IN * max(map(_more_lines, row))
        for row in rows
    ]
    tops_in[0] += above_in
    high_in = (height_in - below_in - sum(tops_in) - sum(bottoms_in)) / grid.nrows
    for place, axis in enumerate(axes):
        row, column = divmod(place, grid.ncols)
        left_in = sum(lefts_in[: column + 1]) + column * (wide_in + SPACE_IN)
        down_in = sum(tops_in[: row + 1]) + sum(bottoms_in[:row]) + (row + 1) * high_in
        axis.set_position((
            left_in / width_in, 1 - down_in / height_in, wide_in / width_in, high_in / height_in,
        ))  # fmt: skip


def _title_lines(axis: Axes) -> int:
    titles = [axis.get_title(loc) for loc in ("left", "center", "right")]
    return max(title.count("\n") + bool(title) for title in titles)


def _more_lines(axis: Axes) -> int:
    """Lines of the x axis's label after the first."""
    return axis.get_xlabel().count("\n")


def _has_numbers(axis: Axes) -> bool:
    """Whether numbers stand at the x axis."""
    shown = axis.xaxis.get_tick_params()
    # Matplotlib 3.9 calls those of an x axis as it calls those of a y axis
    return bool(shown.get("labelbottom", shown.get("labelleft", True)))


def _has_labels(axis: Axes) -> bool:
    """Whether numbers stand at the y axis."""
    return bool(axis.yaxis.get_tick_params()["labelleft"])


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
) -> float:
    """One legend under all panels; a label that several panels have is listed once.

    Parameters
    ----------
    figure, axes
    entry_in : float
        Width of an entry, inches; as many stand side by side as the figure is wide, up to 6.
    title : str, optional

    Returns
    -------
    float
        Its height, inches, for `lay_out`.
    """
    entries: dict[str, Artist] = {}
    for axis in axes:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    wide = max(1, int(figure.get_figwidth() // entry_in))
    wide = min(wide, len(entries) or 1, 6)
    outside = figure.get_layout_engine() is not None
    figure.legend(
        list(entries.values()), list(entries), title=title, ncols=wide,
        loc="outside lower center" if outside else "lower center",
    )  # fmt: skip
    labels = list(entries)  # Matplotlib fills column after column
    high = -(-len(labels) // wide)
    lines = [max(label.count("\n") + 1 for label in labels[row::high]) for row in range(high)]
    return SPACE_IN + LINE_IN * (sum(lines) + (title is not None))
