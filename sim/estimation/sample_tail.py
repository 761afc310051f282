r"""A smooth tail from a sample of latencies, fit for the design of a menu.

Kept of a sample are its quantiles at fixed levels of the tail P(T > t), from 1 at latency 0 down
to 0.001. Between them the density is linear by pieces and continuous, the tail its exact integral
(a quadratic spline that keeps the shape of its data, after Schumaker, SIAM J. Numer. Anal. 20,
1983). Three things are added to the data, each because a design needs it:

- *One mode.* The density rises down to the level `MODE` of the tail and falls from there on: the
  spacings of the quantiles are made monotone on either side by weighted isotonic regression, which
  keeps the means of what it pools. A sample's own ripples would put a bend into every ripple.
- *Beyond the data, an exponential.* A level that fewer than `EXCEEDANCES` observations exceed, or
  fewer than `SPELLS` independent spells of them, is not read off the sample. From the last level
  above it the tail goes on exponentially with the mean excess of the observations beyond (peaks
  over threshold with a generalised Pareto law of shape 0, Pickands, Ann. Statist. 3, 1975; the
  estimator of Hill, 1975, without its logarithms). Right for light tails, such as those of queues
  with exponential work; a heavier tail is underestimated out there. The relative standard error of
  the mean excess of independent observations is at most 1 / sqrt(EXCEEDANCES).
- *A beginning.* From latency 0 to the first quantile the tail falls from 1 to 0.995.

A weighted mean of quantiles and mean excesses of several samples is again such a tail, with one
mode, so tails can be interpolated between the loads at which samples were taken.
"""

from dataclasses import dataclass

import numpy as np

from airan_market.sim.arrays import FloatArray

LEVELS = np.concatenate(
    [
        [1, 0.995, 0.98, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.55, 0.5, 0.45, 0.4, 0.35],
        [0.3, 0.25, 0.2, 0.16, 0.125],
        # ten to a decade, as fine as samples of practical size can tell
        [0.1, 0.08, 0.063, 0.05, 0.04, 0.0315, 0.025, 0.02, 0.016, 0.0125],
        [0.01, 0.008, 0.0063, 0.005, 0.004, 0.00315, 0.0025, 0.002, 0.0016, 0.00125, 0.001],
    ]
)
LEVELS.setflags(write=False)
MODE = 0.7  # level of the tail at which the density is largest
EXCEEDANCES, SPELLS = 50, 10
LEAST_SPACING = 1e-12  # of quantiles, as part of the largest: an atom has no density
LEAST_EXCESS = 1e-9  # likewise: in a sample of equal values nothing exceeds


