r"""Time spent in one M/M/c station, first come first served: tail, mean, generating function.

With c servers of rate μ and Poisson arrivals of rate λ, let r = cμ - λ. A task waits with
probability P (Erlang C), then for an exponential time of rate r, and is then served for an
exponential time of rate μ. The station is *saturated* when r ≤ 0: the queue has no stationary law,
the sojourn counts as infinite, and each function says what that gives.
"""

import numpy as np
import numpy.typing as npt
from scipy.special import exprel

from airan_market.sim.arrays import FloatArray
from airan_market.sim.theory.domain import (
    arrival_rates,
    finite,
    latencies,
    server_counts,
    service_rates,
    stages,
)
from airan_market.sim.theory.erlang import erlang_c


def waiting_law(
    servers: npt.ArrayLike,
    service_rate_per_s: npt.ArrayLike,
    arrival_rate_per_s: npt.ArrayLike,
) -> tuple[FloatArray, FloatArray]:
    r"""Law of the wait in an M/M/c queue: P(W > t) = P exp(-r t).

    Parameters
    ----------
    servers : array_like
        c, whole numbers, at least 1.
    service_rate_per_s : array_like
        μ, rate of one server, 1/s, positive.
    arrival_rate_per_s : array_like
        λ, 1/s, at least 0. The arguments broadcast.

    Returns
    -------
    delay_probability : numpy.ndarray or NumPy scalar
        P = C(c, λ/μ), the probability of having to wait. 1 when saturated.
    waiting_rate_per_s : numpy.ndarray or NumPy scalar
        r = cμ - λ, rate of the wait of a task that has to wait, 1/s. 0 when saturated: the wait
        never ends.

    Raises
    ------
    ValueError
        Naming the argument and the value that is outside its domain.

    References
    ----------
    The terms of eq. (4) of the paper.

    Examples
    --------
    >>> probability, rate_per_s = waiting_law([2, 2], 3.0, [3.0, 6.0])
    >>> probability.round(12), rate_per_s
    (array([0.33333333, 1.        ]), array([3., 0.]))
    """
    c, mu, lam = np.broadcast_arrays(
        server_counts(servers),
        service_rates(service_rate_per_s),
        arrival_rates(arrival_rate_per_s),
    )
    r = np.maximum(c * mu - lam, 0.0)  # all that is over capacity is one state: saturated
    probability = np.where(r > 0, erlang_c(c, lam / mu), 1.0)
    return probability[()], r[()]


