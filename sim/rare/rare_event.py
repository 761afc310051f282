r"""Rare violations of the tandem: P(T > t) of a type's latency T down to 1e-9 and beyond.

Multilevel splitting in time of the chain of `sim.rare.tagged`, steered by a bound. With `left` seconds
to go, the task at stage s, a_s tasks ahead of it there and N_u tasks at the stages to come, the
chance that it is late is about, were stages independent at most,

.. math:: V(x, left) = \min_η e^{-η\,left}\, φ^s_η(a_s) \prod_{u>s} φ^u_η(N_u)

with φ the tilt of one preemptive-resume station (`sim.rare.tilt`). Three things use it, and none can
bias the answer, however wrong V is:

- the state on arrival is drawn from the stationary law times Π φ at the best η of the whole law,
  which is again a product, and weighted by the inverse;
- time is cut in steps. Paths run under their own law; when the worth of the paths (weight × V) has
  become uneven they are resampled in proportion to it (systematic resampling), and the weight of
  each becomes what keeps the expectation: mean worth / V.

The mean weight of the paths whose task is still under way at t is then an unbiased estimate of
P(T > t) (P. Del Moral 2004). Paths of one run depend on each other, so standard errors come from
independent batches. As with any sampling, a way to be late that makes up less than about 1/paths of
the probability can be seen by no path, and is then in neither the estimate nor its error.

`tests/benchmarks/rare_event.py` compares this with crude Monte Carlo, with splitting without V, and
with importance sampling by twisted rates, method "importance" here, which makes independent paths.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from math import ceil, inf, log
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from airan_market.sim.arrays import FloatArray
from airan_market.sim.processors import processors
from airan_market.sim.rare.tagged import Journey, journey_of
from airan_market.sim.rare.tagged_kernel import split, travel, twist
from airan_market.sim.rare.tilt import (
    greatest_exponent,
    log_mean_tilt,
    log_stationary,
    padded,
    station_tilt,
)
from airan_market.sim.streams import stream
from airan_market.sim.theory.domain import latencies

METHODS = ("splitting", "importance", "crude", "time splitting")
BATCHES = 32
#: Latencies share a run when the bounds of their probabilities are within this factor.
FACTOR_OF_A_RUN = 30.0
#: Steps of a run for each unit of -ln P, and at least.
STEPS_PER_NEPER, LEAST_STEPS = 2.0, 4
#: Exponents of V as parts of the greatest, 1 - 2^(-k/2): 0, 0.29, 0.5 ... 0.996. At the greatest
#: itself φ has a pole.
PARTS = 1 - 0.5 ** (np.arange(17) / 2)
GOLDEN_STEPS = 60


class RareTail(NamedTuple):
    """Estimated tail of one type's latency.

    Attributes
    ----------
    probability, standard_error : (T,) float
        Unbiased estimate of P(T > t), and its standard error from independent batches.
    paths, events : int
        Tagged tasks, and events simulated for them (their past included).
    method : str
    largest_share : (T,) float
        Diagnostic of heavy tails: the largest batch's share in the sum of all batches. Healthy is a
        few times 1/batches; near 1 the standard error means nothing. NaN where the estimate is 0.
    """

    probability: FloatArray
    standard_error: FloatArray
    paths: int
    events: int
    method: str
    largest_share: FloatArray


def rare_tail(
    latency_s: npt.ArrayLike,
    servers: npt.ArrayLike,
    service_rate_per_s: npt.ArrayLike,
    arrival_rates_per_s: npt.ArrayLike,
    type_: int,
    *,
    seed: int,
    paths: int = 6400,
    method: str = "splitting",
    batches: int = BATCHES,
    workers: int | None = None,
) -> RareTail:
    """Estimate the probabilities that a task of one type takes longer than each latency.

    Parameters
    ----------
    latency_s : (T,) array_like
        t, s, at least 0, in any order.
    servers, service_rate_per_s : (S,) array_like
        c and μ (1/s) of each stage, S = 1, 2 or 3.
    arrival_rates_per_s : (N,) array_like
        Own arrival rate of each type, 1/s, the highest priority first.
    type_ : int
        0-based.
    seed : int
        Root seed; the same seed gives the same bytes, whatever the number of workers.
    paths : int
        Tagged tasks of each run, rounded up to whole batches. Latencies whose probabilities are
        within a factor of 30 share a run.
    method : str
        "splitting"; "importance" (twisted rates, see the benchmark for when it fails); "crude"; or
        "time splitting" (from the stationary law, resampling without V), for comparison.
    batches : int
        Independent parts of each run, at least 2; the standard error is theirs.
    workers : int, optional
        Threads; default: one for each processor.

    Returns
    -------
    RareTail

    Raises
    ------
    ValueError
        Naming argument and value: outside its domain, an unknown method, or a saturated type (it
        has no stationary law).

    References
    ----------
    P. Glasserman, P. Heidelberger, P. Shahabuddin, T. Zajic (1999) on multilevel splitting;
    P. Del Moral, "Feynman-Kac Formulae" (2004), section 7.4.2, on unbiasedness; P. Dupuis and
    H. Wang (2007) on minima of exponentials.

    Examples
    --------
    One server, one type: exponential with rate μ - λ = 4, so P(T > 5 s) = e^{-20}.

    >>> tail = rare_tail([5.0], [1], [7.0], [3.0], 0, seed=1, paths=6400)
    >>> bool(abs(tail.probability[0] / np.exp(-20) - 1) < 0.1)
    True
    >>> bool(tail.standard_error[0] < 0.1 * tail.probability[0]), tail.paths
    (True, 6400)
    """
    t = np.atleast_1d(latencies(latency_s))
    if t.ndim != 1:
        raise ValueError(f"latency_s has shape {t.shape}: must be (T,)")
    journey = journey_of(servers, service_rate_per_s, arrival_rates_per_s, type_)
    if method not in METHODS:
        raise ValueError(f"method = {method!r}: must be one of {', '.join(METHODS)}")
    if batches < 2:
        raise ValueError(f"batches = {batches}: must be at least 2")
    if paths < 1:
        raise ValueError(f"paths = {paths}: must be at least 1")
    law = _Law(journey)
    size = ceil(paths / batches)
    estimate = np.ones((batches, t.size))  # at t = 0 every task is under way
    events = used = 0
    for number, chosen in enumerate(_runs(law, t)):
        run = _run(law, t[chosen], method, size)
        streams = [stream(seed, "rare event", type_, number, batch) for batch in range(batches)]
        with ThreadPoolExecutor(workers or processors()) as pool:
            results = list(pool.map(run, streams))
        estimate[:, chosen] = np.array([values for values, _ in results])
        events += sum(count for _, count in results)
        used += batches * size
    probability = estimate.mean(0)
    with np.errstate(invalid="ignore"):  # 0/0, where no path was late: NaN, as documented
        share = estimate.max(0) / estimate.sum(0)
    error = estimate.std(0, ddof=1) / np.sqrt(batches)
    return RareTail(probability, error, used, events, method, share)


class _Start(NamedTuple):
    """A tilted law of the numbers of tasks on arrival, as the kernels want it."""

    cumulative: FloatArray  # (S, c)
    log_ratio: FloatArray  # (S,): step from c on
    table: FloatArray  # (S, c): ln φ
    log_step: FloatArray  # (S,): ln z
    log_gain: float  # Σ ln M


class _Law:
    """Stationary law of a journey and its exponential tilts."""

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

    def start(self, eta: float) -> _Start:
        """Return the stationary law tilted by η; the stationary law itself at η = 0."""
        tilts = self.tilts(eta)
        means = [log_mean_tilt(*p, *tilt) for p, tilt in zip(self.stationary, tilts, strict=True)]
        return _Start(
            padded([cumulative for _, cumulative in means]),
            np.array([p[1] + z for p, (_, z) in zip(self.stationary, tilts, strict=True)]),
            padded([table for table, _ in tilts]),
            np.array([z for _, z in tilts]),
            sum(gain for gain, _ in means),
        )

    def promise(self, parts: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Exponents (S, K) of V with the task at each stage, ln φ (S, K, S, c), ln z (S, K, S).

        At a late stage only stages to come limit the exponents.
        """
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
        return eta, table, log_step


