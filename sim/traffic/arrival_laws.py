"""Laws of arrivals: stationary point processes of a wanted rate.

`arrivals` draws one such process. Where several processes share their ups and downs (the types of
a market, the rounds of a run), the common part is drawn first, as an `Intensity`.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from airan_market.sim.arrays import FloatArray, IntArray

CHUNK = 1024  # phases drawn at once; part of what a stream of random numbers means
GREATEST_CHANGES = 10_000_000  # phase changes of a path held in memory, 160 MB


class Intensity(Protocol):
    """How fast arrivals come as time goes by, given what chance has decided for all of them."""

    def arrivals(
        self, rng: np.random.Generator, rate_per_s: float, start_s: float, duration_s: float
    ) -> FloatArray:
        """Times in [start_s, start_s + duration_s), in no particular order, s."""
        ...


class ArrivalLaw(Intensity, Protocol):
    """Law of a stationary point process, up to its rate; `arrivals` draws one of its own."""


@dataclass(frozen=True)
class Poisson:
    """Poisson arrivals: a Poisson number of them, each uniform. Its intensity is even.

    Examples
    --------
    >>> Poisson().arrivals(np.random.default_rng(1), 3.0, 10.0, 1.0).round(3)
    array([10.423, 10.828, 10.409, 10.55 ])
    """

    def intensity(self, rng: np.random.Generator, until_s: float) -> Intensity:
        """Return itself: there is nothing to decide beforehand."""
        return self

    def arrivals(
        self, rng: np.random.Generator, rate_per_s: float, start_s: float, duration_s: float
    ) -> FloatArray:
        """Times in [start_s, start_s + duration_s), in no particular order, s."""
        tasks = rng.poisson(rate_per_s * duration_s)
        return before_end(start_s + duration_s * rng.random(tasks), start_s, duration_s)


@dataclass(frozen=True, eq=False)
class PhaseIntensity:
    """An intensity that jumps: `level[k]` times the rate on [change_s[k], change_s[k + 1]).

    Attributes
    ----------
    change_s : (n + 1,) float
        From 0 to the end of the path, increasing, s.
    level : (n,) float
        Above 0.

    Examples
    --------
    >>> phases = PhaseIntensity(np.array([0.0, 1.0, 3.0]), np.array([2.0, 0.5]))
    >>> phases.passed(np.array([0.5, 1.0, 3.0]))
    array([1., 2., 3.])
    """

    change_s: FloatArray
    level: FloatArray

    def passed(self, time_s: FloatArray) -> FloatArray:
        """Integral of the intensity from 0 to time_s, s."""
        return np.interp(time_s, self.change_s, self._passed_at_changes())

    def arrivals(
        self, rng: np.random.Generator, rate_per_s: float, start_s: float, duration_s: float
    ) -> FloatArray:
        """Times in [start_s, start_s + duration_s), in no particular order, s.

        Given the path they are Poisson with this intensity: a Poisson number, each at the inverse
        of the integral of the intensity, so that the same generator gives nearly the same tasks
        as `Poisson`, at times pulled into the bursts.

        Raises
        ------
        ValueError
            If the path ends before the span.
        """
        end_s = start_s + duration_s
        if start_s < 0 or end_s > self.change_s[-1]:
            raise ValueError(
                f"arrivals in [{start_s}, {end_s}) s: allowed 0 to {self.change_s[-1]} s"
            )
        first, last = self.passed(np.array([start_s, end_s]))
        tasks = rng.poisson(rate_per_s * (last - first))
        passed = first + (last - first) * rng.random(tasks)
        times_s = np.interp(passed, self._passed_at_changes(), self.change_s)
        return before_end(np.maximum(times_s, start_s), start_s, duration_s)

    def _passed_at_changes(self) -> FloatArray:
        return np.concatenate([[0.0], np.cumsum(self.level * np.diff(self.change_s))])


@dataclass(frozen=True)
class Bursts:
    """A Markov-modulated Poisson process of two states, bursts and calm between them.

    Bursts last an exponential time of mean b and take the share p of all time, so calm lasts an
    exponential time of mean b (1 - p) / p. With the ratio r of the two rates, the intensities are
    r / (p r + 1 - p) and 1 / (p r + 1 - p) times the rate. The state at the start is stationary.

    The index of dispersion of the number N of arrivals in t seconds at rate λ is (Fischer and
    Meier-Hellstern, The MMPP cookbook, Performance Evaluation 18, 1993)

        Var N / E N = 1 + 2 λ v / s (1 - (1 - e^(-s t)) / (s t)),
        v = p (1 - p) ((r - 1) / (p r + 1 - p))²,  s = 1 / ((1 - p) b),

    growing from 1 to 1 + 2 λ v / s.

    Parameters
    ----------
    ratio : float
        r, rate in a burst over the rate between bursts, at least 1, finite.
    share : float
        p, part of all time that is in bursts, in (0, 1).
    mean_s : float
        b, mean time of a burst, s, above 0.

    Examples
    --------
    >>> law = Bursts(ratio=9.0, share=0.25, mean_s=0.5)
    >>> law.levels
    (3.0, 0.3333333333333333)
    >>> round(law.dispersion(rate_per_s=40.0, window_s=1e9), 6)  # 1 + 2 · 40 · (4/3) · 0.375
    41.0
    """

    ratio: float
    share: float
    mean_s: float

    def __post_init__(self) -> None:
        if not (np.isfinite(self.ratio) and self.ratio >= 1):
            raise ValueError(f"ratio = {self.ratio}: allowed a finite number, at least 1")
        if not 0 < self.share < 1:
            raise ValueError(f"share = {self.share}: allowed strictly between 0 and 1")
        if not (np.isfinite(self.mean_s) and self.mean_s > 0):
            raise ValueError(f"mean_s = {self.mean_s}: allowed a finite number above 0")

    @property
    def levels(self) -> tuple[float, float]:
        """Intensities in a burst and between bursts, over the mean rate."""
        mean = self.share * self.ratio + 1.0 - self.share
        return self.ratio / mean, 1.0 / mean

    def intensity(self, rng: np.random.Generator, until_s: float) -> PhaseIntensity:
        """Draw the phases of [0, until_s]; those of a shorter path are the beginning of a longer.

        Raises
        ------
        ValueError
            If more than 10,000,000 changes of phase are to be expected.
        """
        calm_s = self.mean_s * (1.0 - self.share) / self.share
        if 2.0 * until_s > GREATEST_CHANGES * (self.mean_s + calm_s):
            raise ValueError(
                f"mean_s = {self.mean_s}: allowed phases that change at most {GREATEST_CHANGES} "
                f"times in {until_s} s"
            )
        bursting = rng.random() < self.share
        means = np.array([self.mean_s, calm_s] if bursting else [calm_s, self.mean_s])
        parts, end_s = [np.zeros(1)], 0.0
        while end_s <= until_s:
            lasts_s = np.tile(means, CHUNK // 2) * rng.standard_exponential(CHUNK)
            parts.append(end_s + np.cumsum(lasts_s))
            end_s = float(parts[-1][-1])
        change_s = np.concatenate(parts)
        level = np.tile(self.levels if bursting else self.levels[::-1], len(change_s) // 2)
        needed = int(np.searchsorted(change_s, until_s)) + 1  # the first change at or after it
        return PhaseIntensity(change_s[: max(needed, 2)], level[: max(needed, 2) - 1])

    def arrivals(
        self, rng: np.random.Generator, rate_per_s: float, start_s: float, duration_s: float
    ) -> FloatArray:
        """Times in [start_s, start_s + duration_s), in no particular order, s."""
        times_s = self.intensity(rng, duration_s).arrivals(rng, rate_per_s, 0.0, duration_s)
        return before_end(start_s + times_s, start_s, duration_s)

    def dispersion(self, rate_per_s: float, window_s: float) -> float:
        """Index of dispersion, see the class; 1 for a window of no length."""
        high, low = self.levels
        variance = self.share * (1 - self.share) * (high - low) ** 2
        decay_per_s = 1.0 / ((1 - self.share) * self.mean_s)
        memory = decay_per_s * window_s
        # 1 - (1 - e^-x) / x loses its digits for small x
        grown = memory / 2 if memory < 1e-8 else 1 + np.expm1(-memory) / memory
        return float(1.0 + 2.0 * rate_per_s * variance / decay_per_s * grown)


@dataclass(frozen=True, eq=False)
class Recorded:
    """The arrival times of a trace, stretched to the wanted rate and met at a uniform moment.

    The trace is closed to a ring, its last gap the mean one; a draw starts at a uniform place of
    the ring, which makes it a stationary process whose rate is exact, and goes around as often as
    the span asks for: a span with more arrivals than the trace has repeats them.

    Parameters
    ----------
    arrival_s : (n,) array_like of float
        At least two times, never decreasing, not all the same, s.

    Attributes
    ----------
    place : (n,) float
        Times on a ring of length n, that is at rate 1.

    Examples
    --------
    >>> law = Recorded([0.0, 1.0, 6.0])
    >>> law.place
    array([0.        , 0.33333333, 2.        ])
    >>> len(law.arrivals(np.random.default_rng(1), 5.0, 0.0, 3.0))
    15
    """

    arrival_s: FloatArray

    def __post_init__(self) -> None:
        times_s = np.array(self.arrival_s, dtype=np.float64)
        if times_s.ndim != 1 or len(times_s) < 2 or not np.isfinite(times_s).all():
            raise ValueError("arrival_s: allowed one axis of at least two finite times")
        if (np.diff(times_s) < 0).any() or times_s[0] == times_s[-1]:
            raise ValueError("arrival_s: allowed times that never decrease, not all the same")
        times_s.setflags(write=False)
        object.__setattr__(self, "arrival_s", times_s)

    @property
    def place(self) -> FloatArray:
        """Times on a ring of length n."""
        times_s = self.arrival_s - self.arrival_s[0]
        return times_s * ((len(times_s) - 1) / times_s[-1])

    def arrivals(
        self, rng: np.random.Generator, rate_per_s: float, start_s: float, duration_s: float
    ) -> FloatArray:
        """Times in [start_s, start_s + duration_s), in order, s."""
        tasks = len(self.arrival_s)
        begin = tasks * rng.random()
        if rate_per_s * duration_s == 0:
            return np.empty(0)
        place, end = self.place, begin + rate_per_s * duration_s
        turns = np.arange(int(end // tasks) + 1) * float(tasks)
        unrolled = (turns[:, np.newaxis] + place).reshape(-1)
        met = unrolled[(unrolled >= begin) & (unrolled < end)]
        return before_end(start_s + (met - begin) / rate_per_s, start_s, duration_s)


def marked_arrivals(
    law: ArrivalLaw,
    rng: np.random.Generator,
    rates_per_s: npt.ArrayLike,
    start_s: float,
    duration_s: float,
) -> tuple[FloatArray, IntArray]:
    """Draw one point process of the total rate and give every arrival a type, independently.

    With Poisson arrivals the types are independent Poisson processes; otherwise they share the
    bursts of the whole.

    Parameters
    ----------
    law : ArrivalLaw
    rng : numpy.random.Generator
    rates_per_s : (N,) array_like of float
        Rate of each type, finite, at least 0, 1/s.
    start_s, duration_s : float

    Returns
    -------
    arrival_s : (n,) float
        Sorted, s.
    type : (n,) int64
        0-based.

    Examples
    --------
    >>> times_s, types = marked_arrivals(Poisson(), np.random.default_rng(1), [1.0, 3.0], 0.0, 1.0)
    >>> times_s.round(3), types
    (array([0.028, 0.409, 0.55 , 0.754, 0.828]), array([1, 1, 1, 1, 1]))
    """
    rates = np.asarray(rates_per_s, dtype=np.float64)
    if rates.ndim != 1 or not len(rates) or not (np.isfinite(rates) & (rates >= 0)).all():
        raise ValueError(f"rates_per_s = {rates.tolist()}: allowed finite numbers, at least 0")
    total = rates.sum()
    arrival_s = np.sort(law.arrivals(rng, float(total), start_s, duration_s))
    ends = np.cumsum(rates)
    type_ = np.searchsorted(ends, ends[-1] * rng.random(len(arrival_s)), side="right")
    return arrival_s, type_.astype(np.int64)


def before_end(arrival_s: FloatArray, start_s: float, duration_s: float) -> FloatArray:
    """Keep times out of the end of the span, which start + duration * u can round up to.

    Examples
    --------
    >>> float(before_end(np.array([2.0]), 1.0, 1.0)[0]) < 2.0
    True
    """
    return np.minimum(arrival_s, np.nextafter(start_s + duration_s, start_s))
