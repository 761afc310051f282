"""How near to saturation everybody is, round by round."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from airan_market.agents.market.model import Market
from airan_market.analysis.figure_style import (
    lay_out,
    legend_below,
    line_look,
    operator_labels,
    panels,
    style,
    whole_ticks,
)

_STATIONS = ("transmission", "tokenisation", "inference")


def loads(market: Market, operators: pd.DataFrame) -> pd.DataFrame:
    """Work that came to every operator over what its bottleneck can do.

    Capacity is min over stages of c μ under the conditions in which a round begins. It is missing
    where an operator is closed.

    Parameters
    ----------
    market : Market
    operators : DataFrame
        Its table of that name.

    Returns
    -------
    DataFrame
        `round, who` (operator, from 1), `offered` and `expected` (1).
    """
    saturation = []
    for terms in market.agreed[: market.round]:
        primitives = terms.conditions.primitives
        most = (primitives.servers * primitives.service_rate_per_s).min(axis=-1)
        saturation.append(np.where(terms.board.open, most, np.nan))
    per_s = np.ravel(saturation)
    return pd.DataFrame(
        {
            "round": operators["round"],
            "who": operators["operator"],
            "offered": operators["offered_tasks_per_s"] / per_s,
            "expected": operators["load_expected_tasks_per_s"] / per_s,
        }
    )


def pact_loads(items: pd.DataFrame) -> pd.DataFrame:
    """The same of services: the largest load of their stations; those that nobody took left out."""
    used = items[items["requests"].groupby(items["service"]).transform("sum") > 0]
    load = used[[f"{station}_load" for station in _STATIONS]].max(axis=1)
    return pd.DataFrame({"round": used["round"], "who": used["service"], "offered": load})


def load_lines(table: pd.DataFrame, names: Sequence[str]) -> Figure:
    """Loads over rounds, and the line at which stations are saturated.

    Parameters
    ----------
    table : DataFrame
        As `loads` or `pact_loads` gives it; hollow marks are what was expected.
    names : sequence of str
        Of all that `who` may name.
    """
    labels = operator_labels(len(names), names)
    with style():
        figure, (axis,) = panels(1, 1, 4.6, 4.2, layout="none")
        for who, own in table.groupby("who"):
            look = line_look(int(who) - 1, len(names))
            axis.plot(own["round"], own["offered"], label=labels[int(who) - 1], markersize=5,
                      **look)  # fmt: skip
            if "expected" in own:
                axis.plot(own["round"], own["expected"], linestyle="", markersize=8,
                          marker=look["marker"], markerfacecolor="none",
                          markeredgecolor=look["color"])  # fmt: skip
        if "expected" in table:
            axis.plot([], [], "o", color="0.35", markerfacecolor="none", label="expected")
        axis.axhline(1.0, color="black", linestyle=(0, (6, 2)), linewidth=1.2, label="saturation")
        axis.set_ylim(0, max(1.1, 1.05 * float(np.nan_to_num(table.iloc[:, 2:]).max())))
        axis.set(xlabel="round", ylabel="work that came / work that can be done (1)")
        whole_ticks(axis)
        lay_out(figure, [axis], below_in=legend_below(figure, [axis]))
    return figure
