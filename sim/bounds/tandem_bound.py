r"""A bound on the latency of two single servers in a row that holds for their joint process.

The sojourns of a type at two loaded stations depend on one another, so a product of transforms is
no theorem. Two that are, for Poisson arrivals, exponential work of rates μ_1 and μ_2, and
preemptive resume by type (type n of rate λ_n, Λ_n = λ_1 + ... + λ_n, ρ_s = Λ_n/μ_s, M_n^s the
transform of `sim.theory.preemptive` at one station):

**Left behind.** E exp(η(T_1 + T_2)) ≤ (Λ_n/λ_n) (1 - ρ_1)/(1 - ρ_1 (1 + η/λ_n)) M_n^2(η).

*Proof.* Look at types 1 to n alone, the others are not seen. At a departure of type n from station
1 it was in service, so no higher type was there, and what it leaves behind are J tasks of its own
type, which came during T_1. They change neither T_1 nor the number N_2 at station 2, so J is
Poisson with mean λ_n T_1 given both, and E[exp(ηT_1); N_2 = k] = E[s^J; N_2 = k] with
s = 1 + η/λ_n. Such departures come at rate μ_1 while type n is served, so their law is at most
μ_1/λ_n times that of a moment in time: P(J = j, N_2 = k) ≤ (μ_1/λ_n) P(N_1 = j + 1) P(N_2 = k), for
the numbers of all types up to n are those of a first-come tandem, which are independent (Burke
1956). From then on higher types come to station 2 no earlier than they came to station 1, where
there were none; so T_2 is at most the time in which a station with their Poisson arrivals serves
k + 1 tasks, of transform φ(η)^(k+1). Sum over j and k. For type 1 every step is an equality: the
bound is the transform.

**Hölder.** E exp(η(T_1 + T_2)) ≤ M_n^1(pη)^(1/p) ((Λ_n/λ_n) M_n^2(qη))^(1/q) for 1/p + 1/q = 1,
whatever the dependence; the second factor is the first bound with T_1 left out, for T_2 as type n
meets it is not of the law M_n^2.
"""

import numpy as np
import numpy.typing as npt

from airan_market.sim.arrays import FloatArray
from airan_market.sim.theory.domain import arrival_rates, latencies, service_rates

ETA_STEPS = 0.02, 1.0, 0.02  # η over the largest that a bound allows: from, to, step
HOLDER = 1.05, 1.15, 1.3, 1.6, 2.0, 8 / 3, 13 / 3, 23 / 3, 21.0  # p; q runs through the same


def tandem_tail_bound(
    arrival_per_s: npt.ArrayLike, service_per_s: npt.ArrayLike, latency_s: npt.ArrayLike
) -> FloatArray:
    r"""Upper bound on P(T_1 + T_2 > t) of every type: the least of some e^{-ηt} E_η, at most 1.

    Each term holds by itself and is exponential in t, so one of them, chosen beforehand, can stand
    in a menu; their least is a bound too, at every t.

    Parameters
    ----------
    arrival_per_s : array_like, shape (N,)
        λ_n > 0, the highest type first, 1/s.
    service_per_s : array_like, shape (2,)
        μ of the first and of the second station, one server each, the same for all types, 1/s.
    latency_s : array_like, shape (T,)
        t ≥ 0, s.

    Returns
    -------
    array, shape (N, T)
        1 for a type that saturates a station.

    Raises
    ------
    ValueError
        When a rate is not a finite number above 0, or a latency not one of at least 0.

    References
    ----------
    The module's two inequalities, with Markov's; P. J. Burke, The output of a queuing system,
    Operations Research 4 (1956).

    Examples
    --------
    >>> tandem_tail_bound([0.8, 0.1], [1.0, 2.0], [0.0, 100.0, 400.0]).round(4).tolist()
    [[1.0, 0.0, 0.0], [1.0, 0.9535, 0.0856]]
    """
    rates, mu = arrival_rates(arrival_per_s), service_rates(service_per_s, "service_per_s")
    t = latencies(latency_s)
    if mu.shape != (2,) or rates.ndim != 1 or not (rates > 0).all():
        raise ValueError("arrival_per_s, service_per_s: allowed shapes (N,), above 0, and (2,)")
    loads = np.cumsum(rates)
    return np.array(
        [_of_type(load - rate, load, mu, t) for rate, load in zip(rates, loads, strict=True)]
    )


def _of_type(above_per_s: float, load_per_s: float, mu: FloatArray, t: FloatArray) -> FloatArray:
    """Λ_{n-1} and Λ_n; the least of both families of bounds."""
    if load_per_s >= mu.min():
        return np.ones_like(t)
    rate, share = load_per_s - above_per_s, (load_per_s - above_per_s) / load_per_s
    limit = [_largest(above_per_s, load_per_s, float(each)) for each in mu]
    part = np.arange(*ETA_STEPS)
    terms = []
    # left behind: T_1 by what it leaves, T_2 by its own law
    eta = part * min(share * (mu[0] - load_per_s), limit[1])
    rho = load_per_s / mu[0]
    first = (1 - rho) / (1 - rho * (1 + eta / rate)) / share
    terms.append(
        (eta, np.log(first * single_server_transform(above_per_s, load_per_s, mu[1], eta)))
    )
    for p in HOLDER:
        q = p / (p - 1)
        eta = part * min(limit[0] / p, limit[1] / q)
        logs = [
            np.log(single_server_transform(above_per_s, load_per_s, each, power * eta)) / power
            for each, power in zip(mu, (p, q), strict=True)
        ]
        terms.append((eta, sum(logs) - np.log(share) / q))
    exponents = np.concatenate([gain[:, np.newaxis] - np.outer(eta, t) for eta, gain in terms])
    return np.exp(np.minimum(0.0, exponents.min(axis=0)))


def single_server_transform(
    above_per_s: float, load_per_s: float, service_per_s: float, eta_per_s: npt.ArrayLike
) -> FloatArray:
    r"""E exp(ηT) of type n at one server, (1 - ρ) φ / (1 - ρ φ), φ(η) of a busy period of others.

    Parameters
    ----------
    above_per_s, load_per_s, service_per_s : float
        Λ_{n-1}, Λ_n and μ, 1/s.
    eta_per_s : array_like
        η, 1/s; infinite where the expectation is.

    References
    ----------
    φ is the root of λ φ² - (μ + λ - η) φ + μ = 0 at most sqrt(μ/λ), λ = Λ_{n-1} (Takács 1962).

    Examples
    --------
    >>> single_server_transform(0.0, 3.0, 7.0, [0.0, 2.0, 4.0])  # 4 / (4 - η)
    array([ 1.,  2., inf])
    """
    eta, rho = np.asarray(eta_per_s, dtype=float), load_per_s / service_per_s
    middle = service_per_s + above_per_s - eta
    square = middle**2 - 4 * above_per_s * service_per_s
    with np.errstate(invalid="ignore", divide="ignore"):
        busy = 2 * service_per_s / (middle + np.sqrt(square))
        found = (1 - rho) * busy / (1 - rho * busy)
    finite_ = (square >= 0) & (middle > 0) & (rho * busy < 1)
    return np.where(finite_, found, np.inf)


def _largest(above: float, load: float, mu: float) -> float:
    """Least η at which the transform is infinite: the end of the root, or the pole ρ φ = 1."""
    branch = (np.sqrt(mu) - np.sqrt(above)) ** 2
    pole = (mu - load) * (1 - above / load)
    return pole if above <= load * load / mu else branch
