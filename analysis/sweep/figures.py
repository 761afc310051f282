"""Pictures of a sweep: a line a mechanism over one key, heat maps over two, points over more."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, MaxNLocator

from airan_market.analysis.figure_style import headed, legend_below, line_look, panels, ring, style
from airan_market.analysis.wording import capital

BAND = (0.05, 0.95)
MOST_SHOWN = 6  # panels of one figure
#: Endings of columns and keys, and the units that they stand for.
UNITS = (
    ("_usd_per_s", "USD/s"), ("_flop_per_s", "FLOP/s"), ("_per_s", "1/s"), ("_bps", "bit/s"),
    ("_usd", "USD"), ("_flop", "FLOP"), ("_bits", "bit"), ("_s", "s"),
)  # fmt: skip
#: Columns of a validation whose names say too little by themselves.
NAMES = {
    "ratio": "belief over truth",
    "bound_violated": "part of the pairs with the bound violated",
}


def over_one_key(
    frame: pd.DataFrame, key: str, measures: Sequence[str], groups: Sequence[str]
) -> Figure:
    """A panel a measure: means over seeds with the band of 90 % of them, a line a group."""
    with style():
        figure, axes = panels(len(measures), min(3, len(measures)), 5.0, 4.0)
        for axis, measure in zip(axes, measures, strict=True):
            for place, group in enumerate(groups):
                own = frame[frame["group"] == group].groupby(key)[measure]
                mean, low, high = own.mean(), *(own.quantile(part) for part in BAND)
                look = line_look(place)
                axis.fill_between(mean.index, low, high, color=look["color"], alpha=0.15, lw=0)
                axis.plot(mean.index, mean, label=group or None, **look)
            axis.set(xlabel=label(key), ylabel=label(measure))
            _few_ticks(axis)
        headed(figure, _one_key_says(frame, key, measures[0], axes[0]))
        if len(groups) > 1:
            legend_below(figure, axes, title="mean, 90 % of seeds")
    return figure


def _one_key_says(frame: pd.DataFrame, key: str, measure: str, axis: Axes) -> str:
    """What the first measure does from the lowest value of the key to the highest."""
    means = frame.groupby(["group", key])[measure].mean().unstack(key)
    first, last = means.columns[0], means.columns[-1]
    if len(means) == 1:
        start, end = means.iloc[0][[first, last]]
        ring(axis, [last], [end])
        return (
            f"{capital(label(measure))} goes from {start:.3g} to {end:.3g} (circled) as "
            f"{_plain(key)} goes from {first:g} to {last:g}"
        )
    ring(axis, [last], [means[last].max()])
    return (
        f"At {_plain(key)} {last:g} {_plain(measure)} is highest with {means[last].idxmax()}, "
        f"{means[last].max():.3g} (circled), and lowest with {means[last].idxmin()}, "
        f"{means[last].min():.3g}"
    )


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
                axis.text(j, i, f"{value:.3g}", ha="center", va="center",
                          color="white" if dark else "black")  # fmt: skip
                if value == high:
                    axis.add_patch(Rectangle((j - 0.46, i - 0.46), 0.92, 0.92, fill=False,
                                             edgecolor="black", linewidth=2.0))  # fmt: skip
            axis.set_xticks(range(len(table.columns)), [f"{x:g}" for x in table.columns])
            axis.set_yticks(range(len(table.index)), [f"{y:g}" for y in table.index])
            axis.set(title=group, xlabel=label(keys[1]), ylabel=label(keys[0]))
        headed(figure, _two_keys_say(tables, measure, shown, low, high))
    return figure


def _two_keys_say(
    tables: Sequence[pd.DataFrame], measure: str, groups: Sequence[str], low: float, high: float
) -> str:
    """Where a measure is highest and lowest."""
    best = next(
        g for g, table in zip(groups, tables, strict=True) if (table == high).any(axis=None)
    )
    worst = next(
        g for g, table in zip(groups, tables, strict=True) if (table == low).any(axis=None)
    )
    named = [f" with {group}" if group else "" for group in (best, worst)]
    return (
        f"{capital(label(measure))}, means over seeds: highest{named[0]}, {high:.3g} (framed), "
        f"lowest{named[1]}, {low:.3g}"
    )


def over_many_keys(
    frame: pd.DataFrame, keys: Sequence[str], measure: str, groups: Sequence[str]
) -> Figure:
    """A panel a key: every cell a point, a marker a group."""
    shown = list(keys)[:MOST_SHOWN]
    with style():
        figure, axes = panels(len(shown), min(3, len(shown)), 4.8, 4.0)
        found = {
            key: _points(axis, frame, key, measure, groups)
            for axis, key in zip(axes, shown, strict=True)
        }
        moves = max(found, key=lambda key: np.nan_to_num(abs(found[key])))
        headed(
            figure,
            f"Of what was varied, {_plain(measure)} goes most with {_plain(moves)}: "
            f"rank correlation {found[moves]:+.2f}",
        )
        if len(groups) > 1:
            legend_below(figure, axes)
    return figure


def _points(
    axis: Axes, frame: pd.DataFrame, key: str, measure: str, groups: Sequence[str]
) -> float:
    """Draw the cells; their rank correlation."""
    for place, group in enumerate(groups):
        own = frame[frame["group"] == group]
        look = line_look(place) | {"linestyle": "none", "markersize": 5}
        axis.plot(own[key], own[measure], label=group or None, alpha=0.8, **look)
    correlation = float(frame[[key, measure]].corr(method="spearman").iloc[0, 1])
    axis.set(title=f"rank correlation {correlation:+.2f}", xlabel=label(key), ylabel=label(measure))
    _few_ticks(axis)
    return correlation


def _few_ticks(axis: Axes) -> None:
    """Numbers below the x axis that stand apart, and none that is written beside the axis."""
    axis.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def sensitivities(table: pd.DataFrame) -> Figure:
    """A panel a measure and group: total index, or mean effect, of every key with its interval."""
    panes = list(table.groupby(["measure", "group"], sort=False))[:MOST_SHOWN]
    says: dict[str, str] = {}
    with style():
        figure, axes = panels(len(panes), min(3, len(panes)), 5.2, 3.8)
        for axis, ((measure, group), own) in zip(axes, panes, strict=True):
            ordered = own.sort_values("total")
            places = np.arange(len(ordered))
            axis.barh(places, ordered["total"], 0.6, xerr=ordered["total_half"],
                      color="0.75", error_kw={"capsize": 3}, label="total, 95 %")  # fmt: skip
            first = ordered["first"].notna()
            axis.plot(ordered["first"][first], places[first], "kD", label="alone")
            axis.set_yticks(places, [_plain(key.rsplit(".", 1)[-1]) for key in ordered["key"]])
            says.setdefault(
                _plain(str(measure)), _plain(ordered.iloc[-1]["key"].rsplit(".", 1)[-1])
            )
            said = "part of the variance" if first.any() else f"effect of a step, {label(measure)}"
            axis.set(title=f"{group}, {_plain(str(measure))}".lstrip(", "), xlabel=said)
        headed(figure, "What moves it most: " + "; ".join(f"{m}: {key}" for m, key in says.items()))
        legend_below(figure, axes)
    return figure


def _plain(name: str) -> str:
    """A column or a key in words, without its unit."""
    for ending, _ in UNITS:
        if name.endswith(ending):
            name = name.removesuffix(ending)
            break
    return NAMES.get(name, name.replace("_", " ").replace(".", " "))


def label(name: str) -> str:
    """A measure by its column, or a setting by its key, with its unit.

    Examples
    --------
    >>> label("social_welfare_usd_per_s"), label("violation_rate")
    ('social welfare (USD/s)', 'violation rate')
    >>> label("operators.1.gpu.rate_flop_per_s")
    'operators 1 gpu rate (FLOP/s)'
    """
    unit = next((f" ({unit})" for ending, unit in UNITS if name.endswith(ending)), "")
    return f"{_plain(name)}{unit}"
