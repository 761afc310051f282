"""Promises of M/M/c beliefs on GPUs that batch, over the load."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from airan_market.analysis.figure_style import (
    legend_below,
    nested_look,
    operator_labels,
    panels,
    style,
)
from airan_market.analysis.validation.batches import ANSWER, FIRST

_TICKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20)


def batch_figure(rows: pd.DataFrame, names: Sequence[str] | None = None) -> Figure:
    """Promised over true latency by load and belief, a panel per operator and promise.

    Of the types it shows the one with the most loads at which something is known, the lowest of
    these: low types wait. Below the line at 1 promises are too short. Vertical bars are intervals
    of the true latency.

    Parameters
    ----------
    rows : DataFrame
        As `analysis.validation.batches.batch_table` returns it.
    names : sequence of str, optional
        Of the operators.
    """
    type_ = _shown_type(rows)
    known = rows[(rows["type"] == type_) & rows["error"].notna()]
    numbers = sorted(rows["operator"].unique())
    labels = operator_labels(int(max(numbers)), names)
    beliefs = list(dict.fromkeys(rows["belief"]))
    with style():
        figure, axes = panels(2 * len(numbers), 2, 5.0, 3.4)
        spots = [(number, promise) for number in numbers for promise in (ANSWER, FIRST)]
        for axis, (number, promise) in zip(axes, spots, strict=True):
            here = known[(known["operator"] == number) & (known["promise"] == promise)]
            _promises(axis, here, beliefs)
            axis.set(title=f"{labels[number - 1]}, type {type_}: {promise}")
            axis.set_xlabel("load, of the fitted station")
            axis.set_ylabel("promised over true latency")
            axis.set_yscale("log")
            axis.yaxis.set_major_locator(FixedLocator(_TICKS))
            axis.yaxis.set_minor_locator(NullLocator())
            axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        legend_below(figure, axes, 3.3)
    return figure


def _shown_type(rows: pd.DataFrame) -> int:
    """The type with most loads at which its latencies are settled; of equals, the lowest."""
    settled = rows[rows["true_s"].notna()].groupby("type").size()
    return int(settled[settled == settled.max()].index.max()) if len(settled) else 1


def _promises(axis: Axes, rows: pd.DataFrame, beliefs: Sequence[str]) -> None:
    for place, belief in enumerate(beliefs):
        line = rows[rows["belief"] == belief].sort_values("load")
        ratio = 1 + line["error"]
        look = nested_look(place, len(beliefs)) | {"markersize": 9.5 - 0.5 * place}
        axis.errorbar(
            line["load"], ratio,
            yerr=[ratio - 1 - line["error_low"], 1 + line["error_high"] - ratio],
            label=belief, capsize=2, elinewidth=0.8, **look,
        )  # fmt: skip
    axis.axhline(1.0, color="black", linewidth=1.4, zorder=1)
