"""Who takes whom: bands from types to operators or services, as wide as they have users."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path

from airan_market.analysis.figure_style import HATCHES, colours, cycle, panels, style
from airan_market.sim.arrays import FloatArray

_LEFT, _RIGHT, _BLOCK = 0.0, 1.0, 0.035  # places and width of the blocks
_GAP = 0.015  # between blocks, of the height of all users


def flows(users: FloatArray, sources: Sequence[str], targets: Sequence[str]) -> Figure:
    """Bands between two columns of blocks.

    Parameters
    ----------
    users : array (sources, targets)
        Users of every type at every target; the last target may be "stays out".
    sources, targets : sequence of str
        Names. Those without users are left out.
    """
    users = np.asarray(users, dtype=float)
    rows, columns = np.flatnonzero(users.sum(axis=1)), np.flatnonzero(users.sum(axis=0))
    lines = max(len(rows), len(columns))
    palette, hatches = colours(len(targets)), cycle(HATCHES, len(targets))
    with style():
        figure, (axis,) = panels(1, 1, 4.6, max(3.4, 0.24 * lines + 0.8), layout="none")
        axis.set_position((0.17, 0.08, 0.45, 0.88))
        starts = _tops(users.sum(axis=1)[rows]), _tops(users.sum(axis=0)[columns])
        ends = [starts[0].copy(), starts[1].copy()]
        for i, row in enumerate(rows):
            for j, column in enumerate(columns):
                width = users[row, column]
                if width > 0:
                    _band(axis, ends[0][i], ends[1][j], width, palette[column], hatches[column])
                ends[0][i] -= width
                ends[1][j] -= width
        for i, row in enumerate(rows):
            _block(axis, _LEFT - _BLOCK, starts[0][i], users[row].sum(), "0.35", sources[int(row)])
        for j, column in enumerate(columns):
            total = users[:, column].sum()
            _block(axis, _RIGHT, starts[1][j], total, palette[column], targets[int(column)])
        axis.set_xlim(_LEFT - _BLOCK, _RIGHT + _BLOCK)
        axis.set_ylim(min(*(end.min() for end in ends)), max(*(s.max() for s in starts)))
        axis.set_xlabel("users of every type, and whom they take")
        axis.set(xticks=[], yticks=[])
        axis.grid(visible=False)
        for spine in axis.spines.values():
            spine.set_visible(False)
    return figure


def _tops(heights: FloatArray) -> FloatArray:
    """Upper ends of blocks that stand under each other, the first at the top."""
    gap = _GAP * heights.sum()
    return -np.concatenate([[0.0], np.cumsum(heights[:-1] + gap)])


def _block(axis: Axes, left: float, top: float, users: float, colour: object, name: str) -> None:
    axis.add_patch(Rectangle((left, top - users), _BLOCK, users, color=colour, linewidth=0))
    on_left = left < 0
    axis.annotate(
        f"{name}: {users:g}", (left if on_left else left + _BLOCK, top - users / 2),
        (-4 if on_left else 4, 0), textcoords="offset points", va="center", fontsize=8,
        ha="right" if on_left else "left", annotation_clip=False,
    )  # fmt: skip


def _band(
    axis: Axes, left: float, right: float, width: float, colour: object, hatch: object
) -> None:
    middle = (_LEFT + _RIGHT) / 2
    upper = [(_LEFT, left), (middle, left), (middle, right), (_RIGHT, right)]
    lower = [(x, y - width) for x, y in reversed(upper)]
    codes = [Path.MOVETO, *[Path.CURVE4] * 3, Path.LINETO, *[Path.CURVE4] * 3, Path.CLOSEPOLY]
    path = Path([*upper, *lower, upper[0]], codes)
    axis.add_patch(
        PathPatch(path, facecolor=colour, alpha=0.45, edgecolor="0.3", linewidth=0.3, hatch=hatch)
    )
