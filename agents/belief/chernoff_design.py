"""The Chernoff belief and the design of menus under it, compiled: the hot loop of Algorithm 1.

Pure functions, each the copy of one in NumPy that stays the reference; the tests hold them equal:

- the coefficients of the belief: `sim.theory.chernoff.chernoff_coefficients`;
- the design, from loads and weights to latencies and prices:
  `agents.contract.design.designed_by_terms`.

All is in one file because a cache of compiled code knows of changes in its own file only. What is
cached are plain functions with everything that they call inside them. (Compiled ufuncs of Numba
keep kernel and wrapper as two entries; two processes that compile at the same time can end up with
halves that do not fit, and jump to address 0.)
"""

from __future__ import annotations

from math import exp, inf, isfinite, lgamma, log, log1p, nan, pi, sqrt

import numpy as np
from numba import njit
from numpy.typing import ArrayLike

from airan_market.agents.belief.belief import ChernoffBelief
from airan_market.sim.arrays import FloatArray
from airan_market.sim.theory.domain import arrival_rates

EPSILON = float(np.finfo(float).eps)
PATIENCE = 100  # steps of Newton's method; rates over twenty orders of magnitude need fewer than 40

# Probability of one value at which the sum stops. Those left out add up to at most sqrt(c)/8 times
# as much, so to a unit of rounding with a million servers, the most that a scenario may have.
NEGLIGIBLE = 1e-18


@njit
def stirling_error(c: float) -> float:
    """s(c) = ln c! - [(c + 1/2) ln c - c + ln(2 π)/2], as in `erlang`."""
    if c < 16:
        return lgamma(c + 1) - (c + 0.5) * log(c) + c - 0.5 * log(2 * pi)
    q = 1 / (c * c)
    return (1 / 12 - q * (1 / 360 - q * (1 / 1260 - q * (1 / 1680 - q / 1188)))) / c


@njit
def delay_probability(c: float, a: float) -> float:
    """Erlang C, as in `erlang`."""
    if a == 0:
        return 0.0
    if a >= c:  # saturated, or so close to it that λ/μ was rounded to c
        return 1.0
    excess = a - c
    log_ratio = log(a / c) if a < c / 2 else log1p(excess / c)
    point = exp(c * log_ratio - excess - stirling_error(c)) / sqrt(2 * pi * c)
    value, probability, at_most_c = c, point, 1.0
    while probability > NEGLIGIBLE:
        value += 1
        probability *= a / value
        at_most_c -= probability
    loss = point / at_most_c
    return c * loss / ((c - a) + a * loss)


@njit
def coefficients(
    servers: FloatArray, mu: FloatArray, lam: float, zeta: float
) -> tuple[float, float]:
    """Return (log_gain, η) of one type at one operator, as in `chernoff`."""
    least = inf
    for s in range(servers.size):
        r = max(servers[s] * mu[s] - lam, 0.0)  # 0: saturated, and then so is the exponent
        least = min(least, r / servers[s], mu[s])
    eta = zeta * least
    log_gain = 0.0
    if eta > 0:
        for s in range(servers.size):
            r = servers[s] * mu[s] - lam
            delay = delay_probability(servers[s], lam / mu[s])
            log_gain += log1p(delay * eta / (r - eta)) - log1p(-eta / mu[s])
    return log_gain, eta


@njit(cache=True)
def _coefficient_rows(
    servers: FloatArray, mu: FloatArray, lam: FloatArray, zeta: FloatArray
) -> tuple[FloatArray, FloatArray]:
    log_gain, exponent = np.empty(lam.size), np.empty(lam.size)
    for k in range(lam.size):
        log_gain[k], exponent[k] = coefficients(servers[k], mu[k], lam[k], zeta[k])
    return log_gain, exponent


