r"""Rare violations of the tandem: P(T > t) of a type's latency T down to 1e-9 and beyond.

Multilevel splitting in time of the chain of `sim.rare.tagged`, steered by a bound. With `left`
seconds to go, the task at stage s, a_s tasks ahead of it there and N_u tasks at the stages to come,
the chance that it is late is about, were stages independent at most,

.. math:: V(x, left) = \min_η e^{-η\,left}\, φ^s_η(a_s) \prod_{u>s} φ^u_η(N_u)

with φ the tilt of one preemptive-resume station (`sim.rare.tilt`). Three things use it, and none
can bias the answer, however wrong V is:

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
with importance sampling by twisted rates, which makes independent paths.
"""

from collections.abc import Callable
from math import ceil, inf, log
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from airan_market.sim.arrays import FloatArray
from airan_market.sim.processors import processors
from airan_market.sim.rare.journey import journey_of
from airan_market.sim.rare.stationary_law import StationaryLaw
from airan_market.sim.rare.tagged_kernel import split
from airan_market.sim.streams import stream
from airan_market.sim.theory.domain import latencies
from airan_market.sim.threads import threads

#: Makes estimates (T,), and the number of events, of the generator of a batch.
Batch = Callable[[np.random.Generator], tuple[FloatArray, int]]
Method = Callable[[StationaryLaw, FloatArray, int], Batch]
BATCHES = 32
#: Latencies share a run when the bounds of their probabilities are within this factor.
FACTOR_OF_A_RUN = 30.0
#: Steps of a run for each unit of -ln P, and at least.
STEPS_PER_NEPER, LEAST_STEPS = 2.0, 4
#: Exponents of V as parts of the greatest, 1 - 2^(-k/2): 0, 0.29, 0.5 ... 0.996. At the greatest
#: itself φ has a pole.
PARTS = 1 - 0.5 ** (np.arange(17) / 2)


class RareTail(NamedTuple):
    """Estimated tail of one type's latency.

    Attributes
    ----------
    probability, standard_error : (T,) float
        Unbiased estimate of P(T > t), and its standard error from independent batches.
    paths, events : int
        Tagged tasks, and events simulated for them (their past included).
    largest_share : (T,) float
        Diagnostic of heavy tails: the largest batch's share in the sum of all batches. Healthy is a
        few times 1/batches; near 1 the standard error means nothing. NaN where the estimate is 0.
    """

    probability: FloatArray
    standard_error: FloatArray
    paths: int
    events: int
    largest_share: FloatArray


def splitting(law: StationaryLaw, t: FloatArray, size: int) -> Batch:
    """Multilevel splitting in time, steered by V: the method of the module."""
    horizon_s = float(t.max())
    start = law.start(law.best_exponent(horizon_s))
    promise = law.promise(PARTS)
    # own service at the rate μ/φ: as if tilted; at the last stage never done in time
    service_tilt = np.exp(-start.table)
    service_tilt[-1] = 0.0
    look_s = looks(law, t)
    wanted = np.searchsorted(look_s, t)

    def run(rng: np.random.Generator) -> tuple[FloatArray, int]:
        estimate, events, _ = split(size, start, law.journey, look_s, promise, service_tilt, rng)
        return estimate[wanted], events

    return run


def looks(law: StationaryLaw, t: FloatArray) -> FloatArray:
    """Times of a run at which paths may be resampled, those asked for among them, s.

    Examples
    --------
    >>> from airan_market.sim.rare.journey import journey_of
    >>> looks(StationaryLaw(journey_of([1], [7.0], [3.0], 0)), np.array([0.5, 1.0]))
    array([0.25, 0.5 , 0.75, 1.  ])
    """
    horizon_s = float(t.max())
    steps = max(LEAST_STEPS, ceil(-STEPS_PER_NEPER * law.log_bound(horizon_s)))
    return np.union1d(horizon_s * np.arange(1, steps) / steps, t)


def rare_tail(
    latency_s: npt.ArrayLike,
    servers: npt.ArrayLike,
    service_rate_per_s: npt.ArrayLike,
    arrival_rates_per_s: npt.ArrayLike,
    type_: int,
    *,
    seed: int,
    paths: int = 6400,
    method: Method = splitting,
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
    method : callable
        What makes a `Batch` of a law, latencies t > 0 and a number of paths.
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
        Naming argument and value: outside its domain, or a saturated type (it has no stationary
        law).

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
    if batches < 2:
        raise ValueError(f"batches = {batches}: must be at least 2")
    if paths < 1:
        raise ValueError(f"paths = {paths}: must be at least 1")
    law = StationaryLaw(journey)
    size = ceil(paths / batches)
    estimate = np.ones((batches, t.size))  # at t = 0 every task is under way
    events = used = 0
    for number, chosen in enumerate(_runs(law, t)):
        run = method(law, t[chosen], size)
        streams = [stream(seed, "rare event", type_, number, batch) for batch in range(batches)]
        with threads(workers or processors()) as pool:
            results = list(pool.map(run, streams))
        estimate[:, chosen] = np.array([values for values, _ in results])
        events += sum(count for _, count in results)
        used += batches * size
    probability = estimate.mean(0)
    with np.errstate(invalid="ignore"):  # 0/0, where no path was late: NaN, as documented
        share = estimate.max(0) / estimate.sum(0)
    error = estimate.std(0, ddof=1) / np.sqrt(batches)
    return RareTail(probability, error, used, events, share)


def _runs(law: StationaryLaw, t: FloatArray) -> list[npt.NDArray[np.intp]]:
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
