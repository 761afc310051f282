"""The pictures of a validation: tails of every type, and what the error of the bound is made of.

Frames are the tables of a validation by their names, `names` those of the operators. Methods differ
by dash as well as by colour, causes by hatch, so the figures are readable in grey.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullLocator

from airan_market.agents.primitives.primitives import Primitives
from airan_market.analysis.figure_style import (
    MARKERS,
    colours,
    headed,
    legend_below,
    operator_labels,
    panels,
    ring,
    style,
    whole_ticks,
)
from airan_market.analysis.validation.bound.figure import bound_map_figure
from airan_market.analysis.validation.bound.independence_figure import independence_figure
from airan_market.analysis.validation.findings import Findings
from airan_market.analysis.validation.ladder import (
    CHERNOFF,
    FIRST_COME,
    OPTIMISED,
    PRIORITY,
    PRIORITY_BOUND,
    SIMULATED,
    THEORIES,
)
from airan_market.analysis.validation.report.batch_figure import batch_figure
from airan_market.analysis.validation.stored import Validation
from airan_market.analysis.validation.verdicts import IDLE, SATURATED
from airan_market.analysis.wording import capital

#: How a method is called in a legend.
SAID = {
    CHERNOFF: "Chernoff, fixed ζ (the paper's belief)",
    OPTIMISED: "Chernoff, best exponent",
    FIRST_COME: "first come first served, exact",
    PRIORITY: "preemptive priority, stages independent",
    PRIORITY_BOUND: "bound of it, fixed ζ",
    SIMULATED: "simulated tandem",
}
_DASHES: dict[str, Any] = {CHERNOFF: "-", OPTIMISED: "--", FIRST_COME: ":", PRIORITY: "-",
                           PRIORITY_BOUND: "-."}  # fmt: skip
_WIDTHS = {CHERNOFF: 2.2, OPTIMISED: 1.4, FIRST_COME: 1.8, PRIORITY: 1.0, PRIORITY_BOUND: 1.6}
# the small and steady ones next to the axis, where they are readable beside the large ones
_STACKED = {"Chernoff slack": "", "choice of η": "///", "first come for preemptive": "...",
            "independent stages": "xxx"}  # fmt: skip
_LINEAR_DECADES = 3.0
_TICKS = (1, 2, 3, 5, 10, 20, 50, 100, 200)
_ROOM = 1.6  # the log axis reaches this factor past 1
_LEAST_SHOWN = 1e-10


def drawable(found: Findings | Validation) -> dict[str, Figure]:
    """All figures of a validation by file name, without the ending; those without data left out."""
    names = [operator.name for operator in found.scenario.operators]
    table = found.approximations
    figures = {
        f"tails-{number}": tails(table[table["operator"] == number], names)
        for number in sorted(table["operator"].unique())
    }
    if found.verdicts["decades"].notna().any():
        figures["decomposition"] = decomposition(found.verdicts, names)
    if len(found.batches) and found.batches["error"].notna().any():
        figures["batches"] = batch_figure(found.batches, names)
    if len(found.beyond):
        figures["beyond"] = other_laws(found.beyond, names)
    if len(found.map):
        zeta = found.scenario.mechanism.chernoff_zeta
        figures["map"] = bound_map_figure(found.map, zeta, places_on_map(found))
    if len(found.independence):
        figures["independence"] = independence_figure(found.independence)
    return figures


def places_on_map(found: Findings | Validation) -> pd.DataFrame:
    """Where the types of the market stand on the map: operator, type, servers, load, position.

    Servers are those of the bottleneck; types without traffic or a stationary law are left out.
    """
    paper = found.verdicts[found.verdicts["method"] == CHERNOFF]
    there = paper[~paper["verdict"].isin([SATURATED, IDLE])]
    market = Primitives.from_scenario(found.scenario, found.summary["seed"])
    bottleneck = (market.servers * market.service_rate_per_s).argmin(axis=1)
    servers = np.take_along_axis(market.servers, bottleneck[:, np.newaxis], axis=1)[:, 0]
    return there[["operator", "type", "load"]].assign(
        servers=servers[there["operator"] - 1].astype(int), position=1 / there["own_share"]
    )


def tails(approximations: pd.DataFrame, names: Sequence[str] | None = None) -> Figure:
    """Tails of one operator, a panel per type: five theories, the simulation with its interval.

    The vertical line is the agreed latency. A line ends in a triangle where it goes on below the
    axis.
    """
    (number,) = approximations["operator"].unique()
    label = operator_labels(int(number), names[:number] if names else None)[-1]
    types = sorted(approximations["type"].unique())
    with style():
        columns = min(4, len(types))
        # a single row leaves its height to message and legend, too
        high_in = 2.9 if len(types) > columns else 4.4
        figure, axes = panels(len(types), columns, 3.6, high_in, share_y=True)
        for place, (axis, type_) in enumerate(zip(axes, types, strict=True)):
            rows = approximations[approximations["type"] == type_]
            _tail_panel(axis, rows)
            axis.set_title(f"{label}, type {type_}")
            axis.set_xlabel("latency (s)")
            if place % 4 == 0:
                axis.set_ylabel("probability to take longer")
        axes[0].set_ylim(_LEAST_SHOWN, _ROOM)
        too_low = _too_low(approximations)
        for axis, type_ in zip(axes, types, strict=True):
            own = too_low[too_low["type"] == type_]
            ring(axis, own["latency_s"], own["probability"])
        circled = " (circled)" if len(too_low) else ""
        headed(
            figure,
            f"{capital(label)}: the paper's belief is below what is simulated, beyond doubt, at "
            f"the agreed latency of {len(too_low)} of {len(types)} types{circled}",
        )
        legend_below(figure, axes, 3.3)
    return figure


def _too_low(approximations: pd.DataFrame) -> pd.DataFrame:
    """The belief at agreed latencies where it lies below the whole interval of the simulation."""
    agreed = approximations[approximations["agreed"]]
    seen = agreed[agreed["method"] == SIMULATED].set_index("type")["ci_low"]
    belief = agreed[agreed["method"] == CHERNOFF]
    return belief[belief["probability"] < belief["type"].map(seen)]


def _tail_panel(axis: Axes, rows: pd.DataFrame) -> None:
    axis.set_yscale("log")
    axis.yaxis.set_major_locator(LogLocator(numticks=6))
    axis.yaxis.set_minor_locator(NullLocator())
    palette = dict(zip(THEORIES, colours(len(THEORIES)), strict=True))
    for method in THEORIES:
        line = rows[(rows["method"] == method) & (rows["probability"] > 0)]
        line = line.sort_values("latency_s")
        axis.plot(
            line["latency_s"], line["probability"], label=SAID[method], linestyle=_DASHES[method],
            linewidth=_WIDTHS[method], color="black" if method == PRIORITY else palette[method],
        )  # fmt: skip
        if len(line) and line["probability"].iloc[-1] < _LEAST_SHOWN:
            fallen = -np.log(line["probability"])
            leaves_s = np.interp(-np.log(_LEAST_SHOWN), fallen, line["latency_s"])
            axis.plot(leaves_s, _LEAST_SHOWN, "v", color=palette[method], clip_on=False, zorder=5)
    seen = rows[(rows["method"] == SIMULATED) & rows["ci_high"].notna()].sort_values("latency_s")
    if len(seen):
        low = seen["ci_low"].clip(lower=_LEAST_SHOWN / 10)
        axis.fill_between(
            seen["latency_s"], low, seen["ci_high"], color="0.6", alpha=0.45, linewidth=0,
            label="95 % interval",
        )  # fmt: skip
        shown = seen[seen["probability"] > 0]
        axis.plot(
            shown["latency_s"], shown["probability"], "o", markersize=3.2, color="black",
            markerfacecolor="white", markeredgewidth=0.7, label=SAID[SIMULATED],
        )  # fmt: skip
    agreed = rows.loc[rows["agreed"], "latency_s"]
    if len(agreed):
        axis.axvline(agreed.iloc[0], color="0.25", linewidth=0.9, linestyle=(0, (1, 1)))
    axis.xaxis.set_major_locator(MaxNLocator(4, min_n_ticks=3))


def decomposition(verdicts: pd.DataFrame, names: Sequence[str] | None = None) -> Figure:
    """What the error of the paper's bound at the agreed latency is made of, a panel per operator.

    In decades of belief over truth: causes that make the belief too high are stacked up from 0,
    those that make it too low down from 0. The diamond is the sum, with the interval of the
    simulated truth; below the line at 0 the bound is no bound. Beyond three decades the axis is
    logarithmic in the decades, so that one and twenty of them are readable side by side.
    """
    ours = verdicts[(verdicts["method"] == CHERNOFF) & verdicts["decades"].notna()]
    numbers = sorted(ours["operator"].unique())
    labels = operator_labels(int(max(numbers)), names)
    with style():
        figure, axes = panels(len(numbers), 3, 4.2, 4.2, share_y=True)
        for place, (axis, number) in enumerate(zip(axes, numbers, strict=True)):
            _stack(axis, ours[ours["operator"] == number])
            axis.set_title(labels[number - 1])
            axis.set_xlabel("user type")
            if place % 3 == 0:
                axis.set_ylabel("belief over truth at the agreed latency")
            axis.set_xlim(0.4, ours["type"].max() + 0.6)
            whole_ticks(axis)
        axes[0].set_yscale("symlog", linthresh=_LINEAR_DECADES, linscale=1.2)
        reach = np.abs(axes[0].get_ylim()).max()
        ticks = [tick for tick in _TICKS if tick < reach] or [1]
        axes[0].yaxis.set_major_locator(FixedLocator([*(-tick for tick in ticks), 0, *ticks]))
        axes[0].yaxis.set_minor_locator(NullLocator())
        axes[0].yaxis.set_major_formatter(FuncFormatter(lambda decades, _: _factor(decades)))
        for axis, number in zip(axes, numbers, strict=True):
            low = ours[(ours["operator"] == number) & (ours["decades"] < 0)]
            ring(axis, low["type"], low["decades"])
        headed(figure, _decomposition_says(ours))
        legend_below(figure, axes, 3.3)
    return figure


def _decomposition_says(ours: pd.DataFrame) -> str:
    low = int((ours["decades"] < 0).sum())
    largest = ours[list(_STACKED)].abs().median().idxmax()
    circled = " (circled)" if low else ""
    return (
        f"The belief is too low for {low} of {len(ours)} promises{circled}; the largest part of "
        f"its error is mostly: {largest}"
    )


def other_laws(beyond: pd.DataFrame, names: Sequence[str] | None = None) -> Figure:
    """Belief and simulated probability by law of work and arrivals, a panel per operator.

    A hollow marker at the upper limit stands for a law under which nothing late was seen.
    """
    numbers = sorted(beyond["operator"].unique())
    labels = operator_labels(int(max(numbers)), names)
    laws = list(dict.fromkeys(beyond["law"]))
    with style():
        figure, axes = panels(len(numbers), 3, 4.4, 4.4, share_y=True)
        for place, (axis, number) in enumerate(zip(axes, numbers, strict=True)):
            axis.set_yscale("log")
            rows = beyond[beyond["operator"] == number]
            belief = rows.drop_duplicates("type").sort_values("type")
            axis.hlines(
                belief["belief"], belief["type"] - 0.42, belief["type"] + 0.42, color="black",
                linewidth=2.2, label="believed by the operator",
            )  # fmt: skip
            for turn, law in enumerate(laws):
                _law_points(axis, rows[rows["law"] == law], law, turn, len(laws))
            axis.set(title=labels[number - 1], xlabel="user type")
            axis.set_xlim(0.4, beyond["type"].max() + 0.6)
            if place % 3 == 0:
                axis.set_ylabel("probability of a violation")
            whole_ticks(axis)
        # below all upper limits; the interval of what was hardly seen may reach through it
        lowest = 0.3 * np.minimum(beyond["belief"], beyond["ci_high"]).min()
        highest = np.maximum(beyond["belief"], beyond["ci_high"]).max()
        axes[0].set_ylim(lowest, min(2 * highest, _ROOM))
        axes[-1].plot(
            [],
            [],
            "o",
            color="black",
            markerfacecolor="white",
            label="hollow: none seen, upper limit",
        )
        headed(figure, _laws_say(beyond))
        legend_below(figure, axes, 3.3)
    return figure


def _laws_say(beyond: pd.DataFrame) -> str:
    late = beyond[beyond["ci_low"] > beyond["belief"]]
    if late.empty:
        return "Under no law is a promise broken more often than believed, beyond doubt"
    counts = late["law"].value_counts()
    pairs = len(beyond.drop_duplicates(["operator", "type"]))
    told = ", ".join(f"{law} in {count}" for law, count in counts.items())
    return f"Broken more often than believed, beyond doubt, of {pairs} promises: {told}"


def _law_points(axis: Axes, rows: pd.DataFrame, law: str, turn: int, laws: int) -> None:
    x = rows["type"] + 0.7 * ((turn + 0.5) / laws - 0.5)
    seen = rows["probability"] > 0
    look: dict[str, Any] = {"color": colours(laws)[turn], "marker": MARKERS[turn % len(MARKERS)]}
    axis.errorbar(
        x[seen], rows["probability"][seen],
        yerr=np.array([(rows["probability"] - rows["ci_low"])[seen],
                       (rows["ci_high"] - rows["probability"])[seen]]),
        linestyle="none", markersize=5, capsize=2, linewidth=0.9, label=law, **look,
    )  # fmt: skip
    axis.plot(
        x[~seen], rows["ci_high"][~seen], linestyle="none", markersize=5, markerfacecolor="white",
        **look,
    )  # fmt: skip


def _stack(axis: Axes, rows: pd.DataFrame) -> None:
    up, down = np.zeros(len(rows)), np.zeros(len(rows))
    palette = [*colours(3), (0.85, 0.85, 0.85)]
    for (cause, hatch), colour in zip(_STACKED.items(), palette, strict=True):
        heights = rows[cause].fillna(0.0).to_numpy()
        bottom = np.where(heights >= 0, up, down)
        axis.bar(
            rows["type"], heights, bottom=bottom, label=cause, color=colour, hatch=hatch,
            edgecolor="0.15", linewidth=0.6, width=0.75,
        )  # fmt: skip
        up, down = up + np.maximum(heights, 0), down + np.minimum(heights, 0)
    spread = np.array(
        [rows["decades"] - rows["decades_low"], rows["decades_high"] - rows["decades"]]
    )
    axis.errorbar(
        rows["type"], rows["decades"], yerr=np.abs(np.nan_to_num(spread)), fmt="D", color="black",
        markerfacecolor="white", markersize=6, capsize=3, linewidth=1.2, zorder=5,
        label="belief over truth, with interval",
    )  # fmt: skip
    axis.axhline(0.0, color="black", linewidth=1.4, zorder=4)
    axis.grid(visible=False, axis="x")


def _factor(decades: float) -> str:
    """Decades as the factor that they are.

    Examples
    --------
    >>> [_factor(decades) for decades in (2.0, 0.0, -3.0)]
    ['× 10²', '× 1', '÷ 10³']
    """
    if decades == 0:
        return "× 1"
    if abs(round(decades)) == 1:
        return "× 10" if decades > 0 else "÷ 10"
    power = str(abs(round(decades))).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{'×' if decades > 0 else '÷'} 10{power}"
