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

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from airan_market.sim.arrays import FloatArray
from airan_market.sim.streams import stream
from airan_market.sim.theory.domain import arrival_rates, server_counts, service_rates

GREATEST_STAGES = 3


class Journey(NamedTuple):
    """A tandem as one type sees it.

    Attributes
    ----------
    servers : (S,) int64
        c of each stage.
    service_rate_per_s : (S,) float
        μ of each stage.
    high_per_s, own_per_s : float
        Arrival rates of all higher types together and of its own type.
    """

    servers: npt.NDArray[np.int64]
    service_rate_per_s: FloatArray
    high_per_s: float
    own_per_s: float

    @property
    def arrivals_per_s(self) -> float:
        """Λ_n, rate of the types up to its own."""
        return self.high_per_s + self.own_per_s


def journey_of(
    servers: npt.ArrayLike,
    service_rate_per_s: npt.ArrayLike,
    arrival_rates_per_s: npt.ArrayLike,
    type_: int,
) -> Journey:
    """Return the tandem as type `type_` sees it.

    Parameters
    ----------
    servers, service_rate_per_s : (S,) array_like
        c and μ (1/s) of each stage, S = 1, 2 or 3.
    arrival_rates_per_s : (N,) array_like
        Own arrival rate of each type, 1/s, the highest priority first.
    type_ : int
        0-based.

    Raises
    ------
    ValueError
        Naming argument and value: outside its domain, of the wrong shape, or a saturated type (the
        stationary law that a task meets on arrival does not exist).

    Examples
    --------
    >>> journey_of([2, 3], [5.0, 4.0], [1.0, 2.0, 3.0], 1).arrivals_per_s
    3.0
    """
    c = server_counts(servers)
    mu = service_rates(service_rate_per_s)
    rates = arrival_rates(arrival_rates_per_s, "arrival_rates_per_s")
    if c.ndim != 1 or not 1 <= c.size <= GREATEST_STAGES:
        raise ValueError(f"servers has shape {c.shape}: must be (S,), S from 1 to 3")
    if mu.shape != c.shape:
        raise ValueError(f"service_rate_per_s has shape {mu.shape}: must be {c.shape}, as servers")
    if rates.ndim != 1 or not rates.size:
        raise ValueError(f"arrival_rates_per_s has shape {rates.shape}: must be (N,), N at least 1")
    if not 0 <= type_ < rates.size:
        raise ValueError(f"type_ = {type_}: must be 0 to {rates.size - 1}")
    total = float(rates[: type_ + 1].sum())
    capacity = c * mu
    if (total >= capacity).any():
        stage = int(np.argmax(total >= capacity))
        raise ValueError(
            f"type_ = {type_}: saturated at stage {stage} ({total:g} tasks/s against "
            f"{capacity[stage]:g}), so there is no stationary law and no tail to estimate"
        )
    high = float(rates[:type_].sum())
    return Journey(c.astype(np.int64), mu, high, total - high)


def tagged_latencies(
    servers: npt.ArrayLike,
    service_rate_per_s: npt.ArrayLike,
    arrival_rates_per_s: npt.ArrayLike,
    type_: int,
    *,
    seed: int,
    paths: int,
) -> FloatArray:
    """Latencies of independent stationary tasks of one type, end to end.

    Parameters
    ----------
    servers, service_rate_per_s, arrival_rates_per_s, type_
        As for `journey_of`.
    seed : int
        Root seed; the same seed gives the same bytes.
    paths : int
        How many tasks, at least 1.

    Returns
    -------
    (paths,) array
        Seconds.

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
    One server, one type: exponential with rate μ - λ = 4, so e^{-2} of the tasks take over 0.5 s.

    >>> latency_s = tagged_latencies([1], [7.0], [3.0], 0, seed=1, paths=20_000)
    >>> bool(abs((latency_s > 0.5).mean() - np.exp(-2)) < 0.01)
    True
    """
    return _travel(servers, service_rate_per_s, arrival_rates_per_s, type_, np.inf, seed, paths)[0]


def tasks_found(
    servers: npt.ArrayLike,
    service_rate_per_s: npt.ArrayLike,
    arrival_rates_per_s: npt.ArrayLike,
    type_: int,
    *,
    seed: int,
    paths: int,
) -> npt.NDArray[np.int64]:
    """Tasks that independent stationary tasks of one type find at the stages on their arrival.

    Parameters
    ----------
    servers, service_rate_per_s, arrival_rates_per_s, type_, seed, paths
        As for `tagged_latencies`; the same seed gives the same tasks.

    Returns
    -------
    (paths, 2, S) array
        Tasks of higher types, and of its own, at each stage. At the last stage only their sum has
        a meaning: which is which there cannot matter and is not drawn.

    Raises
    ------
    ValueError
        As `tagged_latencies`.

    Examples
    --------
    One server at load 3/4: 3 tasks on average.

    >>> found = tasks_found([1], [4.0], [1.0, 2.0], 1, seed=1, paths=20_000)
    >>> bool(abs(found.sum((1, 2)).mean() - 3) < 0.1)
    True
    """
    return _travel(servers, service_rate_per_s, arrival_rates_per_s, type_, 0.0, seed, paths)[1]


def _travel(
    servers: npt.ArrayLike,
    service_rate_per_s: npt.ArrayLike,
    arrival_rates_per_s: npt.ArrayLike,
    type_: int,
    until_s: float,
    seed: int,
    paths: int,
) -> tuple[FloatArray, npt.NDArray[np.int64]]:
    from airan_market.sim.rare.tagged_kernel import travel
    from airan_market.sim.rare.tilt import log_mean_tilt, log_stationary, padded

    if paths < 1:
        raise ValueError(f"paths = {paths}: must be at least 1")
    journey = journey_of(servers, service_rate_per_s, arrival_rates_per_s, type_)
    c, mu = journey.servers, journey.service_rate_per_s
    laws = [log_stationary(int(n), m, journey.arrivals_per_s) for n, m in zip(c, mu, strict=True)]
    latency_s, found, _ = travel(
        paths,
        padded([log_mean_tilt(*law, np.zeros(n), 0.0)[1] for law, n in zip(laws, c, strict=True)]),
        np.array([log_rho for _, log_rho in laws]),
        *journey,
        until_s,
        stream(seed, "tagged task", type_),
    )
    return latency_s, found
