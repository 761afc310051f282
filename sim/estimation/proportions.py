"""Confidence intervals of proportions whose trials come in clusters.

Tasks of one round, or of one replication, resemble each other: late ones come in bursts, one long
queue makes hundreds of them. A probability is then known as well as if only one task in d had been
seen, d being the design effect. An event so rare that it rests on a handful of bursts, or on none,
does not tell it: `carried_design_effects` takes it from less rare events.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betaincinv, ndtri  # scipy.stats takes half a second to import

from airan_market.sim.arrays import FloatArray
from airan_market.sim.estimation.intervals import Band, check_level, linearised, student

#: A design effect below 1 would claim more information than as many independent tasks hold.
#: Estimates from few clusters fall below it by chance, so they are lifted to it.
DESIGN_EFFECT_FLOOR = 1.0


@dataclass(frozen=True)
class ProportionInterval:
    """A proportion with its interval and what the interval rests on.

    `note` names the special cases: "no trials" (nothing is known: 0 to 1), "none observed" and
    "all observed" (the design effect cannot be estimated and is taken as 1: the interval is
    that of independent trials), "one cluster" (the same, for want of a second cluster),
    "design effect floored" (the estimate was below 1), or "" (none of them).
    """

    estimate: float
    low: float
    high: float
    level: float
    trials: float
    events: float
    clusters: int
    design_effect: float
    effective_trials: float
    note: str = ""


def clopper_pearson(events: float, trials: float, level: float = 0.95) -> tuple[float, float]:
    """Clopper–Pearson interval of a proportion, also for trials that are not whole numbers.

    With x events in n trials and α = 1 − level the limits are the quantiles (Clopper and
    Pearson 1934, in beta form)

        low = Beta(α/2; x, n − x + 1),   high = Beta(1 − α/2; x + 1, n − x),

    with low = 0 at x = 0 and high = 1 at x = n. The beta form needs no whole numbers, which is
    what makes it usable with an effective number of trials.

    Parameters
    ----------
    events, trials : float
        0 ≤ events ≤ trials, trials > 0.
    level : float
        Confidence level in (0, 1).

    Returns
    -------
    low, high : float

    Raises
    ------
    ValueError
        When an argument is outside its domain.

    Examples
    --------
    >>> [round(limit, 6) for limit in clopper_pearson(0, 10)]
    [0.0, 0.308497]
    """
    _check_proportion(events, trials, level)
    alpha = 1.0 - level
    low, high = _beta_limits(events, trials - events, alpha / 2, 1 - alpha / 2)
    return float(low), float(high)


def binomial_upper(events: ArrayLike, trials: ArrayLike, level: float) -> FloatArray:
    """One-sided upper limits of proportions (Clopper and Pearson), arrays.

    Discounted counts, which are not whole, are taken as the beta law takes them.

    Examples
    --------
    >>> binomial_upper([0, 2], [10, 2], 0.9).round(4).tolist()  # 1 - 0.1^(1/10); all of them
    [0.2057, 1.0]
    """
    hits, tried = np.asarray(events, dtype=float), np.asarray(trials, dtype=float)
    misses = tried - hits
    some = misses > 0
    return np.where(some, betaincinv(hits + 1, np.where(some, misses, 1.0), level), 1.0)


def wilson(events: float, trials: float, level: float = 0.95) -> tuple[float, float]:
    """Wilson's interval of a proportion (1927): shorter, it covers with the level on average.

    Parameters, result and refusals are those of `clopper_pearson`.

    Examples
    --------
    >>> [round(limit, 4) for limit in wilson(35, 100)]
    [0.2636, 0.4475]
    """
    _check_proportion(events, trials, level)
    share = events / trials
    z = float(ndtri((1 + level) / 2))
    middle = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    half = (
        z / (1 + z * z / trials) * (share * (1 - share) / trials + z * z / (4 * trials**2)) ** 0.5
    )
    # at 0 and at all the limit is exactly 0 or 1, but for rounding
    return max(0.0, middle - half), min(1.0, middle + half)


def cluster_proportion(
    events: ArrayLike, trials: ArrayLike, level: float = 0.95
) -> ProportionInterval:
    """Korn–Graubard interval of a proportion whose trials come in clusters.

    The proportion p = Σ y_i / Σ n_i over k clusters has the linearised variance

        v = k/(k−1) · Σ (y_i − p n_i)² / n²,   n = Σ n_i,

    its design effect is d = max(1, v / (p(1−p)/n)), and the interval is Clopper–Pearson with
    n* = n/d · (t_{n−1}/t_{k−1})² trials of which p n* are events, t the Student quantiles at
    1 − α/2 (Korn and Graubard 1998, "Confidence intervals for proportions with small expected
    number of positive counts estimated from survey data", section 3).

    Where v cannot be estimated (no event, only events, one cluster) d is 1 and the `note` says
    so; such an interval is too narrow when trials of a cluster resemble each other.

    Parameters
    ----------
    events, trials : array (k,)
        Events y_i and trials n_i of each cluster, 0 ≤ y_i ≤ n_i. Clusters without trials
        carry no information and are left out.
    level : float
        Confidence level in (0, 1).

    Raises
    ------
    ValueError
        When the shapes differ, a count is negative or not finite, or y_i > n_i.

    Examples
    --------
    >>> interval = cluster_proportion([9, 1, 8, 2], [20, 20, 20, 20])
    >>> round(interval.design_effect, 2), round(interval.low, 3), round(interval.high, 3)
    (4.44, 0.026, 0.678)
    """
    check_level(level)
    y, n = _clusters(events, trials)
    total, hits = float(n.sum()), float(y.sum())
    if total == 0:
        return ProportionInterval(np.nan, 0.0, 1.0, level, 0.0, 0.0, 0, np.nan, 0.0, "no trials")
    effect, note = _design_effect(y, n)
    effective = total / effect
    if n.size > 1 and 0 < hits < total:
        effective *= _fewer_degrees(total, n.size, level)
    share = hits / total
    # the product may exceed the effective trials by a rounding when all trials are events
    low, high = clopper_pearson(min(share * effective, effective), effective, level)
    return ProportionInterval(
        share, low, high, level, total, hits, int(n.size), effect, float(effective), note
    )


def design_effects(events: ArrayLike, trials: ArrayLike) -> FloatArray:
    """How many times a proportion's variance exceeds that of independent trials, along latencies.

    v / (p(1−p)/n) with the linearised variance v of `cluster_proportion`, over R replications.

    Parameters
    ----------
    events : (R, L) array_like
        Events at each of L latencies.
    trials : (R,) array_like

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
    if len(n) < 2 or n.sum() == 0:
        return np.full(y.shape[1], np.nan)
    p, squares, total = linearised(y, n[:, np.newaxis])
    known = (p > 0) & (p < 1)
    return np.where(known, squares / np.where(known, p * (1 - p) * total, 1.0), np.nan)


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
) -> Band:
    """Korn–Graubard intervals, as of `cluster_proportion`, with given design effects.

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
    Band
        Of (L,) arrays. With fewer than two replications or two tasks nothing is known about how
        tasks resemble each other: 0 to 1. Without a task the probability is NaN.

    Raises
    ------
    ValueError
        If the level is not between 0 and 1.

    Examples
    --------
    >>> band = exceedance_band([[1], [0], [3], [0]], [1000] * 4, [2.0])
    >>> band.estimate.round(6), band.low.round(6), band.high.round(6)
    (array([0.001]), array([9.e-06]), array([0.006762]))
    """
    check_level(level)
    y, n = np.asarray(events, dtype=float), np.asarray(trials, dtype=float)
    total, latencies = n.sum(), y.shape[1]
    p = y.sum(axis=0) / total if total else np.full(latencies, np.nan)
    if total < 2 or len(n) < 2:
        return Band(p, np.zeros(latencies), np.ones(latencies))
    effective = total / np.asarray(design_effect, dtype=float)
    effective = effective * _fewer_degrees(total, len(n), level)
    tail = 0.5 + level / 2
    return Band(p, *_beta_limits(p * effective, (1 - p) * effective, 1 - tail, tail))


