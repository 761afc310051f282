"""The quality of a service, (6) of the PACT paper, with as many dimensions as wanted."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from airan_market.sim.arrays import FloatArray


def quality(
    satisfaction: ArrayLike,
    latency_s: ArrayLike,
    satisfaction_weight: float,
    dimensions: ArrayLike | None = None,
    weights: ArrayLike | None = None,
) -> FloatArray:
    """Weighted quality of services.

    Equation: PACT (6)

    The paper's q = δ A + (1 − δ)(1 − T), T in seconds. With further dimensions d_i in
    [0, 1] of weights w_i, W = Σ w_i ≤ 1,

        q = (1 − W) [δ A + (1 − δ)(1 − T)] + Σ w_i d_i,

    so that all weights sum to one. Nothing is clipped: a latency of seconds makes q negative,
    which the market refuses.

    Parameters
    ----------
    satisfaction : array (S,)
        A in [0, 1].
    latency_s : array (S,)
    satisfaction_weight : float
        δ in [0, 1].
    dimensions : array (S, D), optional
    weights : array (D,), optional

    Returns
    -------
    array (S,)

    Examples
    --------
    >>> float(quality(0.5, 0.2, 0.5))
    0.65
    >>> quality([0.5], [0.2], 0.5, [[1.0]], [0.2]).round(3).tolist()
    [0.72]
    """
    core = satisfaction_weight * np.asarray(satisfaction, dtype=float)
    core = core + (1 - satisfaction_weight) * (1 - np.asarray(latency_s, dtype=float))
    if weights is None or dimensions is None:
        return core
    extra = np.asarray(weights, dtype=float)
    return (1 - extra.sum()) * core + np.asarray(dimensions, dtype=float) @ extra


def cut(values: ArrayLike, decimals: int = 3) -> FloatArray:
    """Cut, not round, to some decimals, as the paper's Table I prints qualities.

    Examples
    --------
    >>> cut([0.84878, 0.5]).tolist()
    [0.848, 0.5]
    """
    scale = 10.0**decimals
    return np.floor(np.asarray(values, dtype=float) * scale) / scale
