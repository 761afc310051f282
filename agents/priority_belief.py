"""What really happens to a type at each stage, as a belief: preemptive resume, exact.

Stages are still taken as independent, which a tandem of several servers is not quite.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from agents.envelope import EnvelopePieces
from sim.preemptive import SojournLaws

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


class PriorityLaw:
    """End-to-end sojourns under preemptive resume: K = N or M·N of them, flattened.

    Parameters
    ----------
    servers, service_rate_per_s : array (..., N, S)
    load_per_s, above_per_s : array (..., N)
        Λ_n and Λ_{n−1}.

    Examples
    --------
    >>> one = np.ones((2, 1))
    >>> law = PriorityLaw(one, 7 * one, np.array([3.0, 5.0]), np.array([0.0, 3.0]))
    >>> law.tail(np.array([0.5, 0.5]), np.array([0, 1])).round(9).tolist()
    [0.135335283, 0.502477143]
    >>> law.density(np.array([0.5]), np.array([0])).round(9).tolist()  # 4 exp(−4 · 0.5)
    [0.541341133]
    """

    def __init__(
        self,
        servers: FloatArray,
        service_rate_per_s: FloatArray,
        load_per_s: FloatArray,
        above_per_s: FloatArray,
    ) -> None:
        stages = servers.shape[-1]
        self._laws = SojournLaws(
            servers.reshape(-1, stages),
            service_rate_per_s.reshape(-1, stages),
            load_per_s.reshape(-1),
            above_per_s.reshape(-1),
        )

    def tail(self, latency_s: FloatArray, which: IntArray) -> FloatArray:
        """P(T > t)."""
        return self._both(latency_s, which)[0]

    def density(self, latency_s: FloatArray, which: IntArray) -> FloatArray:
        """Density of T, 1/s."""
        return self._both(latency_s, which)[1]

    def _both(self, latency_s: FloatArray, which: IntArray) -> tuple[FloatArray, FloatArray]:
        latency_s, which = np.broadcast_arrays(latency_s, which)
        tail, density = self._laws(latency_s.reshape(-1), which.reshape(-1))
        return tail.reshape(which.shape), density.reshape(which.shape)


@dataclass(frozen=True)
class PriorityBelief:
    """The exact law of each type at each stage, stages independent.

    A type's own rate is the difference of the loads of its neighbours; a type that brings no
    traffic is believed to fare as its first task would.

    Parameters
    ----------
    servers, service_rate_per_s : array (..., 1, S)
    load_per_s : array (..., N)
        Never decreasing along n.

    Examples
    --------
    >>> belief = PriorityBelief(np.array([[1]]), np.array([[7.0]]), np.array([3.0, 5.0, 8.0]))
    >>> belief.probability(np.full(3, 0.5)).round(9).tolist()
    [0.135335283, 0.502477143, 1.0]
    """

    servers: FloatArray
    service_rate_per_s: FloatArray
    load_per_s: FloatArray

    @property
    def saturated(self) -> NDArray[np.bool_]:
        """Where the load reaches the capacity of some stage."""
        capacity = (self.servers * self.service_rate_per_s).min(axis=-1)
        return self.load_per_s >= capacity

    @cached_property
    def law(self) -> PriorityLaw:
        """The laws of all types, of all operators."""
        stages = (*self.load_per_s.shape, self.servers.shape[-1])
        nothing = np.zeros_like(self.load_per_s[..., :1])
        return PriorityLaw(
            np.broadcast_to(self.servers, stages),
            np.broadcast_to(self.service_rate_per_s, stages),
            self.load_per_s,
            np.concatenate([nothing, self.load_per_s[..., :-1]], axis=-1),
        )

    def raw(self, latency_s: FloatArray) -> FloatArray:
        """Evaluate the exact tail, a probability."""
        every = np.arange(self.load_per_s.size).reshape(self.load_per_s.shape)
        return self.law.tail(latency_s, every)

    def probability(self, latency_s: FloatArray) -> FloatArray:
        """Return the tail: nothing to cap."""
        return self.raw(latency_s)

    def pieces(
        self, slope: FloatArray, weight: FloatArray, lower_s: float, upper_s: float
    ) -> EnvelopePieces:
        """Numerical: the tail is not convex near 0, see `envelope`."""
        free = np.logical_or.accumulate(self.saturated, axis=-1)
        return EnvelopePieces.over(self.law, slope, weight, free, lower_s, upper_s)
