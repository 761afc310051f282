"""Expected utilities of users and operators: what a contract is worth under a belief."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from airan_market.sim.arrays import FloatArray


def user_utility(
    service_value_usd: ArrayLike,
    latency_sensitivity_usd_per_s: ArrayLike,
    latency_s: ArrayLike,
    price_usd: ArrayLike,
    violation_probability: ArrayLike,
    refund_usd: float,
) -> FloatArray:
    """Utility of a task under a contract, u = α_1 q − β L − R + R̄ p, eqs. (15), (18), (27).

    Parameters
    ----------
    service_value_usd, latency_sensitivity_usd_per_s, latency_s, price_usd, violation_probability
        α_1 q (USD), β (USD/s), L (s), R (USD) and p at the load of the operator. They broadcast
        like the arguments of a NumPy ufunc: one type at M operators, or M operators × N types.
    refund_usd : float
        R̄.

    Returns
    -------
    array
        USD per task.

    Examples
    --------
    >>> round(float(user_utility(7e-4, 2e-4, 0.5, 5e-4, 0.25, 1.2e-4)), 9)
    0.00013
    """
    value, sensitivity = np.asarray(service_value_usd), np.asarray(latency_sensitivity_usd_per_s)
    refund = refund_usd * np.asarray(violation_probability)
    return value - sensitivity * np.asarray(latency_s) - np.asarray(price_usd) + refund


def operator_profit(
    price_usd: ArrayLike,
    violation_probability: ArrayLike,
    violation_cost_usd: float,
    running_cost_usd: float,
) -> FloatArray:
    """What a task leaves its operator, R − C̄ p − κ, eqs. (13), (14); USD per task, elementwise.

    Examples
    --------
    >>> round(float(operator_profit(5e-4, 0.25, 1.2e-3, 8e-6)), 9)
    0.000192
    """
    cost = violation_cost_usd * np.asarray(violation_probability)
    return np.asarray(price_usd) - cost - running_cost_usd


def operator_utility(
    tasks_per_s: ArrayLike,
    price_usd: ArrayLike,
    violation_probability: ArrayLike,
    violation_cost_usd: float,
    running_cost_usd: float,
) -> FloatArray:
    """Σ_n I_n z_{m,n} δ (R_{m,n} − C̄ p_{m,n} − κ), eqs. (13), (14), (24).

    Parameters
    ----------
    tasks_per_s : array (..., N)
        I_n z_{m,n} δ, the tasks of each type itself, not the cumulative load.
    price_usd, violation_probability : array (..., N)
    violation_cost_usd, running_cost_usd : float
        C̄ and κ.

    Returns
    -------
    array (...)
        USD/s, one for each operator.

    Examples
    --------
    >>> operator_utility([[100.0, 50.0]], [[5e-4, 4e-4]], [[0.25, 0.0]], 1.2e-3, 0.0).round(6)
    array([0.04])
    """
    profit = operator_profit(price_usd, violation_probability, violation_cost_usd, running_cost_usd)
    return (np.asarray(tasks_per_s) * profit).sum(axis=-1)


def social_welfare(
    operator_utility_usd_per_s: ArrayLike,
    tasks_per_s: ArrayLike,
    user_utility_usd: ArrayLike,
) -> float:
    """Total operator utility + Σ_{m,n} I_n z_{m,n} δ u_{m,n}, USD/s.

    Users that opt out add nothing: what they get elsewhere is not made by this market.

    Parameters
    ----------
    operator_utility_usd_per_s : array (M,)
    tasks_per_s, user_utility_usd : array (M, N)
        I_n z_{m,n} δ, and the utility of one task.

    Examples
    --------
    >>> social_welfare([0.04], [[100.0, 50.0]], [[1e-4, 2e-4]])
    0.06
    """
    surplus = np.asarray(tasks_per_s) * np.asarray(user_utility_usd)
    return float(np.sum(operator_utility_usd_per_s) + surplus.sum())
