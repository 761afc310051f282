"""The contract menu of an operator: its design, its prices and the check that it is feasible."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from airan_market.agents.belief.belief import Belief, believe
from airan_market.agents.primitives.primitives import Primitives
from airan_market.agents.primitives.utility import user_utility
from airan_market.agents.screening.envelope import EnvelopePieces
from airan_market.agents.screening.monotone import Pieces, maximise_monotone
from airan_market.sim.arrays import FloatArray


@dataclass(frozen=True, eq=False)
class Menu:
    """Contract items of one operator (N,), of all operators (M, N), or more leading axes.

    Attributes
    ----------
    latency_s : array (..., N)
        L_{m,n}, never decreasing along the types.
    price_usd : array (..., N)
        R_{m,n} per task.
    violation_probability : array (..., N)
        p_{m,n} of the belief, at the load for which the menu was designed; what was charged.
    """

    latency_s: FloatArray
    price_usd: FloatArray
    violation_probability: FloatArray


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


def information_rent(
    latency_sensitivity_usd_per_s: FloatArray, latency_s: FloatArray
) -> FloatArray:
    """Utility that the prices (25) leave to a user of type n, Σ_{j<n} (β_j − β_{j+1}) L_j.

    Eq. (25) makes type 1 indifferent to opting out (at utility 0) and type n indifferent between
    its own item and that of type n−1, whatever the loads, refunds and violation probabilities
    are: they are in the price. Only latencies of the more sensitive types remain.

    Parameters
    ----------
    latency_sensitivity_usd_per_s : array (N,)
    latency_s : array (..., N)

    Returns
    -------
    array (..., N)
        USD per task.

    Examples
    --------
    >>> information_rent(np.array([3.0, 2.0, 0.5]), np.array([1.0, 2.0, 9.0])).tolist()
    [0.0, 1.0, 4.0]
    """
    drop = -np.diff(latency_sensitivity_usd_per_s)
    rent = np.zeros_like(latency_s)
    np.cumsum(drop * latency_s[..., :-1], axis=-1, out=rent[..., 1:])
    return rent


def binding_utility(primitives: Primitives, latency_s: FloatArray) -> FloatArray:
    """Utility per task that the prices (25) leave every type: the margin and its information rent.

    Parameters
    ----------
    primitives : Primitives
        Of all operators, with latencies (..., M, N), or of one, with (..., N).
    latency_s : array

    Returns
    -------
    array like latency_s
        USD.

    Examples
    --------
    >>> from airan_market.scenarios import load_scenario
    >>> margin = ["mechanism.participation_margin_usd=1e-5"]
    >>> one = Primitives.from_scenario(load_scenario("teleoperation", margin)).of_operator(0)
    >>> binding_utility(one, np.full(8, 0.1)).round(7).tolist()  # 1e-5 + (β_1 − β_n) 0.1
    [1e-05, 2e-05, 3e-05, 4e-05, 5e-05, 6e-05, 7e-05, 8e-05]
    """
    margin = primitives.participation_margin_usd[..., np.newaxis]
    return margin + information_rent(primitives.latency_sensitivity_usd_per_s, latency_s)


def binding_prices(
    service_value_usd: FloatArray | float,
    latency_sensitivity_usd_per_s: FloatArray,
    refund_usd: float,
    latency_s: FloatArray,
    violation_probability: FloatArray,
    margin_usd: FloatArray | float = 0.0,
) -> FloatArray:
    """Prices from the binding constraints, eq. (25), each p_n at its own load.

    R_n = α_1 q − β_n L_n + R̄ p_n − (information rent of type n) − margin, which is the recursion
    (25) telescoped, begun with a utility of `margin_usd` for type 1 in place of 0.

    Parameters
    ----------
    service_value_usd : array (...) or float
        α_1 q of each operator.
    latency_sensitivity_usd_per_s : array (N,)
    refund_usd : float
    latency_s, violation_probability : array (..., N)
    margin_usd : array (...) or float
        Participation margin of each operator.

    Returns
    -------
    array (..., N)
        USD per task.

    Examples
    --------
    >>> binding_prices(7.0, np.array([3.0, 2.0]), 1.0, np.array([1.0, 1.5]), np.array([0.5, 0.25]))
    array([4.5 , 3.25])
    """
    value = np.asarray(service_value_usd - margin_usd, dtype=float)[..., np.newaxis]
    rent = information_rent(latency_sensitivity_usd_per_s, latency_s)
    waiting = latency_sensitivity_usd_per_s * latency_s
    return value - waiting + refund_usd * violation_probability - rent


def operator_belief(primitives: Primitives, load_per_s: FloatArray) -> Belief:
    """Belief of the operators of `primitives` at their loads (..., N)."""
    return believe(
        primitives.mechanism.belief,
        primitives.servers,
        primitives.service_rate_per_s,
        load_per_s,
        primitives.mechanism.chernoff_zeta,
        primitives.pilot,
    )


def priced_menu(primitives: Primitives, belief: Belief, latency_s: FloatArray) -> Menu:
    """Menu with these latencies (..., N) and the prices (25) that belong to them."""
    probability = belief.probability(latency_s)
    price_usd = binding_prices(
        primitives.service_value_usd,
        primitives.latency_sensitivity_usd_per_s,
        primitives.refund_usd,
        latency_s,
        probability,
        primitives.participation_margin_usd,
    )
    return Menu(latency_s, price_usd, probability)


def design_menu(primitives: Primitives, load_per_s: FloatArray, weight_per_s: FloatArray) -> Menu:
    """Optimal menu at given loads, problem (38), of one operator or of all.

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
    from airan_market.agents.belief.chernoff_design import (
        chernoff_design,  # here: Numba takes long to import
    )

    return Menu(
        *chernoff_design(
            primitives.servers,
            primitives.service_rate_per_s,
            load_per_s,
            weight_per_s,
            primitives.latency_sensitivity_usd_per_s,
            primitives.service_value_usd - primitives.participation_margin_usd,
            primitives.refund_usd,
            violation_margin_usd(primitives),
            settings.chernoff_zeta,
            settings.latency_min_s,
            settings.latency_max_s,
        )
    )


