"""The pictures of a PACT market: the paper's Figures 2 to 4, the cost curve, the regulator's chart.

Frames are the tables of `analysis.pact.tables`. Lines differ by marker and dash as well as by
colour, so the figures are readable in grey.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from airan_market.agents.pact.contract.contract import Contract
from airan_market.agents.pact.outcome import SolvedMarket
from airan_market.analysis.figure_style import (
    HATCHES,
    headed,
    legend_below,
    line_look,
    panels,
    style,
    whole_ticks,
)

PARTIES = {
    "provider": "provider_usd",
    "users": "users_usd",
    "users and provider": "social_welfare_usd",
    "users, provider, those harmed": "welfare_with_harm_usd",
}
_MOST_LINES = 4  # types whose choices Figure 2 shows


def services(solved: SolvedMarket) -> Figure:
    """Costs and fitted curve, without and with liability, with the residuals below."""
    market = solved.market
    levels = list(dict.fromkeys((0.0, solved.liability_level)))
    table = market.services
    q = np.linspace(market.quality_min, market.quality_max, 400)
    with style():
        figure, (top, bottom) = panels(2, 2, 5.2, 3.8)
        for place, level in enumerate(levels):
            look = line_look(place)
            cost = table.cost_usd(level)
            label = "without liability" if level == 0 else f"liability level {level:g}"
            width = np.vstack(
                [table.quality - table.quality_low, table.quality_high - table.quality]
            )
            top.errorbar(
                table.quality, cost, xerr=width if width.any() else None, linestyle="none",
                marker=look["marker"], color=look["color"], label=label, capsize=2,
            )  # fmt: skip
            if market.menu == "continuous":
                curve = market.curve(level)
                top.plot(q, curve.value(q), color=look["color"], linestyle=look["linestyle"])
                bottom.plot(
                    table.quality, curve.residual_usd, marker=look["marker"], linestyle="none",
                    color=look["color"], label=f"{label}, R² = {curve.r_squared:.3f}",
                )  # fmt: skip
        highest = float(table.cost_usd(levels[-1]).max())
        top.set(xlabel="quality", ylabel="cost, USD per request", ylim=(0, 2.2 * highest))
        top.axvspan(table.quality.min(), table.quality.max(), color="0.92", zorder=0)
        top.legend(loc="upper left", title="grey: where services are")
        bottom.axhline(0.0, color="0.4", linewidth=0.8)
        bottom.set(xlabel="quality", ylabel="cost less fitted curve, USD per request")
        if market.menu == "continuous":
            bottom.legend(loc="best")
        else:
            bottom.set_title("a discrete menu has no curve")
        headed(figure, _services_say(solved))
    return figure


def _services_say(solved: SolvedMarket) -> str:
    market, cost = solved.market, solved.market.services.cost_usd(0.0)
    told = f"Services cost {cost.min():.2g} to {cost.max():.2g} USD a request"
    if market.menu != "continuous":
        return told
    worst = float(np.abs(market.curve(0.0).residual_usd).max())
    return f"{told}; the fitted curve is off by {worst:.2g} at most"


def own_items(solved: SolvedMarket) -> Figure:
    """Figure 2: what some types would gain from every item, their own marked."""
    menus = {"without liability": solved.contract}
    if solved.market.services.liability_usd.any():
        menus[f"liability level {solved.liability_level:g}"] = solved.liable_contract
    with style():
        figure, axes = panels(len(menus), 2, 5.2, 3.8)
        for axis, (title, menu) in zip(axes, menus.items(), strict=True):
            gain = menu.choice_utility_usd()
            items = np.arange(1, menu.quality.size + 1)
            for place, k in enumerate(_shown_types(menu.quality.size)):
                look = line_look(place)
                axis.plot(items, gain[k], **look, markersize=4, label=f"type {k + 1}")
                axis.plot(
                    k + 1, gain[k, k], "*", color=look["color"], markeredgecolor="black",
                    markersize=14, zorder=5,
                )  # fmt: skip
            axis.axhline(0.0, color="0.4", linewidth=0.8)
            # choices far below staying out would flatten the rest
            top = float(gain.max())
            axis.set_ylim(max(float(gain.min()), -1.5 * top) - 0.05 * top, 1.08 * top + 1e-12)
            axis.set(title=title, xlabel="item chosen", ylabel="utility, USD per request")
            whole_ticks(axis)
        best = all(
            np.allclose(gain.max(axis=1), np.diag(gain), atol=1e-9)
            for gain in (menu.choice_utility_usd() for menu in menus.values())
        )
        headed(
            figure,
            "Every type's own item (star) is its best"
            if best
            else "Some types would rather take another item than their own (star)",
        )
        legend_below(figure, axes, title="star: own item")
    return figure


def menus(solved: SolvedMarket) -> Figure:
    """Figure 3: quality and price by type, without and with liability, and first best."""
    with style():
        figure, axes = panels(2, 2, 5.2, 3.8)
        for axis, name, label in (
            (axes[0], "quality", "quality"),
            (axes[1], "price_usd", "price, USD per request"),
        ):
            for place, (title, menu) in enumerate(_four(solved).items()):
                values = np.where(menu.served, getattr(menu, name), np.nan)
                axis.plot(_numbers(menu), values, **line_look(place), markersize=5, label=title)
            axis.set(xlabel="user type", ylabel=label)
            whole_ticks(axis)
        best = float(solved.market.services.quality.max())
        axes[0].axhline(best, color="0.4", linewidth=1.0, linestyle=":", label="best service")
        headed(figure, _menus_say(solved.contract))
        legend_below(figure, axes)
    return figure


def _menus_say(menu: Contract) -> str:
    bought = menu.served & (menu.quality > 0)
    if not bought.any():
        return "Nothing is sold"
    quality, first = menu.quality[bought], int(np.flatnonzero(bought)[0]) + 1
    return (
        f"Without liability, quality {quality.min():.2f} to {quality.max():.2f} is sold to "
        f"{int(bought.sum())} of {menu.quality.size} types, from type {first} on"
    )


def utilities(solved: SolvedMarket) -> Figure:
    """Figure 4: what users, the provider and both have, by type, and expected over users."""
    with style():
        figure, axes = panels(4, 2, 5.2, 3.4)
        four = _four(solved)
        for axis, label in zip(
            axes, ("user's utility", "provider's utility", "social welfare"), strict=False
        ):
            for place, (title, menu) in enumerate(four.items()):
                values = {
                    "user's utility": menu.user_utility_usd,
                    "provider's utility": menu.profit_usd,
                    "social welfare": menu.user_utility_usd + menu.profit_usd,
                }[label]
                axis.plot(_numbers(menu), values, **line_look(place), markersize=5, label=title)
            axis.axhline(0.0, color="0.4", linewidth=0.8)
            axis.set(xlabel="user type", ylabel=f"{label},\nUSD per request")
            whole_ticks(axis)
        _expected(axes[3], four)
        menu = solved.contract
        part = menu.provider_utility_usd / menu.social_welfare_usd if menu.social_welfare_usd else 0
        headed(
            figure,
            f"Without liability {part:.0%} of what a request is worth goes to the "
            f"provider, {1 - part:.0%} to users",
        )
        legend_below(figure, axes)
    return figure


def _expected(axis: Axes, four: dict[str, Contract]) -> None:
    width = 0.8 / len(four)
    places = np.arange(3)
    for place, menu in enumerate(four.values()):
        heights = [menu.users_utility_usd, menu.provider_utility_usd, menu.social_welfare_usd]
        bars = axis.bar(
            places + (place - (len(four) - 1) / 2) * width, heights, width,
            color=line_look(place)["color"], hatch=HATCHES[place], edgecolor="0.15", linewidth=0.6,
        )  # fmt: skip
        axis.bar_label(bars, fmt="{:.3g}", fontsize=7, padding=1)
    axis.axhline(0.0, color="0.4", linewidth=0.8)
    axis.margins(y=0.12)
    axis.set_xticks(places, ["users", "provider", "social welfare"])
    axis.set_ylabel("expected,\nUSD per request")


def liability(points: pd.DataFrame, break_even: dict[str, float | None]) -> Figure:
    """Regulator's chart: who gains from liability, by its level, a column per kind of menu."""
    kinds = list(dict.fromkeys(points["menu"]))
    with style():
        figure, axes = panels(2 * len(kinds), len(kinds), 5.6, 3.2)
        for column, kind in enumerate(kinds):
            rows = points[points["menu"] == kind]
            _changes(axes[column], rows, break_even.get(kind))
            axes[column].set_title(f"{kind} menu")
            _welcome(axes[len(kinds) + column], rows)
        headed(figure, _liability_says(points, kinds))
        legend_below(figure, axes)
    return figure


