"""Algorithm 1: mixed stable matching with contracts, one pure step at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from airan_market.agents.contract.design import design_menu, designed_menus
from airan_market.agents.contract.menu import Menu
from airan_market.agents.contract.utility import quality_utility, user_utility
from airan_market.agents.matching.load import cumulative_load
from airan_market.agents.matching.quality import over_qualities
from airan_market.agents.matching.response import (
    adjusted_utility,
    damp,
    mixed_response,
    temperature,
)
from airan_market.agents.matching.shadow_price import update_shadow_price
from airan_market.agents.mechanism.agreement import Agreement, Iteration
from airan_market.agents.primitives.primitives import Primitives
from airan_market.sim.arrays import FloatArray


def start(primitives: Primitives) -> Iteration:
    """Iteration 0: Z = 1/(M+1), ω = 0, every operator's menu for the whole demand.

    Examples
    --------
    >>> from airan_market.scenarios import load_scenario
    >>> state = start(Primitives.from_scenario(load_scenario("teleoperation")))
    >>> float(state.match_probability[2, 7]), state.residual
    (0.25, inf)
    """
    operators, demand = primitives.operators, primitives.demand_per_s
    everyone = np.ones((operators, primitives.types))
    load = cumulative_load(everyone, demand)
    return Iteration(
        iteration=0,
        match_probability=everyone / (operators + 1),
        shadow_price_usd=np.zeros(operators),
        menu=design_menu(primitives, load, everyone * demand),
        temperature_usd=primitives.mechanism.temperature_start_usd,
        residual=np.inf,
        by_quality=(
            None
            if primitives.quality_share is None
            else np.full((operators, *primitives.quality_share.shape), 1 / (operators + 1))
        ),
    )


def respond(
    primitives: Primitives, menu: Menu, shadow_price_usd: FloatArray, temperature_usd: float
) -> FloatArray:
    """Mixed response Ẑ (M, N) of all types to the menus, eqs. (32), (33); (M, X, N) of classes.

    It is that of classes where users value quality differently. Every type takes its own item,
    which the menu makes its best, and expects the violation probability for which the menu was
    designed.
    """
    adjusted = adjusted_utility(
        user_utility(primitives, menu),
        shadow_price_usd,
        primitives.demand_per_s,
        primitives.effective_capacity_per_s,
        primitives.task_size,
    )
    adjusted = quality_utility(primitives, adjusted)
    return mixed_response(adjusted, primitives.opt_out_utility_usd, temperature_usd)


def step(primitives: Primitives, state: Iteration) -> Iteration:
    """One iteration: menus and beliefs from Z_{k−1}, response with ω_{k−1}, then Z_k and ω_k."""
    settings = primitives.mechanism
    k = state.iteration + 1
    tau = temperature(
        k,
        settings.max_iterations,
        settings.temperature_start_usd,
        settings.temperature_end_usd,
    )
    menu = designed_menus(primitives, state.match_probability)
    response = respond(primitives, menu, state.shadow_price_usd, tau)
    by_quality = None
    if state.by_quality is None or primitives.quality_share is None:
        matching = damp(state.match_probability, response, settings.damping)
    else:
        by_quality = damp(state.by_quality, response, settings.damping)
        matching = over_qualities(by_quality, primitives.quality_share)
    return Iteration(
        iteration=k,
        match_probability=matching,
        shadow_price_usd=update_shadow_price(
            state.shadow_price_usd,
            primitives.bottleneck_load_per_s(matching),
            primitives.effective_capacity_per_s,
            settings.shadow_price_step_usd,
        ),
        menu=menu,
        temperature_usd=tau,
        residual=float(np.abs(matching - state.match_probability).max()),
        by_quality=by_quality,
    )


def iterate(primitives: Primitives) -> Iterator[Iteration]:
    """States k = 0, 1, …: up to the tolerance of the scenario or its last iteration.

    Examples
    --------
    >>> from airan_market.scenarios import load_scenario
    >>> market = Primitives.from_scenario(load_scenario("teleoperation"))
    >>> [state.iteration for state in iterate(market)][-1]
    50
    """
    settings = primitives.mechanism
    state = start(primitives)
    yield state
    while state.iteration < settings.max_iterations and state.residual > settings.tolerance:
        state = step(primitives, state)
        yield state


def agree(primitives: Primitives) -> Agreement:
    """Algorithm 1 to its end, with the menus designed for the loads at which it ends.

    Examples
    --------
    >>> from airan_market.scenarios import load_scenario
    >>> agreed = agree(Primitives.from_scenario(load_scenario("teleoperation")))
    >>> agreed.iterations, agreed.converged
    (50, False)
    """
    states = tuple(iterate(primitives))
    last = states[-1]
    matching = last.match_probability
    return Agreement(
        menu=designed_menus(primitives, matching),
        match_probability=matching,
        design_probability=matching,
        temperature_usd=last.temperature_usd,
        shadow_price_usd=last.shadow_price_usd,
        iterations=last.iteration,
        converged=last.residual <= primitives.mechanism.tolerance,
        states=states,
        by_quality=last.by_quality,
    )
