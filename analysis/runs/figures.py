"""The pictures of a run. Each function takes frames and returns a Matplotlib figure.

`rounds`, `market` and `operators` have the columns of the tables of that name, `tally` is as
`analysis.store.tally.tally` gives it; `names` are those of the operators, `services` that of every
type where a market has several, `level` the confidence level of intervals, in (0, 1), `columns` how
many panels stand side by side.

Operators differ by marker, dash and hatch as well as by colour, so the figures are readable in
grey. Equal frames give equal pictures, to the byte (`analysis.figure_style.png`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.container import BarContainer
from matplotlib.figure import Figure

from airan_market.analysis.dynamics.story import Story
from airan_market.analysis.figure_style import (
    BELIEVED,
    DASHES,
    HATCHES,
    MARKERS,
    colours,
    cycle,
    headed,
    lay_out,
    legend_below,
    operator_labels,
    panels,
    ring,
    spread_ticks,
    style,
    whole_ticks,
)
from airan_market.analysis.runs.violations import WORDS, violation_table
from airan_market.analysis.store.reader import Run
from airan_market.analysis.verdict import Verdict
from airan_market.analysis.wording import number as digits
from airan_market.analysis.wording import probability
from airan_market.sim.estimation.intervals import mean_interval

__all__ = ["matching", "menus", "over_time", "utilities", "violations"]

_APART = 0.12  # believed and simulated stand this far left and right of their type
_ARROW = 0.6  # an arrow from an upper limit reaches down to (1 - this) of it
DECADE_BELOW = 10.0  # the axis of probabilities ends this factor below its lowest mark
_SMALLEST_LABELLED = 0.08  # a bar segment below this height has no room for its number


def menus(
    rounds: pd.DataFrame,
    names: Sequence[str] | None = None,
    services: Sequence[str] | None = None,
) -> Figure:
    """Latency agreement and price by type, one line per operator, in the final round.

    With several services a line per operator and service: latencies and prices of different
    services are no menu that anybody chooses from.

    Faint lines are the menus of earlier rounds, where they differ. An axis whose values span
    more than a factor of eight is logarithmic.
    """
    with style():
        figure, axes = panels(2, 2, 4.6, 3.6, layout="none")
        last = rounds["round"].max()
        for axis, column, label, factor in (
            (axes[0], "latency_s", "latency agreement (s)", 1.0),
            (axes[1], "price_usd", "price (10⁻⁴ USD per task)", 1e4),
        ):
            frame = _labelled(rounds, names, services).assign(value=rounds[column] * factor)
            _earlier_menus(axis, frame[frame["round"] < last])
            _operator_lines(axis, frame[frame["round"] == last], "value")
            axis.set(xlabel=_types(services, "1 = most latency-sensitive"), ylabel=label)
            spread_ticks(axis, frame["value"])
            whole_ticks(axis)
            _ring_end(axis, frame[frame["round"] == last], longest=column == "latency_s")
        above_in = headed(figure, _menus_say(rounds[rounds["round"] == last]))
        lay_out(figure, axes, below_in=legend_below(figure, axes), above_in=above_in)
    return figure


def _menus_say(menus: pd.DataFrame) -> str:
    longer = menus["latency_s"].max() / menus["latency_s"].min()
    cheaper = 1 - menus["price_usd"].min() / menus["price_usd"].max()
    slowest = menus.loc[menus["latency_s"].idxmax()]
    return (
        f"The longest latency, operator {slowest['operator']:.0f}'s for type "
        f"{slowest['type']:.0f}, is {digits(longer, 3)} times the shortest; prices differ by "
        f"{probability(cheaper)}"
    )


def _ring_end(axis: Axes, frame: pd.DataFrame, *, longest: bool) -> None:
    """Circle the longest latency, or the lowest price."""
    place = frame["value"].idxmax() if longest else frame["value"].idxmin()
    ring(axis, [frame.loc[place, "type"]], [frame.loc[place, "value"]])


def matching(
    rounds: pd.DataFrame,
    names: Sequence[str] | None = None,
    services: Sequence[str] | None = None,
) -> Figure:
    """Probability that a user of each type takes each operator, or none, in the final round."""
    last = rounds[rounds["round"] == rounds["round"].max()]
    shares = last.pivot_table(index="type", columns="operator", values="match_probability")
    shares = shares.fillna(0.0)
    labels = operator_labels(shares.shape[1], names)
    with style():
        figure, (axis,) = panels(1, 1, max(6.9, 0.62 * len(shares) + 3.0), 4.2, layout="none")
        bottom = np.zeros(len(shares))
        segments = [
            *zip(shares.to_numpy().T, labels, colours(len(labels)), strict=True),
            # rounding may leave 1 − Σ z a little below 0, which is no bar
            (np.maximum(1.0 - shares.sum(axis=1).to_numpy(), 0.0), "stays out", (1.0, 1.0, 1.0)),
        ]
        for (heights, label, colour), hatch in zip(
            segments, [*cycle(HATCHES, len(labels)), "+"], strict=True
        ):
            bars = axis.bar(
                shares.index, heights, bottom=bottom, label=label, color=colour, hatch=hatch,
                edgecolor="0.15", linewidth=0.6, width=0.8,
            )  # fmt: skip
            _write_shares(axis, bars, heights, fits=len(shares) <= 16)
            bottom = bottom + heights
        axis.set(xlabel=_types(services, "1 = most latency-sensitive"))
        axis.set_ylabel("matching probability")
        axis.set_ylim(0, 1)
        axis.grid(visible=False)
        whole_ticks(axis)
        # top of the legend = top of the stack
        handles, texts = axis.get_legend_handles_labels()
        right_in = 2.1
        place = (1 - right_in / figure.get_figwidth(), 1.0)
        out = 1.0 - shares.sum(axis=1)
        above_in = headed(figure, _matching_says(shares, out))
        most = shares.stack().idxmax()
        largest = axis.containers[list(shares.columns).index(most[1])]
        largest[list(shares.index).index(most[0])].set_linewidth(2.5)
        place = (place[0], 1 - above_in / figure.get_figheight())
        figure.legend(handles[::-1], texts[::-1], loc="upper left", bbox_to_anchor=place)
        lay_out(figure, [axis], right_in=right_in, above_in=above_in)
    return figure


def _matching_says(shares: pd.DataFrame, out: pd.Series) -> str:
    type_, operator = shares.stack().idxmax()
    return (
        f"Operator {operator} draws most of a type: {probability(shares.loc[type_, operator])} of "
        f"type {type_}; of type {out.idxmax()}, {probability(max(out.max(), 0.0))} stay out"
    )


def violations(
    rounds: pd.DataFrame,
    tally: pd.DataFrame,
    names: Sequence[str] | None = None,
    level: float = 0.95,
    columns: int = 3,
    services: Sequence[str] | None = None,
) -> Figure:
    """Believed against simulated probability of a violation, a panel per operator, log axis.

    Bars are the intervals of `analysis.runs.violations.violation_table`. Where no violation was
    seen there is no estimate to draw on a log axis: an arrow hangs from the upper limit. The axis
    ends a decade below the lowest mark; a bar that reaches further leaves it there, because few
    rounds give lower limits of 1e-12 that would squeeze all else together.
    """
    table = violation_table(rounds, tally, level=level)
    numbers = sorted(rounds["operator"].unique())
    labels = operator_labels(len(numbers), names)
    with style():
        figure, axes = panels(len(numbers), columns, 3.9, 3.9, share_y=True, layout="none")
        for axis, number, label in zip(axes, numbers, labels, strict=True):
            axis.set_yscale("log")
            _believed_and_simulated(axis, table[table["operator"] == number], level)
            axis.set(title=label, xlabel=_types(services))
            axis.set_xlim(rounds["type"].min() - 0.6, rounds["type"].max() + 0.6)
            whole_ticks(axis)
        for axis in axes[:: min(len(axes), columns)]:
            axis.set_ylabel("probability of a violation")
        marks = table[["believed", "simulated", "high"]].to_numpy()
        if (marks > 0).any():
            axes[0].set_ylim(bottom=marks[marks > 0].min() / DECADE_BELOW)
        short = table[table["verdict"] == WORDS[Verdict.FAILS]]
        for axis, number_ in zip(axes, numbers, strict=True):
            own = short[short["operator"] == number_]
            ring(axis, own["type"] + _APART, own["simulated"])
        above_in = headed(figure, _violations_say(table, short))
        lay_out(figure, axes, below_in=legend_below(figure, axes), above_in=above_in)
    return figure


def _violations_say(table: pd.DataFrame, short: pd.DataFrame) -> str:
    covered = int((table["verdict"] == WORDS[Verdict.HOLDS]).sum())
    circled = " (circled)" if len(short) else ""
    return (
        f"Of {len(table)} promises {covered} are broken no more often than believed, {len(short)} "
        f"more often{circled}; of the others too little was simulated to tell"
    )


def utilities(
    market: pd.DataFrame,
    operators: pd.DataFrame,
    names: Sequence[str] | None = None,
    columns: int = 3,
) -> Figure:
    """Expected and realised utilities over rounds: all operators, welfare, each operator.

    Dotted is the mean of the realised utility over rounds, in the band of its 95 % t interval.
    """
    numbers = sorted(operators["operator"].unique())
    labels = operator_labels(len(numbers), names)
    series = [
        ("all operators", market, "operator_utility"),
        ("social welfare", market, "social_welfare"),
        *(
            (label, operators[operators["operator"] == number], "operator_utility")
            for number, label in zip(numbers, labels, strict=True)
        ),
    ]
    with style():
        figure, axes = panels(len(series), columns, 3.7, 2.9, layout="none")
        for axis, (title, frame, what) in zip(axes, series, strict=True):
            _expected_and_realised(axis, frame.sort_values("round"), what)
            axis.set(title=title, xlabel="round")
            axis.set_ylabel("utility (USD/s)")
            whole_ticks(axis)
        above_in = headed(figure, _utilities_say(market))
        lay_out(figure, axes, below_in=legend_below(figure, axes), above_in=above_in)
    return figure


def _utilities_say(market: pd.DataFrame) -> str:
    gaps = market["operator_utility_realised_usd_per_s"].to_numpy(float)
    gaps = gaps - market["operator_utility_expected_usd_per_s"].to_numpy(float)
    than = "more" if gaps.mean() >= 0 else "less"
    gap = mean_interval(gaps)
    chance = "" if gap.low > 0 or gap.high < 0 else ", which may be chance"
    return (
        f"All operators together earn {digits(abs(gaps.mean()), 3)} USD/s {than} than they "
        f"expected{chance}"
    )


def over_time(run: Run) -> Figure:
    """A market that moves: menus, users, loads, broken promises and utilities, events marked.

    Parameters
    ----------
    run : Run
        `load_run(directory)` of a scenario with events, strategies or the like.
    """
    return Story(run).figure()


def _types(services: Sequence[str] | None, scale: str = "") -> str:
    """Label of an axis of types, which says what each of several services has."""
    said = f"user type ({scale})" if scale else "user type"
    if services is None:
        return said
    own: dict[str, list[str]] = {}
    for type_, service in enumerate(services, start=1):
        own.setdefault(service, []).append(str(type_))
    return said + "\n" + "; ".join(f"{name} {', '.join(types)}" for name, types in own.items())


def _labelled(
    rounds: pd.DataFrame, names: Sequence[str] | None, services: Sequence[str] | None
) -> pd.DataFrame:
    """Rounds with the operators' names and, of every type, the service it asks for."""
    labels = operator_labels(int(rounds["operator"].max()), names)
    asks = [services[type_ - 1] for type_ in rounds["type"]] if services is not None else ""
    return rounds.assign(label=[labels[number - 1] for number in rounds["operator"]], service=asks)


