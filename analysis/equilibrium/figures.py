"""Pictures of equilibria: outcomes side by side, and the way to them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from airan_market.analysis.figure_style import (
    DASHES,
    HATCHES,
    colours,
    headed,
    line_look,
    panels,
    ring,
    style,
)

_MICRO = 1e6
_STUDIES = {
    "entry": ("operators", 1.0),
    "refund": ("refund (10⁻⁶ USD)", _MICRO),
    "cap": ("longest latency allowed (s)", 1.0),
    "floor": ("price floor (10⁻⁶ USD)", _MICRO),
}


def outcomes(
    table: pd.DataFrame, users: pd.DataFrame, menus: pd.DataFrame, names: Mapping[str, str]
) -> Figure:
    """Profit and welfare, users by type, and menus: a panel each."""
    with style():
        figure, axes = panels(3, 3, 5.0, 4.2)
        _bars(axes[0], table, names)
        for place, (who, own) in enumerate(users.groupby("who", sort=False)):
            axes[1].plot(own["type"], _MICRO * own["user_utility_usd"], label=names[str(who)],
                         **line_look(place))  # fmt: skip
        axes[1].set(
            title="what a user is left, by type", xlabel="type (1: most sensitive)",
            ylabel="utility (10⁻⁶ USD per task)", xticks=sorted(users["type"].unique()),
        )  # fmt: skip
        axes[1].legend(fontsize=8)
        for place, (who, own) in enumerate(menus.groupby("who", sort=False)):
            for number, one in own.groupby("operator"):
                look = line_look(place) | ({"label": names[str(who)]} if number == 1 else {})
                axes[2].plot(one["type"], one["latency_s"], **look)
        axes[2].set(
            title="what is promised, a line an operator", xlabel="type (1: most sensitive)",
            ylabel="latency (s)", yscale="log", xticks=sorted(menus["type"].unique()),
        )  # fmt: skip
        axes[2].legend(fontsize=8)
        headed(figure, _outcomes_say(table.set_index("who")))
    return figure


def _outcomes_say(table: pd.DataFrame) -> str:
    own = table.loc["free" if "free" in table.index else "tied"]
    published = table.loc["published"]
    part = own["social_welfare_usd_per_s"] / published["social_welfare_usd_per_s"]
    profit = own["operator_utility_usd_per_s"] / published["operator_utility_usd_per_s"]
    return (
        f"Where competition ends, everybody together has {part:.0%} and operators {profit:.0%} of "
        "what the published outcome gives"
    )


def _bars(axis: Axes, table: pd.DataFrame, names: Mapping[str, str]) -> None:
    places = np.arange(len(table))
    for k, (column, label) in enumerate(
        (("social_welfare", "social welfare"), ("operator_utility", "operators' profit"))
    ):
        at = places + (k - 0.5) * 0.4
        axis.bar(at, table[f"{column}_usd_per_s"], 0.38, color=colours(2)[k], hatch=HATCHES[k],
                 label=label)  # fmt: skip
        realised = f"realised_{column}_usd_per_s"
        if realised in table:
            low = table[realised] - table[f"realised_{column}_low_usd_per_s"]
            high = table[f"realised_{column}_high_usd_per_s"] - table[realised]
            axis.errorbar(at, table[realised], [low, high], fmt="o", color="black", markersize=4,
                          capsize=3, label="simulated" if k else None)  # fmt: skip
    axis.axhline(0.0, color="0.4", linewidth=0.8)
    axis.set_xticks(places, [names[who] for who in table["who"]])
    lead = table.set_index("who")
    part = lead.loc["tied", "social_welfare_usd_per_s"]
    part /= lead.loc["published", "social_welfare_usd_per_s"]
    axis.set(title=f"equilibrium: {part:.0%} of the published welfare", ylabel="USD/s")
    axis.set_ylim(top=1.3 * float(table["social_welfare_usd_per_s"].max()))  # room for the legend
    axis.legend(fontsize=8, loc="upper right", ncols=3)


def ways(
    rounds: pd.DataFrame, path: pd.DataFrame, studies: pd.DataFrame | None,
    names: Mapping[str, str],
) -> Figure:  # fmt: skip
    """Gains by round, and profit and welfare over operators and rules."""
    shown = [] if studies is None else [s for s in _STUDIES if s in set(studies["study"])]
    with style():
        figure, axes = panels(1 + len(shown), min(3, 1 + len(shown)), 5.0, 4.0)
        for place, (who, own) in enumerate(rounds.groupby("who", sort=False)):
            for number, (_, one) in enumerate(own.groupby("start")):
                gains = one["largest_gain_usd_per_s"].clip(lower=1e-12)  # a log axis has no 0
                axes[0].plot(one["round"], gains, color=colours(4)[place],
                             linestyle=DASHES[place], linewidth=0.9,
                             label=names[str(who)] if number == 0 else None)  # fmt: skip
        axes[0].plot(path["iteration"], path["largest_gain_usd_per_s"], "k^-", markersize=4,
                     label="Algorithm 1")  # fmt: skip
        axes[0].set(
            title="answers end what Algorithm 1 leaves", xlabel="round, or iteration",
            ylabel="largest gain (USD/s)", yscale="log",
        )  # fmt: skip
        axes[0].legend(fontsize=8)
        for axis, study in zip(axes[1:], shown, strict=True):
            assert studies is not None
            _study(axis, study, studies[studies["study"] == study], names)
        left, last = path["largest_gain_usd_per_s"].iloc[-1], path["iteration"].iloc[-1]
        ring(axes[0], [last], [left])
        headed(
            figure,
            f"Algorithm 1 leaves an operator {left:.2g} USD/s to gain (circled); answers "
            "leave next to nothing",
        )
    return figure


def _study(axis: Axes, study: str, rows: pd.DataFrame, names: Mapping[str, str]) -> None:
    label, unit = _STUDIES[study]
    place = 0
    for who, own in rows.groupby("who", sort=False):
        ordered = own.sort_values("value")
        planned = ordered["planner_usd_per_s"].abs()
        for column, what in (("social_welfare_usd_per_s", "welfare"),
                             ("operator_utility_usd_per_s", "profit")):  # fmt: skip
            axis.plot(unit * ordered["value"], ordered[column] / planned,
                      label=f"{what}, {names[str(who)]}", **line_look(place))  # fmt: skip
            place += 1
    axis.set(title=f"over {label.split(' (')[0]}", xlabel=label, ylabel="part of planner's welfare")
    axis.legend(fontsize=7)
