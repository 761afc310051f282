"""A belief that is known by its tails, type by type, and designed with numerically."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, update_wrapper
from typing import Any

import numpy as np
from numpy.typing import NDArray

from airan_market.agents.primitives.returned import check_numbers
from airan_market.agents.screening.envelope import EnvelopePieces, Law
from airan_market.scenarios.registry import RegistryError, check_call, place_of
from airan_market.sim.arrays import FloatArray, IntArray
from airan_market.sim.theory.domain import arrival_rates

Tail = Callable[[FloatArray, FloatArray, FloatArray, FloatArray], FloatArray]
Builder = Callable[..., "TailBelief"]

STEP = 1e-4  # of the differences that stand for a density, in mean services of all stages


@dataclass(frozen=True)
class TailBelief:
    """Tails of latencies as a belief: no more than 1, convex only from somewhere on.

    Parameters
    ----------
    law : Law
        Of the types of all operators, flattened; never asked for a saturated one.
    saturated : array (..., N) of bool
        Types whose load reaches the capacity of some stage.
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


class TailLaw:
    """Laws given by formulas of their own load alone, as `envelope.Law`.

    Parameters
    ----------
    tail, density : callable
        P(T > t) and the density, 1/s, of latencies (...), servers and rates (..., S), loads (...).
    servers, service_rate_per_s : array (..., N, S)
    load_per_s : array (..., N)
    """

    def __init__(
        self, tail: Tail, density: Tail, servers: FloatArray, rates: FloatArray, load: FloatArray
    ) -> None:
        flat = (-1, servers.shape[-1])
        self._tail, self._density = tail, density
        self._at = servers.reshape(flat), rates.reshape(flat), load.reshape(-1)

    def tail(self, latency_s: FloatArray, which: IntArray) -> FloatArray:
        """P(T > latency_s) under the laws `which`."""
        return self._tail(latency_s, *(part[which] for part in self._at))

    def density(self, latency_s: FloatArray, which: IntArray) -> FloatArray:
        """Density of T at latency_s, 1/s."""
        return self._density(latency_s, *(part[which] for part in self._at))


def belief_from_laws(laws: Callable[[FloatArray, FloatArray, FloatArray], Law]) -> Builder:
    """What builds a belief in laws of queueing theory at cumulative loads.

    Parameters
    ----------
    laws : callable
        Makes the laws out of servers and rates (..., N, S) and loads (..., N).

    Examples
    --------
    >>> from airan_market.agents.belief.fcfs_law import FcfsLaw
    >>> one = np.array([[1]])
    >>> belief = belief_from_laws(FcfsLaw)(one, 7.0 * one, np.array([3.0, 8.0]))
    >>> belief.probability(np.array([0.5, 0.5])).round(12).tolist()  # exp(−4 · 0.5); saturated
    [0.135335283237, 1.0]
    """

    def build(
        servers: FloatArray, service_rate_per_s: FloatArray, load_per_s: FloatArray, **_: Any
    ) -> TailBelief:
        load = arrival_rates(load_per_s, "load_per_s")
        capacity = (servers * service_rate_per_s).min(axis=-1)
        load = np.broadcast_to(load, np.broadcast_shapes(load.shape, capacity.shape))
        stages = (*load.shape, servers.shape[-1])
        servers, rates = (np.broadcast_to(part, stages) for part in (servers, service_rate_per_s))
        return TailBelief(laws(servers, rates, load), load >= capacity)

    return build


def belief_from_tail(tail: Tail) -> Builder:
    """What builds a belief from nothing but a formula of P(T > t), for `register_belief`.

    The menus that go with it need a density, too, which is taken from differences of the tail. So
    the tail has to be smooth, and to fall; the density then keeps about nine digits.

    Parameters
    ----------
    tail : callable
        Called with latencies (...) in s, servers and rates (..., S), and the loads (...) that a
        type can feel, never with a saturated one; returns P(T > t), (...).

    Examples
    --------
    >>> @belief_from_tail
    ... def never_waits(latency_s, servers, service_rate_per_s, load_per_s):
    ...     return np.exp(-service_rate_per_s[..., 0] * latency_s)
    >>> belief = never_waits(np.array([[1.0]]), np.array([[2.0]]), np.array([1.0, 3.0]))
    >>> belief.probability(np.array([0.5, 0.5])).round(6).tolist()
    [0.367879, 1.0]
    >>> belief.law.density(np.array([0.5]), np.array([0])).round(6).tolist()
    [0.735759]
    """
    said = place_of(tail)
    check_call(said, tail, "latency_s, servers, service_rate_per_s, load_per_s")

    def checked(latency_s: FloatArray, *at: FloatArray) -> FloatArray:
        found = tail(latency_s, *at)
        shape = np.broadcast_shapes(latency_s.shape, at[-1].shape)
        check_numbers(f"{said}: P(T > t)", found, shape, 0, 1)
        return found

    def density(latency_s: FloatArray, *at: FloatArray) -> FloatArray:
        step = STEP * (1 / at[1]).sum(axis=-1)
        before, after = np.maximum(latency_s - step, 0.0), latency_s + step
        fall = checked(before, *at) - checked(after, *at)
        if (fall < -1e-9).any():
            raise RegistryError(f"{said}: P(T > t) rises with t")
        return np.maximum(fall, 0.0) / (after - before)

    build = update_wrapper(belief_from_laws(partial(TailLaw, checked, density)), tail)
    del build.__wrapped__  # its signature is not that of the tail
    return build