def _operator_lines(axis: Axes, frame: pd.DataFrame, column: str) -> None:
    numbers = sorted(frame["operator"].unique())
    marks = zip(
        numbers, colours(len(numbers)), cycle(MARKERS, len(numbers)), cycle(DASHES, len(numbers)),
        strict=True,
    )  # fmt: skip
    for place, (number, colour, marker, dash) in enumerate(marks):
        own = frame[frame["operator"] == number].sort_values("type")
        label = own["label"].iloc[0]
        for _, menu in own.groupby("service"):
            axis.plot(
                menu["type"], menu[column], label=label, color=colour, marker=marker,
                # equal menus lie on each other: the later, smaller marker leaves the earlier seen
                markersize=max(9 - 1.5 * place, 5.5), linestyle=dash, markeredgecolor="white",
            )  # fmt: skip
            label = "_"  # one entry of the legend


def _earlier_menus(axis: Axes, frame: pd.DataFrame) -> None:
    palette = colours(int(frame["operator"].max())) if len(frame) else []
    for (operator, _, _), menu in frame.groupby(["operator", "round", "service"]):
        axis.plot(
            menu["type"], menu["value"], color=palette[int(operator) - 1], alpha=0.25, linewidth=0.8
        )


def _write_shares(axis: Axes, bars: BarContainer, heights: np.ndarray, *, fits: bool) -> None:
    texts = [f"{h:.2f}" if fits and h >= _SMALLEST_LABELLED else "" for h in heights]
    box = {"facecolor": "white", "edgecolor": "none", "pad": 0.8, "alpha": 0.9}
    for text in axis.bar_label(bars, texts, label_type="center", fontsize=7.5):
        if text.get_text():
            text.set_bbox(box)


