r"""Erlang's loss and delay formulas, in closed form, for one server or ten thousand.

With X a Poisson variable of mean a, the loss probability is a ratio of a point probability and a
distribution function, the latter a regularised incomplete gamma function:

.. math:: B(c, a) = \frac{a^c / c!}{\sum_{k=0}^{c} a^k / k!}
                  = \frac{\Pr(X = c)}{\Pr(X \le c)} = \frac{e^{-a} a^c / c!}{Q(c + 1, a)}

No loop over servers and no factorial. Against 60-digit arithmetic the relative error stays below
1e-12 for c up to 10,000, down to probabilities of 1e-300. The recursion over servers that is the
usual way, B(k) = a B(k-1) / (k + a B(k-1)), is the second derivation in the tests.
"""

import numpy as np
import numpy.typing as npt
from scipy.special import gammaincc, gammaln

from airan_market.sim.arrays import FloatArray
from airan_market.sim.theory.domain import (
    GREATEST_RATE_PER_S,
    LEAST_RATE_PER_S,
    non_negative,
    server_counts,
)

GREATEST_LOAD = GREATEST_RATE_PER_S / LEAST_RATE_PER_S

# A load of c + 5 sqrt(c) or more is overload: there Q(c + 1, a) heads for underflow, and the
# continued fraction below converges to a few units of rounding within FRACTION_DEPTH levels.
OVERLOAD_DEVIATIONS = 5.0
FRACTION_DEPTH = 40


def erlang_b(servers: npt.ArrayLike, offered_load: npt.ArrayLike) -> FloatArray:
    r"""Probability that a task finds all servers busy and is lost (Erlang B, M/M/c/c).

    .. math:: B(c, a) = \frac{a^c / c!}{\sum_{k=0}^{c} a^k / k!}

    Parameters
    ----------
    servers : array_like
        c, whole numbers, at least 1.
    offered_load : array_like
        a = λ/μ, erlangs, at least 0. Broadcast against ``servers``.

    Returns
    -------
    numpy.ndarray or NumPy scalar
        B, a probability, in the shape to which the arguments broadcast.

    Raises
    ------
    ValueError
        Naming the argument and the value that is outside its domain.

    References
    ----------
    A. K. Erlang (1917). D. L. Jagerman, "Some properties of the Erlang loss function", Bell System
    Technical Journal 53 (1974) 525-551.

    Examples
    --------
    >>> round(float(erlang_b(2, 1.0)), 12)  # (1/2) / (1 + 1 + 1/2)
    0.2
    """
    c = server_counts(servers)
    a = non_negative(offered_load, "offered_load", GREATEST_LOAD)
    c, a = np.broadcast_arrays(c, a)
    return _loss_probability(c, a)[()]


def erlang_c(servers: npt.ArrayLike, offered_load: npt.ArrayLike) -> FloatArray:
    r"""Probability that a task has to wait (Erlang C, M/M/c).

    .. math:: C(c, a) = \frac{c B(c, a)}{c - a (1 - B(c, a))}, \qquad a < c

    At a ≥ c the station is *saturated*: the queue has no stationary law and every task waits, so
    the result is 1, which is also the limit from below.

    Parameters
    ----------
    servers : array_like
        c, whole numbers, at least 1.
    offered_load : array_like
        a = λ/μ, erlangs, at least 0. Broadcast against ``servers``.

    Returns
    -------
    numpy.ndarray or NumPy scalar
        C, a probability, in the shape to which the arguments broadcast.

    Raises
    ------
    ValueError
        Naming the argument and the value that is outside its domain.

    References
    ----------
    A. K. Erlang (1917); the delay probability of eq. (4) of the paper.

    Examples
    --------
    >>> round(float(erlang_c(1, 0.7)), 12)  # one server: the probability that it is busy
    0.7
    >>> erlang_c([2, 2], [1.0, 2.0]).round(12)  # the second station is saturated
    array([0.33333333, 1.        ])
    """
    c = server_counts(servers)
    a = non_negative(offered_load, "offered_load", GREATEST_LOAD)
    c, a = np.broadcast_arrays(c, a)
    saturated = a >= c
    a = np.where(saturated, 0.0, a)  # a placeholder, overwritten below
    loss = _loss_probability(c, a)
    return np.where(saturated, 1.0, c * loss / ((c - a) + a * loss))[()]


def _loss_probability(c: FloatArray, a: FloatArray) -> FloatArray:
    overload = a > c + OVERLOAD_DEVIATIONS * np.sqrt(c)
    ordinary_load = np.where(overload, c, a)
    loss = np.asarray(_poisson_point(c, ordinary_load) / gammaincc(c + 1, ordinary_load))
    if overload.any():
        loss[overload] = _overloaded(c[overload], a[overload])
    return loss


def _poisson_point(c: FloatArray, a: FloatArray) -> FloatArray:
    """Pr(X = c) = exp(-c d(a/c) - s(c)) / sqrt(2 π c), d(x) = x - 1 - ln x (C. Loader 2000).

    The exponent is written around its saddle point, because c ln a - a - ln c! loses the digits
    of c ln c.
    """
    excess = a - c
    with np.errstate(divide="ignore"):  # a = 0: ln 0 = -inf, hence probability 0, which is exact
        log_ratio = np.where(a < c / 2, np.log(a / c), np.log1p(np.maximum(excess / c, -0.5)))
    return np.exp(c * log_ratio - excess - _stirling_error(c)) / np.sqrt(2 * np.pi * c)


def _stirling_error(c: FloatArray) -> FloatArray:
    """s(c) = ln c! - [(c + 1/2) ln c - c + ln(2 π)/2], to an absolute error below 1e-14."""
    small = c < 16
    n = np.where(small, c, 1.0)
    direct = gammaln(n + 1) - (n + 0.5) * np.log(n) + n - 0.5 * np.log(2 * np.pi)
    q = 1 / np.where(small, 16.0, c) ** 2
    series = (1 / 12 - q * (1 / 360 - q * (1 / 1260 - q * (1 / 1680 - q / 1188)))) * np.sqrt(q)
    return np.where(small, direct, series)


def _overloaded(c: FloatArray, a: FloatArray) -> FloatArray:
    """B by Legendre's continued fraction of Q(c + 1, a), every term of it positive for a > c.

    B = (b_0 + c/(b_1 + 2(c-1)/(b_2 + 3(c-2)/(b_3 + ...)))) / a with b_k = a - c + 2k; at k = c it
    ends. Neighbouring convergents lie on either side of the limit.
    """
    base = a - c
    tail = base + 2 * FRACTION_DEPTH
    for k in range(FRACTION_DEPTH, 0, -1):
        tail = base + 2 * (k - 1) + k * np.maximum(c + 1 - k, 0) / tail
    return tail / a
