"""The design of a menu: the latencies that are worth most to an operator at given loads."""

from __future__ import annotations

import numpy as np

from airan_market.agents.belief.belief import Belief, operator_belief
from airan_market.agents.contract.menu import Menu
from airan_market.agents.contract.price import priced_menu
from airan_market.agents.matching.load import cumulative_load, demand_weight
from airan_market.agents.primitives.primitives import Primitives
from airan_market.agents.screening.envelope import EnvelopePieces
from airan_market.agents.screening.monotone import Pieces, maximise_monotone
from airan_market.sim.arrays import FloatArray


def design_menu(primitives: Primitives, load_per_s: FloatArray, weight_per_s: FloatArray) -> Menu:
    """Optimal menu at given loads, of one operator or of all.

    Equation: AI-RAN (26), (38)

    Maximises Σ_n d_n (R_n − C̄ p_n(L_n)) over L_min ≤ L_1 ≤ … ≤ L_N ≤ L_max with the prices (25).
    Decided where the problem leaves it open, or where the formula has no answer:

    - d_n = 0: the item joins its left neighbour (L_min when it has none): no risk of its own speaks
      for a longer latency, and a shorter one keeps the rents of the types after it low;
    - C̄ ≤ R̄: L_min, no violation is worth an agreement that is easier to keep (`notes` says so);
    - a saturated type, and all after it: L_max, whatever else holds.

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
        )
    )


def designed_by_terms(primitives: Primitives, belief: Belief, weight_per_s: FloatArray) -> Menu:
    """`design_menu` in its steps, for any belief: terms, their monotone maximiser, prices.

    The reference of `belief.chernoff_design`, which is the same for the Chernoff belief.
    """
    settings = primitives.mechanism
    pieces = design_terms(primitives, belief, weight_per_s)
    latency_s = maximise_monotone(pieces, settings.latency_min_s, settings.latency_max_s)
    return priced_menu(primitives, belief, latency_s)


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


def design_terms(primitives: Primitives, belief: Belief, weight_per_s: FloatArray) -> Pieces:
    """Separable objective of a design, Σ_n [−a_n L_n − (C̄ − R̄) d_n p_n(L_n)], USD/s."""
    settings = primitives.mechanism
    # where C̄ < R̄ a broken agreement earns money: nothing is risked, and −a_n L_n alone decides
    risk_usd = max(primitives.net_violation_cost_usd, 0.0)
    return belief.pieces(
        virtual_slope(primitives.latency_sensitivity_usd_per_s, weight_per_s),
        risk_usd * weight_per_s,
        settings.latency_min_s,
        settings.latency_max_s,
    )


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
    pieces = design_terms(primitives, operator_belief(primitives, load_per_s), weight_per_s)
    if isinstance(pieces, EnvelopePieces):
        return pieces.gap(menu.latency_s)
    return np.zeros(menu.latency_s.shape[:-1])


def design_notes(
    primitives: Primitives, menu: Menu, load_per_s: FloatArray, weight_per_s: FloatArray
) -> tuple[str, ...]:
    """What a reader should know about the menus (M, N) of a market, one sentence each."""
    notes = []
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