def _believed_and_simulated(axis: Axes, table: pd.DataFrame, level: float) -> None:
    believed = table[table["believed"] > 0]
    axis.plot(
        believed["type"] - _APART, believed["believed"], label="believed by the operator",
        markersize=6, linewidth=1.0, zorder=3, **BELIEVED,
    )  # fmt: skip
    colour = colours(1)[0]
    seen = table[table["violations"] > 0]
    if len(seen):
        spread = np.abs(seen[["low", "high"]].to_numpy().T - seen["simulated"].to_numpy())
        axis.errorbar(
            seen["type"] + _APART, seen["simulated"], yerr=spread, fmt="o", color=colour,
            label=f"simulated, {level:.0%} interval", markersize=5, capsize=3, zorder=4,
        )  # fmt: skip
    unseen = table[(table["violations"] == 0) & (table["decided"] > 0)]
    if len(unseen):
        axis.errorbar(
            unseen["type"] + _APART, unseen["high"], yerr=_ARROW * unseen["high"], uplims=True,
            fmt="_", color=colour, markersize=9, zorder=4,
        )  # fmt: skip
        # the legend would show an error bar without its arrow
        axis.plot([], [], "v", color=colour, label=f"none seen, {level:.0%} upper limit")


def _expected_and_realised(axis: Axes, frame: pd.DataFrame, what: str) -> None:
    rounds = frame["round"]
    realised = frame[f"{what}_realised_usd_per_s"]
    interval = mean_interval(realised)
    colour = colours(1)[0]
    axis.plot(rounds, realised, "o-", color=colour, label="realised", markersize=5)
    axis.plot(
        rounds, frame[f"{what}_expected_usd_per_s"], label="expected", markersize=5, **BELIEVED
    )
    if np.isfinite(interval.low):
        axis.axhline(interval.mean, color=colour, linestyle=":", label="mean of realised")
        axis.axhspan(
            interval.low, interval.high, color=colour, alpha=0.15, linewidth=0,
            label="95% interval of its mean",
        )  # fmt: skip
    axis.ticklabel_format(axis="y", useOffset=False)
