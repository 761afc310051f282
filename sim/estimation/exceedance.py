"""Intervals over independent replications whose tasks are correlated inside a replication.

Tasks that are late come in bursts: one long queue makes hundreds of them. A probability is then
known as well as if only one task in d had been seen, d being the design effect, and a small
probability may rest on a handful of bursts, or on none, which the events themselves do not tell.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betaincinv, stdtrit

from airan_market.sim.arrays import FloatArray
from airan_market.sim.estimation.intervals import DESIGN_EFFECT_FLOOR


class ProbabilityBand(NamedTuple):
    """Probabilities with the limits of their intervals, each by its own, all of one shape."""

    probability: FloatArray
    low: FloatArray
    high: FloatArray


class LatencyBand(NamedTuple):
    """Latencies, s, with the limits of their intervals, all of one shape."""

    latency_s: FloatArray
    low_s: FloatArray
    high_s: FloatArray


def design_effects(events: ArrayLike, trials: ArrayLike) -> FloatArray:
    r"""How many times a proportion's variance exceeds that of independent trials, along latencies.

    With p = Σ y_r / Σ n_r over R replications,

    .. math:: d = \frac{\frac{R}{R-1} \sum_r (y_r - p n_r)^2 / n^2}{p (1 - p) / n},
              \qquad n = \sum_r n_r

    Parameters
    ----------
    events : (R, L) array_like
        y, events at each of L latencies.
    trials : (R,) array_like
        n_r, tasks.

    Returns
    -------
    (L,) array
        NaN where no task or every task is an event, or with fewer than two replications.

    Examples
    --------
    >>> design_effects([[5, 0], [0, 0]], [10, 10]).round(6)
    array([6.666667,      nan])
    """
    y, n = np.asarray(events, dtype=float), np.asarray(trials, dtype=float)
    replications, total = len(n), n.sum()
    if replications < 2 or total == 0:
        return np.full(y.shape[1], np.nan)
    p = y.sum(axis=0) / total
    squares = ((y - n[:, np.newaxis] * p) ** 2).sum(axis=0)
    known = (p > 0) & (p < 1)
    independent = np.where(known, p * (1 - p) * total, 1.0)
    return np.where(known, replications / (replications - 1) * squares / independent, np.nan)


def carried_design_effects(
    events: ArrayLike, trials: ArrayLike, latency_s: ArrayLike
) -> FloatArray:
    """Design effects where that of a rarer event is at least that of every more frequent one.

    The bursts of a queue in which a latency t is exceeded are parts of those in which a shorter
    one is, and how long they are depends little on t (Aldous 1989, "Probability approximations via
    the Poisson clumping heuristic", chapter B), so the true design effect grows with t until a
    tenth of the tasks is late and then hardly changes. The estimate does not: with few bursts it
    collapses, and with none there is none. It is therefore carried from shorter latencies to
    longer ones, by the running maximum; where nothing at all is known it is 1.

    Parameters
    ----------
    events : (R, L) array_like
        Tasks later than each latency.
    trials : (R,) array_like
        Tasks.
    latency_s : (L,) array_like
        In any order.

    Returns
    -------
    (L,) array
        At least 1.

    Examples
    --------
    >>> carried_design_effects([[5, 0], [0, 0]], [10, 10], [0.1, 0.2]).round(6)
    array([6.666667, 6.666667])
    """
    found = design_effects(events, trials)
    found = np.where(np.isnan(found), DESIGN_EFFECT_FLOOR, found)
    order = np.argsort(np.asarray(latency_s, dtype=float), kind="stable")
    carried = np.empty_like(found)
    carried[order] = np.maximum.accumulate(np.maximum(found[order], DESIGN_EFFECT_FLOOR))
    return carried


def exceedance_band(
    events: ArrayLike, trials: ArrayLike, design_effect: ArrayLike, level: float = 0.95
) -> ProbabilityBand:
    """Korn–Graubard intervals of exceedance probabilities with given design effects.

    Clopper–Pearson with n* = n/d · (t_{n−1}/t_{R−1})² trials, p n* of them events, t the Student
    quantiles at (1 + level)/2 (Korn and Graubard 1998, as in `sim.estimation.intervals`).

    Parameters
    ----------
    events : (R, L) array_like
    trials : (R,) array_like
    design_effect : (L,) array_like
        As of `carried_design_effects`.
    level : float
        In (0, 1).

    Returns
    -------
    ProbabilityBand
        Of (L,) arrays. With fewer than two replications or two tasks nothing is known about how
        tasks resemble each other: 0 to 1. Without a task the probability is NaN.

    Raises
    ------
    ValueError
        If the level is not between 0 and 1.

    Examples
    --------
    >>> band = exceedance_band([[1], [0], [3], [0]], [1000] * 4, [2.0])
    >>> band.probability.round(6), band.low.round(6), band.high.round(6)
    (array([0.001]), array([9.e-06]), array([0.006762]))
    """
    check_level(level)
    y, n = np.asarray(events, dtype=float), np.asarray(trials, dtype=float)
    replications, total, latencies = len(n), n.sum(), y.shape[1]
    if total < 2 or replications < 2:
        p = y.sum(axis=0) / total if total else np.full(latencies, np.nan)
        return ProbabilityBand(p, np.zeros(latencies), np.ones(latencies))
    p = y.sum(axis=0) / total
    tail = 0.5 + level / 2
    student = (stdtrit(total - 1, tail) / stdtrit(replications - 1, tail)) ** 2
    effective = total / np.asarray(design_effect, dtype=float) * student
    hits, misses = p * effective, (1 - p) * effective
    some, missed = hits > 0, misses > 0  # elsewhere the limit is 0 or 1, and 1.0 an unused number
    low = betaincinv(np.where(some, hits, 1.0), misses + 1, 1 - tail)
    high = betaincinv(hits + 1, np.where(missed, misses, 1.0), tail)
    return ProbabilityBand(p, np.where(some, low, 0.0), np.where(missed, high, 1.0))


def mean_band(sums_s: ArrayLike, tasks: ArrayLike, level: float = 0.95) -> LatencyBand:
    r"""Mean latencies by the ratio Σ sums / Σ tasks, with Student-t intervals over replications.

    .. math:: m \pm t_{R-1} \sqrt{\tfrac{R}{R-1} \textstyle\sum_r (x_r - m n_r)^2} \, / \sum_r n_r

    the linearised variance of a ratio (Cochran 1977, Sampling Techniques, section 6.3). The ratio
    is used and not the mean of the means of the replications: a replication of long queues also
    has more tasks.

    Parameters
    ----------
    sums_s : (R, N) array_like
        x, sum of the latencies, s.
    tasks : (R, N) array_like
        n.
    level : float
        In (0, 1).

    Returns
    -------
    LatencyBand
        Of (N,) arrays. NaN for a type without tasks or with a NaN among its sums; limits NaN with
        fewer than two replications.

    Raises
    ------
    ValueError
        If the level is not between 0 and 1.

    Examples
    --------
    >>> band = mean_band([[20.0], [40.0], [60.0]], [[20], [20], [20]])
    >>> band.latency_s, band.low_s.round(4), band.high_s.round(4)
    (array([2.]), array([-0.4841]), array([4.4841]))
    """
    check_level(level)
    x, n = np.asarray(sums_s, dtype=float), np.asarray(tasks, dtype=float)
    total = n.sum(axis=0)
    total = np.where(total > 0, total, np.nan)
    mean = x.sum(axis=0) / total
    if len(x) < 2:
        unknown = np.full(len(mean), np.nan)
        return LatencyBand(mean, unknown, unknown.copy())
    squares = ((x - mean * n) ** 2).sum(axis=0)
    error = np.sqrt(len(x) / (len(x) - 1) * squares) / total
    half = stdtrit(len(x) - 1, 0.5 + level / 2) * error
    return LatencyBand(mean, mean - half, mean + half)


def check_level(level: float) -> None:
    """Refuse a confidence level that is none."""
    if not 0 < level < 1:
        raise ValueError(f"level = {level}: must lie between 0 and 1")
