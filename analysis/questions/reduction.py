"""Does the reduction of two-dimensional menus lose anything? Small markets of one operator, drawn.

Beside each other: the paper's menu, one item a latency type with the prices (25) for α_1; the same
prices for whichever quality type is best left taking part, and from whichever latency type on; the
best of all menus (`agents.contract.participation`); and the best menu of an item for every (x, y)
that differential evolution (Storn and Price 1997) finds, which knows nothing of the theory.

For the last, all items are delayed alike, at the whole load. With priorities and probabilities held
where they are it would sell patient users the items of sensitive ones, whose priority they then had
for nothing: that is no gain of a second dimension, and the loads would not stay.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from airan_market.agents.belief.belief import operator_belief
from airan_market.agents.contract.participation import (
    Reckoning,
    at_loads,
    best_for,
    best_offer,
    uniform_offer,
)
from airan_market.agents.primitives.primitives import Primitives
from airan_market.scenarios import load_scenario
from airan_market.sim.arrays import FloatArray
from airan_market.sim.streams import stream

FAVOUR = 1e-6  # of its profit an item counts more to users: ties go to the operator
GENERATIONS, CROWD = 1500, 12  # of the search, and its points by variable


def drawn_market(case: int, seed: int = 1) -> Primitives:
    """One operator with 1 or 2 latency types and 2 or 3 quality types, out of (seed, case).

    Sensitivities are such that waiting costs from a hundredth to most of what a service is worth;
    the operator, the first of `teleoperation`, is offered 0.3 to 0.9 of its capacity.

    Examples
    --------
    >>> market = drawn_market(3)
    >>> market.types <= 2, market.qualities in (2, 3), market.service_value_usd.shape
    (True, True, ())
    """
    chance = stream(seed, "reduction", case)
    own = Primitives.from_scenario(load_scenario("teleoperation")).of_operator(0)
    types, qualities = int(chance.integers(1, 3)), int(chance.integers(2, 4))
    beta = np.sort(np.exp(chance.uniform(np.log(1e-4), np.log(8e-3), types)))[::-1]
    alpha = np.cumsum([1.0, *chance.uniform(0.0, 1.0, qualities - 1)])
    offered = chance.uniform(0.3, 0.9) * float(own.capacity_per_s)
    users = chance.dirichlet(np.ones(types)) * offered / own.task_rate_per_user_per_s
    return replace(
        own,
        users=users,
        latency_sensitivity_usd_per_s=beta,
        quality_value_usd=float(own.service_value_usd) * alpha,
        quality_share=chance.dirichlet(np.ones(qualities), types).T,
    )


def menu_profit(own: Primitives, load_per_s: FloatArray, items: FloatArray) -> FloatArray:
    """What menus of items for every class earn when users take what they like best, USD/s, (B,).

    Parameters
    ----------
    own : Primitives
        Of one operator.
    load_per_s : array (N,)
        At which violation probabilities are fixed, of the type that an item is meant for.
    items : array (B, 2, X, N)
        Latencies and prices.

    Examples
    --------
    >>> market = drawn_market(3)
    >>> dear = np.ones((1, 2, market.qualities, market.types))
    >>> menu_profit(market, np.cumsum(market.demand_per_s), dear).tolist()  # nobody takes part
    [0.0]
    """
    latency, price = items[:, 0], items[:, 1]
    probability = operator_belief(own, load_per_s).probability(latency)
    profit = price - own.violation_cost_usd * probability - own.running_cost_usd
    paid = price - own.refund_usd * probability
    flat = (len(items), 1, -1)
    beta = own.latency_sensitivity_usd_per_s[:, np.newaxis]
    liked = -beta * latency.reshape(flat) - paid.reshape(flat)  # (B, type, item)
    earned = profit.reshape(flat)
    choice = (liked + FAVOUR * earned).argmax(axis=2)[..., np.newaxis]
    value = own.quality_value_usd
    assert value is not None
    assert own.quality_share is not None
    best, brings = (
        np.take_along_axis(liked, choice, 2),
        np.take_along_axis(np.broadcast_to(earned, liked.shape), choice, 2),
    )
    surplus = best + value + FAVOUR * brings  # (B, N, X)
    taken = surplus >= own.opt_out_utility_usd
    tasks = (own.quality_share * own.demand_per_s).T
    return np.asarray((taken * tasks * brings).sum(axis=(1, 2)))


def searched_profit(own: Primitives, load_per_s: FloatArray, seed: int = 0) -> float:
    """Most that differential evolution finds over menus of an item for every class, USD/s."""
    from scipy.optimize import differential_evolution

    assert own.quality_value_usd is not None
    size = own.qualities * own.types
    settings, most = own.mechanism, float(own.quality_value_usd.max())
    low = np.log(settings.latency_min_s), np.log(settings.latency_max_s)

    def loss(points: FloatArray) -> FloatArray:
        shape = (-1, own.qualities, own.types)
        latency, price = np.exp(points[:size].T.reshape(shape)), points[size:].T.reshape(shape)
        return -menu_profit(own, load_per_s, np.stack([latency, price], axis=1))

    found = differential_evolution(
        loss, [low] * size + [(0.0, 1.2 * most)] * size, maxiter=GENERATIONS, popsize=CROWD,
        tol=1e-10, seed=seed, vectorized=True, updating="deferred", polish=False,
    )  # fmt: skip
    return -float(found.fun)


def _from_later(own: Primitives, reckon: Reckoning) -> list[float]:
    """Profits of menus that one quality type and those above take, of later latency types only."""
    found = []
    for first in range(1, own.types):
        for x in range(own.qualities):
            lowest = np.where(np.arange(own.types) < first, own.qualities, x)
            offer = best_for(own.serving_from(0), reckon, lowest)
            found += [] if offer is None else [offer.profit_usd_per_s]
    return found


def reduction_table(cases: int, *, seed: int = 1, search: bool = True) -> pd.DataFrame:
    """One row for every drawn market, profits in USD/s.

    Returns
    -------
    DataFrame
        `paper` (α_1 just takes part), `uniform` (the best quality type does), `patient` (and the
        most sensitive latency types are left out where that pays), `best` (of all menus),
        `searched` with `search`, all with every item delayed at the load of the whole demand;
        `paper_loaded` to `best_loaded` with priorities, at the loads of those served.

    Examples
    --------
    >>> row = reduction_table(1, search=False).iloc[0]
    >>> bool(row["paper"] <= row["uniform"] <= row["best"])
    True
    """
    rows = []
    for case in range(cases):
        own = drawn_market(case, seed)
        whole = np.full(own.types, own.demand_per_s.sum())
        row: dict[str, float] = {"types": own.types, "qualities": own.qualities}
        for word, reckon in (("", at_loads(own, whole)), ("_loaded", at_loads(own))):
            uniform = [uniform_offer(own, x, reckon) for x in range(own.qualities)]
            profits = [offer.profit_usd_per_s for offer in uniform]
            row["paper" + word], row["uniform" + word] = profits[0], max(profits)
            row["patient" + word] = max([*profits, *_from_later(own, reckon)])
            row["best" + word] = best_offer(own, reckon).profit_usd_per_s
        if search:
            row["searched"] = searched_profit(own, whole, case)
        rows.append(row)
    return pd.DataFrame(rows)
