"""Liability along a sweep of its level: who gains from it, and where the provider breaks even.

The level ℓ multiplies every service's c_l: 0 is no liability, 1 the one configured. Society is
counted twice, because the paper's social welfare (users and provider) leaves out those who are
harmed and paid:

- *social welfare*, users + provider: liability is a cost and nobody receives it;
- *welfare with harm*: Σ P_k [θ_k v(q_k) − C_0(q_k) − h(q_k)], C_0 the cost without liability and h
  the harm of an answer, which is what liability at level 1 charges for it. What is charged goes
  from the provider to those harmed and cancels, so that liability counts by what it changes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from airan_market.agents.pact.contract.cost_curve import CostCurveError
from airan_market.agents.pact.market import PactMarket
from airan_market.sim.arrays import FloatArray

HIGHEST_LEVEL = 1024.0  # a break-even above it is told as none
_FINEST = 1e-9  # relative precision of a break-even level


@dataclass(frozen=True)
class LiabilityPoint:
    """One level of a sweep; expectations over users, USD per request.

    Attributes
    ----------
    level : float
    provider_usd, users_usd, social_welfare_usd, welfare_with_harm_usd : float
        See the module.
    quality, price_usd : float
        Expectations of a served user.
    served : float
        Probability that a user is served.
    harm_usd : float
        Expected harm, Σ P_k h(q_k).
    flat_curve : bool
        Whether costs with this liability do not rise with quality, so that the fitted curve is
        constant and a continuous menu says nothing but "as good as allowed".
    """

    level: float
    provider_usd: float
    users_usd: float
    social_welfare_usd: float
    welfare_with_harm_usd: float
    quality: float
    price_usd: float
    served: float
    harm_usd: float
    flat_curve: bool


@dataclass(frozen=True)
class BreakEven:
    """Where the provider's utility crosses zero.

    Attributes
    ----------
    level : float or None
        None when it does not.
    why : str
        "" with a level, else the reason.
    """

    level: float | None
    why: str = ""


def liability_point(market: PactMarket, level: float) -> LiabilityPoint:
    """Solve the market at one level of liability.

    Along a curve the harm h is read between the services' own liabilities, and is that of the
    nearest service below and above them all.

    Examples
    --------
    >>> from airan_market.agents.pact.market import markets_of
    >>> from airan_market.scenarios import load_pact
    >>> point = liability_point(markets_of(load_pact("pact"))[0], 1.0)
    >>> round(point.social_welfare_usd - point.provider_usd - point.users_usd, 12)
    0.0
    """
    contract, services = market.contract(level), market.services
    continuous = market.menu == "continuous"
    if continuous:
        order = np.argsort(services.quality, kind="stable")
        harm = np.interp(contract.quality, services.quality[order], services.liability_usd[order])
        base_cost = market.curve(0.0).value(contract.quality)
    else:
        harm = services.liability_usd[contract.service]
        base_cost = services.base_cost_usd[contract.service]

    def expected(values: FloatArray) -> float:
        return float(contract.probability @ np.where(contract.served, values, 0.0))

    harm_usd = expected(harm)
    # what liability takes from the provider, and gives to those harmed
    charged = float(contract.probability @ contract.cost_usd) - expected(base_cost)
    weight = contract.probability * contract.served
    served = float(weight.sum())
    each = weight / served if served > 0 else weight
    return LiabilityPoint(
        level,
        contract.provider_utility_usd,
        contract.users_utility_usd,
        contract.social_welfare_usd,
        contract.social_welfare_usd + charged - harm_usd,
        float(each @ contract.quality),
        float(each @ contract.price_usd),
        served,
        harm_usd,
        continuous and market.curve(level).flat,
    )


def sweep(market: PactMarket, levels: Sequence[float] | FloatArray) -> list[LiabilityPoint]:
    """Solve the market at several levels of liability."""
    return [liability_point(market, float(level)) for level in levels]


def break_even(market: PactMarket, *, first_best: bool = False) -> BreakEven:
    """Liability level at which the provider's expected utility (10) crosses zero.

    A bracket is found by doubling the level from 1/64, then Brent's method. On a discrete menu the
    utility is a maximum of lines that do not rise, convex in the level, so that there is one
    crossing and no doubling can jump over it.

    Examples
    --------
    >>> from airan_market.agents.pact.market import markets_of
    >>> from airan_market.scenarios import load_pact
    >>> market = markets_of(load_pact("pact", ["pact.menu=discrete"]))[0]
    >>> level = break_even(market).level
    >>> abs(market.contract(level).provider_utility_usd) < 1e-6
    True
    """
    solve = market.first_best if first_best else market.contract
    return crossing(lambda level: solve(level).provider_utility_usd)


def crossing(utility_usd: Callable[[float], float]) -> BreakEven:
    """First level at which a utility that starts positive is zero: doubling, then Brent.

    Examples
    --------
    >>> round(crossing(lambda level: 3.0 - level).level, 6)
    3.0
    >>> crossing(lambda level: -1.0).why
    'negative without any liability'
    >>> crossing(lambda level: 1.0).why
    'positive up to level 1024'
    """
    from scipy.optimize import brentq

    if utility_usd(0.0) < 0:
        return BreakEven(None, "negative without any liability")
    low, high = 0.0, 1 / 64
    try:
        while utility_usd(high) >= 0:
            low, high = high, 2 * high
            if high > HIGHEST_LEVEL:
                return BreakEven(None, f"positive up to level {HIGHEST_LEVEL:g}")
    except CostCurveError as error:
        return BreakEven(None, f"positive up to level {low:g}; at {high:g} {error}")
    return BreakEven(float(brentq(utility_usd, low, high, xtol=_FINEST * high, rtol=_FINEST)))