def designed_by_terms(primitives: Primitives, belief: Belief, weight_per_s: FloatArray) -> Menu:
    """`design_menu` in its steps, for any belief: terms, their monotone maximiser, prices.

    The reference of `compiled_design.chernoff_design`, which is the same for the Chernoff belief.
    """
    settings = primitives.mechanism
    pieces = design_terms(primitives, belief, weight_per_s)
    latency_s = maximise_monotone(pieces, settings.latency_min_s, settings.latency_max_s)
    return priced_menu(primitives, belief, latency_s)


def violation_margin_usd(primitives: Primitives) -> float:
    """What a violation costs an operator beyond the refund, C̄ − R̄; 0 where C̄ ≤ R̄.

    The risk then drops out of the objective, which is largest where −a_n L_n is.
    """
    return max(primitives.violation_cost_usd - primitives.refund_usd, 0.0)


def design_terms(primitives: Primitives, belief: Belief, weight_per_s: FloatArray) -> Pieces:
    """Separable objective of a design, Σ_n [−a_n L_n − (C̄ − R̄) d_n p_n(L_n)], USD/s."""
    settings = primitives.mechanism
    return belief.pieces(
        virtual_slope(primitives.latency_sensitivity_usd_per_s, weight_per_s),
        violation_margin_usd(primitives) * weight_per_s,
        settings.latency_min_s,
        settings.latency_max_s,
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
    if primitives.violation_cost_usd <= primitives.refund_usd:
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


@dataclass(frozen=True)
class Constraint:
    """The worst of the constraints of one kind.

    Attributes
    ----------
    violation_usd : float
        How much more utility the constraint asks for than the menu gives, USD per task; at most
        0 when it holds (and then the slack, negated), −inf when there is no such constraint.
    operator, type, item : int
        Where, 0-based; item is the one that the type prefers, its own for individual
        rationality. −1 when there is no such constraint.
    """

    violation_usd: float
    operator: int
    type: int
    item: int


@dataclass(frozen=True)
class Feasibility:
    """Result of `check_menu`: the worst individual-rationality and incentive constraint.

    `margin_usd` is the utility that the individual-rationality constraint asks for.
    """

    individual_rationality: Constraint
    incentive_compatibility: Constraint
    margin_usd: float = 0.0

    def holds(self, tolerance_usd: float) -> bool:
        """Whether no constraint is violated by more than the tolerance."""
        worst = max(
            self.individual_rationality.violation_usd,
            self.incentive_compatibility.violation_usd,
        )
        return worst <= tolerance_usd


def check_menu(primitives: Primitives, menu: Menu) -> Feasibility:
    """Check all N individual-rationality and N(N−1) incentive constraints of every operator.

    Type n choosing item j is served and delayed as item j: its utility is
    α_1 q − β_n L_j − R_j + R̄ p_j, eqs. (19)-(21). Individual rationality, eq. (20), asks for a
    utility of 0, or of the participation margin where there is one: a menu that leaves less does
    not keep what the setting promises, though users may still take it.

    Parameters
    ----------
    primitives : Primitives
        Of all operators, or of one.
    menu : Menu
        Arrays (M, N), or (N,).

    Returns
    -------
    Feasibility
        With the place and the size of the worst constraint of either kind.

    Examples
    --------
    >>> from airan_market.scenarios import load_scenario
    >>> market = Primitives.from_scenario(load_scenario("teleoperation")).of_operator(0)
    >>> good = design_menu(market, market.demand_per_s.cumsum() / 3, market.demand_per_s / 3)
    >>> check_menu(market, good).holds(1e-15)
    True
    >>> dear = Menu(good.latency_s, good.price_usd + 1e-5, good.violation_probability)
    >>> worst = check_menu(market, dear).individual_rationality
    >>> worst.type, round(worst.violation_usd, 12)
    (0, 1e-05)
    """
    sensitivity = primitives.latency_sensitivity_usd_per_s
    latency, price, probability = (
        np.atleast_2d(part)[:, np.newaxis, :]
        for part in (menu.latency_s, menu.price_usd, menu.violation_probability)
    )
    value = np.atleast_1d(primitives.service_value_usd)[:, np.newaxis, np.newaxis]
    taking = user_utility(  # (M, type, item)
        value, sensitivity[:, np.newaxis], latency, price, probability, primitives.refund_usd
    )
    own = np.diagonal(taking, axis1=1, axis2=2)
    envy = taking - own[:, :, np.newaxis]
    itself = np.arange(sensitivity.size)
    envy[:, itself, itself] = -np.inf
    margin = np.atleast_1d(primitives.participation_margin_usd)
    spare = own - margin[:, np.newaxis]
    poorest = np.unravel_index(np.argmin(spare), spare.shape)
    return Feasibility(
        Constraint(-float(spare[poorest]), int(poorest[0]), int(poorest[1]), int(poorest[1])),
        _worst(envy),
        float(margin[poorest[0]]),
    )


def _worst(envy: FloatArray) -> Constraint:
    place = np.unravel_index(np.argmax(envy), envy.shape)
    if np.isneginf(envy[place]):  # one type: nothing to envy
        return Constraint(-np.inf, -1, -1, -1)
    return Constraint(float(envy[place]), *(int(i) for i in place))
