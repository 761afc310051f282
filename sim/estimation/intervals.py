"""Confidence intervals that stay honest when tasks of one round resemble each other.

They take what the clusters show of that resemblance. Where an event is so rare that only few bursts
of it were seen, that is too little, and the intervals are too short; replications that also look
at less rare events do better (`sim.estimation.exceedance`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betaincinv, stdtrit  # scipy.stats takes half a second to import

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


@dataclass(frozen=True)
class MeanInterval:
    """A mean with its interval; `low` and `high` are NaN when there are fewer than two values."""

    mean: float
    low: float
    high: float
    level: float
    count: int


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
    _check_level(level)
    if not (trials > 0 and 0 <= events <= trials and np.isfinite(trials)):
        raise ValueError(f"events = {events}, trials = {trials}: 0 <= events <= trials, trials > 0")
    alpha = 1.0 - level
    low = 0.0 if events == 0 else float(betaincinv(events, trials - events + 1, alpha / 2))
    high = (
        1.0 if events == trials else float(betaincinv(events + 1, trials - events, 1 - alpha / 2))
    )
    return low, high


def cluster_proportion(
    events: ArrayLike, trials: ArrayLike, level: float = 0.95
) -> ProportionInterval:
    """Korn–Graubard interval of a proportion whose trials come in clusters.

    Tasks of one round share its draw of users and its queues, so they are not independent. The
    proportion p = Σ y_i / Σ n_i over k clusters has the linearised variance

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
    _check_level(level)
    y, n = _clusters(events, trials)
    total, hits = float(n.sum()), float(y.sum())
    if total == 0:
        return ProportionInterval(np.nan, 0.0, 1.0, level, 0.0, 0.0, 0, np.nan, 0.0, "no trials")
    effect, note = design_effect(y, n)
    effective = total / effect
    if n.size > 1 and 0 < hits < total:
        tail = 0.5 + level / 2
        effective *= (stdtrit(total - 1, tail) / stdtrit(n.size - 1, tail)) ** 2
    share = hits / total
    # the product may exceed the effective trials by a rounding when all trials are events
    low, high = clopper_pearson(min(share * effective, effective), effective, level)
    return ProportionInterval(
        share, low, high, level, total, hits, int(n.size), effect, float(effective), note
    )


def design_effect(events: ArrayLike, trials: ArrayLike) -> tuple[float, str]:
    """How many times the variance of a proportion exceeds that of independent trials.

    v / (p(1−p)/n) with the linearised variance v of `cluster_proportion`, not below
    `DESIGN_EFFECT_FLOOR`, and a note that names the case when it could not be estimated.

    Examples
    --------
    >>> design_effect([5, 5, 5], [10, 10, 10])
    (1.0, 'design effect floored')
    >>> design_effect([0, 0], [10, 10])
    (1.0, 'none observed')
    """
    y, n = _clusters(events, trials)
    total, hits = n.sum(), y.sum()
    if hits == 0:
        return 1.0, "none observed"
    if hits == total:
        return 1.0, "all observed"
    if n.size == 1:
        return 1.0, "one cluster"
    share = hits / total
    variance = n.size / (n.size - 1) * float(((y - share * n) ** 2).sum()) / total**2
    estimate = float(variance / (share * (1 - share) / total))
    if estimate < DESIGN_EFFECT_FLOOR:
        return DESIGN_EFFECT_FLOOR, "design effect floored"
    return estimate, ""


def mean_interval(values: ArrayLike, level: float = 0.95) -> MeanInterval:
    """Student-t interval for a mean over rounds.

    mean ± t_{k−1}(1 − α/2) · s/√k with the sample standard deviation s of the k values
    (Student 1908). Rounds count as independent: each draws its users and its demand afresh; what
    a round leaves in the queues for the next is not accounted for.

    Parameters
    ----------
    values : array (k,)
        One value per round, finite.
    level : float
        Confidence level in (0, 1).

    Returns
    -------
    MeanInterval
        Limits are NaN for k < 2, the mean as well for k = 0.

    Raises
    ------
    ValueError
        When a value is not finite.

    Examples
    --------
    >>> interval = mean_interval([1.0, 2.0, 3.0])
    >>> interval.mean, round(interval.low, 4), round(interval.high, 4)
    (2.0, -0.4841, 4.4841)
    """
    _check_level(level)
    x = np.asarray(values, dtype=float).ravel()
    if not np.isfinite(x).all():
        raise ValueError("values: every value must be finite")
    mean = float(x.mean()) if x.size else np.nan
    if x.size < 2:
        return MeanInterval(mean, np.nan, np.nan, level, int(x.size))
    half = float(stdtrit(x.size - 1, 0.5 + level / 2) * x.std(ddof=1) / np.sqrt(x.size))
    return MeanInterval(mean, mean - half, mean + half, level, int(x.size))


def _clusters(events: ArrayLike, trials: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    y = np.asarray(events, dtype=float).ravel()
    n = np.asarray(trials, dtype=float).ravel()
    if y.shape != n.shape:
        raise ValueError(f"events and trials: {y.size} and {n.size} clusters, must be as many")
    if not (np.isfinite(y).all() and np.isfinite(n).all()) or (y < 0).any() or (y > n).any():
        raise ValueError("events and trials: must be finite with 0 <= events <= trials")
    return y[n > 0], n[n > 0]


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise ValueError(f"level = {level}: must lie between 0 and 1")
