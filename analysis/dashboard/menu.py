"""Menus as curves: what is promised, and what it costs."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure

from airan_market.analysis.figure_style import (
    colours,
    lay_out,
    legend_below,
    line_look,
    operator_labels,
    panels,
    spread_ticks,
    style,
)

LATENCY = "latency agreement (s)"
PRICE = "price (10⁻⁴ USD per task)"
_EARLIER = 5  # rounds before the last that are drawn faintly


def menu_curves(items: pd.DataFrame, names: Sequence[str], x: str, y: str) -> Figure:
    """A curve through the items of every menu of the last round; faint those of the five before.

    Parameters
    ----------
    items : DataFrame
        `round, who, x, y`, in the order of the items.
    names : sequence of str
        Of all that `who` may name.
    x, y : str
        Labels, with units.
    """
    labels, palette = operator_labels(len(names), names), colours(len(names))
    last = int(items["round"].max())
    with style():
        figure, (axis,) = panels(1, 1, 4.6, 4.0, layout="none")
        recent = items[items["round"].between(last - _EARLIER, last - 1)]
        for (who, _), own in recent.groupby(["who", "round"]):
            axis.plot(own["x"], own["y"], color=palette[int(who) - 1], alpha=0.25, linewidth=0.8)
        for place, (who, own) in enumerate(items[items["round"] == last].groupby("who")):
            axis.plot(
                own["x"], own["y"], label=labels[int(who) - 1], markeredgecolor="white",
                markersize=max(9 - 2 * place, 4), **line_look(int(who) - 1, len(names)),
            )  # fmt: skip
        spread_ticks(axis, items.loc[items["round"] >= last - _EARLIER, "y"])
        axis.set(xlabel=x, ylabel=y)
        lay_out(figure, [axis], below_in=legend_below(figure, [axis]))
    return figure


def market_items(rounds: pd.DataFrame) -> pd.DataFrame:
    """Items of operators: latency against price."""
    return pd.DataFrame(
        {
            "round": rounds["round"],
            "who": rounds["operator"],
            "x": rounds["latency_s"],
            "y": rounds["price_usd"] * 1e4,
        }
    )


def pact_items(rounds: pd.DataFrame) -> pd.DataFrame:
    """Services that users took: quality against price, a curve a task."""
    taken = rounds[rounds["service"].notna()]
    table = pd.DataFrame(
        {
            "round": taken["round"],
            "who": taken["market"],
            "x": taken["quality_promised"],
            "y": taken["price_usd"],
        }
    )
    return table.drop_duplicates().sort_values(["round", "who", "x"])