def _runs(law: _Law, t: FloatArray) -> list[npt.NDArray[np.intp]]:
    """Group the positive latencies, whose probabilities a run can do justice to at once."""
    positive = np.flatnonzero(t > 0)
    order = positive[np.argsort(t[positive], kind="stable")]
    runs: list[list[int]] = []
    first = inf
    for i in order:
        bound = law.log_bound(float(t[i]))
        if bound < first - log(FACTOR_OF_A_RUN):
            runs.append([])
            first = bound
        runs[-1].append(int(i))
    return [np.array(run) for run in runs]


def _run(
    law: _Law, t: FloatArray, method: str, size: int
) -> Callable[[np.random.Generator], tuple[FloatArray, int]]:
    """Return what makes estimates (T,), and the number of events, of a batch's generator."""
    if method == "crude":
        return _crude(law, t, size)
    if method == "importance":
        return _importance(law, t, size)
    return _splitting(law, t, size, steered=method == "splitting")


def _crude(law: _Law, t: FloatArray, size: int) -> Callable[..., tuple[FloatArray, int]]:
    start = law.start(0.0)
    late = np.nextafter(t.max(), inf)

    table, step = start.cumulative, start.log_ratio

    def run(rng: np.random.Generator) -> tuple[FloatArray, int]:
        latency_s, _, events = travel(size, table, step, *law.journey, late, rng)
        return (latency_s[:, np.newaxis] > t).mean(0), events

    return run


