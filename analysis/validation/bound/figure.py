"""The picture of the map: load × servers, a panel per priority position."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from airan_market.analysis.figure_style import headed, panels, style
from airan_market.analysis.validation.bound.map import failing_level, far_tail_fails

#: Belief over truth, in decades, that separates the classes of the map, from worst to slackest.
EDGES = (-np.inf, -1.0, 0.0, 1.0, 3.0, np.inf)
CLASSES = (
    "fails: truth over 10 × belief",
    "fails: truth up to 10 × belief",
    "holds, slack up to 10",
    "holds, slack 10 to 1000",
    "absurdly slack, over 1000",
)
# dark to light with the class, so that grey tells them apart as well
_COLOURS = ("#3b0f5c", "#8c3c7d", "#f0b27a", "#f7dfb5", "#ffffff")
_HATCHES = ("xx", "//", "", "", "..")
REFERENCE = 1e-2
#: Boundaries drawn besides: the bound fails right of the line for promises this unlikely to break.
BOUNDARIES: dict[float, Any] = {1e-1: "-", 1e-4: "--"}
_FAR = (0, (1, 1))
_BOX_WIDTH = 0.06  # of a mark, in load


def bound_map_figure(
    rows: pd.DataFrame, zeta: float, markets: pd.DataFrame | None = None
) -> Figure:
    """Belief over truth where the bound believes one violation in a hundred.

    Lines: where the bound begins to fail for likelier and for rarer violations, and in the far
    tail. Position 1 is left out: there the bound is a bound. `markets` are types to mark (operator,
    type, servers, load, position), each in the panel of the nearest position.
    """
    positions = [p for p in sorted(rows["position"].unique()) if p > 1]
    with style():
        figure, axes = panels(len(positions), 3, 4.0, 3.7, share_y=True)
        for place, (axis, position) in enumerate(zip(axes, positions, strict=True)):
            _panel(axis, rows[rows["position"] == position], zeta)
            if markets is not None:
                here = _nearest(markets["position"], [1.0, *positions]) == position
                _mark(axis, markets[here], rows)
            axis.set_title(f"type feels {position:g} × its own load")
            axis.set_xlabel("load of the types it feels, Λ / (cμ)")
            if place % 3 == 0:
                axis.set_ylabel("servers c")
        cells = rows[np.isclose(rows["belief"], REFERENCE) & (rows["position"] > 1)]
        fails = int((cells["decades"] < 0).sum())
        headed(
            figure,
            f"For promises believed to be broken 1 in 100 times the bound fails in "
            f"{fails} of {len(cells)} cells (dark): much load, few servers",
        )
        _legend(figure, markets is not None)
    return figure


def _panel(axis: Axes, rows: pd.DataFrame, zeta: float) -> None:
    servers, loads = sorted(rows["servers"].unique()), sorted(rows["load"].unique())
    shown = rows[np.isclose(rows["belief"], REFERENCE)]
    # beyond the smallest double the exact tail is 0: slacker than any class
    decades = shown.assign(decades=shown["decades"].fillna(np.inf)).pivot(
        index="servers", columns="load", values="decades"
    )
    classes = np.digitize(decades.to_numpy(), EDGES[1:-1])
    x, y = _edges(loads), np.arange(len(servers) + 1) - 0.5
    axis.pcolormesh(
        x, y, classes, cmap=ListedColormap(_COLOURS), norm=BoundaryNorm(np.arange(-0.5, 5.5), 5),
        linewidth=0,
    )  # fmt: skip
    for level, hatch in enumerate(_HATCHES):
        if hatch and (classes == level).any():
            axis.contourf(
                loads, np.arange(len(servers)), classes, levels=[level - 0.5, level + 0.5],
                colors="none", hatches=[hatch],
            )  # fmt: skip
    cells = failing_level(rows)
    for belief, dash in BOUNDARIES.items():
        fails = cells["fails_at"] >= belief * 0.999
        _boundary(axis, cells[fails], servers, x, loads, dash)
    far = far_tail_fails(cells["servers"], cells["load"], cells["position"], zeta)
    _boundary(axis, cells[far], servers, x, loads, _FAR)
    axis.set_yticks(np.arange(len(servers)), [str(c) for c in servers])
    axis.set_xlim(x[0], x[-1])
    axis.grid(visible=False)


def _boundary(
    axis: Axes, failing: pd.DataFrame, servers: list[int], x: np.ndarray, loads: list[float],
    dash: Any,
) -> None:  # fmt: skip
    """Step line at the left end of the loads that fail, row by row; at the right if none does."""
    first = failing.groupby("servers")["load"].min()
    ends = [x[loads.index(first[c])] if c in first.index else x[-1] for c in servers]
    heights = np.repeat(np.arange(len(servers) + 1) - 0.5, 2)[1:-1]
    axis.plot(np.repeat(ends, 2), heights, color="black", linestyle=dash, linewidth=1.8)


def _edges(values: Sequence[float]) -> np.ndarray:
    middle = (np.array(values[1:]) + np.array(values[:-1])) / 2
    return np.concatenate([[2 * values[0] - middle[0]], middle, [2 * values[-1] - middle[-1]]])


def _nearest(positions: pd.Series, choices: Sequence[float]) -> np.ndarray:
    apart = np.abs(np.log(positions.to_numpy()[:, np.newaxis] / np.array(choices)))
    return np.array(choices)[apart.argmin(axis=1)]


def _mark(axis: Axes, markets: pd.DataFrame, rows: pd.DataFrame) -> None:
    servers = np.log(sorted(rows["servers"].unique()))
    loads = sorted(rows["load"].unique())
    last: tuple[float, float] = (-1.0, -1.0)
    for point in markets.sort_values(["servers", "load"]).itertuples():
        height = float(np.interp(np.log(point.servers), servers, np.arange(servers.size)))
        # a box that would lie on the one before goes above it
        crowded = abs(last[1] - height) < 0.1 and point.load - last[0] < _BOX_WIDTH
        height += 0.75 * crowded
        last = (point.load, height)
        axis.annotate(
            f"{point.operator}.{point.type}", (np.clip(point.load, loads[0], loads[-1]), height),
            ha="center", va="center", fontsize=7.5, zorder=6,
            bbox={"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "0.1"},
        )  # fmt: skip


def _legend(figure: Figure, marked: bool) -> None:
    handles: list[Patch | Line2D] = [
        Patch(facecolor=colour, hatch=hatch, edgecolor="0.1", linewidth=0.6, label=label)
        for colour, hatch, label in zip(_COLOURS, _HATCHES, CLASSES, strict=True)
    ]
    handles += [
        Line2D([], [], color="black", linestyle=dash, linewidth=1.8,
               label=f"fails right of this for promises broken 1 in {1 / belief:,.0f}")
        for belief, dash in BOUNDARIES.items()
    ]  # fmt: skip
    handles.append(
        Line2D([], [], color="black", linestyle=_FAR, linewidth=1.8, label="fails in the far tail")
    )
    if marked:
        handles.append(
            Line2D([], [], linestyle="none", label="boxes: operator.type of this market")
        )
    figure.legend(
        handles=handles, loc="outside lower center", ncols=3,
        title="colours: promises believed to be broken 1 in 100 times",
    )  # fmt: skip
