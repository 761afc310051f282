r"""The operator's belief: a Chernoff bound on the end-to-end latency, eqs. (10)-(12).

.. math:: \tilde p(t) = e^{-ηt} \prod_s G^s(η), \qquad η = ζ \min_s (μ^s - λ/c^s), \quad 0 < ζ < 1

Stages are taken as independent, first come first served M/M/c stations. The bound is handled by its
two coefficients, ln Π G and η: ln p̃ is a straight line in t.
"""

import numpy as np
import numpy.typing as npt

from sim.domain import (
    Floats,
    arrival_rates,
    finite,
    non_negative,
    open_unit,
    server_counts,
    service_rates,
    with_last_axis,
)
from sim.sojourn import log_mgf, waiting_law


def chernoff_coefficients(
    servers: npt.ArrayLike,
    service_rate_per_s: npt.ArrayLike,
    arrival_rate_per_s: npt.ArrayLike,
    zeta: npt.ArrayLike,
) -> tuple[Floats, Floats]:
    r"""Coefficients of the Chernoff bound: ln p̃(t) = log_gain - exponent t.

    The exponent is inside the domain of every stage's generating function, whatever ζ in (0, 1):
    (μ - λ/c) is r/c, which is below both r and μ.

    Parameters
    ----------
    servers : array_like, shape (..., S)
        c of each stage, whole numbers, at least 1.
    service_rate_per_s : array_like, shape (..., S)
        μ of each stage, 1/s, positive.
    arrival_rate_per_s : array_like, shape (...)
        λ, the same at every stage, 1/s, at least 0.
    zeta : array_like, shape (...)
        ζ, share of the largest safe exponent, strictly between 0 and 1.

    Returns
    -------
    log_gain : numpy.ndarray or NumPy scalar, shape (...)
        Σ_s ln G^s(η).
    exponent_per_s : numpy.ndarray or NumPy scalar, shape (...)
        η, 1/s. Where some stage is saturated both are 0, so that p̃ = 1 at every t.

    Raises
    ------
    ValueError
        Naming the argument and the value that is outside its domain.

    References
    ----------
    Eqs. (10)-(12) of the paper; c_m^s for the printed c_{m,n}^s in (12).

    Examples
    --------
    >>> log_gain, exponent_per_s = chernoff_coefficients([1, 1], [5.0, 7.0], 3.0, 0.5)
    >>> float(exponent_per_s)  # half of min(5 - 3, 7 - 3)
    1.0
    >>> round(float(np.exp(log_gain)), 12)  # 2/(2 - 1) * 4/(4 - 1)
    2.666666666667
    """
    c = with_last_axis(server_counts(servers), "servers", "one entry a stage")
    mu = service_rates(service_rate_per_s)
    mu = with_last_axis(mu, "service_rate_per_s", "one entry a stage")
    lam = arrival_rates(arrival_rate_per_s)[..., np.newaxis]
    share = open_unit(zeta, "zeta")
    probability, r = waiting_law(c, mu, lam)
    c, mu, probability, r = np.broadcast_arrays(c, mu, probability, r)
    # min(r/c, μ): exactly, r/c is the smaller; in rounded arithmetic it can pass μ. Where a stage
    # is saturated its r is 0, and so is η.
    eta = share * np.minimum(r / c, mu).min(axis=-1)
    # for a saturated stage any positive r gives the wanted ln G(0) = 0
    logs = log_mgf(eta[..., np.newaxis], probability, np.where(r > 0, r, 1.0), mu)
    return logs.sum(axis=-1)[()], eta[()]


def chernoff_tail(
    latency_s: npt.ArrayLike,
    log_gain: npt.ArrayLike,
    exponent_per_s: npt.ArrayLike,
) -> Floats:
    r"""Evaluate the Chernoff expression p̃(t) = exp(log_gain - η t), which exceeds 1 at small t.

    This is what is differentiated when a menu is designed; what is charged and reported is
    :func:`violation_probability` of it.

    Parameters
    ----------
    latency_s : array_like
        t, s, finite.
    log_gain, exponent_per_s : array_like
        From :func:`chernoff_coefficients`; finite. The arguments broadcast.

    Returns
    -------
    numpy.ndarray or NumPy scalar
        p̃(t), positive, not capped at 1.

    Raises
    ------
    ValueError
        Naming the argument and the value that is outside its domain.

    References
    ----------
    Eq. (10) of the paper.

    Examples
    --------
    >>> chernoff_tail([0.0, 2.0], np.log(3.0), 1.5).round(6)
    array([3.      , 0.149361])
    """
    t = finite(latency_s, "latency_s")
    gain = finite(log_gain, "log_gain")
    eta = finite(exponent_per_s, "exponent_per_s")
    return np.exp(gain - eta * t)[()]


def violation_probability(raw: npt.ArrayLike) -> Floats:
    """Violation probability that is charged and reported: min(1, p̃).

    Parameters
    ----------
    raw : array_like
        p̃ from :func:`chernoff_tail`, at least 0; infinity is allowed.

    Returns
    -------
    numpy.ndarray or NumPy scalar
        A probability.

    Raises
    ------
    ValueError
        On a negative number or NaN.

    References
    ----------
    The bound of eq. (10) of the paper, never worse than the trivial bound 1.

    Examples
    --------
    >>> violation_probability([0.25, 3.0])
    array([0.25, 1.  ])
    """
    return np.minimum(non_negative(raw, "raw", np.inf), 1.0)[()]