def _design_effect(y: FloatArray, n: FloatArray) -> tuple[float, str]:
    """Design effect of clusters, not below the floor, and what it rests on, as in the note."""
    if y.sum() == 0:
        return 1.0, "none observed"
    if y.sum() == n.sum():
        return 1.0, "all observed"
    if n.size == 1:
        return 1.0, "one cluster"
    share, squares, total = linearised(y, n)
    estimate = float(squares / total**2 / (share * (1 - share) / total))
    if estimate < DESIGN_EFFECT_FLOOR:
        return DESIGN_EFFECT_FLOOR, "design effect floored"
    return estimate, ""


def _beta_limits(hits: Any, misses: Any, low_tail: float, high_tail: float) -> tuple[Any, Any]:
    """Limits of Clopper and Pearson; without a hit the lower is 0, without a miss the upper 1."""
    some, missed = np.greater(hits, 0), np.greater(misses, 0)
    low = betaincinv(np.where(some, hits, 1.0), misses + 1, low_tail)
    high = betaincinv(hits + 1, np.where(missed, misses, 1.0), high_tail)
    return np.where(some, low, 0.0), np.where(missed, high, 1.0)


def _fewer_degrees(trials: float, clusters: int, level: float) -> float:
    """(t_{n-1}/t_{k-1})², by which Korn and Graubard reduce the trials."""
    return (student(trials - 1, level) / student(clusters - 1, level)) ** 2


def _clusters(events: ArrayLike, trials: ArrayLike) -> tuple[FloatArray, FloatArray]:
    y = np.asarray(events, dtype=float).ravel()
    n = np.asarray(trials, dtype=float).ravel()
    if y.shape != n.shape:
        raise ValueError(f"events and trials: {y.size} and {n.size} clusters, must be as many")
    if not (np.isfinite(y).all() and np.isfinite(n).all()) or (y < 0).any() or (y > n).any():
        raise ValueError("events and trials: must be finite with 0 <= events <= trials")
    return y[n > 0], n[n > 0]


def _check_proportion(events: float, trials: float, level: float) -> None:
    check_level(level)
    if not (trials > 0 and 0 <= events <= trials and np.isfinite(trials)):
        raise ValueError(f"events = {events}, trials = {trials}: 0 <= events <= trials, trials > 0")
