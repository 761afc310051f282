"""The answers of theory to how likely it is that a task takes longer than t.

Each step down replaces one simplification by the truth, so that the error of the paper's belief
splits into parts that add up on a log scale:

    chernoff           eqs. (10)-(12), exponent fixed by ζ
    chernoff_optimised the same bound with the best exponent at every latency
    fifo_exact         eq. (9): the law that both bound, first come first served at λ_{m,n}
    priority_exact     preemptive-resume priority at every stage, stages independent
    chernoff_priority  beside them, a bound of that law: the belief `chernoff-priority`
    simulated          the tandem itself (`analysis.validation.truth`)
"""

from __future__ import annotations

import numpy as np

from airan_market.analysis.validation.offered import Offered
from airan_market.sim.arrays import FloatArray

CHERNOFF, OPTIMISED, FIRST_COME, PRIORITY, PRIORITY_BOUND = (
    "chernoff",
    "chernoff_optimised",
    "fifo_exact",
    "priority_exact",
    "chernoff_priority",
)
#: What is only theory: from the crudest to the finest, then the bound of the finest.
THEORIES = (CHERNOFF, OPTIMISED, FIRST_COME, PRIORITY, PRIORITY_BOUND)
SIMULATED = "simulated"
METHODS = (*THEORIES, SIMULATED)


def ladder(site: Offered, latency_s: FloatArray) -> dict[str, FloatArray]:
    """Tail of every type at an operator by each theory, as it would be charged: at most 1.

    Parameters
    ----------
    site : Offered
    latency_s : array (N, T)
        s, positive.

    Returns
    -------
    dict
        Method → array (N, T). Where a type saturates the operator all are 1.

    Examples
    --------
    >>> from airan_market.analysis.validation.offered import offered
    >>> from airan_market.scenarios import load_scenario
    >>> (site,) = offered(load_scenario("bound_fails"), seed=1)
    >>> tails = ladder(site, site.agreed_s[:, np.newaxis])
    >>> [f"{tails[method][1, 0]:.1e}" for method in THEORIES]  # what type 2 is promised
    ['1.0e-03', '1.0e-03', '3.9e-05', '1.5e-01', '1.0e+00']
    """
    from airan_market.sim.bounds.priority_bound import bound_coefficients
    from airan_market.sim.theory.chernoff import (
        chernoff_coefficients,
        chernoff_tail,
        optimised_tail,
    )
    from airan_market.sim.theory.end_to_end import end_to_end_tail
    from airan_market.sim.theory.preemptive import class_end_to_end_tail

    load = site.load_per_s[:, np.newaxis]
    stages = site.servers, site.service_rate_per_s
    log_gain, exponent = chernoff_coefficients(*stages, load, site.zeta)
    best, _ = optimised_tail(latency_s, *stages, load)
    above = np.concatenate([[0.0], site.load_per_s[:-1]])
    own = bound_coefficients(*stages, site.load_per_s, above, site.zeta)
    own_gain, own_exponent = (part[:, np.newaxis] for part in own)
    return {
        CHERNOFF: np.minimum(chernoff_tail(latency_s, log_gain, exponent), 1.0),
        OPTIMISED: np.minimum(best, 1.0),
        FIRST_COME: end_to_end_tail(latency_s, *stages, load),
        PRIORITY: class_end_to_end_tail(latency_s, *stages, site.own_rate_per_s),
        PRIORITY_BOUND: np.minimum(chernoff_tail(latency_s, own_gain, own_exponent), 1.0),
    }
