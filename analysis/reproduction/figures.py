"""The paper's Figures 3 to 6 from our cells, published values marked.

Lines are medians over Dirichlet draws, bands and bars the 90 % range, stars what the paper
prints. Where a range runs far from all medians the axis follows the medians and the range is cut.
Lines are nested, each thinner than the one before, so that two that coincide are both seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from airan_market.analysis.figure_style import (
    headed,
    legend_below,
    nested_look,
    panels,
    spread_ticks,
    style,
    whole_ticks,
)
from airan_market.analysis.reproduction import published
from airan_market.analysis.reproduction.cells import DEFAULT, FITTED
from airan_market.analysis.reproduction.claim import NAMES
from airan_market.analysis.reproduction.published import BENCHMARKS, PROPOSED, TOTALS

MECHANISMS = (PROPOSED, *BENCHMARKS)
#: Figure → the sweeps of its rows.
ROWS = {
    "figure4": ("users", "types"),
    "figure5": ("refund", "violation_cost"),
    "figure6": ("dirichlet", "zeta"),
}
X_LABELS = {
    "users": "users",
    "types": "user types",
    "refund": "refund, relative to the default",
    "violation_cost": "violation cost, relative to the default",
    "dirichlet": "Dirichlet parameter α",
    "zeta": "Chernoff parameter ζ",
}
#: Where a sweep passes through the default market, whose totals are published.
DEFAULT_AT = {
    "users": 150.0,
    "types": 8.0,
    "refund": 1.0,
    "violation_cost": 1.0,
    "dirichlet": 10.0,
    "zeta": 0.9,
}
QUANTILES = (0.05, 0.5, 0.95)
_MARGIN = 0.35  # of the medians' spread, that the axis shows beyond them


def drawable(frame: pd.DataFrame) -> dict[str, Figure]:
    """All figures whose cells the frame of one reading has, by name."""
    answer: dict[str, Figure] = {}
    if frame.empty:
        return answer
    fitted, frame = frame[frame["draw"] == FITTED], frame[frame["draw"] != FITTED]
    sweeps = set(frame["sweep"])
    if DEFAULT in set(fitted["sweep"]):
        answer["figure3"] = menus(fitted[fitted["sweep"] == DEFAULT])
    for name, rows in ROWS.items():
        there = [sweep for sweep in rows if sweep in sweeps]
        if there:
            answer[name] = totals_over(frame, there)
    return answer


def menus(fitted: pd.DataFrame) -> Figure:
    """Figure 3: latency agreements over types, a panel per operator, a line per mechanism."""
    fitted = fitted.set_index("mechanism")
    operators = len(fitted["latency_s"].iloc[0])
    with style():
        figure, axes = panels(operators, columns=3, share_y=True)
        for m, axis in enumerate(axes):
            for mechanism in _there(fitted.index):
                latency = np.array(fitted.loc[mechanism, "latency_s"])[m]
                types = np.arange(1, latency.size + 1)
                axis.plot(types, 1e3 * latency, **_look(mechanism), label=NAMES[mechanism])
            axis.set(title=f"operator {m + 1}", xlabel="user type")
            whole_ticks(axis)
        agreed_ms = 1e3 * np.concatenate([np.ravel(menu) for menu in fitted["latency_s"]])
        spread_ticks(axes[0], agreed_ms)  # the panels share their axis
        axes[0].set_ylabel("agreed latency (ms)")
        longest = {
            name: 1e3 * np.max(fitted.loc[name, "latency_s"]) for name in _there(fitted.index)
        }
        most = max(longest, key=lambda name: longest[name])
        headed(
            figure,
            f"{NAMES[most]} agrees to the longest latency, {longest[most]:.0f} ms; the "
            f"proposed menus end at {longest.get(PROPOSED, np.nan):.0f} ms",
        )
        legend_below(figure, axes, 1.5)
    return figure


def totals_over(frame: pd.DataFrame, sweeps: Sequence[str]) -> Figure:
    """Figures 4 to 6: operator utility and social welfare, a row of panels per sweep."""
    with style():
        figure, axes = panels(2 * len(sweeps), columns=2, width_in=4.6, height_in=3.2)
        for place, axis in enumerate(axes):
            sweep, total = sweeps[place // 2], TOTALS[place % 2]
            _panel(axis, frame[frame["sweep"] == sweep], sweep, total)
        headed(figure, _published_says(frame, sweeps))
        legend_below(figure, axes, 1.5)
    return figure


def _published_says(frame: pd.DataFrame, sweeps: Sequence[str]) -> str:
    """How many published numbers lie within our range."""
    inside, of = 0, 0
    for sweep in sweeps:
        for total in TOTALS:
            for setting, value, mechanism in _published(sweep, total):
                own = frame[(frame["sweep"] == sweep) & (frame["mechanism"] == mechanism)
                            & np.isclose(frame["setting"], setting)][total]  # fmt: skip
                if len(own):
                    low, high = own.quantile(QUANTILES[0]), own.quantile(QUANTILES[2])
                    inside, of = inside + bool(low <= value <= high), of + 1
    return f"Of {of} published numbers (stars) {inside} lie within the 90 % range of our draws"


def _panel(axis: Axes, cells: pd.DataFrame, sweep: str, total: str) -> None:
    settings = sorted(set(cells["setting"]))
    logarithmic = sweep == "dirichlet"
    middles: list[float] = []
    for mechanism in _there(set(cells["mechanism"])):
        rows = cells[cells["mechanism"] == mechanism].groupby("setting")[total]
        low, middle, high = (rows.quantile(q).loc[settings] for q in QUANTILES)
        look = _look(mechanism)
        axis.plot(settings, middle, **look, label=NAMES[mechanism], zorder=3)
        axis.fill_between(settings, low, high, color=look["color"], alpha=0.13, linewidth=0)
        middles += list(middle)
    marks = _published(sweep, total)
    for setting, value, mechanism in marks:
        axis.plot(
            setting, value, "*", color=_look(mechanism)["color"], markeredgecolor="black",
            markersize=12, zorder=5, linestyle="none",
        )  # fmt: skip
    axis.plot([], [], "*", color="white", markeredgecolor="black", markersize=12,
              label="published", linestyle="none")  # fmt: skip
    shown = middles + [value for _, value, _ in marks]
    room = _MARGIN * max(max(shown) - min(shown), 0.1)
    axis.set_ylim(min(shown) - room, max(shown) + room)
    axis.axhline(0.0, color="0.5", linewidth=0.8, zorder=1)
    if logarithmic:
        axis.set_xscale("log")
    axis.set_xticks(settings, [f"{setting:g}" for setting in settings])
    axis.minorticks_off()
    axis.set(xlabel=X_LABELS[sweep], ylabel=f"{total} (USD/s)")


def _published(sweep: str, total: str) -> list[tuple[float, float, str]]:
    """Published levels of a panel: setting, USD/s, mechanism."""
    marks = [
        (level.setting, level.usd_per_s, level.mechanism)
        for level in published.LEVELS
        if (level.sweep, level.total) == (sweep, total)
    ]
    default = float(published.default_totals()[TOTALS.index(total)])
    return [*marks, (DEFAULT_AT[sweep], default, PROPOSED)]


def _there(names: pd.Index | set[str]) -> list[str]:
    return [mechanism for mechanism in MECHANISMS if mechanism in names]


def _look(mechanism: str) -> dict[str, Any]:
    return nested_look(MECHANISMS.index(mechanism), len(MECHANISMS))
