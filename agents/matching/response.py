"""How users respond to menus: the mixed response, its damping, the projection to one operator.

Matching probabilities are arrays with the operators on the first axis: (M, N) for all types, (M,)
for the types of one user. What is left up to 1 is the probability of opting out.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from airan_market.agents.matching.assignment import OUT
from airan_market.sim.arrays import FloatArray

TIE = 1e-9  # probabilities this close are one: rounding must not decide a matching


def temperature(iteration: int, iterations: int, start_usd: float, end_usd: float) -> float:
    """Geometric schedule τ_k = τ_1 (τ_K/τ_1)^((k−1)/(K−1)), k = 1..K; τ_K when K = 1.

    Examples
    --------
    >>> [round(temperature(k, 3, 4.0, 1.0), 12) for k in (1, 2, 3)], temperature(1, 1, 4.0, 1.0)
    ([4.0, 2.0, 1.0], 1.0)
    """
    if iterations == 1:
        return end_usd
    return start_usd * (end_usd / start_usd) ** ((iteration - 1) / (iterations - 1))


def adjusted_utility(
    user_utility_usd: FloatArray,
    shadow_price_usd: FloatArray,
    demand_per_s: FloatArray | float,
    effective_capacity_per_s: FloatArray,
    task_size: FloatArray | float = 1.0,
) -> FloatArray:
    """Utility less the penalty of a loaded operator, û = u − ω_m I_n δ / λ̄_m.

    Equation: AI-RAN (32)

    Parameters
    ----------
    user_utility_usd : array (M, N), or (M,) for one type
        u_{m,n} of one task.
    shadow_price_usd, effective_capacity_per_s : array (M,)
        ω_m and λ̄_m.
    demand_per_s : array (N,), or a number for one type
        I_n δ, with I_n all users of the type.
    task_size : array like the utility, optional
        How many tasks of the reference size one of these counts for, with several services.

    Examples
    --------
    >>> adjusted_utility(np.array([[3.0, 3.0]]), np.array([2.0]), np.array([1.0, 5.0]),
    ...                  np.array([10.0])).tolist()
    [[2.8, 2.0]]
    """
    penalty = np.multiply.outer(shadow_price_usd / effective_capacity_per_s, demand_per_s)
    return user_utility_usd - penalty * task_size


def mixed_response(
    adjusted_utility_usd: FloatArray, opt_out_utility_usd: float, temperature_usd: float
) -> FloatArray:
    """Softmax over opting out and the operators.

    Equation: AI-RAN (33)

    Parameters
    ----------
    adjusted_utility_usd : array (M, ...)
        û_{m,n}: (M,) for the type of one user, (M, N) for all types.
    opt_out_utility_usd : float
        u_0.
    temperature_usd : float
        τ > 0; any: only differences to the best alternative are exponentiated, none positive.

    Returns
    -------
    array (M, ...)
        ẑ_{m,n}; what is missing to 1 is the probability of opting out.

    Raises
    ------
    ValueError
        When the temperature is not positive.

    Examples
    --------
    >>> mixed_response(np.array([0.0, np.log(2.0)]), 0.0, 1.0).tolist()
    [0.25, 0.5]
    >>> mixed_response(np.array([1.0, 2.0]), 0.0, 1e-320).tolist()
    [0.0, 1.0]
    """
    if not temperature_usd > 0:
        raise ValueError(f"temperature_usd = {temperature_usd}: must be positive")
    best = np.maximum(adjusted_utility_usd.max(axis=0), opt_out_utility_usd)
    with np.errstate(over="ignore", under="ignore"):  # an alternative far behind: exp(−inf) = 0
        taken = np.exp((adjusted_utility_usd - best) / temperature_usd)
        out = np.exp((opt_out_utility_usd - best) / temperature_usd)
    return taken / (out + taken.sum(axis=0))


def damp(previous: FloatArray, response: FloatArray, damping: float) -> FloatArray:
    """Move part of the way to the response, Z_k = (1 − ϑ) Z_{k−1} + ϑ Ẑ_k.

    Equation: AI-RAN (35)

    Examples
    --------
    >>> damp(np.array([0.5]), np.array([1.0]), 0.25).tolist()
    [0.625]
    """
    return (1 - damping) * previous + damping * response


def opt_out_probability(match_probability: FloatArray) -> FloatArray:
    """Probability of taking no operator, 1 − Σ_m z_{m,n}; at least 0.

    Examples
    --------
    >>> opt_out_probability(np.array([[0.25, 0.5], [0.25, 0.5]])).tolist()
    [0.5, 0.0]
    """
    # a sum of probabilities may pass 1 by rounding
    return np.maximum(0.0, 1 - match_probability.sum(axis=0))


def project(
    match_probability: FloatArray, effective_capacity_per_s: FloatArray
) -> NDArray[np.int64]:
    """Deterministic matching: the likeliest choice of every type, opting out included.

    Choices within `TIE` of the largest probability are tied. A tie goes to an operator rather than
    to opting out, to the operator with the larger effective capacity, then to the lower number.
    (Type 1 is always tied: eq. (25) leaves it the utility 0 at every operator.)

    Parameters
    ----------
    match_probability : array (M, N)
    effective_capacity_per_s : array (M,)

    Returns
    -------
    array (N,) of int
        0-based operator, `OUT` for opting out.

    Examples
    --------
    >>> Z = np.array([[0.25, 0.1, 0.6], [0.25, 0.2, 0.3]])
    >>> project(Z, np.array([5.0, 7.0])).tolist()  # out, out, operator 1
    [-1, -1, 0]
    >>> project(np.array([[1 / 3], [1 / 3]]), np.array([5.0, 7.0])).tolist()
    [1]
    """
    by_room = np.argsort(-effective_capacity_per_s, kind="stable")
    choices = np.append(by_room, OUT)
    probability = np.vstack([match_probability[by_room], opt_out_probability(match_probability)])
    tied = probability >= probability.max(axis=0) - TIE
    return choices[tied.argmax(axis=0)]  # the first of the tied
