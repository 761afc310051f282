r"""A tagged task on its way through the tandem: a Markov chain of few numbers, exact.

Stages are multi-server stations with preemptive-resume priority, arrivals Poisson, demands
exponential with one rate for all types at a stage. What a task of type n meets:

- Types above n (lower priority) never touch it.
- At its arrival it sees the stationary law (Poisson arrivals see time averages). Types up to n
  together are a Jackson network, so their numbers at the stages are independent, each that of an
  M/M/c queue with Λ_n. Which of them are of higher types is *not* independent from stage to stage:
  that part of the law has no closed form and is drawn exactly, by coupling from the past.
- At its stage, higher types are always ahead of it, and of its own type those that came to this
  stage before. What is downstream now is ahead of it when it gets there. Its own type behind it
  may be served beside it, leave first, and be ahead of it downstream.
- What is ahead of it at a stage matters for the next one: higher types that are still upstream
  come in ahead of it, its own type that it overtook comes in behind it. At the last stage only
  higher types upstream and the number ahead of it matter.

Exponential demands have no memory, so numbers are enough: higher types and own type at each stage,
and how many of its own type at its stage came before it.
"""

import numpy as np
import numpy.typing as npt

from airan_market.sim.arrays import FloatArray, IntArray
from airan_market.sim.rare.journey import journey_of
from airan_market.sim.streams import stream


def tagged_tasks(
    servers: npt.ArrayLike,
    service_rate_per_s: npt.ArrayLike,
    arrival_rates_per_s: npt.ArrayLike,
    type_: int,
    *,
    seed: int,
    paths: int,
    until_s: float = np.inf,
) -> tuple[FloatArray, IntArray]:
    """Latencies of independent stationary tasks of one type, and the tasks that they find.

    Parameters
    ----------
    servers, service_rate_per_s, arrival_rates_per_s, type_
        As for `sim.rare.journey.journey_of`.
    seed : int
        Root seed; the same seed gives the same bytes.
    paths : int
        How many tasks, at least 1.
    until_s : float
        Where latencies are cut, s.

    Returns
    -------
    latency_s : (paths,) array
        End to end, s.
    found : (paths, 2, S) array
        Tasks of higher types, and of its own, at each stage on arrival. At the last stage only
        their sum has a meaning: which is which there cannot matter and is not drawn.

    Raises
    ------
    ValueError
        As `journey_of`; or fewer than one path.

    References
    ----------
    R. W. Wolff (1982) for what an arrival sees; J. G. Propp and D. B. Wilson (1996) for coupling
    from the past.

    Examples
    --------
    One server, one type: exponential with rate μ - λ = 4, so e^{-2} of the tasks take over 0.5 s;
    at load 3/7 they find 3/4 of a task on average.

    >>> latency_s, found = tagged_tasks([1], [7.0], [3.0], 0, seed=1, paths=20_000)
    >>> bool(abs((latency_s > 0.5).mean() - np.exp(-2)) < 0.01)
    True
    >>> bool(abs(found.sum((1, 2)).mean() - 0.75) < 0.05)
    True
    """
    # here: Numba takes long to import
    from airan_market.sim.rare.stationary_law import StationaryLaw
    from airan_market.sim.rare.tagged_kernel import travel

    if paths < 1:
        raise ValueError(f"paths = {paths}: must be at least 1")
    journey = journey_of(servers, service_rate_per_s, arrival_rates_per_s, type_)
    start = StationaryLaw(journey).start(0.0)
    rng = stream(seed, "tagged task", type_)
    latency_s, found, _ = travel(paths, start, journey, float(until_s), rng)
    return latency_s, found
