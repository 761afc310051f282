"""Loads that a mixed matching brings, and the weights of a design.

Arrays have the operators on the first axis: (M, N) for all types, (N,) for one operator.
"""

from __future__ import annotations

import numpy as np

from airan_market.sim.arrays import FloatArray


def cumulative_load(match_probability: FloatArray, demand_per_s: FloatArray) -> FloatArray:
    """Load that a type can feel, λ_{m,n} = Σ_{j≤n} I_j z_{m,j} δ.

    Equation: AI-RAN (3), (34)

    Parameters
    ----------
    match_probability : array (..., N)
        z_{m,n}.
    demand_per_s : array (N,)
        I_n δ.

    Returns
    -------
    array (..., N)
        Tasks/s; the last entry is the whole load of the operator.

    Examples
    --------
    >>> cumulative_load(np.array([[0.5, 0.25]]), np.array([10.0, 20.0])).tolist()
    [[5.0, 10.0]]
    """
    return np.cumsum(match_probability * demand_per_s, axis=-1)


def demand_weight(
    match_probability: FloatArray, demand_per_s: FloatArray, floor: float
) -> FloatArray:
    """Weight of a type in the design of a menu, d = I_n δ ((1−ρ) z + ρ), tasks/s.

    Equation: AI-RAN (37)

    Examples
    --------
    >>> demand_weight(np.array([[0.5, 0.0]]), np.array([10.0, 20.0]), 0.1).tolist()
    [[5.5, 2.0]]
    """
    return demand_per_s * ((1 - floor) * match_probability + floor)
