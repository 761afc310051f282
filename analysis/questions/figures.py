"""The pictures of the questions beyond the paper: rent, anarchy, beliefs.

Frames are the tables of the same names (`analysis.questions.report.tables`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from airan_market.analysis.figure_style import (
    BELIEVED,
    DASHES,
    HATCHES,
    MARKERS,
    colours,
    cycle,
    headed,
    legend_below,
    line_look,
    panels,
    spread_ticks,
    style,
    whole_ticks,
)
from airan_market.analysis.questions.beliefs import MARKET, TYPE
from airan_market.analysis.reproduction.claim import NAMES

_MICRO = 1e6
_MARGIN_LABEL = "margin (10⁻⁶ USD per task)"
_SHOWN_LOSS = -1.5  # of the utility without a margin: what lies deeper is off the panel


def rent(curve: pd.DataFrame, best: pd.DataFrame, play: pd.DataFrame, planner: float) -> Figure:
    """Margins of all together, of one alone, and of all in competition.

    `planner` is the welfare of the central planner, USD/s; NaN when it is not known.
    """
    with style():
        figure, axes = panels(3, 3, 4.5, 4.0)
        _together(axes[0], curve[curve["who"] == 0], best[best["who"] == 0], planner)
        _alone(axes[1], curve[curve["who"] > 0], best[best["who"] > 0])
        _competing(axes[2], play, planner)
        # below the planner's line, which lies close to the upper end
        axes[0].legend(fontsize=8, loc="upper right", bbox_to_anchor=(1.0, 0.93))
        axes[1].legend(fontsize=8, loc="upper right")
        axes[2].legend(fontsize=8, loc="center right")
        gain = best["with_usd_per_s"] - best["without_usd_per_s"]
        all_, own = gain[best["who"] == 0].max(), gain[best["who"] > 0].max()
        left = play[play["round"] == play["round"].max()]["utility_usd_per_s"].sum()
        headed(
            figure,
            f"A margin brings all operators {all_:.2g} USD/s, one alone up to {own:.2g}; "
            f"when all compete with margins they keep {left:.2g} together",
        )
    return figure


def _together(axis: Axes, curve: pd.DataFrame, best: pd.DataFrame, planner: float) -> None:
    for place, (column, label) in enumerate(
        (
            ("social_welfare_usd_per_s", "social welfare"),
            ("operator_utility_usd_per_s", "operator utility, total"),
        )
    ):
        colour = colours(2)[place]
        axis.plot(
            _MICRO * curve["margin_usd"], curve[column], color=colour, linestyle=DASHES[place],
            label=label,
        )  # fmt: skip
        found = best[best["goal"] == label.removesuffix(", total")]
        axis.plot(
            _MICRO * found["margin_usd"], found["with_usd_per_s"], marker=MARKERS[place],
            color=colour, markeredgecolor="black", linestyle="none", markersize=8,
            label=f"its best: {_MICRO * found['margin_usd'].iloc[0]:.3g}",
        )  # fmt: skip
    _planner_line(axis, planner)
    axis.set(title="all operators, one margin", xlabel=_MARGIN_LABEL, ylabel="USD/s")


def _alone(axis: Axes, curve: pd.DataFrame, best: pd.DataFrame) -> None:
    numbers = sorted(curve["who"].unique())
    lowest = _SHOWN_LOSS * float(curve["own_utility_usd_per_s"].iloc[0])
    for number, colour, dash, mark in zip(
        numbers, colours(len(numbers)), cycle(DASHES, len(numbers)), cycle(MARKERS, len(numbers)),
        strict=True,
    ):  # fmt: skip
        own = curve[curve["who"] == number]
        found = best[best["who"] == number]
        axis.plot(
            _MICRO * own["margin_usd"], own["own_utility_usd_per_s"], color=colour, linestyle=dash,
            label=f"operator {number}, best: {_MICRO * found['margin_usd'].iloc[0]:.3g}",
        )  # fmt: skip
        axis.plot(
            _MICRO * found["margin_usd"], found["with_usd_per_s"], marker=mark, color=colour,
            markeredgecolor="black", linestyle="none", markersize=8,
        )  # fmt: skip
    shown = curve.loc[curve["own_utility_usd_per_s"] > lowest, "own_utility_usd_per_s"]
    axis.set_ylim(shown.min() - 0.1 * np.ptp(shown), shown.max() + 0.25 * np.ptp(shown))
    axis.axhline(0.0, color="0.5", linewidth=0.8)
    axis.set(
        title="one operator alone, the others none", xlabel=_MARGIN_LABEL,
        ylabel="its own utility (USD/s)",
    )  # fmt: skip


def _competing(axis: Axes, play: pd.DataFrame, planner: float) -> None:
    by_round = play.groupby("round")
    rounds = sorted(play["round"].unique())
    for place, (values, label) in enumerate(
        (
            (by_round["social_welfare_usd_per_s"].first(), "social welfare"),
            (by_round["utility_usd_per_s"].sum(), "operator utility, total"),
        )
    ):
        axis.plot(
            rounds, values, color=colours(2)[place], linestyle=DASHES[place], marker=MARKERS[place],
            markersize=4, label=label, markevery=max(len(rounds) // 12, 1),
        )  # fmt: skip
    _planner_line(axis, planner)
    whole_ticks(axis)
    axis.set(
        title="each operator its own best margin", xlabel="round of best responses", ylabel="USD/s"
    )


def _planner_line(axis: Axes, planner: float) -> None:
    if np.isfinite(planner):
        axis.axhline(planner, color="black", linestyle=":", label="planner's welfare")


def anarchy(table: pd.DataFrame, draws: pd.DataFrame, split: pd.DataFrame) -> Figure:
    """Welfare against the planner's, its ratio over draws, and what the planner does otherwise."""
    with style():
        figure, axes = panels(4, 2, 5.4, 3.7)
        _welfare_bars(axes[0], table)
        _ratios(axes[1], table, draws)
        _loads(axes[2], split)
        _latencies(axes[3], split)
        for axis in (axes[0], axes[2], axes[3]):
            axis.legend(fontsize=8)
        part = table["social_welfare_usd_per_s"] / table["planner_usd_per_s"]
        told = ", ".join(f"{NAMES[name]} {share:.0%}"
                         for name, share in zip(table["mechanism"], part, strict=True))  # fmt: skip
        headed(figure, f"Of a central planner's welfare the mechanisms reach: {told}")
    return figure


