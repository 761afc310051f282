"""What the paper pins down and what it leaves open, in one figure."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from airan_market.analysis.figure_style import (
    colours,
    headed,
    legend_below,
    panels,
    style,
    whole_ticks,
)
from airan_market.analysis.identification.posterior import Posterior
from airan_market.analysis.identification.prior import RANGES

_TOLD = {
    "gpu_rate_flop_per_s": ("rate of a GPU instance, TFLOP/s", 1e-12),
    "service_value_usd": ("service value, 10⁻⁴ USD/task", 1e4),
    "latency_min_s": ("shortest latency, ms", 1e3),
    "temperature_end_usd": ("last temperature, 10⁻⁶ USD", 1e6),
}
_HATCHES = ("", "//", "..", "xx", "\\\\")


def identified(found: Mapping[str, Posterior], users: pd.DataFrame) -> Figure:
    """Posteriors by reading: the parameters, the users, and the readings themselves.

    Parameters
    ----------
    found : mapping
        Posteriors by reading.
    users : DataFrame
        As `report.users_of` returns it.
    """
    with style():
        figure, axes = panels(6, columns=3, width_in=3.4, height_in=2.7)
        for axis, name in zip(axes, RANGES, strict=False):
            _density(axis, found, name)
        _users(axes[4], users)
        _evidence(axes[5], found)
        legend_below(figure, axes[:1], 1.5)
        best = max(found, key=lambda name: found[name].log_evidence)
        headed(
            figure,
            f"Of {len(found)} readings {best} explains the printed numbers best"
            if len(found) > 1
            else f"What the printed numbers leave possible, reading {best}",
        )
    return figure


def _density(axis: Axes, found: Mapping[str, Posterior], name: str) -> None:
    _, low, high = RANGES[name]
    label, unit = _TOLD[name]
    edges = np.exp(np.linspace(np.log(low), np.log(high), 41))
    for place, (reading, one) in enumerate(found.items()):
        values = one.samples[:, one.names.index(name)]
        axis.hist(
            values * unit, bins=(edges * unit).tolist(),
            weights=np.full(len(values), 1 / len(values)), histtype="stepfilled", alpha=0.35,
            facecolor=colours(len(found))[place],
            edgecolor=colours(len(found))[place], hatch=_HATCHES[place % len(_HATCHES)],
            label=reading,
        )  # fmt: skip
    axis.axhline(1 / (len(edges) - 1), color="0.4", linestyle=":", label="before looking")
    axis.set_xscale("log")
    ticks = [tick for tick in (1, 2, 3, 5, 10, 20, 30, 50, 80) if low * unit <= tick <= high * unit]
    axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axis.minorticks_off()
    axis.set(xlabel=label, ylabel="probability")


def _users(axis: Axes, users: pd.DataFrame) -> None:
    readings = list(dict.fromkeys(users["reading"]))
    for place, (reading, rows) in enumerate(users.groupby("reading", sort=False)):
        middle = rows["median"].to_numpy()
        ends = np.abs(rows[["low", "high"]].to_numpy().T - middle)
        axis.errorbar(
            rows["type"] + 0.2 * (place - (len(readings) - 1) / 2), middle, yerr=ends,
            color=colours(len(readings))[place % len(readings)] if reading != "prior" else "0.4",
            marker="osD^v"[place % 5], markersize=3, linestyle="none", capsize=2,
        )  # fmt: skip
    whole_ticks(axis)
    axis.set(xlabel="user type", ylabel="users, 90 % range", ylim=(0, None))


def _evidence(axis: Axes, found: Mapping[str, Posterior]) -> None:
    names = list(found)
    value = np.array([one.log_evidence for one in found.values()])
    error = [one.log_evidence_error for one in found.values()]
    axis.errorbar(
        value - value.max(), np.arange(len(names)), xerr=error, fmt="o", color="black", capsize=3
    )
    axis.set_yticks(np.arange(len(names)), names)
    axis.set(xlabel="log evidence, less that of the best", ylim=(-0.6, len(names) - 0.4))
    axis.invert_yaxis()


def rules(held: pd.DataFrame, named: Mapping[str, int], tried: float) -> Figure:
    """Claims that every reading of the rules brings out; the named ones marked.

    Parameters
    ----------
    held : DataFrame
        As `rules.held` returns it.
    named : mapping
        Claims that a reading with a name brings out.
    tried : float
        What the best of nineteen brings out by chance.
    """
    with style():
        figure, (axis,) = panels(1, columns=1, width_in=7.0, height_in=3.4)
        bins = np.arange(-0.5, int(held["holds"].max()) + 2).tolist()
        parts = {name: rows["holds"] for name, rows in held.groupby("mechanism.design", sort=False)}
        axis.hist(
            list(parts.values()), bins=bins, stacked=True, color=["0.85", "0.55"][: len(parts)],
            edgecolor="0.3", label=[f"menus {name}" for name in parts],
        )  # fmt: skip
        top = axis.get_ylim()[1]
        for place, (name, count) in enumerate(named.items()):
            axis.annotate(
                name, (count, 0), (count, top * (1.03 + 0.09 * (place % 2))), ha="center",
                arrowprops={"arrowstyle": "-", "linestyle": "--", "color": "black"},
            )  # fmt: skip
        axis.axvline(tried, color="black", linewidth=1.2, label="best of 19 readings at random")
        axis.set(
            xlabel="published claims that hold, of 60", ylabel="readings", ylim=(0, 1.25 * top)
        )
        axis.legend(loc="center left")
        share = float((held["holds"] > tried).mean())
        headed(
            figure,
            f"Of all readings {share:.0%} bring out more claims than the best of 19 "
            "taken at random",
        )
    return figure
