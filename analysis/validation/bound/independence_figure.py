"""The picture of what independent stages get wrong: load × servers, a panel per position."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from airan_market.analysis.figure_style import headed, panels, style
from airan_market.analysis.validation.bound.independence import HIGH, LOW
from airan_market.analysis.wording import number
from airan_market.analysis.wording import probability as percent

#: Errors beyond this have the darkest colours, part of the truth.
DARKEST = 0.3
_DARK = 0.6  # of the scale: letters on what is darker are white


def independence_figure(rows: pd.DataFrame) -> Figure:
    """Law of independent stages over the simulated truth less 1, written into every cell.

    Parameters
    ----------
    rows : DataFrame
        As `analysis.validation.bound.independence.independence_table` returns it. Cells whose
        interval reaches across 0 are in brackets.
    """
    levels = sorted(rows["independent"].unique(), reverse=True)
    positions = sorted(rows["position"].unique())
    with style():
        figure, axes = panels(len(levels) * len(positions), len(positions), 3.7, 2.7, share_y=True)
        places = [(level, position) for level in levels for position in positions]
        for place, (axis, (level, position)) in enumerate(zip(axes, places, strict=True)):
            own = rows[(rows["independent"] == level) & (rows["position"] == position)]
            _panel(axis, own)
            feels = "alone" if position == 1 else f"feels {position:g} × its own load"
            axis.set_title(f"type {feels}, 1 in {1 / level:g}")
            axis.set_xlabel("load of both stations, Λ / (cμ)")
            if place % len(positions) == 0:
                axis.set_ylabel("servers c of each")
        headed(figure, _says(rows))
    return figure


def _says(rows: pd.DataFrame) -> str:
    low, high = rows[rows["verdict"] == LOW], rows[rows["verdict"] == HIGH]
    if rows.empty or low.empty:
        return f"Of {len(rows)} tails of two loaded stages independence gives none too low"
    worst = low["error"].min()
    return (
        f"Two loaded stages: independence makes {len(low)} of {len(rows)} tails too low beyond "
        f"doubt, by up to {percent(-worst)}, and {len(high) or 'none'} too high"
    )


def _panel(axis: Axes, rows: pd.DataFrame) -> None:
    table = rows.pivot(index="servers", columns="load", values="error")
    told = rows.assign(told=rows["verdict"].isin([LOW, HIGH])).pivot(
        index="servers", columns="load", values="told"
    )
    size = np.abs(table.to_numpy(float)).clip(max=DARKEST)
    axis.pcolormesh(
        np.arange(table.shape[1] + 1) - 0.5, np.arange(table.shape[0] + 1) - 0.5,
        np.where(told, size, 0.0), cmap="Oranges",
        norm=Normalize(0, DARKEST), edgecolor="white", linewidth=1.5,
    )  # fmt: skip
    for row in range(table.shape[0]):
        for column in range(table.shape[1]):
            error, sure = table.iloc[row, column], bool(told.iloc[row, column])
            text = f"{round(100 * error) or 0:+d} %" if np.isfinite(error) else "?"
            dark = sure and size[row, column] > _DARK * DARKEST
            axis.text(
                column, row, text if sure else f"({text})", ha="center", va="center", fontsize=8,
                color="white" if dark else "black" if sure else "0.35",
            )  # fmt: skip
    axis.set_xticks(range(table.shape[1]), [number(load) for load in table.columns])
    axis.set_yticks(range(table.shape[0]), [str(c) for c in table.index])
    axis.grid(visible=False)
