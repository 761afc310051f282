"""Compiled journey of one tagged task through the tandem, and what rare-event methods do with it.

`sim.rare.tagged` says what the chain is and why it is enough. A state is one row of whole numbers:

- `AT`, the stage where the tagged task is, S once it is done;
- `FRONT`, the tasks of its own type at that stage that came before it;
- from `HIGH` on, for each stage, the tasks of higher types;
- from `HIGH + S` on, for each stage, the other tasks of its own type.

Events are numbered: 0 and 1 are arrivals from outside, of a higher type and of its own; stage u has
events 2 + 4u and up, the end of service of a higher type, of its own type (at the stage of the
tagged task: before it), of its own type behind it, and of the tagged task itself.

All is in one file because a cache of compiled code knows of changes in its own file only.
"""

from math import exp, floor, inf, log
from typing import Any

import numpy as np
from numba import njit

from airan_market.sim.arrays import FloatArray, IntArray
from airan_market.sim.rare.journey import Journey
from airan_market.sim.rare.stationary_law import Promise, Start

AT, FRONT, HIGH = 0, 1, 2
HIGH_ARRIVES, OWN_ARRIVES, FIRST_END = 0, 1, 2
HIGH_ENDS, FRONT_ENDS, BEHIND_ENDS, TAGGED_ENDS = range(4)
KINDS_OF_END = 4

TINY = 1e-12  # what is left of a rate after subtracting it from itself is below this part of it
FIRST_LOOK = 64  # events of the past that are looked at first, see `compose`


@njit
def _copy(source: Any, target: Any) -> None:
    """Write a row at the start of another; a slice compiles its message of shapes, for seconds."""
    for i in range(source.size):
        target[i] = source[i]


# ---- the chain ----


@njit
def fill_rates(state: IntArray, journey: Journey, rate: FloatArray) -> float:
    """Rate of every event in this state, 1/s; returns their sum.

    In service are the first in the order of (type, arrival at the stage): higher types, own type
    before the tagged task, the tagged task, own type behind it. What cannot touch the tagged task
    any more, its own type upstream of the last stage, stands still.
    """
    servers, mu = journey.servers, journey.service_rate_per_s
    stages = servers.size
    at = state[AT]
    last = at == stages - 1
    rate[HIGH_ARRIVES] = journey.high_per_s
    rate[OWN_ARRIVES] = 0.0 if last else journey.own_per_s
    total = journey.high_per_s + rate[OWN_ARRIVES]
    for u in range(stages):
        first = FIRST_END + KINDS_OF_END * u
        free = servers[u]
        busy = min(state[HIGH + u], free)
        rate[first + HIGH_ENDS] = mu[u] * busy
        total += mu[u] * busy
        free -= busy
        rate[first + BEHIND_ENDS] = 0.0
        rate[first + TAGGED_ENDS] = 0.0
        others = state[HIGH + stages + u]
        if u != at:
            busy = 0 if last else min(others, free)
            rate[first + FRONT_ENDS] = mu[u] * busy
            total += mu[u] * busy
            continue
        busy = min(state[FRONT], free)
        rate[first + FRONT_ENDS] = mu[u] * busy
        total += mu[u] * busy
        free -= busy
        if free > 0:
            rate[first + TAGGED_ENDS] = mu[u]
            total += mu[u]
            if not last:
                busy = min(others - state[FRONT], free - 1)
                rate[first + BEHIND_ENDS] = mu[u] * busy
                total += mu[u] * busy
    return total


@njit
def happen(state: IntArray, stages: int, event: int) -> None:
    """Change the state by one event."""
    own = HIGH + stages
    if event == HIGH_ARRIVES:
        state[HIGH] += 1
        return
    if event == OWN_ARRIVES:
        state[own] += 1
        return
    u = (event - FIRST_END) // KINDS_OF_END
    kind = (event - FIRST_END) % KINDS_OF_END
    onward = u + 1 < stages
    if kind == HIGH_ENDS:
        state[HIGH + u] -= 1
        if onward:
            state[HIGH + u + 1] += 1
    elif kind == TAGGED_ENDS:
        state[AT] += 1
        state[FRONT] = state[own + u + 1] if onward else 0
    else:
        state[own + u] -= 1
        if onward:
            state[own + u + 1] += 1
        if kind == FRONT_ENDS and u == state[AT]:
            state[FRONT] -= 1


