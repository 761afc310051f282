"""What independent replications of a tandem have found, and how sure it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from airan_market.sim.arrays import FloatArray, IntArray
from airan_market.sim.estimation.intervals import Band, mean_band, student
from airan_market.sim.estimation.proportions import carried_design_effects, exceedance_band
from airan_market.sim.estimation.replication import Experiment


@dataclass(frozen=True, eq=False)
class Replications(Experiment):
    """Counts of R replications of an experiment; its own attributes stand at `Experiment`.

    Attributes
    ----------
    exceedances : (R, N, T) int64
        Measured tasks that took longer than each latency.
    reference_exceedances : (R, N, K) int64
        Those that took longer than each reference.
    tasks, unfinished : (R, N) int64
        Tasks measured, and those of them that were never seen to end; each of these took longer
        than every latency.
    latency_sum_s : (R, N) float
        Sum of the latencies of the measured tasks; NaN with one of them unfinished.
    played_tasks : (R,) int64
        Tasks played, warm-up and all.
    stopped : str
        "count", "precise", "budget" or "interrupted".
    latencies_s : tuple [R][N] of sorted arrays
        Infinity for a task unfinished; empty unless they were kept.
    """

    exceedances: IntArray
    reference_exceedances: IntArray
    tasks: IntArray
    unfinished: IntArray
    latency_sum_s: FloatArray
    played_tasks: IntArray
    stopped: str = "count"
    latencies_s: tuple[list[FloatArray], ...] = ()

    def __len__(self) -> int:
        return len(self.tasks)

    @property
    def notes(self) -> tuple[str, ...]:
        """Plain sentences that a reader of the result should know."""
        left = self.unfinished.sum(axis=0)
        return (
            *self.warm_up.notes,
            *(
                f"Type {n + 1}: {count} measured tasks were never seen to end; its mean is unknown."
                for n, count in enumerate(left.tolist())
                if count
            ),
        )

    def design_effects(self) -> FloatArray:
        """Design effect of each probability, carried from shorter latencies, (N, T), at least 1."""
        latencies = self.latency_s.shape[1]
        both_s = np.concatenate([self.latency_s, self.reference_s], axis=1)
        events = np.concatenate([self.exceedances, self.reference_exceedances], axis=2)
        return np.array(
            [
                carried_design_effects(events[:, n], self.tasks[:, n], both_s[n])[:latencies]
                for n in range(len(both_s))
            ]
        )

    def interval(self, level: float = 0.95) -> Band:
        """Exceedance probabilities P(T_n > t) with their intervals, (N, T) each.

        Korn–Graubard over the replications with carried design effects
        (`sim.estimation.proportions`): chosen by coverage, see
        tests/sim/estimation/test_coverage.py.

        Parameters
        ----------
        level : float
            In (0, 1).

        Returns
        -------
        Band
        """
        effects = self.design_effects()
        bands = [
            exceedance_band(self.exceedances[:, n], self.tasks[:, n], effects[n], level)
            for n in range(len(effects))
        ]
        return Band(*(np.array(part) for part in zip(*bands, strict=True)))

    def means(self, level: float = 0.95) -> Band:
        """Mean latency of each type with its Student-t interval, (N,) each, s."""
        return mean_band(self.latency_sum_s, self.tasks, level)

    def quantiles(self, shares: ArrayLike, level: float = 0.95) -> Band:
        """Quantiles of the latency of each type, (N, Q) each, s.

        The interval holds the latencies whose exceedance probability may be 1 - share: that of the
        probability at the estimate, taken back through the empirical distribution of all tasks
        (Woodruff 1952, "Confidence intervals for medians and other position measures").

        Parameters
        ----------
        shares : (Q,) array_like
            In (0, 1): 0.99 is the latency that one task in a hundred exceeds.
        level : float
            In (0, 1).

        Raises
        ------
        ValueError
            If the latencies were not kept, or an argument is outside its domain.
        """
        if not self.latencies_s:
            raise ValueError("quantiles: needs replications with keep_latencies = True")
        wanted = np.atleast_1d(np.asarray(shares, dtype=float))
        if not ((wanted > 0) & (wanted < 1)).all():
            raise ValueError(f"shares = {wanted.tolist()}: allowed strictly between 0 and 1")
        bands = [self._type_quantiles(n, wanted, level) for n in range(self.tasks.shape[1])]
        return Band(*(np.array(part) for part in zip(*bands, strict=True)))

    def _type_quantiles(self, type_: int, shares: FloatArray, level: float) -> Band:
        parts = [replication[type_] for replication in self.latencies_s]
        pooled = np.sort(np.concatenate(parts))
        if not pooled.size:
            return Band(*np.full((3, shares.size), np.nan))
        found_s = upper_quantiles(pooled, 1 - shares)
        # the references of the type, and the quantiles themselves
        limits_s = np.concatenate([found_s, self.reference_s[type_]])
        later = np.array(
            [part.size - np.searchsorted(part, limits_s, side="right") for part in parts]
        )
        effects = carried_design_effects(later, self.tasks[:, type_], limits_s)
        found = slice(0, shares.size)
        band = exceedance_band(later[:, found], self.tasks[:, type_], effects[found], level)
        return Band(found_s, upper_quantiles(pooled, band.high), upper_quantiles(pooled, band.low))

    def precise(
        self, relative: float, level: float = 0.95, wanted: ArrayLike | None = None
    ) -> bool:
        """Whether the wanted intervals are no wider than ± `relative` times their estimates."""
        p, low, high = self.interval(level)
        rows = np.ones(p.shape, dtype=bool) if wanted is None else np.asarray(wanted, dtype=bool)
        return bool(((high - low)[rows] <= 2 * relative * p[rows]).all())


def upper_quantiles(pooled: FloatArray, probability: FloatArray) -> FloatArray:
    """Least observed latency exceeded by no more than a share of all; beyond all: infinity."""
    most = np.floor(probability * pooled.size * (1 + 1e-12)).astype(np.int64)
    rows = pooled.size - 1 - np.minimum(most, pooled.size - 1)
    return np.where(probability > 0, pooled[rows], np.inf)


def paired_difference(one: Replications, other: Replications, level: float = 0.95) -> Band:
    r"""Difference of two models' exceedance probabilities under common random numbers, (N, T).

    With the linearised residuals z_r = (y_r - p n_r) R / n of each model, the difference
    has the variance of the mean of z_r - z'_r over the pairs, and a Student-t interval: what both
    models owe to the same chance cancels. An interval for differences that rest on many events; a
    probability by itself has `Replications.interval`.

    Parameters
    ----------
    one, other : Replications
        Of the same seed, latencies' shape, horizon and warm-up, in as many replications.
    level : float
        In (0, 1).

    Returns
    -------
    Band
        (p - p', low, high).

    Raises
    ------
    ValueError
        If they do not match.
    """
    keys = [
        (r.seed, len(r), r.horizon_s, r.warm_up.warm_up_s, r.latency_s.shape) for r in (one, other)
    ]
    if keys[0] != keys[1]:
        raise ValueError(
            "one, other: allowed the same seed, number of replications, horizon, warm-up and shape "
            f"of latencies, got {keys[0]} and {keys[1]}"
        )
    if len(one) < 2:
        raise ValueError("one, other: allowed at least two replications")
    p, z = zip(*(_residuals(each) for each in (one, other)), strict=True)
    error = (z[0] - z[1]).std(axis=0, ddof=1) / np.sqrt(len(one))
    half = student(len(one) - 1, level) * error
    return Band(p[0] - p[1], p[0] - p[1] - half, p[0] - p[1] + half)


def _residuals(found: Replications) -> tuple[FloatArray, FloatArray]:
    total = found.tasks.sum(axis=0).astype(float)
    total = np.where(total > 0, total, np.nan)[:, np.newaxis]
    p = found.exceedances.sum(axis=0) / total
    return p, (found.exceedances - p * found.tasks[..., np.newaxis]) * len(found) / total
