"""What the paper says of a latency before it is bounded: stages first come, first served."""

from __future__ import annotations

import numpy as np

from airan_market.agents.belief.tail_belief import belief_from_laws
from airan_market.sim.arrays import FloatArray, IntArray
from airan_market.sim.theory.end_to_end import end_to_end_tail
from airan_market.sim.theory.sojourn import waiting_law


class FcfsLaw:
    """Sums of independent first-come M/M/c sojourns; K = N or M·N of them, flattened.

    Equation: AI-RAN (9)

    The density comes from two tails. Write the latency as T = X + E with E ~ Exp(μ) the service of
    one stage. Then density_T = μ (P(T > t) − P(X > t)), and X is the sum of the other stages,
    plus, with the probability P that a task waits, an Exp(r), which is the sojourn in a single
    server of rate r + λ.

    Parameters
    ----------
    servers, service_rate_per_s : array (..., N, S)
    load_per_s : array (..., N)
        Below the capacity of every stage for the laws that are asked for.

    Examples
    --------
    >>> law = FcfsLaw(np.array([[1]]), np.array([[7.0]]), np.array([3.0]))
    >>> law.density(np.array([0.5]), np.array([0])).round(12).tolist()  # 4 exp(−4 · 0.5)
    [0.541341132946]
    """

    def __init__(
        self, servers: FloatArray, service_rate_per_s: FloatArray, load_per_s: FloatArray
    ) -> None:
        stages = servers.shape[-1]
        servers, rates = servers.reshape(-1, stages), service_rate_per_s.reshape(-1, stages)
        # the slowest service last: the smaller μ, the fewer digits the difference of tails loses
        order = np.argsort(-rates, axis=-1, kind="stable")
        self._servers = np.take_along_axis(servers, order, axis=-1)
        self._rates = np.take_along_axis(rates, order, axis=-1)
        self._load = load_per_s.reshape(-1)
        self._waits, waiting_rate = waiting_law(
            self._servers[:, -1], self._rates[:, -1], self._load
        )
        self._waiting_servers, self._waiting_rates = self._servers.copy(), self._rates.copy()
        self._waiting_servers[:, -1] = 1
        self._waiting_rates[:, -1] = waiting_rate + self._load

    def tail(self, latency_s: FloatArray, which: IntArray) -> FloatArray:
        """Evaluate eq. (9)."""
        return end_to_end_tail(
            latency_s, self._servers[which], self._rates[which], self._load[which]
        )

    def density(self, latency_s: FloatArray, which: IntArray) -> FloatArray:
        """μ (P(T > t) − P(X > t)), with an absolute error of about 1e-12 μ."""
        load, waits = self._load[which], self._waits[which]
        servers, rates = self._waiting_servers[which], self._waiting_rates[which]
        waited = end_to_end_tail(latency_s, servers, rates, load)
        others = np.zeros_like(waited)  # the sum of no stages is 0
        if servers.shape[-1] > 1:
            others = end_to_end_tail(latency_s, servers[..., :-1], rates[..., :-1], load)
        difference = self.tail(latency_s, which) - waits * waited - (1 - waits) * others
        # far out both tails vanish and only their rounding is left, of either sign
        return self._rates[which, -1] * np.maximum(difference, 0.0)


first_come = belief_from_laws(FcfsLaw)
