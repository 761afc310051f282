"""The pictures of a PACT run. Each function takes frames and returns a Matplotlib figure.

`types` is as `analysis.pact_run.summary.type_table` gives it, the other frames have the columns of
the run's tables; `tasks` are the names of the tasks where there are several, `level` is the
confidence level of intervals, `columns` how many panels stand side by side.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from airan_market.analysis.figure_style import (
    BELIEVED,
    colours,
    headed,
    legend_below,
    operator_labels,
    panels,
    ring,
    style,
    whole_ticks,
)
from airan_market.analysis.pact_run.summary import WORDS
from airan_market.analysis.verdict import Verdict
from airan_market.analysis.wording import number
from airan_market.sim.estimation.intervals import mean_interval

_APART = 0.14  # promised and measured stand this far left and right of their type
_WIDTH_IN = 5.2


def promises(
    types: pd.DataFrame, tasks: Sequence[str] = (), level: float = 0.95, columns: int = 2
) -> Figure:
    """Promised against measured quality and response time by type, a row of panels per task."""
    markets = sorted(types["market"].unique())
    with style():
        figure, axes = panels(2 * len(markets), columns, _WIDTH_IN, 3.6)
        for row, market in enumerate(markets):
            own = types[types["market"] == market]
            pair = axes[2 * row : 2 * row + 2]
            _beside(pair[0], own, "quality", 1.0, level)
            _beside(pair[1], own, "latency_s", 1e3, level)
            pair[0].set_ylabel("quality of a type's requests")
            pair[1].set_ylabel("mean response time (ms)")
            below = own[own["quality_verdict"] == WORDS[Verdict.BELOW]]
            late = own[own["latency_s_verdict"] == WORDS[Verdict.ABOVE]]
            ring(pair[0], below["type"] + _APART, below["quality_measured"])
            ring(pair[1], late["type"] + _APART, 1e3 * late["latency_s_measured"])
            for axis in pair:
                _by_type(axis, own, tasks)
        headed(figure, _promises_say(types))
        legend_below(figure, axes)
    return figure


def _promises_say(types: pd.DataFrame) -> str:
    below = int((types["quality_verdict"] == WORDS[Verdict.BELOW]).sum())
    late = int((types["latency_s_verdict"] == WORDS[Verdict.ABOVE]).sum())
    circled = " (circled)" if below + late else ""
    return (
        f"Of {len(types)} types {below} get less quality than promised and {late} wait longer, "
        f"beyond doubt{circled}"
    )


def profit(
    types: pd.DataFrame, tasks: Sequence[str] = (), level: float = 0.95, columns: int = 3
) -> Figure:
    """What a request of each type brought the provider and its user, and cost in liability."""
    markets = sorted(types["market"].unique())
    with style():
        figure, axes = panels(3 * len(markets), columns, 4.4, 3.6)
        for row, market in enumerate(markets):
            own = types[types["market"] == market]
            trio = axes[3 * row : 3 * row + 3]
            _beside(trio[0], own, "provider_utility_usd", 1.0, level)
            _beside(trio[1], own, "user_utility_usd", 1.0, level)
            _measured(trio[2], own, "liability_usd", 1.0, level, shift=0.0)
            trio[0].axhline(0.0, color="black", linewidth=0.8)
            for axis, label in zip(
                trio, ("provider's profit", "user's utility", "liability"), strict=True
            ):
                axis.set_ylabel(f"{label} (USD/request)")
                _by_type(axis, own, tasks)
            lost = own[own["provider_utility_usd_high"] < 0]
            ring(trio[0], lost["type"] + _APART, lost["provider_utility_usd_measured"])
        headed(figure, _profit_says(types))
        legend_below(figure, axes)
    return figure


def _profit_says(types: pd.DataFrame) -> str:
    lost = int((types["provider_utility_usd_high"] < 0).sum())
    best = types.loc[types["provider_utility_usd_measured"].idxmax()]
    where = f"type {best['type']} brings most"
    if not lost:
        return f"The provider loses on no type beyond doubt; {where}"
    return f"The provider loses on {lost} of {len(types)} types beyond doubt (circled); {where}"


def totals(market: pd.DataFrame, level: float = 0.95, columns: int = 3) -> Figure:
    """Promised and realised utility of provider, users and both, round by round."""
    colour = colours(1)[0]
    with style():
        figure, axes = panels(3, columns, 4.2, 3.3)
        sides = ("provider_utility", "user_utility", "social_welfare")
        for axis, side, title in zip(axes, sides, ("provider", "users", "together"), strict=True):
            realised = market[f"{side}_realised_usd"]
            axis.plot(market["round"], realised, "o-", color=colour, label="realised", markersize=5)
            axis.plot(
                market["round"], market[f"{side}_promised_usd"], label="promised by the menu",
                markersize=5, **BELIEVED,
            )  # fmt: skip
            found = mean_interval(realised, level)
            if np.isfinite(found.low):
                axis.axhspan(
                    found.low, found.high, color=colour, alpha=0.15, linewidth=0,
                    label=f"{level:.0%} interval of its mean",
                )  # fmt: skip
            axis.set(title=title, xlabel="round", ylabel="utility (USD a round)")
            axis.ticklabel_format(axis="y", useOffset=False)
            whole_ticks(axis)
        headed(figure, _totals_say(market))
        legend_below(figure, axes)
    return figure


def _totals_say(market: pd.DataFrame) -> str:
    gaps = []
    for side, name in (("provider", "the provider"), ("user", "users")):
        gap = market[f"{side}_utility_realised_usd"].mean()
        gap -= market[f"{side}_utility_promised_usd"].mean()
        gaps.append(f"{name} {number(abs(gap), 3)} USD {'more' if gap >= 0 else 'less'}")
    return f"A round left {' and '.join(gaps)} than the menu promised"


def capacity(
    table: pd.DataFrame, curve: pd.DataFrame, names: Sequence[str], users: int, level: float = 0.95
) -> Figure:
    """Quality against number of users, a panel for each service that has a bound."""
    bounded = table[table["users"].notna()]
    labels = operator_labels(len(names), names)
    with style():
        figure, axes = panels(len(bounded), 2, _WIDTH_IN, 3.5)
        for axis, (_, row) in zip(axes, bounded.iterrows(), strict=True):
            own = curve[curve["service"] == row["service"]]
            _quality_by_users(axis, own, row, level)
            axis.axvline(
                users, color="0.45", linestyle="-.", linewidth=1.1, label="users of this run"
            )
            axis.set(
                title=labels[int(row["service"]) - 1], xlabel="users of the market",
                ylabel="quality", xscale="log",
            )  # fmt: skip
            axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axis.xaxis.set_minor_locator(NullLocator())
            axis.yaxis.get_major_formatter().set_useOffset(False)  # type: ignore[attr-defined]
        first = bounded.loc[bounded["users"].astype(float).idxmin()]
        headed(
            figure,
            f"All promises hold up to {int(first['users'])} users of the market; then "
            f"{names[int(first['service']) - 1]} falls short (this run: {users})",
        )
        legend_below(figure, axes)
    return figure


def _quality_by_users(axis: Axes, own: pd.DataFrame, row: pd.Series, level: float) -> None:
    colour, other = colours(2)
    spread = np.abs(own[["quality_low", "quality_high"]].T.to_numpy()
                    - own["quality_measured"].to_numpy())  # fmt: skip
    axis.errorbar(
        own["users"], own["quality_measured"], yerr=spread, fmt="o-", color=colour, capsize=3,
        markersize=4, label=f"measured, {level:.0%} interval",
    )  # fmt: skip
    if own["quality_theory"].notna().any():
        axis.plot(own["users"], own["quality_theory"], "x", color="black", markersize=7,
                  label="theory (M/M/c)")  # fmt: skip
    axis.axhline(row["quality_promised"], color="0.35", linestyle="--", label="promised")
    axis.axhline(row["quality_promised"] - row["tolerance"], color="0.35", linestyle=":",
                 label="tolerated")  # fmt: skip
    low, high = (max(row[f"users_{end}"], 1) for end in ("low", "high"))  # 0 is on no log axis
    axis.axvspan(low, high, color=other, alpha=0.35, linewidth=0, hatch="//",
                 label="users that the promise bears")  # fmt: skip


def _beside(axis: Axes, own: pd.DataFrame, what: str, factor: float, level: float) -> None:
    """Promised diamonds and measured dots with their intervals."""
    axis.plot(
        own["type"] - _APART, factor * own[f"{what}_promised"], label="promised by the menu",
        markersize=6, zorder=3, **(BELIEVED | {"linestyle": ""}),
    )  # fmt: skip
    _measured(axis, own, what, factor, level, _APART)


def _measured(
    axis: Axes, own: pd.DataFrame, what: str, factor: float, level: float, shift: float
) -> None:
    middle = factor * own[f"{what}_measured"].to_numpy(dtype=float)
    ends = factor * own[[f"{what}_low", f"{what}_high"]].to_numpy(dtype=float).T
    axis.errorbar(
        own["type"] + shift, middle, yerr=np.nan_to_num(np.abs(ends - middle)), fmt="o",
        color=colours(1)[0], markersize=5, capsize=3, zorder=4,
        label=f"measured, {level:.0%} interval",
    )  # fmt: skip


def _by_type(axis: Axes, own: pd.DataFrame, tasks: Sequence[str]) -> None:
    axis.set_xlim(own["type"].min() - 0.6, own["type"].max() + 0.6)
    axis.set_xlabel("user type (1 = values quality least)")
    axis.ticklabel_format(axis="y", useOffset=False)
    if len(tasks) > 1:
        axis.set_title(operator_labels(len(tasks), tasks)[int(own["market"].iloc[0]) - 1])
    whole_ticks(axis)
