"""Methods for rare violations that splitting with a promise is compared with.

Each is a method for `sim.rare.rare_event.rare_tail`. Importance sampling makes independent paths;
the benchmark shows where it fails. It walks the chain of `sim.rare.tagged_kernel`.
"""

from math import exp, inf
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit

from airan_market.sim.arrays import FloatArray, IntArray
from airan_market.sim.machine_code import _caches
from airan_market.sim.rare import tagged_kernel
from airan_market.sim.rare.journey import Journey
from airan_market.sim.rare.rare_event import PARTS, Batch, looks, splitting
from airan_market.sim.rare.stationary_law import Start, StationaryLaw
from airan_market.sim.rare.tagged_kernel import (
    AT,
    FIRST_END,
    FRONT,
    HIGH,
    KINDS_OF_END,
    _copy,
    arrive,
    choose,
    fill_rates,
    happen,
    log_tilt,
    split,
    travel,
)

# what is compiled here holds the functions of the kernel, whose changes Numba would not notice
for cache in _caches(Path(__file__)):
    for index in cache.rglob(f"{Path(__file__).stem}.*.nbi"):
        if index.stat().st_mtime < Path(tagged_kernel.__file__).stat().st_mtime:
            index.unlink(missing_ok=True)


def crude(law: StationaryLaw, t: FloatArray, size: int) -> Batch:
    """Tagged tasks under their own law, counted."""
    start, late = law.start(0.0), np.nextafter(t.max(), inf)

    def run(rng: np.random.Generator) -> tuple[FloatArray, int]:
        latency_s, _, events = travel(size, start, law.journey, late, rng)
        return (latency_s[:, np.newaxis] > t).mean(0), events

    return run


def time_splitting(law: StationaryLaw, t: FloatArray, size: int) -> Batch:
    """Splitting from the stationary law, resampling without V: it is 1 of what is alive."""
    start, promise = law.start(0.0), law.promise(PARTS[:1])
    look_s = looks(law, t)
    wanted = np.searchsorted(look_s, t)
    untilted = np.ones_like(start.table)

    def run(rng: np.random.Generator) -> tuple[FloatArray, int]:
        estimate, events, _ = split(size, start, law.journey, look_s, promise, untilted, rng)
        return estimate[wanted], events

    return run


def importance(law: StationaryLaw, t: FloatArray, size: int) -> Batch:
    """Importance sampling by twisted rates."""

    def run(rng: np.random.Generator) -> tuple[FloatArray, int]:
        factors, events = importance_factors(law, t, size, rng)
        return np.exp(factors.sum(2)).mean(0), events

    return run


def importance_factors(
    law: StationaryLaw, t: FloatArray, size: int, rng: np.random.Generator
) -> tuple[FloatArray, int]:
    """Logarithms of the likelihood ratios of twisted paths, see `twist`."""
    start = law.start(law.best_exponent(float(t.max())))
    order = np.argsort(t, kind="stable")
    factors, events = twist(size, start, law.journey, t[order], rng)
    answer = np.empty_like(factors)
    answer[:, order] = factors
    return answer, events


METHODS = {
    "splitting": splitting,
    "importance": importance,
    "crude": crude,
    "time splitting": time_splitting,
}


@njit
def _log_value(
    state: IntArray, servers: IntArray, table: FloatArray, log_step: FloatArray
) -> float:
    """Logarithm of V = Π φ(tasks ahead), stages to come included, × z^(higher types upstream)."""
    stages = servers.size
    at = state[AT]
    if at == stages:
        return 0.0
    value = 0.0
    for u in range(stages):
        if u < at:
            value += state[HIGH + u] * log_step[at]
            continue
        ahead = state[HIGH + u] + (state[FRONT] if u == at else state[HIGH + stages + u])
        value += log_tilt(table[u], log_step[u], servers[u], ahead)
    return value


@njit(nogil=True, cache=True)
def twist(
    paths: int, start: Start, journey: Journey, latency_s: FloatArray, rng: Any
) -> tuple[FloatArray, int]:
    """Importance sampling: every rate q(x, y) becomes q(x, y) V(y)/V(x).

    Returns the logarithm of the likelihood ratio at each latency, -inf where the task is done by
    then, split in its factors, shape (paths, latencies, 2 + S): the start, arrivals, services of
    each stage. And the events.
    """
    servers, stages = journey.servers, journey.servers.size
    table, log_step = start.table, start.log_step
    kinds = FIRST_END + KINDS_OF_END * stages
    state = np.zeros(HIGH + 2 * stages, np.int64)
    trial = np.zeros(HIGH + 2 * stages, np.int64)
    counts, high_counts = np.zeros(stages, np.int64), np.zeros(stages, np.int64)
    rate, twisted, gain = np.zeros(kinds), np.zeros(kinds), np.zeros(kinds)
    log_ratio_of = np.zeros(2 + stages)
    excess = np.zeros(2 + stages)
    answer = np.full((paths, latency_s.size, 2 + stages), -inf)
    events = 0
    for i in range(paths):
        events += arrive(state, counts, high_counts, start, journey, rng)
        value = _log_value(state, servers, table, log_step)
        log_ratio_of[:] = 0.0
        log_ratio_of[0] = start.log_gain - value
        now_s, k = 0.0, 0
        while state[AT] < stages:
            fill_rates(state, journey, rate)
            total = 0.0
            excess[:] = 0.0
            for event in range(kinds):
                twisted[event] = 0.0
                if rate[event] > 0.0:
                    _copy(state, trial)
                    happen(trial, stages, event)
                    gain[event] = _log_value(trial, servers, table, log_step) - value
                    twisted[event] = rate[event] * exp(gain[event])
                    total += twisted[event]
                    factor = 1 if event < FIRST_END else 2 + (event - FIRST_END) // KINDS_OF_END
                    excess[factor] += twisted[event] - rate[event]
            next_s = now_s + rng.standard_exponential() / total
            while k < latency_s.size and latency_s[k] <= next_s:
                answer[i, k] = log_ratio_of + excess * (latency_s[k] - now_s)
                k += 1
            if k == latency_s.size:
                break
            event = choose(twisted, kinds, total, rng)
            factor = 1 if event < FIRST_END else 2 + (event - FIRST_END) // KINDS_OF_END
            log_ratio_of += excess * (next_s - now_s)
            log_ratio_of[factor] -= gain[event]
            value += gain[event]
            now_s = next_s
            happen(state, stages, event)
            events += 1
    return answer, events
