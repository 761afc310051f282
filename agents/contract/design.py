"""The design of a menu: the latencies that are worth most to an operator at given loads."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from airan_market.agents.belief.belief import Belief, of_types, operator_belief
from airan_market.agents.contract.descent import (
    carried_slope,
    following,
    held_types,
    start_latencies,
)
from airan_market.agents.contract.menu import Menu
from airan_market.agents.contract.price import priced_menu
from airan_market.agents.contract.utility import task_profit
from airan_market.agents.matching.load import cumulative_load, demand_weight
from airan_market.agents.primitives.primitives import Primitives
from airan_market.agents.screening.envelope import EnvelopePieces
from airan_market.agents.screening.monotone import Pieces, maximise_monotone
from airan_market.sim.arrays import FloatArray


def design_menu(primitives: Primitives, load_per_s: FloatArray, weight_per_s: FloatArray) -> Menu:
    """Menu that is best at given loads, of one operator or of all; by its design, only locally.

    Equation: AI-RAN (26), (38)

    Maximises Σ_n d_n (R_n − C̄ p_n(L_n)) over L_min ≤ L_1 ≤ … ≤ L_N ≤ L_max with the prices (25).
    Decided where the problem leaves it open, or where the formula has no answer:

    - d_n = 0: the item joins its left neighbour (L_min when it has none): no risk of its own speaks
      for a longer latency, and a shorter one keeps the rents of the types after it low;
    - C̄ ≤ R̄: L_min, no violation is worth an agreement that is easier to keep (`notes` says so);
    - a saturated type, and all after it: L_max, whatever else holds.

    That is the design "exact". With `mechanism.design` = "local" the menu is the one at which a
    descent on the gradient stops (`descent`).

    Parameters
    ----------
    primitives : Primitives
        Of all operators, or of one (`Primitives.of_operator`).
    load_per_s : array (..., N)
        λ_{m,n}, tasks/s that type n can feel.
    weight_per_s : array (..., N)
        d_{m,n} ≥ 0, tasks/s.

    Returns
    -------
    Menu
        Arrays (..., N).

    Examples
    --------
    >>> from airan_market.scenarios import load_scenario
    >>> market = Primitives.from_scenario(load_scenario("teleoperation"))
    >>> first = market.of_operator(0)
    >>> menu = design_menu(first, market.demand_per_s.cumsum() / 3, market.demand_per_s / 3)
    >>> bool((np.diff(menu.latency_s) >= 0).all())
    True
    """
    settings = primitives.mechanism
    if primitives.services is not None:
        return _by_service(primitives, operator_belief(primitives, load_per_s), weight_per_s)
    start_s = _start(primitives)
    if settings.belief != "chernoff":
        return designed_by_terms(primitives, operator_belief(primitives, load_per_s), weight_per_s)
    # here: Numba takes long to import
    from airan_market.agents.belief.chernoff_design import chernoff_design

    return Menu(
        *chernoff_design(
            primitives.servers,
            primitives.service_rate_per_s,
            load_per_s,
            weight_per_s,
            primitives.latency_sensitivity_usd_per_s,
            primitives.service_value_usd - primitives.participation_margin_usd,
            primitives.refund_usd,
            primitives.net_violation_cost_usd,
            settings.chernoff_zeta,
            settings.latency_min_s,
            settings.latency_max_s,
            start_s,
        )
    )


def _by_service(primitives: Primitives, belief: Belief, weight_per_s: FloatArray) -> Menu:
    """Menus of several services side by side: each is screened by itself, at the loads of all.

    An operator sees which service a task asks for, so no type can take an item of another one;
    monotonicity and the prices (25) hold within a service.
    """
    services = primitives.services
    assert services is not None
    parts = [np.empty(weight_per_s.shape) for _ in range(3)]
    for number in range(len(services.names)):
        types = services.types_of(number)
        own = primitives.of_service(number)
        menu = designed_by_terms(own, of_types(belief, types), weight_per_s[..., types])
        for part, found in zip(parts, vars(menu).values(), strict=True):
            part[..., types] = found
    return Menu(*parts)


def _start(primitives: Primitives) -> FloatArray | None:
    """Where the descent of the design "local" starts; None for "exact", which needs no start."""
    settings = primitives.mechanism
    if settings.design == "exact":
        return None
    return start_latencies(primitives.types, settings.latency_min_s, settings.latency_max_s)


def designed_by_terms(primitives: Primitives, belief: Belief, weight_per_s: FloatArray) -> Menu:
    """`design_menu` in its steps, for any belief: terms, their monotone maximiser, prices.

    The reference of `belief.chernoff_design`, which is the same for the Chernoff belief.
    """
    start_s = _start(primitives)
    if start_s is None:
        latency_s = _best_latencies(primitives, belief, weight_per_s)
    else:
        held = held_types(belief, start_s)
        latency_s = _best_latencies(primitives, belief, weight_per_s, held)
        while (arrived := held_types(belief, latency_s) & ~held).any():  # at most N times
            held |= arrived
            latency_s = _best_latencies(primitives, belief, weight_per_s, held)
    return priced_menu(primitives, belief, latency_s)


def _best_latencies(
    primitives: Primitives,
    belief: Belief,
    weight_per_s: FloatArray,
    held: NDArray[np.bool_] | None = None,
) -> FloatArray:
    settings = primitives.mechanism
    pieces = design_terms(primitives, belief, weight_per_s, held)
    latency_s = maximise_monotone(pieces, settings.latency_min_s, settings.latency_max_s)
    return latency_s if held is None else following(latency_s, held, settings.latency_min_s)


def virtual_slope(
    latency_sensitivity_usd_per_s: FloatArray, weight_per_s: FloatArray
) -> FloatArray:
    """Cost to an operator of one more second in item n: a_n of the separable objective.

    a_n = β_n d_n + (β_n − β_{n+1}) Σ_{j>n} d_j: what type n itself must be paid for waiting, and
    what every less sensitive type must be left so that it does not take item n.

    Parameters
    ----------
    latency_sensitivity_usd_per_s : array (N,)
        β_n.
    weight_per_s : array (..., N)
        d_n, tasks/s.

    Returns
    -------
    array (..., N)
        USD/s².

    Examples
    --------
    >>> virtual_slope(np.array([3.0, 2.0]), np.array([10.0, 5.0])).tolist()  # 30 + 1·5, 2·5
    [35.0, 10.0]
    """
    sensitivity = latency_sensitivity_usd_per_s
    slope = sensitivity * weight_per_s
    less_sensitive = weight_per_s[..., :0:-1].cumsum(axis=-1)[..., ::-1]
    slope[..., :-1] -= np.diff(sensitivity) * less_sensitive
    return slope


def design_terms(
    primitives: Primitives,
    belief: Belief,
    weight_per_s: FloatArray,
    held: NDArray[np.bool_] | None = None,
) -> Pieces:
    """Separable objective of a design, Σ_n [−a_n L_n − (C̄ − R̄) d_n p_n(L_n)], USD/s.

    Types that are `held` (..., N) risk nothing, and their slopes are those of the types before
    them.
    """
    settings = primitives.mechanism
    # where C̄ < R̄ a broken agreement earns money: nothing is risked, and −a_n L_n alone decides
    risk = max(primitives.net_violation_cost_usd, 0.0) * weight_per_s
    slope = virtual_slope(primitives.latency_sensitivity_usd_per_s, weight_per_s)
    if held is not None:
        slope, risk = carried_slope(slope, held), np.where(held, 0.0, risk)
    return belief.pieces(slope, risk, settings.latency_min_s, settings.latency_max_s)


def designed_menus(primitives: Primitives, match_probability: FloatArray) -> Menu:
    """Menus designed for the loads of a mixed matching, with the demand floor in their weights.

    Parameters
    ----------
    primitives : Primitives
        Of all operators, or of one.
    match_probability : array (M, N), or (N,) for one operator

    Examples
    --------
    >>> from airan_market.scenarios import load_scenario
    >>> market = Primitives.from_scenario(load_scenario("teleoperation"))
    >>> designed_menus(market, np.full((3, 8), 0.25)).latency_s.shape
    (3, 8)
    """
    return design_menu(primitives, *load_and_weight(primitives, match_probability))


def load_and_weight(
    primitives: Primitives, match_probability: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """What a design takes of a matching: loads (34) and weights (37), tasks/s, both (..., N)."""
    demand, floor = primitives.demand_per_s, primitives.mechanism.demand_floor
    return cumulative_load(match_probability, demand), demand_weight(
        match_probability, demand, floor
    )


def design_gap(
    primitives: Primitives, menu: Menu, load_per_s: FloatArray, weight_per_s: FloatArray
) -> FloatArray:
    """Bound on what a designed menu misses of its optimum, USD/s, array (...).

    0 where the terms are concave: always with the belief "chernoff", and with "fifo" unless
    pooled items lie where a tail is not convex (see `envelope`).
    """
    if primitives.services is not None:
        return np.zeros(menu.latency_s.shape[:-1])  # Chernoff expressions: concave terms
    pieces = design_terms(primitives, operator_belief(primitives, load_per_s), weight_per_s)
    if isinstance(pieces, EnvelopePieces):
        return pieces.gap(menu.latency_s)
    return np.zeros(menu.latency_s.shape[:-1])


def design_loss(
    primitives: Primitives, menu: Menu, load_per_s: FloatArray, weight_per_s: FloatArray
) -> FloatArray:
    """Objective (38a) that the exact design has more than a menu at the same loads, USD/s, (...).

    Both are charged min(1, p), so that the loss can be negative where the exact design, which
    follows the expression itself, ends at latencies at which that exceeds 1.

    Examples
    --------
    >>> from airan_market.scenarios import load_scenario
    >>> market = Primitives.from_scenario(load_scenario("teleoperation"))
    >>> load, weight = load_and_weight(market, np.full((3, 8), 0.25))
    >>> design_loss(market, design_menu(market, load, weight), load, weight).tolist()
    [0.0, 0.0, 0.0]
    """
    exact = replace(
        primitives, mechanism=primitives.mechanism.model_copy(update={"design": "exact"})
    )
    best = design_menu(exact, load_per_s, weight_per_s)
    found, missed = (
        task_profit(part.price_usd, part.violation_probability, primitives.violation_cost_usd, 0.0)
        for part in (menu, best)
    )
    return np.asarray((weight_per_s * (missed - found)).sum(axis=-1))


def design_notes(
    primitives: Primitives, menu: Menu, load_per_s: FloatArray, weight_per_s: FloatArray
) -> tuple[str, ...]:
    """What a reader should know about the menus (M, N) of a market, one sentence each."""
    notes = []
    if primitives.services is not None:
        alone = [
            (name, primitives.of_service(number))
            for number, name in enumerate(primitives.services.names)
        ]
        return tuple(
            f"{name}: violation_cost_usd is not above refund_usd: operators gain nothing from "
            "keeping its agreements, and every type that is not saturated is offered latency_min_s"
            for name, own in alone
            if own.net_violation_cost_usd <= 0
        )
    if primitives.net_violation_cost_usd <= 0:
        notes.append(
            f"violation_cost_usd = {primitives.violation_cost_usd:g} is not above refund_usd = "
            f"{primitives.refund_usd:g}: operators gain nothing from keeping their agreements, "
            "and every type that is not saturated is offered latency_min_s"
        )
    for operator, gap in enumerate(design_gap(primitives, menu, load_per_s, weight_per_s)):
        if gap > 0:
            notes.append(
                f"operator {operator + 1}: pooled items lie where the belief is not convex; its "
                f"menu is within {gap:.3g} USD/s of the best"
            )
    return tuple(notes)
