"""Two futures of one market beside each other: what the change does, in figures and in words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from airan_market.analysis.dashboard.future import Future
from airan_market.analysis.dashboard.panel import Panel
from airan_market.analysis.figure_style import (
    lay_out,
    legend_below,
    line_look,
    panels,
    style,
    whole_ticks,
)
from airan_market.analysis.wording import number
from airan_market.scenarios import Scenario
from airan_market.sim.estimation.intervals import mean_interval
from airan_market.sim.estimation.proportions import cluster_proportion

NAMES = ("A", "B")
_FEWEST = 4  # rounds since the fork; a band of fewer would hide the lines


def pair_panel(futures: Sequence[Future]) -> Panel:
    """Welfare, operators' utility and violations of both futures, and their paired difference.

    Parameters
    ----------
    futures : sequence of Future
        A and B, forked after the same round, of one scenario with events.
    """
    fork = futures[0].forked_after or 0
    frames = [paths(future) for future in futures]
    return Panel("futures", pair_message(frames, fork), lambda: pair_figure(frames, fork))


def paths(future: Future) -> pd.DataFrame:
    """What is compared, a row a round: `round, welfare, operators` (USD/s), `late, decided`."""
    assert isinstance(future.scenario, Scenario)
    market = future.tables().market.sort_values("round")
    count = future.count.table
    sums = count[count["round"] > 0].groupby("round")[["violations", "decided"]].sum()
    sums = sums.reindex(market["round"], fill_value=0)
    return pd.DataFrame(
        {
            "round": market["round"].to_numpy(),
            "welfare": market["social_welfare_realised_usd_per_s"].to_numpy(),
            "operators": market["operator_utility_realised_usd_per_s"].to_numpy(),
            "late": sums["violations"].to_numpy(),
            "decided": sums["decided"].to_numpy(),
        }
    )


def pair_message(frames: Sequence[pd.DataFrame], fork: int) -> str:
    """The mean difference in welfare since the fork, with its interval over rounds.

    Examples
    --------
    >>> a = pd.DataFrame({"round": [1, 2, 3], "welfare": [1.0, 2.0, 2.0]})
    >>> b = pd.DataFrame({"round": [1, 2, 3], "welfare": [1.0, 1.5, 1.4]})
    >>> pair_message([a, b], 1)
    'Since round 2 B earns 0.55 USD/s less welfare than A (difference -1.19 to 0.0853 over 2 ...)'
    >>> pair_message([a, a], 3)
    'A and B are equal up to round 3: change B, and play on'
    """
    one, two = (frame[frame["round"] > fork]["welfare"].to_numpy(dtype=float) for frame in frames)
    if not len(one):
        return f"A and B are equal up to round {fork}: change B, and play on"
    if (one == two).all():
        return f"Since round {fork + 1} A and B are still equal"
    found = mean_interval(two - one)
    spread = "one round"
    if np.isfinite(found.low):
        low, high = number(found.low, 3), number(found.high, 3)
        spread = f"difference {low} to {high} over {found.count} rounds"
    word = "less" if found.mean < 0 else "more"
    earned = number(abs(found.mean), 3)
    return f"Since round {fork + 1} B earns {earned} USD/s {word} welfare than A ({spread})"


def pair_figure(frames: Sequence[pd.DataFrame], fork: int) -> Figure:
    """Three panels over rounds; bands, from four rounds on, are 95% intervals of means since."""
    with style():
        figure, axes = panels(3, 1, 4.6, 2.5, layout="none")
        for place, (frame, name) in enumerate(zip(frames, NAMES, strict=True)):
            look = line_look(place, 2) | {"markersize": 6 - 2 * place, "label": f"future {name}"}
            since = frame[frame["round"] > fork]
            for axis, column in zip(axes, ("welfare", "operators"), strict=False):
                axis.plot(frame["round"], frame[column], **look)
                if len(since) >= _FEWEST:
                    found = mean_interval(since[column])
                    _band(axis, since["round"], found.low, found.high, look["color"])
            part = frame["late"] / frame["decided"].where(frame["decided"] > 0)
            axes[2].plot(frame["round"], 100 * part, **look)
            decided = since[since["decided"] > 0]
            if len(decided) >= _FEWEST:
                share = cluster_proportion(decided["late"], decided["decided"])
                _band(axes[2], decided["round"], 100 * share.low, 100 * share.high, look["color"])
        for axis, label in zip(
            axes, ("welfare (USD/s)", "operators (USD/s)", "late tasks (%)"), strict=True
        ):
            axis.axvline(fork + 0.5, color="0.25", linestyle=(0, (1, 2)), linewidth=1.1)
            axis.set_ylabel(label)
            axis.ticklabel_format(axis="y", useOffset=False)
            whole_ticks(axis)
        for axis in axes[:-1]:
            axis.tick_params(labelbottom=False)
        axes[2].set_xlabel("round (dotted: the fork; bands: 95% intervals)")
        lay_out(figure, axes, below_in=legend_below(figure, axes))
    return figure


def _band(axis: Axes, rounds: pd.Series, low: float, high: float, colour: object) -> None:
    ends = rounds.min() - 0.5, rounds.max() + 0.5
    axis.fill_between(ends, low, high, color=colour, alpha=0.15, linewidth=0)
