r"""Exponential tilt of one station: E[exp(ηT)] of a tagged task's sojourn T, by what it finds.

A task of type n finds j tasks ahead of it at an M/M/c station with preemptive-resume priority. Then
j → j + 1 at the rate Λ of higher types, j → j - 1 at rate μ min(j, c), and while j < c it is served
at rate μ. φ(j) = E[exp(ηT) | j ahead] solves

.. math:: Λ(φ_{j+1} - φ_j) + μ j (φ_{j-1} - φ_j) + μ (1 - φ_j) + η φ_j = 0, \qquad j < c,

and from c - 1 on it is geometric, φ_{j+1} = z φ_j, with z = E[exp(ηB)] of the time B in which c
busy servers get rid of one task more than arrive: Λ z + cμ/z = Λ + cμ - η.
"""

from math import exp, inf, log, sqrt

import numpy as np
from numba import njit
from scipy.special import gammaln

from airan_market.sim.arrays import FloatArray

BISECTIONS = 60


@njit(cache=True)
def station_tilt(servers: int, mu: float, high: float, eta: float) -> tuple[FloatArray, float]:
    """Return ln φ(j) for j < c and ln z at a station.

    Parameters
    ----------
    servers : int
        c.
    mu, high : float
        Service rate of a server and arrival rate of higher types, 1/s.
    eta : float
        η, 1/s, at least 0.

    Returns
    -------
    log_tilt : array (c,)
        Empty when E[exp(ηT)] is infinite.
    log_step : float
        ln z; infinity when E[exp(ηT)] is infinite.

    Examples
    --------
    One server and nobody else: an exponential service, μ/(μ - η), for each task ahead too.

    >>> log_tilt, log_step = station_tilt(1, 3.0, 0.0, 1.0)
    >>> np.exp(log_tilt), round(exp(log_step), 12)
    (array([1.5]), 1.5)
    """
    none = np.empty(0)
    capacity = servers * mu
    b = high + capacity - eta
    if b <= 0.0 or b * b < 4 * high * capacity:
        return none, inf
    z = 2 * capacity / (b + sqrt(b * b - 4 * high * capacity))
    # Gaussian elimination of a tridiagonal system; E[exp(ηT)] is finite exactly if every pivot is
    # positive, and then nothing is subtracted on the way back
    pivot, right = np.empty(servers), np.empty(servers)
    for j in range(servers):
        pivot[j] = high + mu * (j + 1) - eta
        right[j] = mu
        if j > 0:
            share = mu * j / pivot[j - 1]
            pivot[j] -= share * high
            right[j] += share * right[j - 1]
        if j == servers - 1:
            pivot[j] -= high * z
        if pivot[j] <= 0.0:
            return none, inf
    log_phi = np.empty(servers)
    phi = right[servers - 1] / pivot[servers - 1]
    log_phi[servers - 1] = log(phi)
    for j in range(servers - 2, -1, -1):
        phi = (right[j] + high * phi) / pivot[j]
        log_phi[j] = log(phi)
    return log_phi, log(z)


def log_stationary(servers: int, mu: float, arrivals: float) -> tuple[FloatArray, float]:
    """Return ln π(j), j <= c, of the number in an M/M/c station, and ln ρ, its step from c on.

    Examples
    --------
    >>> log_pi, log_rho = log_stationary(1, 4.0, 3.0)
    >>> np.exp(log_pi).round(12), round(exp(log_rho), 12)  # (1 - ρ) ρ^j
    (array([0.25  , 0.1875]), 0.75)
    """
    rho = arrivals / (servers * mu)
    if arrivals == 0:
        return np.append(0.0, np.full(servers, -inf)), -inf
    j = np.arange(servers + 1)
    log_pi = j * log(arrivals / mu) - gammaln(j + 1)
    log_pi -= log_pi.max()
    total = np.exp(log_pi[:-1]).sum() + exp(log_pi[-1]) / (1 - rho)
    return log_pi - log(total), log(rho)


def log_mean_tilt(
    log_pi: FloatArray, log_rho: float, log_phi: FloatArray, log_step: float
) -> tuple[float, FloatArray]:
    """Return ln M, M = E[exp(ηT)] = Σ π(j) φ(j), and the law π φ / M summed up over j < c.

    ln M is infinite, and the law empty, when the sum has no limit.

    Examples
    --------
    An M/M/1 queue, sojourn exponential with rate μ - λ = 1: M = 1/(1 - η).

    >>> log_m, _ = log_mean_tilt(*log_stationary(1, 4.0, 3.0), *station_tilt(1, 4.0, 0.0, 0.5))
    >>> round(exp(log_m), 12)
    2.0
    """
    if not len(log_phi) or log_rho + log_step >= 0:
        return inf, np.empty(0)
    mass = np.exp(log_pi[:-1] + log_phi)
    beyond = exp(log_pi[-1] + log_phi[-1] + log_step) / -np.expm1(log_rho + log_step)
    total = mass.sum() + beyond
    return log(total), np.cumsum(mass) / total


def greatest_exponent(servers: int, mu: float, high: float, arrivals: float | None) -> float:
    """Supremum of the η with finite E[exp(ηT)], 1/s; without `arrivals`, given the state found.

    Examples
    --------
    >>> round(greatest_exponent(1, 4.0, 0.0, 3.0), 9)  # μ - λ
    1.0
    >>> round(greatest_exponent(1, 4.0, 0.0, None), 9)  # μ
    4.0
    """
    low, above = 0.0, (sqrt(servers * mu) - sqrt(high)) ** 2
    log_rho = -inf if not arrivals else log(arrivals / (servers * mu))
    for _ in range(BISECTIONS):
        middle = (low + above) / 2
        log_phi, log_step = station_tilt(servers, mu, high, middle)
        if len(log_phi) and log_rho + log_step < 0:
            low = middle
        else:
            above = middle
    return low


def padded(rows: list[FloatArray]) -> FloatArray:
    """Stack tables of different lengths, NaN behind the shorter ones."""
    table = np.full((len(rows), max(len(row) for row in rows)), np.nan)
    for i, row in enumerate(rows):
        table[i, : len(row)] = row
    return table