def chernoff_coefficients(
    servers: FloatArray,
    service_rate_per_s: FloatArray,
    arrival_rate_per_s: FloatArray,
    zeta: FloatArray | float,
) -> tuple[FloatArray, FloatArray]:
    """Coefficients (log_gain, η) of the Chernoff bound, as `sim.theory.chernoff` does.

    Parameters
    ----------
    servers, service_rate_per_s : array, shape (..., S)
        c and μ of each stage.
    arrival_rate_per_s, zeta : array, shape (...)
        λ and ζ. All arguments broadcast. None is checked: they are known to be inside the domain
        of `sim.theory.chernoff.chernoff_coefficients`.

    Returns
    -------
    log_gain, exponent_per_s : array, shape (...)
        Both 0 where some stage is saturated.

    Examples
    --------
    >>> stages = np.array([1.0, 1.0]), np.array([5.0, 7.0])
    >>> log_gain, exponent_per_s = chernoff_coefficients(*stages, np.array([3.0, 6.0]), 0.5)
    >>> exponent_per_s, np.exp(log_gain).round(12)  # 2/(2 - 1) * 4/(4 - 1); saturated
    (array([1., 0.]), array([2.66666667, 1.        ]))
    """
    stages = np.shape(servers)[-1]
    leading = np.broadcast_shapes(
        np.shape(servers)[:-1],
        np.shape(service_rate_per_s)[:-1],
        np.shape(arrival_rate_per_s),
        np.shape(zeta),
    )
    log_gain, exponent_per_s = _coefficient_rows(
        _spread(servers, (*leading, stages)).reshape(-1, stages),
        _spread(service_rate_per_s, (*leading, stages)).reshape(-1, stages),
        _spread(arrival_rate_per_s, leading).ravel(),
        _spread(zeta, leading).ravel(),
    )
    return log_gain.reshape(leading), exponent_per_s.reshape(leading)


def chernoff(
    servers: FloatArray,
    service_rate_per_s: FloatArray,
    load_per_s: FloatArray,
    *,
    zeta: float,
    pilot: object,
) -> ChernoffBelief:
    """The paper's belief, for `believe`."""
    load = arrival_rates(load_per_s, "load_per_s")
    return ChernoffBelief(*chernoff_coefficients(servers, service_rate_per_s, load, zeta))


def _spread(values: ArrayLike, shape: tuple[int, ...]) -> FloatArray:
    """Broadcast to a new, contiguous and writable array: one machine code serves all callers."""
    array = np.empty(shape)
    array[...] = values
    return array


@njit
def decay_root(
    height: FloatArray, rate: FloatArray, first: int, last: int, log_slope: float, log_risky: float
) -> float:
    """`screening.decay_root` of the terms first … last − 1 that have a risk; NaN if not found."""
    x = bound = -inf
    for n in range(first, last):
        x = max(x, (height[n] - log_slope) / rate[n])
        bound = max(bound, (height[n] - log_slope + log_risky) / rate[n])
    if not isfinite(x):  # a root beyond the largest float is ±inf
        return x
    for _ in range(PATIENCE):
        peak = -inf
        for n in range(first, last):
            peak = max(peak, height[n] - log_slope - rate[n] * x)
        total = steepness = size = 0.0
        for n in range(first, last):
            if height[n] != -inf:
                share = exp(height[n] - log_slope - rate[n] * x - peak)
                total += share
                steepness += share * rate[n]
                size += share * (abs(height[n] - log_slope) + rate[n] * abs(x))
        excess = peak + log(total)
        x = min(x + max(0.0, excess * total / steepness), bound)
        if excess <= EPSILON * (1 + size / total):
            return x
    return nan


@njit
def block_argmax(
    slope: FloatArray, height: FloatArray, rate: FloatArray, first: int, last: int
) -> float:
    """`ExponentialPieces.argmax` of the terms first … last − 1; height = b_n + ln η_n."""
    total, risky = 0.0, 0
    for n in range(first, last):
        total += slope[n]
        risky += height[n] != -inf
    if risky == 0:
        return -inf
    if total == 0:
        return inf
    return decay_root(height, rate, first, last, log(total), log(risky))