@njit
def choose(rate: FloatArray, events: int, total: float, rng: Any) -> int:
    """Draw an event in proportion to its rate."""
    while True:
        left = rng.random() * total
        for event in range(events):
            left -= rate[event]
            if left < 0.0:
                return event
        # rounding of the sum left nothing to choose: draw again


@njit
def walk(
    state: IntArray,
    now_s: float,
    until_s: float,
    journey: Journey,
    service_tilt: FloatArray,
    rate: FloatArray,
    rng: Any,
) -> tuple[float, float, int]:
    """Let time pass until `until_s` or the task is done.

    The rate at which the tagged task itself is served is multiplied by `service_tilt` (S, c), given
    its stage and the tasks ahead. Returns when the walk ended, the logarithm of the likelihood
    ratio of that, and the events.
    """
    mu, stages = journey.service_rate_per_s, journey.servers.size
    events = FIRST_END + KINDS_OF_END * stages
    count, log_ratio = 0, 0.0
    while state[AT] < stages:
        total = fill_rates(state, journey, rate)
        at = state[AT]
        tagged_ends = FIRST_END + KINDS_OF_END * at + TAGGED_ENDS
        factor, slower = 1.0, 0.0
        if rate[tagged_ends] > 0.0:
            factor = service_tilt[at, state[HIGH + at] + state[FRONT]]
            slower = mu[at] * (1.0 - factor)
            rate[tagged_ends] = mu[at] * factor
            total -= slower
        left_s = until_s - now_s
        # nothing may happen at all: the task is alone, and tilted to stand still
        wait_s = rng.standard_exponential() / total if total > TINY * slower else inf
        if wait_s >= left_s:
            return until_s, log_ratio - slower * left_s, count
        now_s += wait_s
        log_ratio -= slower * wait_s
        event = choose(rate, events, total, rng)
        if event == tagged_ends:
            log_ratio -= log(factor)
        happen(state, stages, event)
        count += 1
    return now_s, log_ratio, count


# ---- what the tagged task finds ----


@njit
def draw_counts(start: Start, servers: IntArray, rng: Any, counts: IntArray) -> None:
    """Draw the tasks at each stage: a table below c, geometric from c on."""
    for u in range(servers.size):
        x = rng.random()
        c = servers[u]
        if x < start.cumulative[u, c - 1]:
            counts[u] = np.searchsorted(start.cumulative[u, :c], x, side="right")
        else:  # 1 - random() is in (0, 1]
            counts[u] = c + floor(log(1.0 - rng.random()) / start.log_ratio[u])


@njit
def _extend_past(
    event: Any, mark: FloatArray, first: int, counts: IntArray, journey: Journey, rng: Any
) -> None:
    """Draw events `first` and up of the past; `counts` are taken back with them."""
    servers, mu, stages = journey.servers, journey.service_rate_per_s, journey.servers.size
    arrivals = journey.high_per_s + journey.own_per_s
    for i in range(first, event.size):
        total = arrivals
        for u in range(stages):
            total += mu[u] * min(counts[u], servers[u])
        left = rng.random() * total - arrivals
        happened = stages
        if left >= 0.0:
            happened = stages - 1
            for u in range(stages):
                left -= mu[u] * min(counts[u], servers[u])
                if left < 0.0:
                    happened = u
                    break
        event[i] = happened
        mark[i] = rng.random()
        if happened < stages:
            counts[happened] -= 1
        if happened > 0:
            counts[happened - 1] += 1


@njit
def _replay(
    event: Any,
    mark: FloatArray,
    counts: IntArray,
    servers: IntArray,
    share: float,
    least: IntArray,
    most: IntArray,
) -> None:
    """Play the past forwards with the fewest and the most tasks of higher types at its start."""
    stages = servers.size
    for i in range(event.size - 1, -1, -1):
        to = event[i]
        if to == 0:
            counts[0] += 1
            if mark[i] < share:
                least[0] += 1
                most[0] += 1
            continue
        u = to - 1
        served = mark[i] * min(counts[u], servers[u])
        counts[u] -= 1
        if to < stages:
            counts[to] += 1
        if served < min(least[u], servers[u]):
            least[u] -= 1
            if to < stages:
                least[to] += 1
        if served < min(most[u], servers[u]):
            most[u] -= 1
            if to < stages:
                most[to] += 1


