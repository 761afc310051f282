"""The market over time in one figure: menus, users, loads, violations, utilities, and events."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from airan_market.analysis.figure_style import (
    DASHES,
    MARKERS,
    colours,
    cycle,
    headed,
    lay_out,
    legend_below,
    operator_labels,
    panels,
    spread_ticks,
    style,
    whole_ticks,
)

_LEAST = 1e-4  # an axis of probabilities does not go below this
_BUSY = 40  # rounds from which lines have no markers


def over_time(
    rounds: pd.DataFrame,
    market: pd.DataFrame,
    operators: pd.DataFrame,
    names: Sequence[str],
    events: Sequence[tuple[float, str]] = (),
    *,
    static: Sequence[float] | None = None,
    ran_gpus: np.ndarray | None = None,
    title: str = "",
) -> Figure:
    """Six panels on one axis of rounds.

    Parameters
    ----------
    rounds, market, operators : DataFrame
        Tables of a run.
    names : sequence of str
        Of the operators.
    events : sequence of (round, text)
        Marked by lines, and told above the first panel.
    static : sequence of float, optional
        Welfare of the settled market under the conditions of every round, USD/s.
    ran_gpus : array (rounds, M), optional
        GPU instances that the RAN had on average.
    title : str
        What the figure says.
    """
    labels = operator_labels(len(names), names)
    count = len(names)
    with style():
        figure, axes = panels(6, 1, 9.0, 1.45, layout="none")
        marked = rounds["round"].nunique() <= _BUSY
        looks = [
            {"color": c, "linestyle": d, "marker": m if marked else None, "markersize": 4}
            for c, d, m in zip(
                colours(count), cycle(DASHES, count), cycle(MARKERS, count), strict=True
            )
        ]
        by_type = rounds.groupby(["operator", "round"])
        last = int(rounds["type"].max())
        _menus(axes[0], rounds, looks, last)
        _lines(axes[1], by_type["users"].sum(), looks, labels)
        axes[1].set_ylabel("users")
        _lines(axes[2], operators.set_index(["operator", "round"])["gpu_utilisation"], looks)
        axes[2].set_ylabel("GPUs busy")
        axes[2].set_ylim(0, 1.05)
        if ran_gpus is not None:
            _ran(axes[2], ran_gpus, looks)
        sums = by_type[["violations", "tasks"]].sum()
        part = sums["violations"] / sums["tasks"].where(sums["tasks"] > 0)
        _lines(axes[3], part.clip(lower=_LEAST), looks)
        axes[3].set_yscale("log")
        axes[3].set_ylim(_LEAST * 0.8, 1.3)
        axes[3].set_ylabel("violated part")
        _lines(
            axes[4],
            operators.set_index(["operator", "round"])["operator_utility_realised_usd_per_s"],
            looks,
        )
        axes[4].set_ylabel("profit\n(USD/s)")
        _welfare(axes[5], market, static)
        for axis in axes:
            whole_ticks(axis)
            axis.set_xlim(rounds["round"].min() - 0.5, rounds["round"].max() + 0.5)
            for place, _ in events:
                axis.axvline(place - 0.5, color="0.25", linestyle=(0, (1, 2)), linewidth=1.1)
        for axis in axes[:-1]:
            axis.tick_params(labelbottom=False)
        axes[-1].set_xlabel("round")
        _tell(axes[0], events)
        above_in = headed(figure, title) if title else 0.0
        lay_out(figure, axes, below_in=legend_below(figure, axes), above_in=above_in)
    return figure


def _menus(axis: Axes, rounds: pd.DataFrame, looks: Sequence[dict], last: int) -> None:
    shown = []
    for number, look in enumerate(looks, start=1):
        own = rounds[rounds["operator"] == number]
        for type_, width in ((1, 0.9), (last, 1.8)):
            menu = own[own["type"] == type_].sort_values("round")
            axis.plot(
                menu["round"], menu["latency_s"], **{**look, "linewidth": width, "marker": None}
            )
            shown += menu["latency_s"].tolist()
    spread_ticks(axis, shown)
    axis.set_ylabel(f"latency (s)\ntypes 1, {last}")


def _lines(
    axis: Axes, values: pd.Series, looks: Sequence[dict], labels: Sequence[str] | None = None
) -> None:
    for number, look in enumerate(looks, start=1):
        own = values.loc[number].sort_index()
        label = labels[number - 1] if labels is not None else None
        axis.plot(own.index, own.to_numpy(dtype=float), label=label, **look)


def _ran(axis: Axes, ran_gpus: np.ndarray, looks: Sequence[dict]) -> None:
    mean = ran_gpus.mean(axis=1)
    top = max(float(mean.max()), 1.0)
    rounds = np.arange(1, len(mean) + 1)
    axis.fill_between(
        rounds, 0, mean / top, step="mid", color="0.8", zorder=0,
        label=f"RAN's GPUs (top: {top:.1f} an operator)",
    )  # fmt: skip


def _welfare(axis: Axes, market: pd.DataFrame, static: Sequence[float] | None) -> None:
    rounds = market["round"]
    axis.plot(
        rounds, market["social_welfare_realised_usd_per_s"], color="0.1", label="welfare, realised"
    )
    axis.plot(
        rounds, market["social_welfare_expected_usd_per_s"], color="0.45", linestyle="--",
        label="welfare, expected",
    )  # fmt: skip
    if static is not None:
        axis.step(
            rounds, static, where="mid", color="0.6", linestyle=":", linewidth=2,
            label="welfare, if settled",
        )  # fmt: skip
    axis.set_ylabel("welfare\n(USD/s)")


def _tell(axis: Axes, events: Sequence[tuple[float, str]]) -> None:
    """The texts of the events at their lines: as many lines as fit side by side."""
    lines: list[float] = []
    span = axis.get_xlim()[1] - axis.get_xlim()[0]
    told = []
    for place, text in events:
        width = span * 0.0105 * len(text)
        row = next((r for r, end in enumerate(lines) if place > end), len(lines))
        if row == len(lines):
            lines.append(0.0)
        lines[row] = place + width
        told.append((place, text, row))
    for place, text, row in told:
        axis.annotate(
            text, (place - 0.5, 1), (2, 3 + 11 * row), xycoords=("data", "axes fraction"),
            textcoords="offset points", fontsize=8, color="0.2",
        )  # fmt: skip
    axis.set_title("\n" * len(lines), loc="left")  # their room
