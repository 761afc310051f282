"""A belief that is known by its tails, type by type, and designed with numerically."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from airan_market.agents.screening.envelope import EnvelopePieces, Law
from airan_market.sim.arrays import FloatArray
from airan_market.sim.theory.domain import arrival_rates


@dataclass(frozen=True)
class TailBelief:
    """Tails of latencies as a belief: no more than 1, convex only from somewhere on.

    Parameters
    ----------
    law : Law
        Of the types of all operators, flattened; never asked for a saturated one.
    saturated : array (..., N) of bool
        Types whose load reaches the capacity of some stage.

    Examples
    --------
    >>> from airan_market.agents.screening.envelope import FcfsLaw
    >>> one = np.array([[1]])
    >>> belief = believe_tails(FcfsLaw, one, 7.0 * one, np.array([3.0, 8.0]))
    >>> belief.probability(np.array([0.5, 0.5])).round(12).tolist()  # exp(−4 · 0.5); saturated
    [0.135335283237, 1.0]
    """

    law: Law
    saturated: NDArray[np.bool_]

    def raw(self, latency_s: FloatArray) -> FloatArray:
        """P(T > latency_s), 1 where saturated."""
        which = np.arange(self.saturated.size, dtype=np.int64).reshape(self.saturated.shape)
        latency_s, which, saturated = np.broadcast_arrays(latency_s, which, self.saturated)
        tail = np.ones(saturated.shape)
        tail[~saturated] = self.law.tail(latency_s[~saturated], which[~saturated])
        return tail

    def probability(self, latency_s: FloatArray) -> FloatArray:
        """Return the tail: nothing to cap."""
        return self.raw(latency_s)

    def pieces(
        self, slope: FloatArray, weight: FloatArray, lower_s: float, upper_s: float
    ) -> EnvelopePieces:
        """Envelopes: a tail is not convex near 0, see `envelope`."""
        free = np.logical_or.accumulate(self.saturated, axis=-1)
        return EnvelopePieces.over(self.law, slope, weight, free, lower_s, upper_s)


def believe_tails(
    law: Callable[[FloatArray, FloatArray, FloatArray], Law],
    servers: FloatArray,
    service_rate_per_s: FloatArray,
    load_per_s: FloatArray,
) -> TailBelief:
    """Belief in a law of queueing theory at cumulative loads.

    Parameters
    ----------
    law : callable
        Makes the laws out of servers and rates (..., N, S) and loads (..., N).
    servers, service_rate_per_s : array (..., 1, S)
    load_per_s : array (..., N)
        Λ_n, never decreasing along n.

    Raises
    ------
    ValueError
        When a load is negative or not a number.
    """
    load = arrival_rates(load_per_s, "load_per_s")
    capacity = (servers * service_rate_per_s).min(axis=-1)
    load = np.broadcast_to(load, np.broadcast_shapes(load.shape, capacity.shape))
    stages = (*load.shape, servers.shape[-1])
    made = law(np.broadcast_to(servers, stages), np.broadcast_to(service_rate_per_s, stages), load)
    return TailBelief(made, load >= capacity)
