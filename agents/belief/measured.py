r"""The belief of an operator that trusts its own measurements.

An operator knows its stations and can play them (`sim.estimation.pilot.PilotRun`): it offers a
type above and a type of its own to a simulation of itself and keeps the latencies as a smooth tail
(`sim.estimation.sample_tail`). That is done at the nodes of a grid of loads, when a node is first
needed; in between, quantiles and mean excesses are interpolated. A design asks for thousands of
loads, so measuring each anew would take hours, and menus would chase the noise between them.

The load of a type n and of those above it, Λ_n and Λ_{n-1}, are given as

    u = −ln(1 − Λ_{n−1} / C),   v = −ln(1 − Λ_n / C) − u,   C = min c μ over the stages,

in which queues grow evenly up to saturation: nodes are `STEP` apart in both. Interpolation is
linear in e^(2u) and e^v, as is the mean sojourn of a type in a single server,
1 / (μ (1 − Λ_{n−1}/C) (1 − Λ_n/C)) = e^(2u) e^v / μ. Decided where measuring has no answer:

- *Few tasks of its own, or none.* A type has at least `PROBES` of the capacity that the types above
  leave: an operator sends probes, and what these find, a little more load than without them, is
  believed (v is at least −ln(1 − PROBES)).
- *Near saturation.* Beyond u or u + v = `GREATEST` (94 % load) a pilot run would have to be too
  long to settle. From there on latencies grow as 1 / (1 − load) in either load, the heavy-traffic
  law.
- *Saturated.* p = 1 at every latency, as in every other belief.

What happened in earlier rounds of a run does not enter: a belief is a function of the loads, the
same in `solve` and in `run`, and a round has too few tasks of a type to tell a tail.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from airan_market.agents.belief.tail_belief import TailBelief
from airan_market.sim.arrays import FloatArray, IntArray
from airan_market.sim.estimation.pilot import PilotRun
from airan_market.sim.estimation.sample_tail import LEVELS, SampleTail
from airan_market.sim.theory.domain import arrival_rates
from airan_market.sim.workload import STAGES

STEP = 0.25
PROBES = 0.05
GREATEST = 2.75
TASKS = 30_000  # in a pilot run, and
RELAXATIONS = 200  # times the tasks in which a queue of that load forgets, 4 / (1 − load)²
NODES = 20_000  # kept in memory, 350 bytes each

Stages = tuple[tuple[float, ...], tuple[float, ...]]


@dataclass(frozen=True)
class MeasuredLaw:
    """The laws of K types, flattened, as `envelope.Law`.

    Attributes
    ----------
    tails : SampleTail
        (K,), whatever where saturated.
    """

    tails: SampleTail

    def tail(self, latency_s: FloatArray, which: IntArray) -> FloatArray:
        """P(T > latency_s) under the laws `which`."""
        return self._of(which).probability(latency_s)

    def density(self, latency_s: FloatArray, which: IntArray) -> FloatArray:
        """Density of T at latency_s, 1/s."""
        return self._of(which).density(latency_s)

    def _of(self, which: IntArray) -> SampleTail:
        return SampleTail(self.tails.quantile_s[which], self.tails.excess_s[which])


def measured(
    servers: FloatArray,
    service_rate_per_s: FloatArray,
    load_per_s: FloatArray,
    *,
    pilot: PilotRun,
    zeta: float = 0.0,
) -> TailBelief:
    """Belief at cumulative loads.

    Parameters
    ----------
    servers, service_rate_per_s : array (..., 1, S)
        c and μ of at most three stages.
    load_per_s : array (..., N)
        Λ_n, never decreasing along the types.
    pilot : PilotRun
        The traffic in which operators measure.
    zeta : float
        Not read.

    Returns
    -------
    TailBelief
        With arrays (..., N).

    Raises
    ------
    ValueError
        For loads out of their domain or more than three stages.

    Examples
    --------
    >>> one = np.ones((1, 1)), np.full((1, 1), 7.0)
    >>> belief = measured(*one, np.array([3.0, 3.0, 7.0]), pilot=PilotRun())
    >>> belief.raw(np.full(3, 0.5)).round(2).tolist()  # exact: 0.135, 0.275 and saturated
    [0.13, 0.29, 1.0]
    """
    load = arrival_rates(load_per_s, "load_per_s")
    capacity = (servers * service_rate_per_s).min(axis=-1)
    load = np.broadcast_to(load, np.broadcast_shapes(load.shape, capacity.shape))
    saturated = load >= capacity
    full = np.where(saturated, 0.0, load / capacity)
    depth = -np.log1p(-full)
    above = np.concatenate([np.zeros_like(depth[..., :1]), depth[..., :-1]], axis=-1)
    above = np.where(saturated, 0.0, above)
    operator = np.arange(capacity.size).reshape(capacity.shape[:-1])
    operator = np.broadcast_to(operator[..., np.newaxis], load.shape)
    by_operator = zip(_rows(servers), _rows(service_rate_per_s), strict=True)
    stages = [_stages(c, mu) for c, mu in by_operator]
    tails = _interpolated(stages, operator.reshape(-1), above.reshape(-1), depth.reshape(-1), pilot)
    return TailBelief(MeasuredLaw(tails), saturated)


def _rows(array: FloatArray) -> FloatArray:
    return array.reshape(-1, array.shape[-1])


def _stages(servers: FloatArray, rates: FloatArray) -> Stages:
    """Return the stages as a key, filled up to three with stages that take no time."""
    missing = len(STAGES) - servers.size
    if missing < 0:
        raise ValueError(f"servers: {servers.size} stages, allowed at most {len(STAGES)}")
    return (*servers.tolist(), *[1.0] * missing), (*rates.tolist(), *[np.inf] * missing)


def _interpolated(
    stages: list[Stages], operator: IntArray, above: FloatArray, depth: FloatArray, pilot: PilotRun
) -> SampleTail:
    """Tails (K,) at the depths of the loads of K types, those above and with their own."""
    u, end = np.minimum(above, GREATEST), np.minimum(depth, GREATEST)
    beyond = np.exp((above - u) + (depth - end))
    first = -np.log1p(-PROBES)
    v = np.maximum(end - u, first)
    i = np.floor(u / STEP).astype(np.int64)
    j = np.where(v < STEP, 0, np.floor(v / STEP)).astype(np.int64)
    across = _between(np.exp(2 * u), np.exp(2 * STEP * i), np.exp(2 * STEP * (i + 1)))
    starts = np.where(j == 0, first, j * STEP)
    along = _between(np.exp(v), np.exp(starts), np.exp(STEP * (j + 1)))
    quantile_s, excess_s = np.zeros((u.size, LEVELS.size)), np.zeros(u.size)
    for di, dj in ((0, 0), (0, 1), (1, 0), (1, 1)):
        share = (across if di else 1 - across) * (along if dj else 1 - along) * beyond
        counts = np.flatnonzero(share > 0)
        keys = np.stack([operator, i + di, j + dj], axis=-1)[counts]
        nodes, which = np.unique(keys, axis=0, return_inverse=True)
        tails = [_node(stages[m], a, b, pilot) for m, a, b in nodes.tolist()]
        if not tails:
            continue
        quantiles = np.array([tail.quantile_s for tail in tails])[which.reshape(-1)]
        excesses = np.array([tail.excess_s for tail in tails])[which.reshape(-1)]
        quantile_s[counts] += share[counts, np.newaxis] * quantiles
        excess_s[counts] += share[counts] * excesses
    return SampleTail(quantile_s, excess_s)


def _between(value: FloatArray, start: FloatArray, end: FloatArray) -> FloatArray:
    """Part of the way from start to end, 0 to 1 also where rounding says otherwise."""
    return np.clip((value - start) / (end - start), 0.0, 1.0)


@lru_cache(maxsize=NODES)
def _node(stages: Stages, i: int, j: int, pilot: PilotRun) -> SampleTail:
    """Measure at one node; a function of its arguments, kept because it takes long."""
    servers, rates = np.array(stages[0]), np.array(stages[1])
    capacity_per_s = float((servers * rates).min())
    above = i * STEP
    own = j * STEP if j else -np.log1p(-PROBES)
    above_per_s = -np.expm1(-above) * capacity_per_s
    own_per_s = -np.expm1(-own) * np.exp(-above) * capacity_per_s
    relaxation = 4 * np.exp(2 * (above + own))
    tasks = int(TASKS + RELAXATIONS * relaxation)
    latency_s = pilot.latencies(servers, rates, above_per_s, own_per_s, tasks)
    share = own_per_s / (above_per_s + own_per_s)
    return SampleTail.of(latency_s, max(1.0, relaxation * share))
