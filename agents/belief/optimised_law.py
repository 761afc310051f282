r"""The Chernoff bound with the best exponent at each latency, as if it were a tail.

For every agreement the operator takes the η that bounds its violation best, instead of a share ζ of
the largest that is safe. ln p̃ is then concave in the latency and p̃ is not convex up to its one
bend, so menus are designed on its convex envelope (`envelope`), as with an exact tail.
"""

from __future__ import annotations

from airan_market.sim.arrays import FloatArray, IntArray
from airan_market.sim.theory.chernoff import optimised_tail


class OptimisedLaw:
    """The bounds as if they were tails: K = N or M·N of them, flattened.

    Parameters
    ----------
    servers, service_rate_per_s : array (..., N, S)
    load_per_s : array (..., N)

    Examples
    --------
    One server, an exponential sojourn of rate 4: p = 4t exp(1 − 4t), and −p' = η p, η = 4 − 1/t.

    >>> import numpy as np
    >>> law = OptimisedLaw(np.array([[1]]), np.array([[7.0]]), np.array([3.0]))
    >>> at = np.array([0.5]), np.array([0])
    >>> (law.density(*at) / law.tail(*at)).round(12).tolist()
    [2.0]
    """

    def __init__(
        self, servers: FloatArray, service_rate_per_s: FloatArray, load_per_s: FloatArray
    ) -> None:
        stages = servers.shape[-1]
        self._servers = servers.reshape(-1, stages)
        self._rates = service_rate_per_s.reshape(-1, stages)
        self._load = load_per_s.reshape(-1)

    def tail(self, latency_s: FloatArray, which: IntArray) -> FloatArray:
        """The bound."""
        return self._bound(latency_s, which)[0]

    def density(self, latency_s: FloatArray, which: IntArray) -> FloatArray:
        """Its steepness, η p̃, 1/s."""
        raw, exponent_per_s = self._bound(latency_s, which)
        return raw * exponent_per_s

    def _bound(self, latency_s: FloatArray, which: IntArray) -> tuple[FloatArray, FloatArray]:
        return optimised_tail(
            latency_s, self._servers[which], self._rates[which], self._load[which]
        )
