"""The hot loop of the compiled engine: the tandem of one operator, station after station.

Stages are feed-forward, so no global event list is needed: over a chunk of a few thousand arrivals
the uplink is played first, its departures feed the GPU, and those the downlink, while the rows of
the chunk are still in the cache. Three structures make an event cheap:

- a *winner tree* over the servers' ends of service. They are compared as integers: the bits of
  floating point numbers that are at least 0 have the order of the numbers.
- a *ring* per type, a doubly linked list in order of arrival closed by one entry of its own. What
  is in service of a type is the front part of its ring, so `last`, the last task in service (or the
  closing entry), says who is interrupted, who is resumed next, and whether anybody serves or waits.
- a stack of free servers.

Whatever indexes an array is an unsigned integer: Numba then leaves out the test for negative
indices. The order of events is that of `sim.simpy_engine`, to the bit.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit

Index = np.uint64
ZERO, ONE = Index(0), Index(1)
NEVER = np.inf
BUSY, SERVERS, WAITING, FREE = (Index(i) for i in range(4))  # entries of `Station.count`


class Tasks(NamedTuple):
    """Columns of the tasks of all operators, one row a task; every station works on the same."""

    number: Any  # int64 (n,)
    type: Any  # int32 (n,)
    service_s: Any  # float64 (n, 3)
    remaining_s: Any  # float64 (n,), of a task that waits
    before: Any  # int32 (n + rings,): neighbours in the ring, rows n and up close the rings
    after: Any
    server: Any  # int32 (n,), of a task in service
    end_s: Any  # float64 (n, 3)
    preemptions: Any  # int64 (n, 3)


class Station(NamedTuple):
    """State of one station with room for P servers, P a power of two."""

    key: Any  # int64 (2P,): the winner tree; entry 1 wins, P and up are the servers' own ends
    due_s: Any  # float64 (2P,): the same memory
    winner: Any  # int32 (2P,): whose end of service it is
    row: Any  # int32 (P,): the task that a server serves
    free: Any  # int32 (P,): stack of free servers
    count: Any  # int64 (4,): servers that are busy and in force, tasks that wait, free servers
    last: Any  # int32 (N,): last task in service of each type


class Queue(NamedTuple):
    """Tasks that come to a station, or leave it, in order of (time, number)."""

    row: Any  # int32
    time_s: Any  # float64


class Changes(NamedTuple):
    """Capacity changes of one station, in order of time."""

    time_s: Any  # float64
    servers: Any  # int64


@njit(inline="always")
def _enter(station, server, due_s, scratch, bits):
    """A free server gets an end of service: climb the tree only as long as it wins."""
    scratch[ZERO] = due_s
    key = bits[ZERO]
    node = Index(station.row.size) + server
    station.key[node] = key
    node >>= ONE
    while node > ZERO and key < station.key[node]:
        station.key[node] = key
        station.winner[node] = server
        node >>= ONE


@njit(inline="always")
def _replay(station, server, due_s, scratch, bits):
    """A server gets another end of service: play its path to the root again, without branches."""
    scratch[ZERO] = due_s
    key = bits[ZERO]
    node = Index(station.row.size) + server
    station.key[node] = key
    winner = server
    while node > ONE:
        rival = station.key[node ^ ONE]
        rival_server = Index(station.winner[node ^ ONE])
        less = rival < key
        key = rival if less else key
        winner = rival_server if less else winner
        node >>= ONE
        station.key[node] = key
        station.winner[node] = winner


@njit(inline="always")
def _join(tasks, ring, row):
    """A new task joins its ring at the end."""
    tail = Index(tasks.before[ring])
    tasks.after[tail] = row
    tasks.before[row] = tail
    tasks.after[row] = ring
    tasks.before[ring] = row


@njit(inline="always")
def _leave(tasks, station, row, type_):
    """A task that is done leaves its ring."""
    before = Index(tasks.before[row])
    after = Index(tasks.after[row])
    tasks.after[before] = after
    tasks.before[after] = before
    if Index(station.last[type_]) == row:
        station.last[type_] = before


@njit(inline="always")
def _occupy(tasks, station, server, row):
    station.row[server] = row
    tasks.server[row] = server


@njit(inline="always")
def _resume_first(tasks, station, rings):
    """Take the waiting task that is first in the order of priority into service."""
    type_ = ZERO
    row = Index(tasks.after[Index(station.last[type_])])
    while row == rings + type_:  # nobody of this type waits
        type_ += ONE
        row = Index(tasks.after[Index(station.last[type_])])
    station.last[type_] = row
    return row


@njit(inline="always")
def _lowest_in_service(station, rings, above):
    """Lowest type in service that is below type `above`, or `above`."""
    type_ = Index(station.last.size) - ONE
    while type_ > above and Index(station.last[type_]) == rings + type_:
        type_ -= ONE
    return type_


@njit(inline="always")
def _interrupt_last(tasks, station, stage, type_, now_s):
    """Take the last task of a type out of service; returns its server."""
    row = Index(station.last[type_])
    server = Index(tasks.server[row])
    station.last[type_] = tasks.before[row]
    tasks.remaining_s[row] = station.due_s[Index(station.row.size) + server] - now_s
    tasks.preemptions[row, stage] += 1
    return server


@njit(inline="always")
def _record(tasks, departures, left, row, time_s):
    """Write down a departure; departures of one instant are kept in the order of their numbers."""
    place = left
    while (
        place > 0
        and departures.time_s[Index(place - 1)] == time_s
        and tasks.number[Index(departures.row[Index(place - 1)])] > tasks.number[row]
    ):
        departures.row[Index(place)] = departures.row[Index(place - 1)]
        departures.time_s[Index(place)] = time_s
        place -= 1
    departures.row[Index(place)] = row
    departures.time_s[Index(place)] = time_s


@njit
def _advance(
    tasks,
    station,
    stage,
    rings,
    queue,
    first,
    stop,
    left,
    departures,
    last_end_s,
    before_s,
    scratch,
    bits,
):
    """Play a station: ends of service up to and with `last_end_s`, arrivals before `before_s`.

    `queue[first:stop]` are the arrivals, `departures[:left]` those written down so far. Returns
    the new `first` and `left`.
    """
    busy, servers = station.count[BUSY], station.count[SERVERS]
    waiting, free = station.count[WAITING], station.count[FREE]
    next_due_s = station.due_s[ONE]
    while True:
        arrival_s = queue.time_s[Index(first)] if first < stop else NEVER
        if next_due_s <= arrival_s:
            if next_due_s > last_end_s:
                break
            server = Index(station.winner[ONE])
            row = Index(station.row[server])
            tasks.end_s[row, stage] = next_due_s
            _leave(tasks, station, row, Index(tasks.type[row]))
            _record(tasks, departures, left, row, next_due_s)
            left += 1
            if waiting > 0:
                waiting -= 1
                resumed = _resume_first(tasks, station, rings)
                _occupy(tasks, station, server, resumed)
                due_s = next_due_s + tasks.remaining_s[resumed]
            else:
                busy -= 1
                station.free[Index(free)] = server
                free += 1
                due_s = NEVER
            _replay(station, server, due_s, scratch, bits)
            next_due_s = station.due_s[ONE]
        else:
            if arrival_s >= before_s:
                break
            row = Index(queue.row[Index(first)])
            first += 1
            type_ = Index(tasks.type[row])
            _join(tasks, rings + type_, row)
            if busy < servers:
                busy += 1
                free -= 1
                server = Index(station.free[Index(free)])
                station.last[type_] = row
                _occupy(tasks, station, server, row)
                _enter(station, server, arrival_s + tasks.service_s[row, stage], scratch, bits)
                next_due_s = station.due_s[ONE]
                continue
            waiting += 1
            lowest = _lowest_in_service(station, rings, type_)
            if lowest > type_:
                server = _interrupt_last(tasks, station, stage, lowest, arrival_s)
                station.last[type_] = row
                _occupy(tasks, station, server, row)
                _replay(station, server, arrival_s + tasks.service_s[row, stage], scratch, bits)
                next_due_s = station.due_s[ONE]
            else:
                tasks.remaining_s[row] = tasks.service_s[row, stage]
    station.count[BUSY], station.count[WAITING], station.count[FREE] = busy, waiting, free
    return first, left


@njit
def _begin(tasks, station, row, due_s, scratch, bits):
    """Have a free server serve a task until `due_s`."""
    count = station.count
    count[BUSY] += 1
    count[FREE] -= 1
    server = Index(station.free[Index(count[FREE])])
    _occupy(tasks, station, server, row)
    _enter(station, server, due_s, scratch, bits)


@njit
def _set_servers(tasks, station, stage, rings, servers, now_s, scratch, bits):
    """Change the number of servers: idle ones leave first, then those of the last tasks."""
    count = station.count
    count[SERVERS] = servers
    while count[BUSY] > servers:
        lowest = _lowest_in_service(station, rings, ZERO)
        server = _interrupt_last(tasks, station, stage, lowest, now_s)
        _replay(station, server, NEVER, scratch, bits)
        station.free[Index(count[FREE])] = server
        count[FREE] += 1
        count[BUSY] -= 1
        count[WAITING] += 1
    while count[WAITING] > 0 and count[BUSY] < servers:
        count[WAITING] -= 1
        row = _resume_first(tasks, station, rings)
        _begin(tasks, station, row, now_s + tasks.remaining_s[row], scratch, bits)


@njit
def _play(
    tasks,
    station,
    stage,
    rings,
    queue,
    first,
    stop,
    departures,
    changes,
    change,
    horizon_s,
    scratch,
    bits,
):
    """Play a station up to `horizon_s` and not with it, its capacity changes on the way.

    Returns how far arrivals and changes were taken, and the number of departures.
    """
    left = 0
    while change < changes.time_s.size and changes.time_s[change] < horizon_s:
        now_s = changes.time_s[change]
        first, left = _advance(
            tasks,
            station,
            stage,
            rings,
            queue,
            first,
            stop,
            left,
            departures,
            now_s,
            now_s,
            scratch,
            bits,
        )
        _set_servers(tasks, station, stage, rings, changes.servers[change], now_s, scratch, bits)
        change += 1
    before_horizon_s = np.nextafter(horizon_s, -1.0)
    first, left = _advance(
        tasks,
        station,
        stage,
        rings,
        queue,
        first,
        stop,
        left,
        departures,
        before_horizon_s,
        horizon_s,
        scratch,
        bits,
    )
    return first, change, left


@njit
def _carry_over(tasks, stations, rings, rows, stage_of, due_s, scratch, bits):
    """Put the tasks of a state where they were; rows are in their order of priority."""
    for i in range(rows.size):
        row, stage = Index(rows[i]), stage_of[i]
        station = stations[0] if stage == 0 else (stations[1] if stage == 1 else stations[2])
        type_ = Index(tasks.type[row])
        _join(tasks, Index(rings + stage * station.last.size) + type_, row)
        if np.isnan(due_s[i]):
            station.count[WAITING] += 1
        else:
            station.last[type_] = row
            _begin(tasks, station, row, due_s[i], scratch, bits)


@njit(nogil=True, cache=True)
def play_tandem(
    tasks,
    stations,
    rings,
    carried,
    carried_stage,
    carried_due_s,
    arrivals,
    changes,
    until_s,
    chunk,
    buffers,
):
    """Play the three stations of one operator until `until_s`; what happens is left in `tasks`.

    Parameters
    ----------
    tasks : Tasks
    stations, changes : tuples of three Station and three Changes
    rings : int
        Row that closes the first ring; the rings of a stage follow each other, then the next stage.
    carried, carried_stage, carried_due_s : array (k,)
        Tasks under way at the start by (stage, type, arrival, number), and when their service ends
        (NaN: they wait).
    arrivals : Queue
        New tasks of this operator.
    until_s : float
        End of the span, which it does not contain.
    chunk : int
        Arrivals to a pass over the stages; no number that comes out depends on it.
    buffers : tuple of two Queue
        Room for the departures of a stage, as many as there are tasks.
    """
    scratch = np.empty(1)
    bits = scratch.view(np.int64)
    types = stations[0].last.size
    gpu_rings, downlink_rings = Index(rings + types), Index(rings + 2 * types)
    _carry_over(tasks, stations, rings, carried, carried_stage, carried_due_s, scratch, bits)
    between, done = buffers
    total = arrivals.row.size
    first = 0
    change = (0, 0, 0)
    while True:
        stop = min(first + chunk, total)
        while stop < total and arrivals.time_s[stop] <= arrivals.time_s[first]:
            stop += 1  # a chunk of one instant would get nowhere
        horizon_s = arrivals.time_s[stop] if stop < total else until_s
        first, change0, left = _play(
            tasks,
            stations[0],
            Index(0),
            Index(rings),
            arrivals,
            first,
            stop,
            between,
            changes[0],
            change[0],
            horizon_s,
            scratch,
            bits,
        )
        _, change1, left = _play(
            tasks,
            stations[1],
            Index(1),
            gpu_rings,
            between,
            0,
            left,
            done,
            changes[1],
            change[1],
            horizon_s,
            scratch,
            bits,
        )
        _, change2, _ = _play(
            tasks,
            stations[2],
            Index(2),
            downlink_rings,
            done,
            0,
            left,
            between,
            changes[2],
            change[2],
            horizon_s,
            scratch,
            bits,
        )
        change = (change0, change1, change2)
        if stop == total and horizon_s == until_s:
            return
