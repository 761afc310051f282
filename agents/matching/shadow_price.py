"""The shadow price of an operator: how much its congestion keeps users away."""

from __future__ import annotations

import numpy as np

from airan_market.sim.arrays import FloatArray


def update_shadow_price(
    shadow_price_usd: FloatArray,
    load_per_s: FloatArray,
    effective_capacity_per_s: FloatArray,
    step_usd: float,
) -> FloatArray:
    """Raise or lower ω_m with the excess load: max(0, ω + v (load − λ̄) / λ̄).

    Equation: AI-RAN (36)

    Parameters
    ----------
    shadow_price_usd, load_per_s, effective_capacity_per_s : array (M,) or float
        ω_m, the whole load Σ_n I_n z_{m,n} δ and λ̄_m.
    step_usd : float
        v.

    Examples
    --------
    >>> update_shadow_price(np.array([0.0, 0.25]), np.array([5.0, 15.0]), np.array([10.0, 10.0]),
    ...                     0.5).tolist()
    [0.0, 0.5]
    """
    excess = (load_per_s - effective_capacity_per_s) / effective_capacity_per_s
    return np.maximum(0.0, shadow_price_usd + step_usd * excess)