@njit
def clip(x: float, lower: float, upper: float) -> float:
    """`x` within the bounds; NaN stays NaN."""
    if x < lower:
        return lower
    return upper if x > upper else x


@njit
def pool(
    slope: FloatArray,
    height: FloatArray,
    rate: FloatArray,
    lower: float,
    upper: float,
    solution: FloatArray,
) -> None:
    """Pool adjacent violators of one objective into `solution`.

    A pass merges every run of blocks whose values fall, and solves each merged block once; passes
    go on until all is in order. `screening.pool` merges two blocks at a time, from the left, and
    arrives at the same vector, but solves a block of k terms up to k − 1 times on the way. Passes
    are few, but for a contrived order: a last term that pulls down the rest, one block a pass.
    """
    size = solution.size
    start, value = np.empty(size + 1, np.int64), np.empty(size)
    start[size] = size
    for n in range(size):
        start[n] = n
        value[n] = clip(block_argmax(slope, height, rate, n, n + 1), lower, upper)
    before, blocks = size + 1, size
    while blocks < before:
        before, blocks, first = blocks, 0, 0
        while first < before:
            last = first + 1
            while last < before and value[last] < value[last - 1]:
                last += 1
            best = value[first]
            if last > first + 1:
                best = block_argmax(slope, height, rate, start[first], start[last])
            start[blocks], value[blocks] = start[first], clip(best, lower, upper)
            blocks, first = blocks + 1, last
        start[blocks] = size
    for block in range(blocks):
        solution[start[block] : start[block + 1]] = value[block]


@njit
def _design_row(
    servers: FloatArray,
    mu: FloatArray,
    load: FloatArray,
    weight: FloatArray,
    sensitivity: FloatArray,
    value: float,
    refund: float,
    margin: float,
    zeta: float,
    lower: float,
    upper: float,
    start: FloatArray,
    latency: FloatArray,
    price: FloatArray,
    probability: FloatArray,
) -> None:
    types = load.size
    decay = np.empty(types)
    slope, height = np.empty(types), np.empty(types)
    log_gain, exponent = np.empty(types), np.empty(types)
    after, stable = 0.0, types
    for n in range(types - 1, -1, -1):
        if not (load[n] >= 0 and weight[n] >= 0):
            latency[:] = nan
            return
        log_gain[n], exponent[n] = coefficients(servers, mu, load[n], zeta)
        if exponent[n] == 0:
            stable = n
        slope[n] = sensitivity[n] * weight[n]
        if n + 1 < types:
            slope[n] += (sensitivity[n] - sensitivity[n + 1]) * after
        after += weight[n]
    local = start.size > 0
    if local:  # a saturated type is held like any other
        stable = types
    for n in range(stable):
        risk = margin * weight[n]
        decay[n] = exponent[n] if exponent[n] > 0 else 1.0
        free = risk > 0 and not (local and log_gain[n] >= exponent[n] * start[n])
        height[n] = log(risk) + log_gain[n] + log(exponent[n]) if free else -inf
    pool(slope, height, decay, lower, upper, latency[:stable])
    while local:  # who has arrived where p = 1 is held from there on
        arrived = False
        for n in range(types):
            if height[n] != -inf and log_gain[n] >= exponent[n] * latency[n]:
                height[n], arrived = -inf, True
        if not arrived:
            break
        pool(slope, height, decay, lower, upper, latency)
    latency[stable:] = upper  # the first saturated type, and all after it
    rent = 0.0
    for n in range(types):
        if n > 0:
            rent += (sensitivity[n - 1] - sensitivity[n]) * latency[n - 1]
        probability[n] = min(1.0, exp(log_gain[n] - exponent[n] * latency[n]))
        price[n] = value - sensitivity[n] * latency[n] + refund * probability[n] - rent


