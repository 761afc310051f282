"""What happens to agreements when traffic is offered exactly at the solved loads.

Tasks of all users are drawn once: arrivals, work, and a uniform number that says which operator
the task takes under any matching. Every type at every operator is then a Poisson stream of rate
I_n z_{m,n} δ to the last digit, and two matchings face the same tasks (common random numbers): what
they differ in is not chance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from airan_market.agents.primitives.primitives import Primitives
from airan_market.sim.arrays import FloatArray, IntArray
from airan_market.sim.engines.engine import simulate
from airan_market.sim.streams import stream
from airan_market.sim.workload import Workload


@dataclass(frozen=True, eq=False)
class Tasks:
    """Tasks that all users ask for, by arrival, before they have chosen an operator.

    Attributes
    ----------
    arrival_s : array (n,)
    type : array (n,) of int
    work : array (n, 3)
        Exponential with mean 1: service time at a stage in units of its mean.
    chance : array (n,)
        Uniform in [0, 1): which operator is taken.
    """

    arrival_s: FloatArray
    type: IntArray
    work: FloatArray
    chance: FloatArray


@dataclass(frozen=True)
class Span:
    """How long a replication is: tasks that arrive in [warmup_s, warmup_s + horizon_s) count."""

    horizon_s: float
    warmup_s: float


def draw_tasks(demand_per_s: FloatArray, seed: int, replication: int, until_s: float) -> Tasks:
    """Tasks of one replication in [0, until_s), type n at rate I_n δ.

    Type n has the stream (seed, "offered", replication, n) to itself.

    Examples
    --------
    >>> tasks = draw_tasks(np.array([20.0, 5.0]), 1, 0, 10.0)
    >>> len(tasks.arrival_s), bool((np.diff(tasks.arrival_s) >= 0).all())
    (247, True)
    """
    drawn = []
    for n, rate in enumerate(demand_per_s):
        rng = stream(seed, "offered", replication, n)
        size = rng.poisson(rate * until_s)
        arrival_s = np.minimum(until_s * rng.random(size), np.nextafter(until_s, 0.0))
        work, chance = rng.standard_exponential((size, 3)), rng.random(size)
        drawn.append((arrival_s, np.full(size, n), work, chance))
    arrival_s, type_, work, chance = (np.concatenate(part) for part in zip(*drawn, strict=True))
    order = np.argsort(arrival_s, kind="stable")
    return Tasks(arrival_s[order], type_[order], work[order], chance[order])


def route(tasks: Tasks, match_probability: FloatArray, service_rate_per_s: FloatArray) -> Workload:
    """Tasks at the operators that a matching (M, N) sends them to; those that stay out are gone.

    Parameters
    ----------
    tasks : Tasks
    match_probability : array (M, N)
    service_rate_per_s : array (M, 3)

    Examples
    --------
    >>> tasks = Tasks(np.array([1.0, 2.0, 3.0]), np.zeros(3, dtype=int), np.ones((3, 3)),
    ...               np.array([0.1, 0.6, 0.9]))
    >>> sent = route(tasks, np.array([[0.5], [0.25]]), np.array([[1.0, 2.0, 4.0]] * 2))
    >>> sent.operator.tolist(), sent.task.tolist(), sent.service_s[0].tolist()
    ([0, 1], [0, 1], [1.0, 0.5, 0.25])
    """
    edges = np.cumsum(match_probability, axis=0)[:, tasks.type]
    operator = (tasks.chance >= edges).sum(axis=0)
    sent = np.flatnonzero(operator < len(match_probability))
    to = operator[sent]
    return Workload(
        task=sent,
        arrival_s=tasks.arrival_s[sent],
        type=tasks.type[sent],
        operator=to,
        user=np.zeros_like(sent),
        service_s=tasks.work[sent] / service_rate_per_s[to],
    )


def late_tasks(
    primitives: Primitives,
    match_probability: FloatArray,
    latency_s: FloatArray,
    span: Span,
    tasks: Tasks,
    engine: str = "compiled",
) -> IntArray:
    """Tasks that broke their agreement, (M, N), of those that arrive in the span.

    The run goes on for the longest agreement after the span, arrivals and all, so that by then
    every task of it has ended or is late: none is left undecided.

    Parameters
    ----------
    primitives : Primitives
    match_probability, latency_s : array (M, N)
    span : Span
    tasks : Tasks
        Up to `end_s(span, latency_s)` or later.
    engine : str

    Returns
    -------
    array (M, N) of int
    """
    until_s = end_s(span, latency_s)
    work = route(tasks, match_probability, primitives.service_rate_per_s)
    work = work.select(work.arrival_s < until_s)
    trace, state = simulate(
        work, primitives.servers.astype(np.int64), until_s=until_s, engine=engine
    )
    late = np.zeros(latency_s.shape, dtype=np.int64)
    ended = trace.latency_s > latency_s[trace.operator, trace.type]
    for rows, arrival_s, where in (
        (ended, trace.arrival_s, (trace.operator, trace.type)),
        (np.ones(len(state), dtype=bool), state.arrival_s, (state.operator, state.type)),
    ):
        counted = rows & (arrival_s >= span.warmup_s) & (arrival_s < span.warmup_s + span.horizon_s)
        np.add.at(late, (where[0][counted], where[1][counted]), 1)
    return late


def end_s(span: Span, latency_s: FloatArray) -> float:
    """End of a run in which every agreement of the span is decided, s."""
    return span.warmup_s + span.horizon_s + float(latency_s.max())


def violation_rates(
    primitives: Primitives,
    match_probability: FloatArray,
    latency_s: FloatArray,
    *,
    seed: int,
    replications: int,
    span: Span,
    engine: str = "compiled",
) -> FloatArray:
    """Violations over expected tasks, (R, M, N): unbiased estimates of the violation probability.

    The number of tasks expected, I_n z_{m,n} δ · horizon, is in the denominator, not the number
    that came: the estimate is unbiased and known for every type that sends anything, and may pass 1
    by chance. Where no task is expected it is 0.

    Raises
    ------
    ValueError
        When the span or the number of replications is out of its domain.
    """
    if not (span.horizon_s > 0 and span.warmup_s >= 0 and replications >= 1):
        raise ValueError(
            f"horizon_s = {span.horizon_s}, warmup_s = {span.warmup_s}, replications = "
            f"{replications}: allowed above 0, at least 0, at least 1"
        )
    # drawn up to the longest agreement that can be, so that all matchings face the same tasks
    until_s = span.warmup_s + span.horizon_s + primitives.mechanism.latency_max_s
    expected = match_probability * primitives.demand_per_s * span.horizon_s
    rates = []
    for replication in range(replications):
        tasks = draw_tasks(primitives.demand_per_s, seed, replication, until_s)
        late = late_tasks(primitives, match_probability, latency_s, span, tasks, engine)
        rates.append(np.divide(late, expected, out=np.zeros(late.shape), where=expected > 0))
    return np.array(rates)