@njit
def compose(counts: IntArray, journey: Journey, rng: Any, high_counts: IntArray) -> int:
    """Draw how many of the tasks at each stage are of higher types, given how many there are.

    Coupling from the past (Propp and Wilson 1996). Types up to the tagged one together are a
    Jackson network, so backwards in time, from `counts`, they are the same network with its stages
    in reverse. Played forwards again, an arrival is of a higher type with a fixed probability, and
    an end of service is that of a higher type in proportion to the servers these hold. Started from
    none and from all of them being of higher types, the two runs never cross; where they have met
    at every stage but the last, where it plays no part, the answer does not depend on the start. If
    they have not met, the same past is taken twice as far back. Returns the events drawn.
    """
    servers, high, own = journey.servers, journey.high_per_s, journey.own_per_s
    stages = servers.size
    if stages == 1 or high == 0.0 or own == 0.0:
        for u in range(stages):
            high_counts[u] = 0 if high == 0.0 else counts[u]
        return 0
    size = FIRST_LOOK + 4 * counts.sum()
    event, mark = np.empty(0, np.int8), np.empty(0)
    start = counts.copy()
    least, most = np.empty(stages, np.int64), np.empty(stages, np.int64)
    while True:
        known = event.size
        longer, longer_mark = np.empty(size, np.int8), np.empty(size)
        _copy(event, longer)
        _copy(mark, longer_mark)
        event, mark = longer, longer_mark
        _extend_past(event, mark, known, start, journey, rng)
        least[:] = 0
        _copy(start, most)
        _replay(event, mark, start.copy(), servers, high / (high + own), least, most)
        met = True
        for u in range(stages - 1):
            met = met and least[u] == most[u]
        if met:
            for u in range(stages):
                high_counts[u] = least[u]
            return size
        size *= 2


@njit
def arrive(
    state: IntArray,
    counts: IntArray,
    high_counts: IntArray,
    start: Start,
    journey: Journey,
    rng: Any,
) -> int:
    """Put the tagged task at the uplink, with numbers of tasks at the stages drawn from a law."""
    draw_counts(start, journey.servers, rng, counts)
    events = compose(counts, journey, rng, high_counts)
    stages = counts.size
    for u in range(stages):
        state[HIGH + u] = high_counts[u]
        state[HIGH + stages + u] = counts[u] - high_counts[u]
    state[AT] = 0
    state[FRONT] = state[HIGH + stages]
    return events


@njit(nogil=True, cache=True)
def travel(
    paths: int, start: Start, journey: Journey, until_s: float, rng: Any
) -> tuple[FloatArray, IntArray, int]:
    """Independent tagged tasks under their own law.

    Returns their latencies, those beyond `until_s` cut there; the tasks that they found at each
    stage, of higher types and of their own, (paths, 2, S); and the events.
    """
    stages = journey.servers.size
    state = np.zeros(HIGH + 2 * stages, np.int64)
    counts, high_counts = np.zeros(stages, np.int64), np.zeros(stages, np.int64)
    rate = np.zeros(FIRST_END + KINDS_OF_END * stages)
    service_tilt = np.ones((stages, journey.servers.max()))
    latency_s = np.empty(paths)
    found = np.empty((paths, 2, stages), np.int64)
    events = 0
    for i in range(paths):
        events += arrive(state, counts, high_counts, start, journey, rng)
        _copy(high_counts, found[i, 0])
        _copy(counts - high_counts, found[i, 1])
        latency_s[i], _, more = walk(state, 0.0, until_s, journey, service_tilt, rate, rng)
        events += more
    return latency_s, found, events


# ---- how promising a state is ----


@njit
def log_tilt(table: FloatArray, log_step: float, servers: int, ahead: int) -> float:
    """Logarithm of φ(ahead), from its table below c and geometric from c - 1 on."""
    if ahead < servers:
        return table[ahead]
    return table[servers - 1] + (ahead - servers + 1) * log_step


