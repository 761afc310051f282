"""Auditing: liability falls only on what is found, and looking costs money.

A regulator looks at a part a of all answers, at the cost k of each. A harmful answer is charged
only when it was looked at, and then at liability level L (1: what is configured). What a provider
expects to pay is that of level a L, so its menu is the one of that level (Becker 1968: only the
product of fine and probability counts), and the regulator

    maximises  W(a L) − k a  over 0 ≤ a ≤ 1,

W the welfare of users, provider and those harmed (`liability.LiabilityPoint`). A larger L reaches
the same level with fewer audits, so that with no bound on L auditing would cost next to nothing:
what bounds a from below is how much can be charged at once.

The best a does not rise with k: for k < k′ with best a and a′, adding up a's and a′'s optimality
gives (k′ − k)(a − a′) ≥ 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from airan_market.agents.pact.market import PactMarket
from airan_market.agents.pact.policy.liability import sweep
from airan_market.sim.arrays import FloatArray

RATES = 201  # rates compared: a = 0, 1/200, …, 1


@dataclass(frozen=True)
class AuditPolicy:
    """Best audit rates of a regulator, one for every cost of an audit, arrays (C,).

    Attributes
    ----------
    cost_usd : array
        k, USD per audited answer.
    rate : array
        Best a; NaN when no rate keeps the provider (see `optimal_audit`).
    level : array
        a L, the liability level that the provider expects.
    welfare_usd : array
        W(a L) − k a, USD per request.
    fine_level : float
        L.
    """

    cost_usd: FloatArray
    rate: FloatArray
    level: FloatArray
    welfare_usd: FloatArray
    fine_level: float


def best_rate(welfare_usd: ArrayLike, cost_usd: ArrayLike) -> NDArray[np.int64]:
    """Place of the best rate for every cost: argmax of W_i − k a_i, a_i evenly from 0 to 1.

    Parameters
    ----------
    welfare_usd : array (R,)
        W at each rate; −inf for one that is ruled out.
    cost_usd : array (C,)
        k ≥ 0.

    Returns
    -------
    array (C,) of int
        Of several best rates the lowest.

    Examples
    --------
    >>> best_rate([0.0, 0.3, 0.4], [0.0, 0.4, 1.0]).tolist()
    [2, 1, 0]
    """
    value = np.asarray(welfare_usd, dtype=float)
    rates = np.linspace(0.0, 1.0, value.size)
    return (value - np.multiply.outer(np.asarray(cost_usd, dtype=float), rates)).argmax(axis=-1)


def optimal_audit(
    market: PactMarket,
    cost_usd: ArrayLike,
    fine_level: float = 1.0,
    *,
    keep_provider: bool = True,
) -> AuditPolicy:
    """Best audit rate as a function of what an audit costs.

    Parameters
    ----------
    market : PactMarket
    cost_usd : array (C,)
        k, USD per audited answer.
    fine_level : float
        L > 0, liability level charged when a harmful answer is found.
    keep_provider : bool
        Whether rates at which the provider loses are ruled out: it would leave.

    Returns
    -------
    AuditPolicy
        The best of `RATES` evenly spaced rates.

    Examples
    --------
    >>> from airan_market.agents.pact.market import markets_of
    >>> from airan_market.scenarios import load_pact
    >>> market = markets_of(load_pact("pact", ["pact.menu=discrete"]))[0]
    >>> policy = optimal_audit(market, [0.0, 0.05, 10.0], 2.0)
    >>> bool((np.diff(policy.rate) <= 0).all()), float(policy.rate[-1])
    (True, 0.0)
    """
    if not fine_level > 0:
        raise ValueError(f"fine_level = {fine_level}: must be positive")
    costs = np.asarray(cost_usd, dtype=float)
    rates = np.linspace(0.0, 1.0, RATES)
    points = sweep(market, rates * fine_level)
    welfare = np.array([point.welfare_with_harm_usd for point in points])
    if keep_provider:
        loses = np.array([point.provider_usd < 0 for point in points])
        welfare = np.where(loses, -np.inf, welfare)
    best = best_rate(welfare, costs)
    rate = np.where(np.isfinite(welfare[best]), rates[best], np.nan)
    return AuditPolicy(
        costs, rate, rate * fine_level, welfare[best] - costs * rates[best], fine_level
    )
