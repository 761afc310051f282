"""What one more choice means to a planner: which quality types of a latency type an operator gets.

Stations see latency types alone, so what a task costs there depends on how many of each come, not
on which: an operator that gets so many of type n gets those to whom it is worth most. With values
a_x of the classes and demands d_x that is a fractional knapsack, concave in the rate.
"""

from __future__ import annotations

import numpy as np

from airan_market.agents.primitives.primitives import Primitives
from airan_market.sim.arrays import FloatArray


def class_demand(primitives: Primitives) -> FloatArray:
    """Tasks/s that every class asks for, (X, N); (N,) where users value quality alike."""
    if primitives.quality_share is None:
        return primitives.demand_per_s
    return primitives.quality_share * primitives.demand_per_s


def class_split(primitives: Primitives, split: FloatArray) -> FloatArray:
    """Split (M, N) or (M, X, N) as one of classes, who do alike in the former, (M, X, N).

    Where users value quality alike it stays (M, N).

    Examples
    --------
    >>> from airan_market.scenarios import load_scenario
    >>> market = Primitives.from_scenario(load_scenario("quality_types"))
    >>> class_split(market, np.full((3, 8), 0.25)).shape
    (3, 3, 8)
    """
    if primitives.quality_share is None or split.ndim == 3:
        return split
    return np.repeat(split[:, np.newaxis], primitives.qualities, axis=1)


def most_worth(
    rate_per_s: FloatArray, worth_usd: FloatArray, gain_usd: FloatArray, demand_per_s: FloatArray
) -> FloatArray:
    """Most that tasks of one latency type are worth at up to a rate, USD/s.

    max Σ_x y_x (w + a_x) over 0 ≤ y_x ≤ d_x, Σ_x y_x ≤ rate: by falling a_x, as long as w + a_x is
    above 0. It is concave and never falls in the rate, and its slope never falls in w.

    Parameters
    ----------
    rate_per_s, worth_usd : array (K,)
    gain_usd, demand_per_s : array (X,)

    Returns
    -------
    array (K,)

    Examples
    --------
    >>> most_worth(np.array([1.0, 3.0, 9.0]), np.full(3, 1.0), np.array([0.0, 2.0, -1.5]),
    ...            np.array([4.0, 2.0, 5.0])).tolist()  # 2 tasks/s at 3, then 4 at 1
    [3.0, 7.0, 10.0]
    """
    order = np.argsort(-gain_usd, kind="stable")
    total, before = np.zeros_like(rate_per_s), 0.0
    for x in order:
        served = np.clip(rate_per_s - before, 0.0, demand_per_s[x])
        total += served * np.maximum(worth_usd + gain_usd[x], 0.0)
        before += float(demand_per_s[x])
    return total


def dealt(
    rate_per_s: FloatArray, worth_usd: FloatArray, gain_usd: FloatArray, demand_per_s: FloatArray
) -> FloatArray:
    """Rates (X, N) with which `most_worth` is reached, for every latency type.

    Parameters
    ----------
    rate_per_s, worth_usd : array (N,)
    gain_usd, demand_per_s : array (X, N)

    Examples
    --------
    >>> dealt(np.array([3.0]), np.array([1.0]), np.array([[0.0], [2.0]]),
    ...       np.array([[4.0], [2.0]])).tolist()
    [[1.0], [2.0]]
    """
    order = np.argsort(-gain_usd, axis=0, kind="stable")
    size = np.take_along_axis(demand_per_s, order, axis=0)
    before = np.cumsum(size, axis=0) - size
    wanted = worth_usd + np.take_along_axis(gain_usd, order, axis=0) > 0
    served = np.where(wanted, np.clip(rate_per_s - before, 0.0, size), 0.0)
    result = np.empty_like(served)
    np.put_along_axis(result, order, served, axis=0)
    return result
