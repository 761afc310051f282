"""What the paper says of a latency before it is bounded: stages first come, first served."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from airan_market.agents.belief.tail_belief import belief_from_laws
from airan_market.sim.arrays import FloatArray, IntArray
from airan_market.sim.theory.domain import latencies
from airan_market.sim.theory.end_to_end import tail_of_stages
from airan_market.sim.theory.sojourn import stage_laws, waiting_law


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
        servers = np.take_along_axis(servers, order, axis=-1)
        rates = np.take_along_axis(rates, order, axis=-1)
        load = load_per_s.reshape(-1)
        _, *self._own = stage_laws(servers, rates, load)
        self._waits, waiting_rate = waiting_law(servers[:, -1], rates[:, -1], load)
        ones, last = np.ones_like(servers[:, -1:]), waiting_rate + load
        self._waiting = (
            np.concatenate([servers[:, :-1], ones], axis=1),
            np.concatenate([rates[:, :-1], last[:, np.newaxis]], axis=1),
            load,
        )

    @cached_property
    def _waited(self) -> list[FloatArray]:
        """Laws of the stages where the last is the wait of those who wait."""
        return list(stage_laws(*self._waiting)[1:])

    def tail(self, latency_s: FloatArray, which: IntArray) -> FloatArray:
        """Evaluate eq. (9)."""
        return tail_of_stages(latencies(latency_s), *(part[which] for part in self._own))

    def density(self, latency_s: FloatArray, which: IntArray) -> FloatArray:
        """μ (P(T > t) − P(X > t)), with an absolute error of about 1e-12 μ."""
        waits, own = self._waits[which], [part[which] for part in self._own]
        waited = tail_of_stages(latency_s, *(part[which] for part in self._waited))
        others = np.zeros_like(waited)  # the sum of no stages is 0
        if own[0].shape[-1] > 1:
            others = tail_of_stages(latency_s, *(part[..., :-1] for part in own))
        difference = tail_of_stages(latency_s, *own) - waits * waited - (1 - waits) * others
        # far out both tails vanish and only their rounding is left, of either sign
        return own[0][..., -1] * np.maximum(difference, 0.0)


first_come = belief_from_laws(FcfsLaw)