def _liability_says(points: pd.DataFrame, kinds: Sequence[str]) -> str:
    told = []
    for kind in kinds:
        rows = points[points["menu"] == kind]
        won = [party for party, column in PARTIES.items()
               if rows[column].max() > rows[column].iloc[0] + 1e-9]  # fmt: skip
        told.append(f"{kind} menu: {'; '.join(won) or 'nobody'}")
    return f"Who gains by some level of liability. {'. '.join(told)}".replace("$", "")


def _changes(axis: Axes, rows: pd.DataFrame, zero: float | None) -> None:
    level = rows["level"].to_numpy()
    for place, (party, column) in enumerate(PARTIES.items()):
        change = (rows[column] - rows[column].iloc[0]).to_numpy()
        look = line_look(place)
        axis.plot(level, change, **look, markersize=4, markevery=max(1, len(level) // 12),
                  label=party)  # fmt: skip
    axis.axhline(0.0, color="0.4", linewidth=0.8)
    if zero is not None and zero <= level.max():
        axis.axvline(zero, color="black", linestyle=":", linewidth=1.2)
        axis.annotate(
            "provider\nbreaks even", (zero, 0.6), xycoords=("data", "axes fraction"), fontsize=8,
            xytext=(4, 0), textcoords="offset points", rotation=90, va="center",
            bbox={"facecolor": "white", "alpha": 0.85, "edgecolor": "none", "pad": 1}, zorder=6,
        )  # fmt: skip
    flat = rows.loc[rows["flat_curve"], "level"]
    if len(flat):
        axis.axvspan(flat.min(), level.max(), color="0.92", zorder=0)
        axis.annotate(
            "grey: costs no longer rise\nwith quality, the curve is\nconstant: not to be trusted",
            (0.03, 0.04), va="bottom", xycoords="axes fraction", fontsize=8, color="0.25",
        )  # fmt: skip
    axis.set_xlim(level.min() - 0.01 * level.max(), level.max())
    axis.set(xlabel="liability level", ylabel="change against no liability,\nUSD per request")


def _welcome(axis: Axes, rows: pd.DataFrame) -> None:
    level = rows["level"].to_numpy()
    scale = float(rows[list(PARTIES.values())].abs().to_numpy().max())
    for place, column in enumerate(reversed(PARTIES.values())):
        change = (rows[column] - rows[column].iloc[0]).to_numpy()
        look = line_look(len(PARTIES) - 1 - place)
        for start, end in stretches(level, change > 1e-9 * scale):
            axis.barh(
                place, end - start, left=start, height=0.55, color=look["color"],
                hatch=HATCHES[place], edgecolor="0.15", linewidth=0.6,
            )  # fmt: skip
        best = level[int(rows[column].to_numpy().argmax())]
        axis.plot(best, place, "k|", markersize=16, markeredgewidth=2)
    axis.set_yticks(range(len(PARTIES)), list(reversed(PARTIES)))
    axis.set_xlim(level.min() - 0.01 * level.max(), level.max())
    axis.set_ylim(-0.6, len(PARTIES) - 0.4)
    axis.set(xlabel="liability level", title="bar: gains by liability; stroke: best level")


def stretches(level: np.ndarray, wanted: np.ndarray) -> list[tuple[float, float]]:
    """Stretches of levels over which something is wanted, each as (from, to).

    Examples
    --------
    >>> stretches(np.array([0.0, 1.0, 2.0, 3.0]), np.array([False, True, True, False]))
    [(1.0, 2.0)]
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[False], wanted, [False]]).astype(int)))
    return [
        (float(level[first]), float(level[last - 1]))
        for first, last in zip(edges[::2], edges[1::2], strict=True)
    ]


def audits(table: pd.DataFrame) -> Figure:
    """Best part of answers to audit by what an audit costs, a line per level that is charged."""
    kinds = list(dict.fromkeys(table["menu"]))
    with style():
        figure, axes = panels(2 * len(kinds), len(kinds), 5.4, 3.2)
        for column, kind in enumerate(kinds):
            rows = table[table["menu"] == kind]
            for place, (fine, line) in enumerate(rows.groupby("fine_level")):
                look = line_look(place) | {"markersize": 4, "markevery": 4}
                label = f"charged when found: level {fine:g}"
                axes[column].plot(line["cost_usd"], line["rate"], **look, label=label)
                axes[len(kinds) + column].plot(line["cost_usd"], line["welfare_usd"], **look)
            axes[column].set(
                title=f"{kind} menu", xscale="log", xlabel="cost of an audit, USD",
                ylabel="best part of answers audited", ylim=(-0.03, 1.03),
            )  # fmt: skip
            axes[len(kinds) + column].set(
                xscale="log", xlabel="cost of an audit, USD",
                ylabel="welfare, harm and audits counted,\nUSD per request",
            )  # fmt: skip
        audited = table[table["rate"] > 0]["cost_usd"]
        headed(
            figure,
            f"Audits are worth while up to a cost of {audited.max():.2g} USD each"
            if len(audited)
            else "No audit is worth its cost",
        )
        legend_below(figure, axes)
    return figure


def break_even_over_scale(frame: pd.DataFrame) -> Figure:
    """Break-even level by how much users value quality, a line per form of fit."""
    with style():
        figure, (axis,) = panels(1, 1, 6.6, 4.2)
        for place, (form, rows) in enumerate(frame.groupby("form", sort=False)):
            axis.plot(rows["scale"], rows["level"], **line_look(place), markersize=4, label=form)
        axis.axhline(1.0, color="black", linewidth=1.2)
        axis.annotate(
            "the liability as configured", (0.02, 1.0), ha="left",
            xycoords=("axes fraction", "data"), xytext=(0, 4), textcoords="offset points",
        )  # fmt: skip
        axis.set(
            xscale="log", yscale="log", xlabel="factor on v (1: quality is worth what is "
            "configured)", ylabel="liability level at which\nthe provider breaks even",
        )  # fmt: skip
        axis.legend(loc="upper left")
        here = frame.loc[(frame["scale"] - 1).abs().idxmin()]
        told = f"at {here['level']:.2g} times the liability" if np.isfinite(here["level"]) else (
            "at no liability")  # fmt: skip
        headed(figure, f"Near what is configured the provider breaks even {told}")
    return figure


def claims(shares: dict[str, dict[str, dict[str, float]]]) -> Figure:
    """Part of the readings in which each claim holds: claim → assumption → value → part."""
    names = list(shares)
    columns = [(axis, value) for axis, found in shares[names[0]].items() for value in found]
    table = np.array([[shares[name][axis][value] for axis, value in columns] for name in names])
    with style():
        figure, (axis,) = panels(1, 1, 1.6 + 0.5 * len(columns), 1.9 + 0.42 * len(names))
        axis.imshow(table, cmap="Greys", vmin=0, vmax=2.4, aspect="auto")
        for row, column in np.ndindex(*table.shape):
            axis.text(column, row, f"{100 * table[row, column]:.0f}", ha="center", va="center",
                      fontsize=8)  # fmt: skip
        axis.set_xticks(range(len(columns)), [value for _, value in columns], rotation=60,
                        ha="right", rotation_mode="anchor")  # fmt: skip
        axis.set_yticks(range(len(names)), names)
        axis.grid(visible=False)
        start = 0
        for name, found in shares[names[0]].items():
            axis.axvline(start - 0.5, color="black", linewidth=1.2)
            axis.text(start + len(found) / 2 - 0.5, -0.62, name.replace(", USD", "\nUSD"),
                      ha="center", va="bottom", fontsize=8)  # fmt: skip
            start += len(found)
        axis.set_xlabel("assumption; numbers: per cent of readings in which the claim holds")
        headed(
            figure,
            f"{int((table > 0.5).all(axis=1).sum())} of {len(names)} claims hold in "
            "most readings whatever is assumed",
        )
    return figure


def _four(solved: SolvedMarket) -> dict[str, Contract]:
    menus = {"without liability": solved.contract, "without, first best": solved.first_best}
    if solved.market.services.liability_usd.any() and solved.liability_level > 0:
        level = f"liability {solved.liability_level:g}"
        menus |= {level: solved.liable_contract, f"{level}, first best": solved.liable_first_best}
    return menus


def _shown_types(size: int) -> Sequence[int]:
    """The types of Figure 2: the paper's 1, 5, 10, 15 when there are fifteen."""
    if size <= _MOST_LINES:
        return range(size)
    return sorted({round(x) for x in (0, (size - 1) * 2 / 7, (size - 1) * 9 / 14, size - 1)})


def _numbers(menu: Contract) -> np.ndarray:
    return np.arange(1, menu.quality.size + 1)