def _welfare_bars(axis: Axes, table: pd.DataFrame) -> None:
    place = np.arange(len(table))
    for offset, (column, label, hatch) in enumerate(
        (
            ("operator_utility_usd_per_s", "operator utility", HATCHES[1]),
            ("social_welfare_usd_per_s", "social welfare", HATCHES[0]),
            ("best_menus_usd_per_s", "same matching, planner's menus", HATCHES[2]),
        )
    ):
        axis.bar(
            place + 0.27 * (offset - 1), table[column], width=0.25, label=label, hatch=hatch,
            color=colours(3)[offset], edgecolor="0.15", linewidth=0.6,
        )  # fmt: skip
    axis.axhline(
        table["planner_usd_per_s"].iloc[0], color="black", linestyle=":", label="planner's welfare"
    )
    axis.axhline(0.0, color="0.4", linewidth=0.8)
    axis.set_xticks(place, [NAMES[name] for name in table["mechanism"]])
    axis.set(title="the shares of the scenario", ylabel="USD/s")


def _ratios(axis: Axes, table: pd.DataFrame, draws: pd.DataFrame) -> None:
    for place, name in enumerate(table["mechanism"]):
        own = draws[draws["mechanism"] == name] if len(draws) else draws
        part = own["social_welfare_usd_per_s"] / own["planner_usd_per_s"] if len(own) else []
        axis.plot(
            np.full(len(part), place + 0.15), part, "o", color=colours(1)[0], alpha=0.6,
            markersize=5, label="a draw of the shares" if place == 0 and len(part) else None,
        )  # fmt: skip
        here = table[table["mechanism"] == name].iloc[0]
        axis.plot(
            place - 0.1, here["social_welfare_usd_per_s"] / here["planner_usd_per_s"], "D",
            color="black", markersize=7, label="the scenario" if place == 0 else None,
        )  # fmt: skip
    axis.axhline(1.0, color="black", linestyle=":", label="planner")
    axis.axhline(0.0, color="0.4", linewidth=0.8)
    axis.set_xticks(range(len(table)), [NAMES[name] for name in table["mechanism"]])
    axis.set_xlim(-0.5, len(table) - 0.5)
    axis.set(title="welfare relative to the planner's", ylabel="part of the planner's welfare")
    axis.legend(fontsize=8, loc="lower left")


def _loads(axis: Axes, split: pd.DataFrame) -> None:
    whole = split[split["type"] == split["type"].max()]
    for place, (who, rows) in enumerate(whole.groupby("who", sort=False)):
        axis.bar(
            rows["operator"] + 0.38 * (place - 0.5), rows["load_over_capacity"], width=0.36,
            label=str(who), color=colours(2)[place], hatch=HATCHES[place], edgecolor="0.15",
            linewidth=0.6,
        )  # fmt: skip
    axis.axhline(1.0, color="black", linestyle=":")
    axis.set(title="who carries the load", xlabel="operator", ylabel="load / capacity")
    axis.set_ylim(0.0, 1.35)
    whole_ticks(axis)
    axis.grid(visible=False, axis="x")


