r"""The paper's bound with the transform of the right law: p̃_n(L) = e^{−ηL} Π_s M_n^s(η).

Equation (10) stays; in place of G, the transform of a sojourn first come first served at the load
of all types up to n, stands M_n^s, that of a type-n sojourn under preemptive resume. η = ζ θ_n, a
part of the slowest decay rate of the type's law (`sim.theory.decay`). At a fixed η the bound is
exponential in L, hence convex, so menus keep their closed forms.

Theorem. Where at most one stage can ever queue, P(T_n > L) ≤ p̃_n(L) for every L ≥ 0 and every ζ in
(0, 1). Proof: a stage that never queues delays each task by its own work, independent of all
else, so the stage that queues is fed by a Poisson stream that owes nothing to the task's own delays
before it (displacement theorem), its sojourn has the law of `sim.theory.preemptive`, and the three
delays are independent: E[e^{ηT}] = Π_s M_n^s(η), finite for η < θ_n; Markov's inequality does the
rest. With two stages that queue the product is an approximation and the bound no theorem: the state
in which a low type meets the second is biased.
"""

from __future__ import annotations

import numpy as np

from airan_market.agents.belief.belief import ChernoffBelief
from airan_market.sim.arrays import FloatArray
from airan_market.sim.bounds.priority_bound import bound_coefficients
from airan_market.sim.theory.domain import arrival_rates


def chernoff_priority(
    servers: FloatArray,
    service_rate_per_s: FloatArray,
    load_per_s: FloatArray,
    *,
    zeta: float,
    pilot: object,
) -> ChernoffBelief:
    """The belief, for `believe`; Λ_{n−1} is the load of the type before.

    Examples
    --------
    One server: type 1 is exponential of rate θ = 4, so at η = 2 p̃ = e^{−2L} 4/(4 − 2).

    >>> one = np.array([[1.0]])
    >>> belief = chernoff_priority(one, 7 * one, np.array([3.0, 5.0]), zeta=0.5, pilot=None)
    >>> belief.exponent_per_s.round(6).tolist(), np.exp(belief.log_gain[0]).round(9)
    ([2.0, 0.4], np.float64(2.0))
    """
    load = arrival_rates(load_per_s, "load_per_s")
    shape = np.broadcast_shapes(load.shape, servers.shape[:-1])
    load = np.broadcast_to(load, shape)
    above = np.concatenate([np.zeros_like(load[..., :1]), load[..., :-1]], axis=-1)
    return ChernoffBelief(*bound_coefficients(servers, service_rate_per_s, load, above, zeta))
