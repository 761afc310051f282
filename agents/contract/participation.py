"""Who is worth serving: one operator's best menu when users value quality differently.

A menu is any set of items. By eq. (21) α_x cancels when a user compares two of them, so all users
of latency type n who take part take the same item, or are indifferent: no set of items does better
than one item a latency type, which is the reduction (17) to (23); an item is delayed as the type it
is meant for. What the reduction also decides is
(22): type 1 of α_1 is left nothing, and everybody takes part. Here the operator may leave every
latency type n what it likes, U_n = −β_n L_n − R_n + R̄ p_n, and a user takes part where
α_x q + U_n ≥ u_0. It earns Σ_n D_n (S_n(L_n) − U_n) with D_n the tasks of those who take part and
S_n(L) = −β_n L − (C̄ − R̄) p_n(L) − κ; incentives ask for (β_{n−1} − β_n) L_{n−1} ≤ U_n − U_{n−1}
≤ (β_{n−1} − β_n) L_n. So U never decreases with n, and the lowest quality type served never
increases: for each of these few cases the problem is concave.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np

from airan_market.agents.belief.belief import Belief, operator_belief
from airan_market.agents.contract.design import designed_by_terms
from airan_market.agents.contract.menu import Menu
from airan_market.agents.contract.price import binding_utility
from airan_market.agents.primitives.primitives import Primitives
from airan_market.sim.arrays import FloatArray, IntArray

#: What an operator believes when it serves so many tasks/s of each type, (N,).
Reckoning = Callable[[FloatArray], Belief]
SWEEPS = 50  # of designs, until those who take part are those for whom it was designed


@dataclass(frozen=True, eq=False)
class Offer:
    """A menu of one operator and who takes it.

    Attributes
    ----------
    menu : Menu
        Arrays (N,).
    lowest : array (N,) of int
        Lowest quality type of each latency type that takes part, 0-based; X where none does.
    served_per_s : array (N,)
        Tasks of those who do.
    profit_usd_per_s : float
    """

    menu: Menu
    lowest: IntArray
    served_per_s: FloatArray
    profit_usd_per_s: float


def at_loads(own: Primitives, load_per_s: FloatArray | None = None) -> Reckoning:
    """Belief at the loads of those who are served, or always at the loads given, (N,)."""
    if load_per_s is None:
        return lambda served_per_s: operator_belief(own, np.cumsum(served_per_s))
    fixed = operator_belief(own, load_per_s)
    return lambda served_per_s: fixed


def taking_part(own: Primitives, left_usd: FloatArray) -> IntArray:
    """Lowest quality type that takes part of every latency type, (..., N), X where none does.

    Parameters
    ----------
    own : Primitives
        Of one operator.
    left_usd : array (..., N)
        U_n + α_x̲ q, what an item leaves a user of `own.service_value_usd`.

    Examples
    --------
    >>> from airan_market.scenarios import load_scenario
    >>> own = Primitives.from_scenario(load_scenario("quality_types")).of_operator(0)
    >>> taking_part(own.serving_from(1), np.array([0.0, 4e-5, 8e-5])).tolist()
    [1, 1, 0]
    """
    utility = left_usd[..., np.newaxis] + own.quality_gain_usd
    rounding = 1e-12 * float(np.abs(own.service_value_usd))
    return (utility < own.opt_out_utility_usd - rounding).sum(axis=-1)


def uniform_offer(own: Primitives, quality: int, reckon: Reckoning | None = None) -> Offer:
    """Menu with the prices (25) that leave one quality type (0-based) taking part: the reduction.

    Equation: AI-RAN (22)-(26)

    Lower quality types of patient users take part as well, where their information rent makes up
    for it; the menu is designed for those who come, again until these are the same.

    Parameters
    ----------
    own : Primitives
        Of one operator.
    quality : int
    reckon : callable, optional
        By default `at_loads(own)`.

    Examples
    --------
    >>> from airan_market.scenarios import load_scenario
    >>> few = load_scenario("quality_types", ["users.total=60"])
    >>> own = Primitives.from_scenario(few).of_operator(0)
    >>> offers = [uniform_offer(own, x) for x in range(3)]
    >>> [round(offer.profit_usd_per_s, 2) for offer in offers]
    [0.98, 0.53, 0.29]
    >>> offers[1].lowest.tolist()  # with 10 % more, most others of quality type 1 stay out
    [1, 1, 1, 1, 1, 1, 1, 1]
    """
    own, reckon = own.serving_from(quality), reckon or at_loads(own)
    lowest, best = np.full(own.types, quality), None
    for _ in range(SWEEPS):
        served = tasks_of(own, lowest)
        offer = _designed(own, reckon, served)
        if best is None or offer.profit_usd_per_s > best.profit_usd_per_s:
            best = offer
        if (offer.lowest == lowest).all():
            return offer
        lowest = offer.lowest
    assert best is not None
    return best


def tasks_of(own: Primitives, lowest: IntArray) -> FloatArray:
    """Tasks of those who take part, D_n, tasks/s, (N,)."""
    share = np.ones((1, own.types)) if own.quality_share is None else own.quality_share
    there = np.arange(len(share))[:, np.newaxis] >= lowest
    return np.asarray((share * there).sum(axis=0) * own.demand_per_s)


def _designed(own: Primitives, reckon: Reckoning, served: FloatArray) -> Offer:
    """Design for so many tasks/s, and what it earns from those whom it brings."""
    menu = designed_by_terms(own, reckon(served), served)
    lowest = taking_part(own, binding_utility(own, menu.latency_s))
    return _earned(own, reckon, menu.latency_s, binding_utility(own, menu.latency_s), lowest)


def _earned(
    own: Primitives,
    reckon: Reckoning,
    latency_s: FloatArray,
    left_usd: FloatArray,
    lowest: IntArray,
) -> Offer:
    """Offer with these latencies, leaving so much to a user of `own.service_value_usd`."""
    served = tasks_of(own, lowest)
    probability = reckon(served).probability(latency_s)
    price = (
        own.service_value_usd
        - own.latency_sensitivity_usd_per_s * latency_s
        + own.refund_usd * probability
        - left_usd
    )
    profit = price - own.violation_cost_usd * probability - own.running_cost_usd
    return Offer(
        Menu(latency_s, price, probability), lowest, served, float((served * profit).sum())
    )


def best_offer(own: Primitives, reckon: Reckoning | None = None) -> Offer:
    """Best of all menus of one operator: who is served is decided type by type.

    Every way in which the lowest quality type can fall with the latency type is tried, C(N + X, X)
    of them, each a concave problem with linear constraints for SLSQP (Kraft 1988).

    Parameters
    ----------
    own : Primitives
        Of one operator, whose users value quality differently.
    reckon : callable, optional
        By default `at_loads(own)`.

    Examples
    --------
    >>> from airan_market.scenarios import load_scenario
    >>> small = ["users.latency_sensitivity_usd_per_s=[8e-4, 1e-4]", "users.shares=[0.5, 0.5]",
    ...          "users.total=60"]
    >>> own = Primitives.from_scenario(load_scenario("quality_types", small)).of_operator(0)
    >>> best, paper = best_offer(own), uniform_offer(own, 0)
    >>> best.lowest.tolist(), bool(best.profit_usd_per_s >= paper.profit_usd_per_s - 1e-9)
    ([0, 0], True)
    """
    own, reckon = own.serving_from(0), reckon or at_loads(own)
    found = [uniform_offer(own, x, reckon) for x in range(own.qualities)]
    for lowest in combinations_with_replacement(range(own.qualities, -1, -1), own.types):
        offer = best_for(own, reckon, np.array(lowest))
        if offer is not None:
            found.append(offer)
    return max(found, key=lambda offer: offer.profit_usd_per_s)


def best_for(own: Primitives, reckon: Reckoning, lowest: IntArray) -> Offer | None:
    """Best menu that exactly these take part in; None where no menu brings that about.

    Parameters
    ----------
    own : Primitives
        Of one operator, whose prices leave quality type 1 taking part (`serving_from(0)`).
    reckon : callable
    lowest : array (N,) of int
        Lowest quality type of each latency type that takes part, X where none does.
    """
    from scipy.optimize import minimize  # here: SciPy takes long to import

    settings, types = own.mechanism, own.types
    served = tasks_of(own, lowest)
    belief = reckon(served)
    if not served.any() or belief.saturated[served > 0].any():
        return None
    beta, sensitivity = (
        -np.diff(own.latency_sensitivity_usd_per_s),
        (own.latency_sensitivity_usd_per_s),
    )
    edge = own.opt_out_utility_usd - np.concatenate([[-np.inf], own.quality_gain_usd, [np.inf]])
    least, most = edge[lowest + 1], edge[lowest]  # what is left just brings x̲, and not x̲ − 1
    scale = float(own.service_value_usd)
    outside = own.net_violation_cost_usd

    def loss(point: FloatArray) -> float:
        latency, left = point[:types], point[types:] * scale
        kept = -sensitivity * latency - outside * belief.raw(latency)
        return -float((served * (kept - left)).sum()) / (scale * served.sum())

    chain = np.zeros((3 * (types - 1), 2 * types))
    for n in range(types - 1):
        rise = np.zeros(2 * types)
        rise[[types + n, types + n + 1]] = -1.0, 1.0
        chain[3 * n] = rise
        chain[3 * n, n] = -beta[n] / scale  # type n + 1 does not want item n
        chain[3 * n + 1] = -rise
        chain[3 * n + 1, n + 1] = beta[n] / scale  # nor type n item n + 1
        chain[3 * n + 2, [n, n + 1]] = -1.0, 1.0
    bounds = [(settings.latency_min_s, settings.latency_max_s)] * types
    finite = [[None if np.isinf(v) else v / scale for v in pair]
              for pair in zip(least, most, strict=True)]  # fmt: skip
    start = designed_by_terms(own, belief, served).latency_s
    result = minimize(
        loss,
        np.concatenate([start, np.where(np.isfinite(least), least, np.minimum(most, 0)) / scale]),
        bounds=[*bounds, *map(tuple, finite)],
        constraints=[{"type": "ineq", "fun": lambda x: chain @ x, "jac": lambda x: chain}]
        if types > 1
        else (),
        method="SLSQP",
        options={"maxiter": 300, "ftol": 1e-13},
    )
    if types > 1 and (chain @ result.x).min() < -1e-9:
        return None
    latency, left = np.maximum.accumulate(result.x[:types]), result.x[types:] * scale
    return _earned(own, reckon, latency, left, lowest)