def _splitting(
    law: _Law, t: FloatArray, size: int, steered: bool
) -> Callable[..., tuple[FloatArray, int]]:
    horizon_s = float(t.max())
    start = law.start(law.best_exponent(horizon_s) if steered else 0.0)
    eta, table, log_step = law.promise(PARTS if steered else PARTS[:1])  # V = 1 of what is alive
    ease = np.ones_like(start.table)
    if steered:  # own service at the rate μ/φ: as if tilted; at the last stage never done in time
        ease = np.exp(-start.table)
        ease[-1] = 0.0
    steps = max(LEAST_STEPS, ceil(-STEPS_PER_NEPER * law.log_bound(horizon_s)))
    look_s = np.union1d(horizon_s * np.arange(1, steps) / steps, t)
    wanted = np.searchsorted(look_s, t)

    def run(rng: np.random.Generator) -> tuple[FloatArray, int]:
        estimate, events, _ = split(
            size, *start, *law.journey, look_s, eta, table, log_step, ease, rng
        )
        return estimate[wanted], events

    return run


def _importance(law: _Law, t: FloatArray, size: int) -> Callable[..., tuple[FloatArray, int]]:
    def run(rng: np.random.Generator) -> tuple[FloatArray, int]:
        factors, events = importance_factors(law, t, size, rng)
        return np.exp(factors.sum(2)).mean(0), events

    return run


def importance_factors(
    law: _Law, t: FloatArray, size: int, rng: np.random.Generator
) -> tuple[FloatArray, int]:
    """Logarithms of the likelihood ratios of twisted paths, see `sim.rare.tagged_kernel.twist`."""
    start = law.start(law.best_exponent(float(t.max())))
    order = np.argsort(t, kind="stable")
    cumulative, log_ratio, table, log_step, log_gain = start
    factors, events = twist(
        size, cumulative, log_ratio, log_gain, *law.journey, t[order], table, log_step, rng
    )
    answer = np.empty_like(factors)
    answer[:, order] = factors
    return answer, events