def _latencies(axis: Axes, split: pd.DataFrame) -> None:
    operators = int(split["operator"].max())
    for (who, number), rows in split.groupby(["who", "operator"], sort=False):
        mixed = who == "mixed"
        axis.plot(
            rows["type"], 1e3 * rows["latency_s"], marker=MARKERS[(number - 1) % len(MARKERS)],
            linestyle="-" if mixed else ":", color=colours(operators)[number - 1] if mixed else "k",
            markersize=5 if mixed else 4, markerfacecolor=None if mixed else "white",
            label=f"{who}, operator {number}",
        )  # fmt: skip
    spread_ticks(axis, 1e3 * split["latency_s"])
    axis.set(title="what is agreed", xlabel="user type", ylabel="agreed latency (ms)")
    whole_ticks(axis)


def beliefs(table: pd.DataFrame) -> Figure:
    """Expected and realised under every belief: totals, and by type what was promised and kept."""
    names = list(dict.fromkeys(table["belief"]))
    with style():
        figure, axes = panels(6, 3, 4.2, 3.7)
        for axis, quantity, title in (
            (axes[0], "operator utility", "operator utility, total"),
            (axes[1], "user utility", "user utility, total"),
            (axes[2], "social welfare", "social welfare"),
        ):
            _totals(axis, table[(table["scope"] == MARKET) & (table["quantity"] == quantity)])
            axis.set_title(title)
        late = table[(table["scope"] == TYPE) & (table["quantity"] == "violation probability")]
        kept = table[(table["scope"] == TYPE) & (table["quantity"] == "user utility per task")]
        _ratio(axes[3], late, names)
        _by_type(axes[4], late, names, "realised", 1.0, "violations, simulated", log=True)
        _by_type(axes[5], kept, names, "realised", _MICRO, "user utility (10⁻⁶ USD per task)")
        legend_below(figure, [axes[0], *axes[5:]])
        whole = table[(table["scope"] == MARKET) & (table["quantity"] == "social welfare")]
        best = whole.loc[whole["realised"].idxmax()]
        more = best["realised"] - whole["realised"].iloc[0]
        headed(
            figure,
            f"Realised welfare is highest under the belief {best['belief']}: "
            f"{more:.2g} USD/s above {names[0]}",
        )
    return figure


def _totals(axis: Axes, rows: pd.DataFrame) -> None:
    place = np.arange(len(rows))
    axis.plot(
        rows["expected"],
        place - 0.12,
        markersize=7,
        label="expected",
        **(BELIEVED | {"linestyle": "none"}),
    )
    spread = np.abs(rows[["low", "high"]].to_numpy().T - rows["realised"].to_numpy())
    axis.errorbar(
        rows["realised"], place + 0.12, xerr=spread, fmt="o", color=colours(1)[0], capsize=3,
        label="realised, 95% interval", markersize=5,
    )  # fmt: skip
    axis.set_yticks(place, rows["belief"])
    axis.invert_yaxis()
    axis.set_xlabel("USD/s")
    axis.margins(x=0.12, y=0.15)


def _by_type(
    axis: Axes,
    rows: pd.DataFrame,
    names: Sequence[str],
    column: str,
    factor: float,
    label: str,
    *,
    log: bool = False,
) -> None:
    for place, name in enumerate(names):
        own = rows[rows["belief"] == name].sort_values("number")
        look = line_look(place, len(names))
        seen = own[own[column] > 0] if log else own
        low, high = (np.abs(seen[end] - seen[column]) * factor for end in ("low", "high"))
        if log:  # an interval may reach below 0, which a log axis has not
            low = np.minimum(low, 0.9 * seen[column])
        axis.errorbar(
            seen["number"] + 0.07 * (place - len(names) / 2), factor * seen[column],
            yerr=[low, high], label=name, capsize=2, markersize=5, linewidth=1.1, **look,
        )  # fmt: skip
    if log:
        axis.set_yscale("log")
    axis.set(xlabel="user type", ylabel=label)
    whole_ticks(axis)


def _ratio(axis: Axes, rows: pd.DataFrame, names: Sequence[str]) -> None:
    """Simulated over believed violations by type; where none was seen, the upper limit."""
    for place, name in enumerate(names):
        own = rows[(rows["belief"] == name) & (rows["expected"] > 0)].sort_values("number")
        look = line_look(place, len(names))
        where = own["number"] + 0.07 * (place - len(names) / 2)
        seen = (own["realised"] > 0).to_numpy()
        ratio, low, limit = (own[end] / own["expected"] for end in ("realised", "low", "high"))
        # an interval may reach below 0, which a log axis has not
        spread = [np.minimum(ratio - low, 0.9 * ratio)[seen], (limit - ratio)[seen]]
        axis.errorbar(
            where[seen], ratio[seen], yerr=spread, markersize=5, linewidth=1.1, capsize=2, **look
        )
        axis.errorbar(
            where[~seen], limit[~seen], yerr=0.5 * limit[~seen], uplims=True, fmt="_",
            color=look["color"],
        )  # fmt: skip
    axis.axhline(1.0, color="black", linestyle=":")
    axis.set_yscale("log")
    axis.set(xlabel="user type", ylabel="violations, simulated / believed")
    axis.set_title("above 1: broken more often than told")
    whole_ticks(axis)
