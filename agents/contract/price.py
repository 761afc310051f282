"""Prices from the binding constraints, and the utility that they leave to every type."""

from __future__ import annotations

import numpy as np

from airan_market.agents.belief.belief import Belief
from airan_market.agents.contract.menu import Menu
from airan_market.agents.primitives.primitives import Primitives
from airan_market.sim.arrays import FloatArray


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
    """Prices from the binding constraints, each p_n at its own load.

    Equation: AI-RAN (25)

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
