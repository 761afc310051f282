r"""The Chernoff bound with the best exponent at each latency, as if it were a tail.

For every agreement the operator takes the η that bounds its violation best, instead of a share ζ of
the largest that is safe. ln p̃ is then concave in the latency and p̃ is not convex up to its one
bend, so menus are designed on its convex envelope (`envelope`), as with an exact tail.
"""

from __future__ import annotations

from functools import partial

from airan_market.agents.belief.tail_belief import TailLaw, belief_from_laws
from airan_market.sim.arrays import FloatArray
from airan_market.sim.theory.chernoff import optimised_tail


def bound(
    latency_s: FloatArray, servers: FloatArray, rates: FloatArray, load_per_s: FloatArray
) -> FloatArray:
    """The bound, p̃."""
    return optimised_tail(latency_s, servers, rates, load_per_s)[0]


def steepness(
    latency_s: FloatArray, servers: FloatArray, rates: FloatArray, load_per_s: FloatArray
) -> FloatArray:
    """How fast the bound falls, η p̃, 1/s.

    Examples
    --------
    One server, an exponential sojourn of rate 4: p = 4t exp(1 − 4t), and −p' = η p, η = 4 − 1/t.

    >>> import numpy as np
    >>> at = np.array([0.5]), np.array([[1]]), np.array([[7.0]]), np.array([3.0])
    >>> (steepness(*at) / bound(*at)).round(12).tolist()
    [2.0]
    """
    raw, exponent_per_s = optimised_tail(latency_s, servers, rates, load_per_s)
    return raw * exponent_per_s


optimised = belief_from_laws(partial(TailLaw, bound, steepness))
