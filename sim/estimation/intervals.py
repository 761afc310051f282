"""Confidence intervals of means and ratios, and what intervals of every kind share.

Rounds and replications are clusters of observations that resemble each other; a mean rests on how
they differ. `sim.estimation.proportions` has the intervals of probabilities.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtrit  # scipy.stats takes half a second to import

from airan_market.sim.arrays import FloatArray


class Band(NamedTuple):
    """Estimates with the limits of their intervals, each by its own, all of one shape."""

    estimate: FloatArray
    low: FloatArray
    high: FloatArray


@dataclass(frozen=True)
class MeanInterval:
    """A mean with its interval; `low` and `high` are NaN when there are fewer than two values."""

    mean: float
    low: float
    high: float
    level: float
    count: int


def student(degrees: float, level: float) -> float:
    """Student's t quantile (1908) of a two-sided interval: at (1 + level)/2.

    Raises
    ------
    ValueError
        If the level is not between 0 and 1.

    Examples
    --------
    >>> round(float(student(2, 0.95)), 4)
    4.3027
    """
    check_level(level)
    return stdtrit(degrees, 0.5 + level / 2)


def family_level(pairs: int, level: float = 0.95) -> float:
    """Level of each of `pairs` intervals that together hold with at least `level` (Bonferroni).

    Raises
    ------
    ValueError
        Without a pair, or for a level outside (0, 1).

    Examples
    --------
    >>> round(family_level(10), 6)
    0.995
    """
    if pairs < 1 or not 0 < level < 1:
        raise ValueError(f"pairs = {pairs}, level = {level}: at least 1, and between 0 and 1")
    return 1 - (1 - level) / pairs


def batched(counts: ArrayLike, most: int = 10) -> FloatArray:
    """Counts of consecutive spans of time summed into batches of at least two spans.

    Bursts reach from one span into the next, so neighbours are alike; what two batches share is a
    smaller part of each (batch means; Schmeiser 1982, "Batch size effects in the analysis of
    simulation output": more than some 30 batches add little, 10 lose little). With fewer than eight
    spans each is a batch of its own.

    Parameters
    ----------
    counts : (R, ...) array_like
        In order of time.
    most : int
        Batches at the most, at least 2.

    Returns
    -------
    (K, ...) array
        K = min(`most`, R // 2), or R below eight spans; sizes differ by one span at the most.

    Raises
    ------
    ValueError
        If `most` is below 2.

    Examples
    --------
    >>> batched([1, 2, 3, 4, 5, 6, 7, 8, 9]).tolist()
    [3.0, 7.0, 11.0, 24.0]
    """
    if most < 2:
        raise ValueError(f"most = {most}: allowed at least 2")
    x = np.asarray(counts, dtype=float)
    spans = len(x)
    batches = spans if spans < 8 else min(most, spans // 2)
    if not spans:
        return x
    return np.add.reduceat(x, np.arange(batches) * spans // batches)


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
    check_level(level)
    x = np.asarray(values, dtype=float).ravel()
    if not np.isfinite(x).all():
        raise ValueError("values: every value must be finite")
    mean = float(x.mean()) if x.size else np.nan
    if x.size < 2:
        return MeanInterval(mean, np.nan, np.nan, level, int(x.size))
    half = float(student(x.size - 1, level) * x.std(ddof=1) / np.sqrt(x.size))
    return MeanInterval(mean, mean - half, mean + half, level, int(x.size))


def ratio_interval(totals: ArrayLike, counts: ArrayLike, level: float = 0.95) -> MeanInterval:
    """Mean Σ y_i / Σ n_i over k clusters with its t interval, ± t_{k-1} √v.

    v is the linearised variance k/(k−1) · Σ (y_i − m n_i)² / (Σ n_i)² of the mean m (Cochran 1977,
    "Sampling Techniques", section 6.4). The ratio is used and not the mean of the means of the
    clusters: a replication of long queues also has more tasks.

    Parameters
    ----------
    totals, counts : array (k,)
        y_i and n_i ≥ 0; clusters with n_i = 0 are left out.
    level : float
        In (0, 1).

    Returns
    -------
    MeanInterval
        Limits are NaN for fewer than two clusters, the mean as well for none.

    Examples
    --------
    >>> found = ratio_interval([2.0, 6.0], [1, 3])
    >>> found.mean, found.low, found.high
    (2.0, 2.0, 2.0)
    >>> round(ratio_interval([1.0, 2.0, 3.0], [1, 1, 1]).low, 4)  # as the mean of three values
    -0.4841
    """
    y, n = np.asarray(totals, dtype=float), np.asarray(counts, dtype=float)
    y, n = y[n > 0], n[n > 0]
    if n.size < 2:
        mean = float(y[0] / n[0]) if n.size else np.nan
        return MeanInterval(mean, np.nan, np.nan, level, int(n.size))
    mean, squares, total = linearised(y, n)
    half = student(n.size - 1, level) * np.sqrt(squares / total**2)
    return MeanInterval(float(mean), float(mean - half), float(mean + half), level, int(n.size))


def mean_band(sums_s: ArrayLike, tasks: ArrayLike, level: float = 0.95) -> Band:
    """Mean latencies of N types, each the ratio of `ratio_interval` over all R replications.

    Parameters
    ----------
    sums_s : (R, N) array_like
        Sum of the latencies, s.
    tasks : (R, N) array_like
    level : float
        In (0, 1).

    Returns
    -------
    Band
        Of (N,) arrays, s. NaN for a type without tasks or with a NaN among its sums; limits NaN
        with fewer than two replications.

    Examples
    --------
    >>> band = mean_band([[20.0], [40.0], [60.0]], [[20], [20], [20]])
    >>> band.estimate, band.low.round(4), band.high.round(4)
    (array([2.]), array([-0.4841]), array([4.4841]))
    """
    x, n = np.asarray(sums_s, dtype=float), np.asarray(tasks, dtype=float)
    with np.errstate(invalid="ignore", divide="ignore"):  # no tasks, or one replication: NaN
        mean, squares, total = linearised(x, n)
        half = student(len(x) - 1, level) * (np.sqrt(squares) / total)
    return Band(mean, mean - half, mean + half)


def linearised(sums: FloatArray, counts: FloatArray) -> tuple[Any, Any, Any]:
    """Ratio m = Σ x_r / Σ n_r over R clusters, R/(R-1) Σ (x_r - m n_r)², and Σ n_r."""
    total = counts.sum(axis=0)
    total = np.where(total > 0, total, np.nan)
    mean = sums.sum(axis=0) / total
    squares = ((sums - mean * counts) ** 2).sum(axis=0)
    return mean, np.float64(len(counts)) / (len(counts) - 1) * squares, total


def check_level(level: float) -> None:
    """Raise ValueError for a confidence level outside (0, 1)."""
    if not 0 < level < 1:
        raise ValueError(f"level = {level}: must lie between 0 and 1")
