"""What a task finds on its arrival, exponentially tilted: where rare-event methods start."""

from typing import NamedTuple

import numpy as np

from airan_market.sim.arrays import FloatArray
from airan_market.sim.rare.journey import Journey
from airan_market.sim.rare.tilt import (
    greatest_exponent,
    log_mean_tilt,
    log_stationary,
    padded,
    station_tilt,
)

GOLDEN_STEPS = 60


class Start(NamedTuple):
    """A tilted law of the numbers of tasks on arrival, as the kernels want it."""

    cumulative: FloatArray  # (S, c)
    log_ratio: FloatArray  # (S,): step from c on
    table: FloatArray  # (S, c): ln φ
    log_step: FloatArray  # (S,): ln z
    log_gain: float  # Σ ln M


class Promise(NamedTuple):
    """Bound V of the chance that a task is late, with the task at each stage, on K exponents."""

    eta: FloatArray  # (S, K): exponents, 1/s
    table: FloatArray  # (S, K, S, c): ln φ
    log_step: FloatArray  # (S, K, S): ln z


class StationaryLaw:
    """Stationary law of what a task of a journey finds, and its exponential tilts.

    Examples
    --------
    One server, one type: the sojourn is exponential of rate 4, M(η) = 4/(4 - η), best at η = 2.

    >>> from airan_market.sim.rare.journey import journey_of
    >>> law = StationaryLaw(journey_of([1], [7.0], [3.0], 0))
    >>> round(law.best_exponent(0.5), 6), round(float(np.exp(law.log_bound(0.5))), 6)  # 2/e
    (2.0, 0.735759)
    """

    def __init__(self, journey: Journey) -> None:
        self.journey = journey
        self.stations = [
            (int(c), float(mu))
            for c, mu in zip(journey.servers, journey.service_rate_per_s, strict=True)
        ]
        total = journey.arrivals_per_s
        self.stationary = [log_stationary(c, mu, total) for c, mu in self.stations]
        self.greatest = min(
            greatest_exponent(c, mu, journey.high_per_s, total) for c, mu in self.stations
        )

    def tilts(self, eta: float) -> list[tuple[FloatArray, float]]:
        """Logarithms of φ and z at each stage."""
        high = self.journey.high_per_s
        return [station_tilt(c, mu, high, eta) for c, mu in self.stations]

    def log_gain(self, eta: float) -> float:
        """Logarithm of Π M(η)."""
        return sum(
            log_mean_tilt(*law, *tilt)[0]
            for law, tilt in zip(self.stationary, self.tilts(eta), strict=True)
        )

    def best_exponent(self, latency_s: float) -> float:
        """η that makes the bound Π M(η) exp(-η t) least (golden section: its log is convex)."""
        shrink = (5**0.5 - 1) / 2
        low, high = 0.0, self.greatest
        for _ in range(GOLDEN_STEPS):
            width = shrink * (high - low)
            left, right = high - width, low + width
            at_left = self.log_gain(left) - left * latency_s
            at_right = self.log_gain(right) - right * latency_s
            if at_left <= at_right:
                high = right
            else:
                low = left
        return low

    def log_bound(self, latency_s: float) -> float:
        """Logarithm of the least bound, at most 0."""
        eta = self.best_exponent(latency_s)
        return min(0.0, self.log_gain(eta) - eta * latency_s)

    def start(self, eta: float) -> Start:
        """Return the stationary law tilted by η; the stationary law itself at η = 0."""
        tilts = self.tilts(eta)
        means = [log_mean_tilt(*p, *tilt) for p, tilt in zip(self.stationary, tilts, strict=True)]
        return Start(
            padded([cumulative for _, cumulative in means]),
            np.array([p[1] + z for p, (_, z) in zip(self.stationary, tilts, strict=True)]),
            padded([table for table, _ in tilts]),
            np.array([z for _, z in tilts]),
            sum(gain for gain, _ in means),
        )

    def promise(self, parts: FloatArray) -> Promise:
        """Return V at these parts of the greatest exponents, which stages to come limit alone."""
        high = self.journey.high_per_s
        own = np.array([greatest_exponent(c, mu, high, None) for c, mu in self.stations])
        greatest = np.minimum.accumulate(own[::-1])[::-1]
        eta = greatest[:, np.newaxis] * parts
        count = len(self.stations)
        table = np.full((count, parts.size, count, max(c for c, _ in self.stations)), np.nan)
        log_step = np.full((count, parts.size, count), np.nan)
        for at in range(count):
            for k in range(parts.size):
                for u in range(at, count):
                    phi, z = station_tilt(*self.stations[u], high, eta[at, k])
                    table[at, k, u, : phi.size] = phi
                    log_step[at, k, u] = z
        return Promise(eta, table, log_step)