@njit(cache=True)
def _design_rows(
    servers: FloatArray,
    mu: FloatArray,
    load: FloatArray,
    weight: FloatArray,
    sensitivity: FloatArray,
    value: FloatArray,
    refund: float,
    margin: float,
    zeta: float,
    lower: float,
    upper: float,
    start: FloatArray,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    latency, price, probability = np.empty_like(load), np.empty_like(load), np.empty_like(load)
    for m in range(load.shape[0]):
        _design_row(
            servers[m], mu[m], load[m], weight[m], sensitivity, value[m],
            refund, margin, zeta, lower, upper, start, latency[m], price[m], probability[m],
        )  # fmt: skip
    return latency, price, probability


def chernoff_design(
    servers: FloatArray,
    service_rate_per_s: FloatArray,
    load_per_s: FloatArray,
    weight_per_s: FloatArray,
    latency_sensitivity_usd_per_s: FloatArray,
    service_value_usd: ArrayLike,
    refund_usd: float,
    margin_usd: float,
    zeta: float,
    latency_min_s: float,
    latency_max_s: float,
    start_s: FloatArray | None = None,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Optimal menus (38) under the Chernoff belief (10)-(12), with prices (25).

    Parameters
    ----------
    servers, service_rate_per_s : array (..., S)
        c and μ, inside the domain of `sim.theory.domain`; not checked here.
    load_per_s, weight_per_s : array (..., N)
        λ_n and d_n.
    latency_sensitivity_usd_per_s : array (N,)
        β_n, positive, never increasing; not checked here.
    service_value_usd : array (...)
        α_1 q.
    refund_usd, margin_usd : float
        R̄, and C̄ − R̄, what a violation costs beyond it; nothing is risked where that is below 0.
    zeta : float
        ζ, in (0, 1).
    latency_min_s, latency_max_s : float
        Finite and in order.
    start_s : array (N,), optional
        Where the descent of the design "local" starts (`contract.descent`); without it the menus
        are exact.

    Returns
    -------
    latency_s, price_usd, violation_probability : array (..., N)

    Raises
    ------
    ValueError
        When a load or a weight is negative or not a number.
    ArithmeticError
        When a pooled block has no root after 100 steps of Newton's method; not seen yet.

    Examples
    --------
    One server at each of two stages, one type: η = 1, G = 2/(2 − 1) · 4/(4 − 1) as in
    `chernoff_coefficients`, and L = ln(η G (C̄ − R̄) d / a) / η with a = β d.

    >>> latency_s, price_usd, probability = chernoff_design(
    ...     np.array([1.0, 1.0]), np.array([5.0, 7.0]), np.array([3.0]), np.array([4.0]),
    ...     np.array([0.5]), 9.0, 1.0, 1.0, zeta=0.5, latency_min_s=0.0, latency_max_s=9.0)
    >>> np.exp(latency_s).round(12), probability.round(12)  # 8/3 over 0.5; 0.5 over 1
    (array([5.33333333]), array([0.5]))
    >>> bool(np.isclose(price_usd, 9 - 0.5 * latency_s + 0.5)[0])
    True
    """
    shape = np.broadcast_shapes(np.shape(load_per_s), np.shape(weight_per_s))
    leading, types, stages = shape[:-1], shape[-1], np.shape(servers)[-1]
    answers = _design_rows(
        _spread(servers, (*leading, stages)).reshape(-1, stages),
        _spread(service_rate_per_s, (*leading, stages)).reshape(-1, stages),
        _spread(load_per_s, shape).reshape(-1, types),
        _spread(weight_per_s, shape).reshape(-1, types),
        _spread(latency_sensitivity_usd_per_s, (types,)),
        _spread(service_value_usd, leading).ravel(),
        float(refund_usd),
        float(margin_usd),
        float(zeta),
        float(latency_min_s),
        float(latency_max_s),
        _spread(() if start_s is None else start_s, (0 if start_s is None else types,)),
    )
    latency_s, price_usd, probability = (answer.reshape(shape) for answer in answers)
    if np.isnan(latency_s).any():
        arrival_rates(load_per_s, "load_per_s")
        arrival_rates(weight_per_s, "weight_per_s")
        raise ArithmeticError("chernoff_design: a pooled block of items has no best latency")
    return latency_s, price_usd, probability