@njit
def log_promise(state: IntArray, left_s: float, servers: IntArray, promise: Promise) -> float:
    """Bound of ln P(task takes more than `left_s` from now): the least over a grid of exponents.

    ln V = min_k [-η_k left + Σ ln φ_k(tasks ahead)], over the stage of the task and those to come;
    η_0 = 0 makes it at most 0.
    """
    stages = servers.size
    at = state[AT]
    if at == stages:
        return -inf
    best = 0.0
    eta, table, log_step = promise.eta, promise.table, promise.log_step
    for k in range(eta.shape[1]):
        height = -eta[at, k] * left_s
        for u in range(at, stages):
            ahead = state[HIGH + u] + (state[FRONT] if u == at else state[HIGH + stages + u])
            height += log_tilt(table[at, k, u], log_step[at, k, u], servers[u], ahead)
        best = min(best, height)
    return best


@njit(nogil=True, cache=True)
def split(
    paths: int,
    start: Start,
    journey: Journey,
    look_s: FloatArray,
    promise: Promise,
    service_tilt: FloatArray,
    rng: Any,
) -> tuple[FloatArray, int, int]:
    """Multilevel splitting in time of one batch of paths; see `sim.rare.rare_event`.

    Returns the estimates of P(T > t) at the times `look_s`, the events and the resamplings.
    """
    servers, stages = journey.servers, journey.servers.size
    width = HIGH + 2 * stages
    state, other = np.zeros((paths, width), np.int64), np.zeros((paths, width), np.int64)
    log_weight, score = np.empty(paths), np.empty(paths)
    counts, high_counts = np.zeros(stages, np.int64), np.zeros(stages, np.int64)
    rate = np.zeros(FIRST_END + KINDS_OF_END * stages)
    parent = np.empty(paths, np.int64)
    estimate = np.zeros(look_s.size)
    horizon_s = look_s[-1]
    events, resamplings, now_s = 0, 0, 0.0
    for i in range(paths):
        events += arrive(state[i], counts, high_counts, start, journey, rng)
        log_weight[i] = start.log_gain
        for u in range(stages):
            log_weight[i] -= log_tilt(start.table[u], start.log_step[u], servers[u], counts[u])
    for k in range(look_s.size + 1):
        # score: what a path is worth for the end, its weight times its promise
        top = -inf
        for i in range(paths):
            worth = log_promise(state[i], horizon_s - now_s, servers, promise)
            score[i] = log_weight[i] + worth
            top = max(top, score[i])
        if top == -inf:
            break  # every path of this batch is done
        total, squares = 0.0, 0.0
        for i in range(paths):
            score[i] = exp(score[i] - top)
            total += score[i]
            squares += score[i] * score[i]
        if k == look_s.size:
            break
        if total * total < 0.5 * paths * squares:
            resamplings += 1
            _systematic(score, total, rng.random(), parent)
            log_mean = top + log(total / paths)
            for i in range(paths):
                _copy(state[parent[i]], other[i])
            state, other = other, state
            for i in range(paths):
                worth = log_promise(state[i], horizon_s - now_s, servers, promise)
                log_weight[i] = log_mean - worth
        alive = 0.0
        for i in range(paths):
            _, more_weight, more = walk(
                state[i], now_s, look_s[k], journey, service_tilt, rate, rng
            )
            log_weight[i] += more_weight
            events += more
            if state[i, AT] < stages:
                alive += exp(log_weight[i])
        now_s = look_s[k]
        estimate[k] = alive / paths
    return estimate, events, resamplings


@njit
def _systematic(score: FloatArray, total: float, offset: float, parent: IntArray) -> None:
    """Systematic resampling: every path gets its expected number of offspring, rounded."""
    step = total / parent.size
    threshold = offset * step
    last = score.size - 1  # that can be a parent: rounding may leave the last threshold beyond all
    while score[last] == 0.0:
        last -= 1
    cumulated, i = score[0], 0
    for j in range(parent.size):
        while cumulated <= threshold and i < last:
            i += 1
            cumulated += score[i]
        parent[j] = i
        threshold += step
