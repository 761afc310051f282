r"""The operator's belief: a Chernoff bound on the end-to-end latency, eqs. (10)-(12).

.. math:: \tilde p(t) = e^{-ηt} \prod_s G^s(η), \qquad η = ζ \min_s (μ^s - λ/c^s), \quad 0 < ζ < 1

Stages are taken as independent, first come first served M/M/c stations. The bound is handled by its
two coefficients, ln Π G and η: ln p̃ is a straight line in t.

With the best η at each latency instead of a share ζ of the safe one, ln p̃ is the lower envelope of
such lines (:func:`optimised_tail`).
"""

import numpy as np
import numpy.typing as npt

from airan_market.sim.arrays import FloatArray
from airan_market.sim.theory.domain import finite, latencies, non_negative, open_unit
from airan_market.sim.theory.sojourn import log_mgf, stage_laws


def chernoff_coefficients(
    servers: npt.ArrayLike,
    service_rate_per_s: npt.ArrayLike,
    arrival_rate_per_s: npt.ArrayLike,
    zeta: npt.ArrayLike,
) -> tuple[FloatArray, FloatArray]:
    r"""Coefficients of the Chernoff bound: ln p̃(t) = log_gain - exponent t.

    Equation: AI-RAN (10)-(12)

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
    c, mu, probability, r = stage_laws(servers, service_rate_per_s, arrival_rate_per_s)
    share = open_unit(zeta, "zeta")
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
) -> FloatArray:
    r"""Evaluate the Chernoff expression p̃(t) = exp(log_gain - η t), which exceeds 1 at small t.

    Equation: AI-RAN (10)

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


# A best η closer than this to the end of its domain, relatively, is not sought: there the bound is
# far below the smallest double.
NEAREST_END = 1e-12
GREATEST_STEPS = 200  # of a safeguarded Newton iteration that needs about ten
STEP_TOLERANCE = 1e-8


def optimised_tail(
    latency_s: npt.ArrayLike,
    servers: npt.ArrayLike,
    service_rate_per_s: npt.ArrayLike,
    arrival_rate_per_s: npt.ArrayLike,
) -> tuple[FloatArray, FloatArray]:
    r"""Chernoff bound with the best exponent at each latency, and that exponent.

    .. math:: p(t) = \min_{0 ≤ η < \min_s(μ^s, r^s)} e^{-ηt} \prod_s G^s(η)

    ln Π G is convex and its slope at 0 is the mean latency: up to the mean the best exponent is 0
    and the bound 1; beyond, the exponent grows with t. Hence ln p is concave in t and p' = -η p. p
    itself is concave where η² (ln Π G)'' < 1 and convex beyond: it bends once, because the left
    side grows with η for every stage.

    Parameters
    ----------
    latency_s : array_like, shape (...)
        t, s, at least 0.
    servers : array_like, shape (..., S)
        c of each stage, whole numbers, at least 1.
    service_rate_per_s : array_like, shape (..., S)
        μ of each stage, 1/s, positive.
    arrival_rate_per_s : array_like, shape (...)
        λ, the same at every stage, 1/s, at least 0. The leading axes broadcast.

    Returns
    -------
    raw : numpy.ndarray or NumPy scalar, shape (...)
        p, never above 1. 1 where some stage is saturated.
    exponent_per_s : numpy.ndarray or NumPy scalar, shape (...)
        The best η, 1/s. 0 where p = 1.

    Raises
    ------
    ValueError
        Naming the argument and the value that is outside its domain.

    References
    ----------
    Eqs. (10) and (11) of the paper with η free; H. Chernoff (1952).

    Examples
    --------
    One server, an exponential sojourn of rate 4 and mean 1/4: η = 4 - 1/t, p = 4t exp(1 - 4t).

    >>> raw, exponent_per_s = optimised_tail([0.2, 0.5], [1], [7.0], 3.0)
    >>> raw.round(12), exponent_per_s.round(12)
    (array([1.        , 0.73575888]), array([0., 2.]))
    """
    t = latencies(latency_s)
    _, *laws = stage_laws(servers, service_rate_per_s, arrival_rate_per_s)
    mu, probability, r, t = np.broadcast_arrays(*laws, t[..., np.newaxis])
    t = t[..., 0]
    mean = (1 / mu + probability / np.where(r > 0, r, 1.0)).sum(axis=-1)
    beyond = (r > 0).all(axis=-1) & (t > mean)
    eta, raw = np.zeros(t.shape), np.ones(t.shape)
    stages = mu[beyond], probability[beyond], r[beyond]
    eta[beyond] = _best_exponent(t[beyond], mean[beyond], *stages)
    logs = log_mgf(eta[beyond][:, np.newaxis], stages[1], stages[2], stages[0]).sum(axis=-1)
    # next to the mean η is so small that rounding may leave the logarithm a little above 0
    raw[beyond] = np.exp(np.minimum(logs - eta[beyond] * t[beyond], 0.0))
    return raw[()], eta[()]


def _best_exponent(
    t: FloatArray, mean: FloatArray, mu: FloatArray, probability: FloatArray, r: FloatArray
) -> FloatArray:
    """Root of (ln Π G)'(η) = t > mean, (n,): Newton on the reciprocals, inside a bracket.

    The reciprocal of the slope falls from 1/mean to 0 at the end of the domain, on a straight line
    if there is one stage with one server.
    """
    end = np.minimum(mu, r).min(axis=-1) * (1 - NEAREST_END)
    low, high = np.zeros_like(t), end.copy()
    eta = end * (1 - mean / t)
    todo = np.arange(t.size)
    for _ in range(GREATEST_STEPS):
        slope, curvature = log_mgf_slopes(eta[todo], mu[todo], probability[todo], r[todo])
        short = slope < t[todo]
        low[todo] = np.where(short, eta[todo], low[todo])
        high[todo] = np.where(short, high[todo], eta[todo])
        step = (t[todo] - slope) * slope / t[todo] / curvature
        new = eta[todo] + step
        inside = (new > low[todo]) & (new < high[todo])
        # the error is squared by a step: after one as short as this, only rounding is left of it
        last = np.abs(step) <= STEP_TOLERANCE * np.minimum(eta[todo], end[todo] - eta[todo])
        middle = np.where(last, eta[todo], (low[todo] + high[todo]) / 2)
        new = np.where(inside, new, middle)
        done = last | (high[todo] - low[todo] <= 1e-15 * end[todo])
        eta[todo] = new
        todo = todo[~done]
        if not todo.size:
            return eta
    raise ArithmeticError(f"optimised_tail: no best exponent after {GREATEST_STEPS} steps")


def log_mgf_slopes(
    eta: FloatArray, mu: FloatArray, probability: FloatArray, r: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """First and second derivative of ln Π_s G^s at η (...), s and s²; sums of positive terms.

    μ, P and r are (..., S), of stages that are not saturated; unchecked.

    Examples
    --------
    An exponential of rate 4, as a stage that hardly ever has to wait: 1/(4 - η) and its square.

    >>> log_mgf_slopes(np.array([2.0]), np.array([4.0]), np.array([0.0]), np.array([9.0]))
    (array([0.5]), array([0.25]))
    """
    eta = eta[..., np.newaxis]
    service, waiting = 1 / (mu - eta), 1 / (r - eta)
    kept = 1 - probability
    passed = 1 / (r - kept * eta)
    share = probability * r * waiting * passed
    slope = (service + share).sum(axis=-1)
    return slope, (service**2 + share * (waiting + kept * passed)).sum(axis=-1)


def violation_probability(raw: npt.ArrayLike) -> FloatArray:
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
