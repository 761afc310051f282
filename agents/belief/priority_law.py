"""What really happens to a type at each stage: preemptive resume, exact, for beliefs.

Stages are still taken as independent, which a tandem of several servers is not quite.
"""

from __future__ import annotations

import numpy as np

from airan_market.agents.belief.tail_belief import belief_from_laws
from airan_market.sim.arrays import FloatArray, IntArray
from airan_market.sim.theory.preemptive import SojournLaws


class PriorityLaw:
    """End-to-end sojourns under preemptive resume: K = N or M·N of them, flattened.

    Parameters
    ----------
    servers, service_rate_per_s : array (..., N, S)
    load_per_s : array (..., N)
        Λ_n; Λ_{n−1} is that of the type before. A type that brings no traffic fares as its first
        task would.

    Examples
    --------
    >>> one = np.ones((2, 1))
    >>> law = PriorityLaw(one, 7 * one, np.array([3.0, 5.0]))
    >>> law.tail(np.array([0.5, 0.5]), np.array([0, 1])).round(9).tolist()
    [0.135335283, 0.502477143]
    >>> law.density(np.array([0.5]), np.array([0])).round(9).tolist()  # 4 exp(−4 · 0.5)
    [0.541341133]
    """

    def __init__(
        self, servers: FloatArray, service_rate_per_s: FloatArray, load_per_s: FloatArray
    ) -> None:
        stages = servers.shape[-1]
        nothing = np.zeros_like(load_per_s[..., :1])
        above_per_s = np.concatenate([nothing, load_per_s[..., :-1]], axis=-1)
        loads = np.stack([load_per_s.reshape(-1), above_per_s.reshape(-1)], axis=-1)
        stations = servers.reshape(-1, stages), service_rate_per_s.reshape(-1, stages)
        # menus tried beside one another bring about the same loads, and ask for the same tails:
        # each law is prepared once, and each point evaluated once
        rows, of = np.unique(np.hstack([*stations, loads]), axis=0, return_inverse=True)
        self._of = of.ravel()  # NumPy 2.0 gives it an axis more
        servers, rates, load, above = np.split(rows, [stages, 2 * stages, 2 * stages + 1], axis=1)
        self._laws = SojournLaws(servers, rates, load[:, 0], above[:, 0])

    def tail(self, latency_s: FloatArray, which: IntArray) -> FloatArray:
        """P(T > t)."""
        return self._both(latency_s, which)[0]

    def density(self, latency_s: FloatArray, which: IntArray) -> FloatArray:
        """Density of T, 1/s."""
        return self._both(latency_s, which)[1]

    def _both(self, latency_s: FloatArray, which: IntArray) -> tuple[FloatArray, FloatArray]:
        points = np.stack(np.broadcast_arrays(latency_s, self._of[which]), axis=-1)
        distinct, back = np.unique(points.reshape(-1, 2), axis=0, return_inverse=True)
        both = self._laws(distinct[:, 0], distinct[:, 1].astype(np.int64))
        tail, density = (part[back.ravel()].reshape(points.shape[:-1]) for part in both)
        return tail, density


priority = belief_from_laws(PriorityLaw)