def stage_laws(
    servers: npt.ArrayLike, service_rate_per_s: npt.ArrayLike, arrival_rate_per_s: npt.ArrayLike
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Return c, μ, P and r of stages in a row, (..., S) each, all of them offered λ (...).

    Examples
    --------
    >>> [law.round(12).tolist() for law in stage_laws([1, 2], [7.0, 2.0], 3.0)[2:]]
    [[0.428571428571, 0.642857142857], [4.0, 1.0]]
    """
    c, mu = stages(servers, service_rate_per_s)
    lam = arrival_rates(arrival_rate_per_s)[..., np.newaxis]
    c, mu, probability, r = np.broadcast_arrays(c, mu, *waiting_law(c, mu, lam))
    return c, mu, probability, r


def sojourn_tail(
    latency_s: npt.ArrayLike,
    servers: npt.ArrayLike,
    service_rate_per_s: npt.ArrayLike,
    arrival_rate_per_s: npt.ArrayLike,
) -> FloatArray:
    r"""Probability that a task spends more than ``latency_s`` in one station.

    Equation: AI-RAN (4), (7), (8)

    .. math:: P(T > t) = \Bigl(1 + \frac{P μ}{r - μ}\Bigr) e^{-μt} - \frac{P μ}{r - μ} e^{-rt}
                       = e^{-μt} + P μ t\, e^{-\min(μ, r) t}\, \frac{1 - e^{-x}}{x},
                         \qquad x = |r - μ| t

    The second form is the one evaluated: a sum of positive terms, so it keeps its digits at and
    near r = μ and far out in the tail.

    Parameters
    ----------
    latency_s : array_like
        t, s, at least 0.
    servers : array_like
        c, whole numbers, at least 1.
    service_rate_per_s : array_like
        μ, rate of one server, 1/s, positive.
    arrival_rate_per_s : array_like
        λ, 1/s, at least 0. The arguments broadcast.

    Returns
    -------
    numpy.ndarray or NumPy scalar
        A probability, in the shape to which the arguments broadcast. Saturated: 1.

    Raises
    ------
    ValueError
        Naming the argument and the value that is outside its domain.

    References
    ----------
    Eq. (4) of the paper.

    Examples
    --------
    >>> round(float(sojourn_tail(0.5, 1, 7.0, 3.0)), 12)  # one server: exp(-(μ - λ) t)
    0.135335283237
    """
    t = latencies(latency_s)
    probability, r = waiting_law(servers, service_rate_per_s, arrival_rate_per_s)
    mu = service_rates(service_rate_per_s)
    served = np.exp(-mu * t)
    waited = probability * mu * t * np.exp(-np.minimum(mu, r) * t) * exprel(-np.abs(r - mu) * t)
    # rounding alone can lift the sum of the two over one, by a few units in the last place
    return np.where(r > 0, np.minimum(served + waited, 1.0), 1.0)[()]


def sojourn_mean(
    servers: npt.ArrayLike,
    service_rate_per_s: npt.ArrayLike,
    arrival_rate_per_s: npt.ArrayLike,
) -> FloatArray:
    r"""Mean time that a task spends in one station, E[T] = 1/μ + P/r.

    Parameters
    ----------
    servers : array_like
        c, whole numbers, at least 1.
    service_rate_per_s : array_like
        μ, rate of one server, 1/s, positive.
    arrival_rate_per_s : array_like
        λ, 1/s, at least 0. The arguments broadcast.

    Returns
    -------
    numpy.ndarray or NumPy scalar
        Seconds, in the shape to which the arguments broadcast. Saturated: infinity.

    Raises
    ------
    ValueError
        Naming the argument and the value that is outside its domain.

    References
    ----------
    A. K. Erlang (1917); the integral of eq. (4) of the paper.

    Examples
    --------
    >>> sojourn_mean(1, 7.0, [3.0, 7.0])  # one server: 1 / (μ - λ)
    array([0.25,  inf])
    """
    probability, r = waiting_law(servers, service_rate_per_s, arrival_rate_per_s)
    mu = service_rates(service_rate_per_s)
    with np.errstate(divide="ignore"):  # r = 0, saturated: 1/0 = infinity is the answer
        return (1 / mu + probability / r)[()]


def sojourn_mgf(
    eta_per_s: npt.ArrayLike,
    servers: npt.ArrayLike,
    service_rate_per_s: npt.ArrayLike,
    arrival_rate_per_s: npt.ArrayLike,
) -> FloatArray:
    r"""Moment generating function G(η) = E[exp(η T)] of the time spent in one station.

    Equation: AI-RAN (11)

    .. math:: G(η) = \Bigl((1 - P) + \frac{P r}{r - η}\Bigr) \frac{μ}{μ - η}, \qquad η < \min(μ, r)

    Parameters
    ----------
    eta_per_s : array_like
        η, 1/s, of either sign, below min(μ, r) wherever the station is stable.
    servers : array_like
        c, whole numbers, at least 1.
    service_rate_per_s : array_like
        μ, rate of one server, 1/s, positive.
    arrival_rate_per_s : array_like
        λ, 1/s, at least 0. The arguments broadcast.

    Returns
    -------
    numpy.ndarray or NumPy scalar
        G, in the shape to which the arguments broadcast. Saturated, T being infinite: infinity for
        η > 0, 1 for η = 0, 0 for η < 0.

    Raises
    ------
    ValueError
        Naming the argument and the value that is outside its domain. An η at or beyond min(μ, r)
        of a stable station is one: there the expectation is infinite and the formula is a finite
        number that means nothing.

    References
    ----------
    Eq. (11) of the paper.

    Examples
    --------
    >>> round(float(sojourn_mgf(1.0, 1, 7.0, 3.0)), 12)  # one server: (μ - λ) / (μ - λ - η)
    1.333333333333
    >>> sojourn_mgf(4.0, 1, 7.0, 3.0)
    Traceback (most recent call last):
    ...
    ValueError: eta_per_s = 4.0: must be below min(μ, cμ - λ) = 4.0
    """
    eta = finite(eta_per_s, "eta_per_s")
    probability, r = waiting_law(servers, service_rate_per_s, arrival_rate_per_s)
    mu = service_rates(service_rate_per_s)
    eta, probability, r, mu = np.broadcast_arrays(eta, probability, r, mu)
    saturated = r <= 0
    limit = np.where(saturated, np.inf, np.minimum(mu, r))
    if (eta >= limit).any():
        at = np.unravel_index(np.argmax(eta >= limit), eta.shape)
        raise ValueError(
            f"eta_per_s = {float(eta[at])!r}: must be below min(μ, cμ - λ) = {float(limit[at])!r}"
        )
    inside = np.where(saturated, 0.0, eta)
    stable = np.exp(log_mgf(inside, probability, np.where(saturated, 1.0, r), mu))
    beyond = np.where(eta > 0, np.inf, np.where(eta < 0, 0.0, 1.0))
    return np.where(saturated, beyond, stable)[()]


def log_mgf(
    eta: FloatArray, delay_probability: FloatArray, waiting_rate: FloatArray, mu: FloatArray
) -> FloatArray:
    """Logarithm of eq. (11), G = (1 + P η/(r - η)) / (1 - η/μ), inside its domain; unchecked.

    Examples
    --------
    >>> float(log_mgf(np.array(0.0), np.array(0.3), np.array(4.0), np.array(7.0)))
    0.0
    """
    return np.log1p(delay_probability * eta / (waiting_rate - eta)) - np.log1p(-eta / mu)
