"""Warm-up: how much of the beginning of a simulation still remembers how it was started."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from airan_market.sim.arrays import FloatArray

BATCH = 5
LEAST_BATCHES = 4  # below, the first half is one truncation point and no choice


@dataclass(frozen=True)
class Truncation:
    """Where MSER cuts a series.

    Attributes
    ----------
    observations : int
        Leading observations to drop, a multiple of the batch size.
    statistic : float
        MSER at the cut: the squared standard error of the mean of the batches that are kept, as
        if they were independent.
    settled : bool
        False when the minimum lies at the last admissible cut, the end of the first half: the
        series may still be on its way, and is too short to tell.
    """

    observations: int
    statistic: float
    settled: bool


def truncation(series: ArrayLike, batch: int = BATCH) -> Truncation:
    r"""Cut a series where the mean of what is left is known best: MSER.

    With batch means Y_1 ... Y_k (what does not fill a batch at the end is left out), the cut is

    .. math:: d^* = \arg\min_{0 \le d \le k/2} \frac{1}{(k - d)^2}
              \sum_{i > d} \bigl(Y_i - \bar Y_{d}\bigr)^2

    with \bar Y_d the mean of Y_{d+1} ... Y_k, the smallest such d if there are several. Cuts in the
    second half are not admitted: there the statistic is small by chance, few values being alike.

    Parameters
    ----------
    series : (n,) array_like
        Observations in order, finite, at least four batches.
    batch : int
        Observations to a batch; 5 is MSER-5.

    Returns
    -------
    Truncation

    Raises
    ------
    ValueError
        Naming argument and value.

    References
    ----------
    K. P. White, "An effective truncation heuristic for bias reduction in simulation output",
    Simulation 69 (1997) 323-334; K. P. White, M. J. Cobb, S. C. Spratt, "A comparison of five
    steady-state truncation heuristics for simulation", Winter Simulation Conference (2000) 755-760.

    Examples
    --------
    >>> found = truncation([9.0] * 10 + [1.0, 2.0] * 45)
    >>> found.observations, found.settled
    (10, True)
    >>> truncation(np.arange(100.0)).settled
    False
    """
    y = _batch_means(series, batch)
    y = y - np.median(y)  # keeps the digits of the sum of squares; equal values give exact zeros
    left = np.arange(len(y), 0, -1)
    sums, squares = (np.cumsum(part[::-1])[::-1] for part in (y, y * y))
    # rounding alone can take the sum of squares of equal values below zero
    statistic = np.maximum(squares - sums * sums / left, 0.0) / left.astype(float) ** 2
    last = len(y) // 2
    cut = int(np.argmin(statistic[: last + 1]))
    return Truncation(cut * batch, float(statistic[cut]), cut < last)


@dataclass(frozen=True)
class WarmUp:
    """A warm-up and where it comes from.

    Attributes
    ----------
    warm_up_s : float
        Arrivals before it are not measured, s.
    type_warm_up_s : (N,) float
        What each type asks for; NaN for a type that could not be judged.
    notes : tuple of str
        Plain sentences: types that could not be judged or have not settled.
    """

    warm_up_s: float
    type_warm_up_s: FloatArray
    notes: tuple[str, ...] = ()


def warm_up_of(
    arrival_s: Sequence[Sequence[FloatArray]],
    latency_s: Sequence[Sequence[FloatArray]],
    horizon_s: float,
) -> WarmUp:
    """Warm-up of pilot replications by MSER-5: the longest that any type asks for.

    The k-th latencies of a type are averaged over the pilots (Welch's averaging), which takes most
    of the noise and none of the trend, and the average is cut by MSER-5. The cut is turned into the
    mean arrival time of the first task that is kept.

    Parameters
    ----------
    arrival_s, latency_s : [pilot][type] of (tasks,) arrays
        In order of arrival, from the empty system on; infinity for a task that never ended.
    horizon_s : float
        How long a pilot is, s.

    Returns
    -------
    WarmUp

    Examples
    --------
    >>> arrival_s = np.arange(200.0)
    >>> latency_s = 2.0 + 3.0 * (arrival_s < 40) + np.resize([-0.1, 0.1], 200)
    >>> warm_up_of([[arrival_s]], [[latency_s]], 200.0).warm_up_s
    40.0
    """
    types = len(arrival_s[0])
    wanted_s, notes = np.full(types, np.nan), []
    for n in range(types):
        tasks = min(len(pilot[n]) for pilot in latency_s)
        if tasks < BATCH * LEAST_BATCHES:
            notes.append(f"Type {n + 1}: {tasks} tasks in a pilot are too few for MSER-5.")
            continue
        series = np.mean([pilot[n][:tasks] for pilot in latency_s], axis=0)
        if not np.isfinite(series).all():
            notes.append(f"Type {n + 1}: tasks of a pilot that never end; it has no steady state.")
            continue
        found = truncation(series)
        wanted_s[n] = np.mean([pilot[n][found.observations] for pilot in arrival_s])
        if not found.settled:
            notes.append(
                f"Type {n + 1}: MSER-5 has its minimum at the boundary, {wanted_s[n]:.4g} s into "
                f"a pilot of {horizon_s:.4g} s: not settled, a longer horizon is needed."
            )
    known = wanted_s[np.isfinite(wanted_s)]
    return WarmUp(float(known.max(initial=0.0)), wanted_s, tuple(notes))


def _batch_means(series: ArrayLike, batch: int) -> FloatArray:
    x = np.asarray(series, dtype=float)
    if batch < 1:
        raise ValueError(f"batch = {batch}: allowed at least 1")
    if x.ndim != 1 or len(x) < batch * LEAST_BATCHES:
        raise ValueError(
            f"series: shape {x.shape}, allowed one axis of at least {batch * LEAST_BATCHES}"
        )
    if not np.isfinite(x).all():
        raise ValueError(f"series = {x[~np.isfinite(x)][0]}: allowed finite numbers")
    return x[: len(x) // batch * batch].reshape(-1, batch).mean(axis=1)
