"""User types θ_k with probabilities P_k, and what screening makes of them: virtual types."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from airan_market.sim.arrays import FloatArray

_SUM_TOLERANCE = 1e-9


@dataclass(frozen=True)
class Types:
    """User types in increasing order.

    Parameters
    ----------
    theta_usd : array (K,)
        θ_k > 0, strictly increasing, USD per request and unit of v.
    probability : array (K,), optional
        P_k > 0, summing to 1; uniform when not given.

    Raises
    ------
    ValueError
        When they are not so.

    Examples
    --------
    >>> Types(np.array([1.0, 2.0, 3.0])).virtual_usd().tolist()
    [-1.0, 1.0, 3.0]
    """

    theta_usd: FloatArray
    probability: FloatArray

    def __init__(self, theta_usd: ArrayLike, probability: ArrayLike | None = None) -> None:
        theta = np.array(theta_usd, dtype=float)
        share = np.full(theta.size, 1 / theta.size) if probability is None else probability
        object.__setattr__(self, "theta_usd", theta)
        object.__setattr__(self, "probability", np.array(share, dtype=float))
        if not (theta > 0).all() or not (np.diff(theta) > 0).all() or not np.isfinite(theta).all():
            raise ValueError(f"theta_usd = {theta.tolist()}: must be positive and increasing")
        if self.probability.shape != theta.shape or not (self.probability > 0).all():
            raise ValueError("probability: must be one positive number for each type")
        if abs(self.probability.sum() - 1) > _SUM_TOLERANCE:
            raise ValueError(f"probability: must sum to 1 (sums to {self.probability.sum():.12g})")

    @property
    def size(self) -> int:
        """K."""
        return self.theta_usd.size

    def virtual_usd(self) -> FloatArray:
        """Virtual types φ_k = θ_k − (θ_{k+1} − θ_k)(1 − F_k)/P_k, F_k = Σ_{j≤k} P_j; φ_K = θ_K.

        Equation: PACT (16)

        What type k's quality is worth to the provider, after the rent that it leaves to all higher
        types (Myerson 1981, in discrete form). Negative when that rent is larger.
        """
        above = np.append(np.cumsum(self.probability[:0:-1])[::-1], 0.0)  # 1 − F_k, exactly 0 last
        step = np.append(np.diff(self.theta_usd), 0.0)
        return self.theta_usd - step * above / self.probability