@dataclass(frozen=True, eq=False)
class SampleTail:
    """Smooth tails, one or many.

    Attributes
    ----------
    quantile_s : array (..., P)
        Latency at each of `LEVELS`, increasing from 0, s.
    excess_s : array (...)
        Mean of what comes beyond the last, s.

    Examples
    --------
    >>> tail = SampleTail.of(np.random.default_rng(1).exponential(0.02, 50_000))
    >>> true = np.exp(-np.array([0.05, 0.1, 0.3]) / 0.02)
    >>> (tail.probability(np.array([0.05, 0.1, 0.3])) / true).round(2)
    array([0.99, 0.99, 1.38])
    """

    quantile_s: FloatArray
    excess_s: FloatArray

    @classmethod
    def of(cls, latency_s: FloatArray, autocorrelation_time: float = 1.0) -> "SampleTail":
        """Smooth one sample (n,) of latencies above 0.

        Parameters
        ----------
        latency_s : array (n,)
        autocorrelation_time : float
            The integrated autocorrelation time, 1 + 2 Σ ρ_k: how many observations in a row tell
            no more than one, at least 1. The latencies of a queue are alike for as long as it
            remembers, and a level of the tail that only a few busy spells exceed is mostly missed
            and sometimes far too high.

        Raises
        ------
        ValueError
            Without an observation, or with one that is not a finite number above 0.
        """
        sample = np.sort(np.asarray(latency_s, dtype=np.float64))
        if sample.ndim != 1 or not sample.size:
            raise ValueError("latency_s: allowed at least one observation")
        if not (np.isfinite(sample) & (sample > 0)).all():
            raise ValueError("latency_s: allowed finite numbers above 0")
        exceedances = sample.size * LEVELS
        least = max(EXCEEDANCES, SPELLS * autocorrelation_time)
        told = int((exceedances >= least).sum())
        last = max(told - 1, 0)
        quantile_s = np.quantile(sample, 1 - LEVELS)
        quantile_s[0] = 0.0
        excess = sample[sample > quantile_s[last]] - quantile_s[last]
        least_s = LEAST_EXCESS * float(sample[-1])
        excess_s = max(float(excess.mean()), least_s) if excess.size else least_s
        beyond = np.log(LEVELS[last] / LEVELS[last:])
        quantile_s[last:] = quantile_s[last] + excess_s * beyond
        return cls(*_with_one_mode(quantile_s, excess_s))

    def probability(self, latency_s: FloatArray) -> FloatArray:
        """P(T > latency_s), array (...), latencies (...) at least 0."""
        return self._evaluate(latency_s)[0]

    def density(self, latency_s: FloatArray) -> FloatArray:
        """Density at latency_s, array (...), 1/s."""
        return self._evaluate(latency_s)[1]

    def _evaluate(self, latency_s: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Tail and density: quadratic and linear on two pieces between neighbouring quantiles."""
        x, shape = self.quantile_s, np.broadcast_shapes(latency_s.shape, self.excess_s.shape)
        t = np.broadcast_to(latency_s, shape)
        x = np.broadcast_to(x, (*shape, x.shape[-1]))
        excess_s = np.broadcast_to(self.excess_s, shape)
        place = np.minimum((t[..., np.newaxis] >= x).sum(axis=-1) - 1, LEVELS.size - 2)

        def at(values: FloatArray, offset: int = 0) -> FloatArray:
            values = np.broadcast_to(values, (*shape, values.shape[-1]))
            return np.take_along_axis(values, (place + offset)[..., np.newaxis], axis=-1)[..., 0]

        chord = -np.diff(LEVELS) / np.diff(x)
        knot = _knot_densities(x, chord, excess_s)
        left, right, mean, width = at(knot), at(knot, 1), at(chord), at(np.diff(x))
        # the joint comes close to the end whose density is close to the mean; where the mean lies
        # between the densities at the ends, it is then also the density at the joint
        off_left, off_right = np.abs(mean - left), np.abs(mean - right)
        with np.errstate(invalid="ignore"):
            part = np.where(off_left + off_right > 0, off_right / (off_left + off_right), 0.5)
        joint = 2 * mean - left * part - right * (1 - part)
        after, before = t - at(x), at(x, 1) - t
        first, second = part * width, (1 - part) * width
        with np.errstate(divide="ignore", invalid="ignore"):
            up, down = (joint - left) / first, (joint - right) / second
            in_first = after < first
            tail = np.where(
                in_first,
                at(LEVELS) - after * (left + up * after / 2),
                at(LEVELS, 1) + before * (right + down * before / 2),
            )
            density = np.where(in_first, left + up * after, right + down * before)
        beyond = t >= x[..., -1]
        far = LEVELS[-1] * np.exp(-np.maximum(t - x[..., -1], 0.0) / excess_s)
        return np.where(beyond, far, tail), np.where(beyond, far / excess_s, density)


def _knot_densities(x: FloatArray, chord: FloatArray, excess_s: FloatArray) -> FloatArray:
    """Densities at the quantiles: 0, then between the means on either side, then the tail's."""
    width = np.diff(x)
    inner = chord[..., :-1] * width[..., 1:] + chord[..., 1:] * width[..., :-1]
    inner /= width[..., 1:] + width[..., :-1]
    end = LEVELS[-1] / excess_s[..., np.newaxis]
    return np.concatenate([np.zeros_like(end), inner, end], axis=-1)


def _with_one_mode(quantile_s: FloatArray, excess_s: float) -> tuple[FloatArray, FloatArray]:
    """Make the spacing per level fall down to `MODE` and grow from there on."""
    from scipy.optimize import isotonic_regression  # here: SciPy takes long to import

    share = -np.diff(LEVELS)
    spacing = np.diff(quantile_s) / share
    split = int(np.searchsorted(-LEVELS, -MODE))
    spacing[:split] = isotonic_regression(
        spacing[:split], weights=share[:split], increasing=False
    ).x
    spacing[split:] = isotonic_regression(spacing[split:], weights=share[split:]).x
    spacing = np.maximum(spacing, LEAST_SPACING * quantile_s[-1] / share)
    # the exponential takes over where the density is no longer above its own
    excess_s = max(excess_s, float(spacing[-1] * LEVELS[-1]))
    return np.concatenate([[0.0], np.cumsum(spacing * share)]), np.asarray(excess_s)
