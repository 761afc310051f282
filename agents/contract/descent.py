"""Where a solver that goes downhill stops: the design of a menu that is only locally best.

The paper solves (38) by a general solver, and what it prints is, it seems, the point at which one
that follows the gradient comes to rest when it starts from latencies spread evenly over
[L_min, L_max] and charges min(1, p̃). Where a type starts at a latency whose promise is believed
to be broken for certain, p̃ ≥ 1, the risk does not change with the latency: nothing but −a_n L_n
speaks, and that pulls the latency down for ever. So it does once the descent has brought a type to
such a latency, because its own best lies there. Such a type is *held*. It ends at the latency of
the type before it, or at L_min when there is none; the other types end where the exact design has
them, given those that are held.

The rule is that of a descent with short steps. A solver whose steps are long may jump over the
edge between the two parts of a type's objective, from either side; how often SLSQP does is measured
by `tests/agents/contract/test_descent.py`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from airan_market.agents.belief.belief import Belief
from airan_market.sim.arrays import FloatArray


def start_latencies(types: int, latency_min_s: float, latency_max_s: float) -> FloatArray:
    """Latencies from which the descent starts, spread evenly over the interval, (N,), s.

    Examples
    --------
    >>> start_latencies(3, 0.0, 1.0).tolist()
    [0.0, 0.5, 1.0]
    """
    return np.linspace(latency_min_s, latency_max_s, types)


def held_types(belief: Belief, latency_s: FloatArray) -> NDArray[np.bool_]:
    """Types that a descent never frees once it is at these latencies: p = 1, or saturated.

    Parameters
    ----------
    belief : Belief
        Arrays (..., N).
    latency_s : array (N,) or (..., N)

    Examples
    --------
    >>> from airan_market.agents.belief.belief import ChernoffBelief
    >>> belief = ChernoffBelief(np.log([3.0, 3.0]), np.array([1.5, 0.0]))
    >>> belief.raw(np.array([0.7, 0.7])).round(2).tolist()
    [1.05, 3.0]
    >>> held_types(belief, np.array([0.7, 0.7])).tolist()
    [True, True]
    >>> held_types(belief, np.array([0.8, 0.8])).tolist()
    [False, True]
    """
    return np.asarray(belief.probability(latency_s) >= 1.0)


def carried_slope(slope: FloatArray, held: NDArray[np.bool_]) -> FloatArray:
    """Slopes with those of held types added to the type before them that is not held, (..., N).

    A held type moves with the type before it, which feels its pull. Held types at the front have
    none before them; their slopes are dropped, as they lie at the lower bound whatever they are.

    Examples
    --------
    >>> held = np.array([True, False, True, True, False])
    >>> carried_slope(np.array([1.0, 2.0, 3.0, 4.0, 5.0]), held).tolist()
    [0.0, 9.0, 0.0, 0.0, 5.0]
    """
    carried = np.zeros_like(slope)
    pull = np.zeros(slope.shape[:-1])
    for n in reversed(range(slope.shape[-1])):
        pull = pull + slope[..., n]
        carried[..., n] = np.where(held[..., n], 0.0, pull)
        pull = np.where(held[..., n], pull, 0.0)
    return carried


def following(latency_s: FloatArray, held: NDArray[np.bool_], latency_min_s: float) -> FloatArray:
    """Latencies with every held type at that of the type before it, (..., N), s.

    Examples
    --------
    >>> held = np.array([True, False, True, False])
    >>> following(np.array([0.7, 0.2, 0.9, 0.3]), held, 0.1).tolist()
    [0.1, 0.2, 0.2, 0.3]
    """
    free = np.where(held, latency_min_s, latency_s)
    return np.maximum.accumulate(free, axis=-1)
