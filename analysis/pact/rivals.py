"""Two PACT providers and the same users: tables, picture and text of where they end."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from airan_market.agents.pact.market import markets_of
from airan_market.agents.pact.policy.competition import Competition, compete
from airan_market.analysis.figure_style import (
    HATCHES,
    legend_below,
    line_look,
    panels,
    save,
    style,
    whole_ticks,
)
from airan_market.analysis.store.lock import locked
from airan_market.analysis.store.manifest import read_manifest, sealed
from airan_market.analysis.store.tables import write_frame
from airan_market.analysis.wording import number
from airan_market.scenarios import Fault, PactScenario, ScenarioError, scenario_hash


def rivalry(scenario: PactScenario, rival: PactScenario) -> Competition:
    """Let a rival's services compete for a scenario's users, who value them as they do the others.

    Raises
    ------
    ScenarioError
        When one of them has several tasks: their users do not meet.
    """
    for each in (scenario, rival):
        if each.pact.tasks is not None:
            fault = Fault(each.name, "pact.tasks", "", "must not be given with --rival")
            raise ScenarioError([fault])
    own, other = markets_of(scenario)[0], markets_of(rival)[0]
    return compete([own, replace(other, types=own.types, valuation=own.valuation)])


def rivalry_json(found: Competition) -> dict[str, Any]:
    """Fields that `pact --rival --json` adds."""
    return {
        "match_probability": found.match_probability.tolist(),
        "opt_out_probability": found.opt_out_probability.tolist(),
        "providers": [
            {"quality": menu.quality.tolist(), "price": menu.price_usd.tolist(), "utility": utility,
             "undercutting_gain": gain}
            for menu, utility, gain in zip(
                found.contracts, found.provider_utility_usd.tolist(),
                found.undercutting_gain_usd().tolist(), strict=True,
            )
        ],
        "users_utility": found.users_utility_usd,
        "social_welfare": found.social_welfare_usd,
        "iterations": found.iterations,
        "converged": found.converged,
    }  # fmt: skip


def rivalry_sentences(found: Competition, names: tuple[str, str]) -> list[str]:
    """Who gets what, in words."""
    ended = "converged" if found.converged else (
        f"not converged (users still move by {found.residual:.2g}; a design that jumps is chased)"
    )  # fmt: skip
    told = [f"competition, {ended} after {found.iterations} iterations"]
    gains = found.undercutting_gain_usd()
    for name, utility, gain in zip(names, found.provider_utility_usd, gains, strict=True):
        more = (
            f"; lowering all its prices could gain {number(float(gain))} more" if gain > 0 else ""
        )
        told.append(f"{name}: {number(float(utility))} USD per request of the market{more}")
    told.append(
        f"users {number(found.users_utility_usd)}, social welfare "
        f"{number(found.social_welfare_usd)} USD per request"
    )
    return told


def rivalry_table(found: Competition, names: tuple[str, str]) -> pd.DataFrame:
    """A row per provider and type."""
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "provider": name,
                    "type": np.arange(1, share.size + 1),
                    "match_probability": share,
                    "quality": menu.quality,
                    "price_usd": menu.price_usd,
                    "cost_usd": menu.cost_usd,
                    "user_utility_usd": menu.user_utility_usd,
                }
            )
            for name, share, menu in zip(
                names, found.match_probability, found.contracts, strict=True
            )
        ],
        ignore_index=True,
    )


def rivalry_figure(found: Competition, names: tuple[str, str]) -> Figure:
    """What each provider sells to each type, and where the types go."""
    types = np.arange(1, found.probability.size + 1)
    with style():
        figure, axes = panels(3, 3, 4.4, 3.6)
        for place, (name, menu) in enumerate(zip(names, found.contracts, strict=True)):
            look = line_look(place)
            sold = np.where(menu.served, menu.quality, np.nan)
            axes[0].plot(types, sold, **look, markersize=5, label=name)
            axes[1].plot(types, menu.price_usd, **look, markersize=5)
        bottom = np.zeros(types.size)
        out = found.opt_out_probability
        for place, (name, share) in enumerate(
            zip([*names, "stays out"], [*found.match_probability, out], strict=True)
        ):
            colour = "white" if name == "stays out" else line_look(place)["color"]
            axes[2].bar(types, share, bottom=bottom, color=colour, hatch=HATCHES[place],
                        edgecolor="0.15", linewidth=0.6, label=name)  # fmt: skip
            bottom = bottom + share
        axes[0].set(xlabel="user type", ylabel="quality")
        axes[1].set(xlabel="user type", ylabel="price, USD per request")
        axes[2].set(xlabel="user type", ylabel="matching probability", ylim=(0, 1))
        for axis in axes:
            whole_ticks(axis)
        legend_below(figure, axes[2:])
    return figure


def write_rivalry(
    directory: Path, rival: PactScenario, found: Competition, names: tuple[str, str]
) -> None:
    """Write table and picture into a result's directory, under the rival's name and hash."""
    stem = f"rival-{rival.name}-{scenario_hash(rival)[:10]}"
    with locked(directory):
        write_frame(directory / f"{stem}.csv", "menu", rivalry_table(found, names), "rival")
        save({stem: rivalry_figure(found, names)}, directory)
        sealed(directory, read_manifest(directory))
