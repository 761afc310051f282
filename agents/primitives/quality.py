"""Quality types: what a service is worth to whom, and how many users value it how much.

A user's private type is (α_x, β_y). By eq. (21) α_x cancels when a user compares two items of one
operator, so items, priorities and loads go by the latency type y alone; α_x decides, with quality
q_m, which operator a user takes and whether it takes any.
"""

from __future__ import annotations

import numpy as np

from airan_market.scenarios import Scenario, Users
from airan_market.sim.arrays import FloatArray, IntArray


def service_values(scenario: Scenario) -> FloatArray:
    """α_x q_m, what a task is worth to a user of quality type x at operator m, USD, (M, X).

    Equation: AI-RAN (15), (16)

    An operator without a quality has the q_m with which α_1 q_m is its service value.

    Examples
    --------
    >>> from airan_market.scenarios import load_scenario
    >>> two = ["users.quality_sensitivity_usd=[4e-4, 6e-4]", "users.quality_shares=[[0.5, 0.5]]"]
    >>> service_values(load_scenario("teleoperation", two))[0].round(7).tolist()
    [0.000715, 0.0010725]
    """
    own = scenario.users.quality_sensitivity_usd
    alpha = np.ones(1) if own is None else np.array(own)
    least = []
    for operator in scenario.operators:
        value = operator.service_value_usd
        if operator.quality is not None:
            value = float(alpha[0] * operator.quality)
        elif value is None:
            value = scenario.economics.service_value_usd
        least.append(value)
    values = np.multiply.outer(np.array(least, dtype=float), alpha / alpha[0])
    quality = np.array([operator.quality or np.nan for operator in scenario.operators])
    return np.where(np.isnan(quality)[:, np.newaxis], values, np.multiply.outer(quality, alpha))


def qualities_in_turn(shares: FloatArray, users: int) -> IntArray:
    """Quality type of the first, second, … user of a latency type, (users,), 0-based.

    Each next user is of the type that the shares leave furthest behind: the one with the largest
    share / (2 k + 1) when k are there already (the method of Webster and Sainte-Laguë; ties to the
    earlier type). So the first users are as many of each as they would be alone, and users who
    come and go leave the shares as they are.

    Examples
    --------
    >>> qualities_in_turn(np.array([0.5, 0.25, 0.25]), 8).tolist()
    [0, 1, 2, 0, 0, 1, 2, 0]
    """
    types = np.flatnonzero(shares > 0)
    most = np.minimum(np.ceil(shares[types] * users).astype(np.int64) + types.size, users)
    type_ = np.repeat(types, most)
    place = np.arange(most.sum()) - np.repeat(np.cumsum(most) - most, most)
    return type_[np.lexsort((type_, -shares[type_] / (2 * place + 1)))[:users]]


def quality_shares(users: Users, users_by_type: FloatArray) -> FloatArray | None:
    """Part of the users of each latency type that is of each quality type, (X, N).

    With whole users, those of `qualities_in_turn`. A type without users is taken to be of quality
    type 1. None where all users value quality alike.

    Raises
    ------
    ValueError
        When there are several quality sensitivities and no shares.

    Examples
    --------
    >>> from airan_market.scenarios import load_scenario
    >>> two = ["users.quality_sensitivity_usd=[4e-4, 6e-4]", "users.quality_shares=[[0.6, 0.4]]"]
    >>> quality_shares(load_scenario("teleoperation", two).users, np.array([4.0, 0.0])).tolist()
    [[0.5, 1.0], [0.5, 0.0]]
    """
    if len(users.quality_sensitivity_usd or ()) < 2:
        return None
    if users.quality_shares is None:
        raise ValueError("users.quality_shares: required with several quality sensitivities")
    asked = shares_by_type(users, users_by_type.size)
    result = np.zeros((asked.shape[1], users_by_type.size))
    for n, (row, count) in enumerate(zip(asked, users_by_type, strict=True)):
        if count == 0:
            result[0, n] = 1.0
        elif users.whole_users:
            dealt = np.bincount(qualities_in_turn(row, int(count)), minlength=row.size)
            result[:, n] = dealt / count
        else:
            result[:, n] = row / row.sum()
    return result


def quality_of_users(users: Users, users_by_type: IntArray) -> IntArray:
    """Quality type of every user, (U,), users numbered latency type after latency type; 0-based.

    Examples
    --------
    >>> from airan_market.scenarios import load_scenario
    >>> two = ["users.quality_sensitivity_usd=[4e-4, 6e-4]", "users.quality_shares=[[0.6, 0.4]]"]
    >>> quality_of_users(load_scenario("teleoperation", two).users, np.array([3, 2])).tolist()
    [0, 1, 0, 0, 1]
    """
    if len(users.quality_sensitivity_usd or ()) < 2:
        return np.zeros(users_by_type.sum(), dtype=np.int64)
    rows = zip(shares_by_type(users, users_by_type.size), users_by_type, strict=True)
    return np.concatenate([qualities_in_turn(row, int(count)) for row, count in rows])


def shares_by_type(users: Users, types: int) -> FloatArray:
    """Shares of the quality types as asked for, a row for each latency type, (N, X)."""
    rows = np.array(users.quality_shares if users.quality_shares is not None else [[1.0]])
    return np.broadcast_to(rows, (types, rows.shape[1]))
