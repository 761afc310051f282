"""Pictures of a sweep: a line a mechanism over one key, heat maps over two, points over more."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from airan_market.analysis.figure_style import line_look, panels, style

BAND = (0.05, 0.95)
MOST_SHOWN = 6  # panels of one figure


def over_one_key(
    frame: pd.DataFrame, key: str, measures: Sequence[str], groups: Sequence[str]
) -> Figure:
    """A panel a measure: means over seeds with the band of 90 % of them, a line a group."""
    with style():
        figure, axes = panels(len(measures), min(3, len(measures)), 5.0, 4.0)
        for axis, measure in zip(axes, measures, strict=True):
            best = ""
            for place, group in enumerate(groups):
                own = frame[frame["group"] == group].groupby(key)[measure]
                mean, low, high = own.mean(), *(own.quantile(part) for part in BAND)
                look = line_look(place)
                axis.fill_between(mean.index, low, high, color=look["color"], alpha=0.15, lw=0)
                axis.plot(mean.index, mean, label=group or None, **look)
            last = frame[frame[key] == frame[key].max()].groupby("group")[measure].mean()
            if len(groups) > 1:
                best = f"{last.idxmax()} is highest at {frame[key].max():g}: "
            axis.set(title=f"{best}{_plain(measure)}", xlabel=key, ylabel=label(measure))
            if len(groups) > 1:
                axis.legend(fontsize=8, title="mean, 90 % of seeds", title_fontsize=8)
    return figure


def over_two_keys(
    frame: pd.DataFrame, keys: Sequence[str], measure: str, groups: Sequence[str]
) -> Figure:
    """A heat map of means over seeds for each group, all on one scale, values written in."""
    shown = list(groups)[:MOST_SHOWN]
    tables = [
        frame[frame["group"] == group].pivot_table(index=keys[0], columns=keys[1], values=measure)
        for group in shown
    ]
    low = min(float(np.nanmin(table)) for table in tables)
    high = max(float(np.nanmax(table)) for table in tables)
    with style():
        figure, axes = panels(len(shown), min(3, len(shown)), 4.8, 4.0)
        for axis, table, group in zip(axes, tables, shown, strict=True):
            axis.imshow(table, cmap="cividis", vmin=low, vmax=high, aspect="auto", origin="lower")
            axis.grid(visible=False)
            for (i, j), value in np.ndenumerate(table.to_numpy()):
                dark = value < (low + high) / 2
                axis.text(j, i, f"{value:.3g}", ha="center", va="center", fontsize=8,
                          color="white" if dark else "black")  # fmt: skip
            axis.set_xticks(range(len(table.columns)), [f"{x:g}" for x in table.columns])
            axis.set_yticks(range(len(table.index)), [f"{y:g}" for y in table.index])
            axis.set(title=f"{group}: {_plain(measure)}".lstrip(": "), xlabel=keys[1],
                     ylabel=keys[0])  # fmt: skip
    return figure


def over_many_keys(
    frame: pd.DataFrame, keys: Sequence[str], measure: str, groups: Sequence[str]
) -> Figure:
    """A panel a key: every cell a point, a marker a group."""
    shown = list(keys)[:MOST_SHOWN]
    with style():
        figure, axes = panels(len(shown), min(3, len(shown)), 4.8, 4.0)
        for axis, key in zip(axes, shown, strict=True):
            _points(axis, frame, key, measure, groups)
    return figure


def _points(axis: Axes, frame: pd.DataFrame, key: str, measure: str, groups: Sequence[str]) -> None:
    for place, group in enumerate(groups):
        own = frame[frame["group"] == group]
        look = line_look(place) | {"linestyle": "none", "markersize": 4}
        axis.plot(own[key], own[measure], label=group or None, alpha=0.8, **look)
    correlation = frame[[key, measure]].corr(method="spearman").iloc[0, 1]
    axis.set(title=f"rank correlation {correlation:+.2f}", xlabel=key, ylabel=label(measure))
    if len(groups) > 1:
        axis.legend(fontsize=8)


def sensitivities(table: pd.DataFrame) -> Figure:
    """A panel a measure and group: total index, or mean effect, of every key with its interval."""
    panes = list(table.groupby(["measure", "group"], sort=False))[:MOST_SHOWN]
    with style():
        figure, axes = panels(len(panes), min(3, len(panes)), 5.2, 3.8)
        for axis, ((measure, group), own) in zip(axes, panes, strict=True):
            ordered = own.sort_values("total")
            places = np.arange(len(ordered))
            axis.barh(places, ordered["total"], 0.6, xerr=ordered["total_half"],
                      color="0.75", error_kw={"capsize": 3}, label="total, 95 %")  # fmt: skip
            first = ordered["first"].notna()
            axis.plot(ordered["first"][first], places[first], "kD", label="alone")
            axis.set_yticks(places, [key.rsplit(".", 1)[-1] for key in ordered["key"]])
            top = ordered.iloc[-1]["key"].rsplit(".", 1)[-1]
            title = f"{_plain(str(measure))}: {top} first"
            axis.set(title=f"{group}, {title}".lstrip(", "), xlabel="index")
            axis.legend(fontsize=8, loc="lower right")
    return figure


def _plain(measure: str) -> str:
    for unit in ("_usd_per_s", "_usd", "_s"):
        measure = measure.removesuffix(unit)
    return measure.replace("_", " ")


def label(measure: str) -> str:
    """A measure by its column, with its unit.

    Examples
    --------
    >>> label("social_welfare_usd_per_s"), label("violation_rate")
    ('social welfare (USD/s)', 'violation rate')
    """
    for ending, unit in (("_usd_per_s", "USD/s"), ("_usd", "USD"), ("_s", "s")):
        if measure.endswith(ending):
            return f"{_plain(measure)} ({unit})"
    return _plain(measure)
