r"""Mean sojourn of each type under preemptive-resume priority, exact, in a station and a tandem.

Type 1 has the highest priority. All types share one service rate, so types 1 to n together are an
M/M/c queue of rate Λ_n = λ_1 + ... + λ_n, whatever lies below them; a type's mean is what it adds.
"""

import numpy as np
import numpy.typing as npt

from airan_market.sim.arrays import FloatArray
from airan_market.sim.theory.domain import (
    arrival_rates,
    server_counts,
    service_rates,
    stages,
    with_last_axis,
)
from airan_market.sim.theory.erlang import erlang_b, erlang_c

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(8)
GAUSS_NODES, GAUSS_WEIGHTS = (_NODES + 1) / 2, _WEIGHTS / 2  # on (0, 1)


def class_sojourn_mean(
    servers: npt.ArrayLike,
    service_rate_per_s: npt.ArrayLike,
    arrival_rates_per_s: npt.ArrayLike,
) -> FloatArray:
    r"""Mean time in one station of a task of each type, M/M/c under preemptive-resume priority.

    .. math:: E[T_n] = \frac{Λ_n E[T(Λ_n)] - Λ_{n-1} E[T(Λ_{n-1})]}{λ_n}, \qquad
              E[T(Λ)] = \frac{1}{μ} + \frac{C(c, Λ/μ)}{cμ - Λ}

    A type with rate zero gets the limit λ_n → 0, d(Λ E[T(Λ)])/dΛ at Λ_{n-1}: the mean that the
    first such task would have.

    Parameters
    ----------
    servers : array_like, shape (...)
        c, whole numbers, at least 1.
    service_rate_per_s : array_like, shape (...)
        μ, rate of one server, 1/s, positive, the same for every type.
    arrival_rates_per_s : array_like, shape (..., N)
        λ_1, ..., λ_N, 1/s, at least 0, highest priority first. The leading axes broadcast.

    Returns
    -------
    numpy.ndarray, shape (..., N)
        Seconds. Infinity for each type n with Λ_n ≥ cμ, which is saturated; the types above it
        keep their finite means.

    Raises
    ------
    ValueError
        Naming the argument and the value that is outside its domain.

    References
    ----------
    J. P. Buzen, A. B. Bondi, "The response times of priority classes under preemptive resume in
    M/M/m queues", Operations Research 31 (1983) 456-465.

    Examples
    --------
    One server, μ = 5, loads 0.4, 0.4 and none: 0.2/0.6, 0.2/(0.6 · 0.2) and 0.2/(0.2 · 0.2):

    >>> class_sojourn_mean(1, 5.0, [2.0, 2.0, 0.0]).round(6)
    array([0.333333, 1.666667, 5.      ])
    """
    rates = arrival_rates(arrival_rates_per_s, "arrival_rates_per_s")
    c, mu, rates = np.broadcast_arrays(
        server_counts(servers)[..., np.newaxis],
        service_rates(service_rate_per_s)[..., np.newaxis],
        with_last_axis(rates, "arrival_rates_per_s", "one entry a type"),
    )
    above = np.concatenate([0 * rates[..., :1], np.cumsum(rates, axis=-1)], axis=-1)
    below, load = above[..., :-1] / mu, rates / mu
    # the second condition because division may round to saturation what the rates are short of
    stable = (above[..., 1:] < c * mu) & (below + load < c)
    # a saturated type is computed as if there were no load at all, then overwritten
    waits = _added_waiting(c, np.where(stable, below, 0.0), np.where(stable, load, 0.0))
    return np.where(stable, (1 + waits) / mu, np.inf)


def tandem_class_sojourn_mean(
    servers: npt.ArrayLike,
    service_rate_per_s: npt.ArrayLike,
    arrival_rates_per_s: npt.ArrayLike,
) -> FloatArray:
    r"""Mean time of a task of each type from the first stage to the last: E[T_n] = Σ_s E[T_n^s].

    Exact, not an approximation: departures of types 1 to n from a stage are Poisson (Burke), so
    each stage has the means of :func:`class_sojourn_mean`, and means add whether or not the
    stages are independent.

    Parameters
    ----------
    servers : array_like, shape (..., S)
        c of each stage, whole numbers, at least 1.
    service_rate_per_s : array_like, shape (..., S)
        μ of each stage, 1/s, positive.
    arrival_rates_per_s : array_like, shape (..., N)
        λ_1, ..., λ_N, 1/s, at least 0, highest priority first. The leading axes broadcast.

    Returns
    -------
    numpy.ndarray, shape (..., N)
        Seconds; infinity for a type that is saturated in some stage.

    Raises
    ------
    ValueError
        Naming the argument and the value that is outside its domain.

    References
    ----------
    Buzen and Bondi (1983); P. J. Burke, "The output of a queuing system", Operations Research 4
    (1956) 699-704.

    Examples
    --------
    >>> tandem_class_sojourn_mean([1, 1], [5.0, 4.0], [2.0]).round(6)  # 1/(5 - 2) + 1/(4 - 2)
    array([0.833333])
    """
    c, mu = stages(servers, service_rate_per_s)
    rates = arrival_rates(arrival_rates_per_s, "arrival_rates_per_s")
    rates = with_last_axis(rates, "arrival_rates_per_s", "one entry a type")
    return class_sojourn_mean(c, mu, rates[..., np.newaxis, :]).sum(axis=-2)


def _added_waiting(c: FloatArray, below: FloatArray, load: FloatArray) -> FloatArray:
    """Mean wait of a type in units of 1/μ: the number waiting that it adds, by its load."""
    thin = _is_thin(c, below, load)
    added = _waiting_number(c, below + load) - _waiting_number(c, below)
    return np.where(
        thin,
        _mean_slope(c, below, np.where(thin, load, 0.0)),
        added / np.where(thin, 1.0, load),
    )


def _is_thin(c: FloatArray, below: FloatArray, load: FloatArray) -> npt.NDArray[np.bool_]:
    """Where a type adds so little that the difference quotient would cancel, or is 0/0.

    The number waiting changes by a factor of e over a width of a/c or c - a in the load, or more.
    Types narrower than a quarter of that take the mean of the slope, for which eight nodes are
    exact to rounding; for wider ones the terms of the quotient differ by enough not to cancel.
    """
    free = c - below - load
    return 4 * load * (c * free + below) <= below * free


def _waiting_number(c: FloatArray, a: FloatArray) -> FloatArray:
    """Mean number waiting, a C / (c - a), which is Λ times the mean wait (Little)."""
    return a * erlang_c(c, a) / (c - a)


def _mean_slope(c: FloatArray, below: FloatArray, load: FloatArray) -> FloatArray:
    """Mean over [below, below + load] of the slope of the number waiting, by Gauss and Legendre."""
    points = below + np.multiply.outer(GAUSS_NODES, load)
    return np.tensordot(GAUSS_WEIGHTS, _waiting_slope(c, points), axes=1)


def _waiting_slope(c: FloatArray, a: FloatArray) -> FloatArray:
    """Derivative of the mean number waiting by the load, a sum of positive terms."""
    loss = erlang_b(c, a)
    free = c - a
    return erlang_c(c, a) * (1 + c / free**2 + a * (1 - loss) / (free * (free + a * loss)))
