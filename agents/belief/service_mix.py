r"""The belief of operators who sell several services: Chernoff's, for tasks of different sizes.

At a stage type n waits for the tasks of types 1 to n, which now have means of their own. Their mix
is read as an M/G/c queue: let a = Σ λ_j/μ_j be its load, Λ = Σ λ_j, b̄ = a/Λ its mean service and
s = 2 Σ λ_j/μ_j² / (Λ b̄²) - 1 the squared coefficient of variation of its services. Then

- a task waits with probability P = C(c, a), Erlang's for the same load;
- a wait is exponential of rate r = (c/b̄ - Λ) · 2/(1 + s): the mean wait of Lee and Longton;
- and the task is served at its own rate μ_n.

With these P, r and μ_n the expression is the paper's (10)-(12), with η = ζ min_s min(r/c, μ_n).
With equal sizes it is the belief "chernoff" exactly. With others it is an *approximation* twice:
the wait has the shape of M/M/c where services have not, and as in the paper's (4) tasks of one's
own and of higher types come first, which preemption only roughly does.
"""

from __future__ import annotations

import numpy as np

from airan_market.agents.primitives.primitives import Primitives
from airan_market.sim.arrays import FloatArray
from airan_market.sim.theory.erlang import erlang_c
from airan_market.sim.theory.sojourn import log_mgf


def mix_coefficients(
    primitives: Primitives, load_per_s: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Coefficients (log_gain, η) of the operators of a market of several services.

    Parameters
    ----------
    primitives : Primitives
        Of all operators, or of one.
    load_per_s : array (..., N)
        Λ_n, tasks/s of types 1 to n, whatever their size.

    Returns
    -------
    log_gain, exponent_per_s : array (..., N)
        Both 0 where some stage is saturated.

    Examples
    --------
    >>> from airan_market.scenarios import load_scenario
    >>> two = 'services=[{name="a",types=[1,2],work_flop=7.2e11},{name="b",types=[3,4,5,6,7,8]}]'
    >>> market = Primitives.from_scenario(load_scenario("teleoperation", [two]))
    >>> load_per_s = np.cumsum(market.demand_per_s) / 4 * np.ones((3, 1))
    >>> mix_coefficients(market, load_per_s)[1][0, :3].round(1).tolist()
    [46.2, 41.4, 43.8]
    """
    rate, queue = own_rates(load_per_s)[..., np.newaxis], primitives
    assert queue.services is not None
    servers = queue.servers[..., np.newaxis, :]
    service_s = queue.services.work / queue.service_rate_per_s[..., np.newaxis, :]
    busy = np.cumsum(rate * service_s, axis=-2)
    twice = np.cumsum(2 * rate * service_s**2, axis=-2)
    load = np.asarray(load_per_s)[..., np.newaxis]
    with np.errstate(divide="ignore", invalid="ignore"):  # nobody there: the mix is the type itself
        mean_s = np.where(load > 0, busy / load, service_s)
        spread = np.where(load > 0, twice / (load * mean_s**2), 2.0)  # 1 + s
    saturated = np.asarray((busy >= servers).any(axis=-1))
    stable = ~saturated[..., np.newaxis]
    waiting = np.where(stable, (servers - busy) / mean_s * 2 / spread, 1.0)
    delay = np.where(stable, erlang_c(servers, np.where(stable, busy, 0.0)), 0.0)
    own = 1 / service_s
    eta = queue.mechanism.chernoff_zeta * np.minimum(waiting / servers, own).min(axis=-1)
    gain = log_mgf(eta[..., np.newaxis], delay, waiting, own).sum(axis=-1)
    return np.where(saturated, 0.0, gain), np.where(saturated, 0.0, eta)


def own_rates(load_per_s: FloatArray) -> FloatArray:
    """λ_n of loads Λ_n, tasks/s; what rounding leaves below 0 is none.

    Examples
    --------
    >>> own_rates(np.array([1.0, 3.0, 3.0])).tolist()
    [1.0, 2.0, 0.0]
    """
    load = np.asarray(load_per_s, dtype=float)
    return np.maximum(np.diff(load, axis=-1, prepend=0.0), 0.0)
