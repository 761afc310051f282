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
indices. The order of events is that of `sim.engines.simpy_engine`, to the bit; what is a `Station`
and a `Task` there is a row of arrays here.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit

Index = np.uint64
ZERO, ONE = Index(0), Index(1)
NEVER = np.inf
BUSY, SERVERS, WAITING, FREE = (Index(i) for i in range(4))  # entries of `StationArrays.count`


class TaskArrays(NamedTuple):
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


class StationArrays(NamedTuple):
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


@njit
def _bits(time_s):
    """Give the bits of a time as an integer."""
    return np.float64(time_s).view(np.int64)


@njit
def _enter(key, winner, leaves, server, end_of_service):
    """Have a free server get an end of service: climb the tree only as long as it wins."""
    node = leaves + server
    key[node] = end_of_service
    node >>= ONE
    while node > ZERO and end_of_service < key[node]:
        key[node] = end_of_service
        winner[node] = server
        node >>= ONE


@njit
def _replay(key, winner, leaves, server, end_of_service):
    """Have a server get another end of service: replay its path to the root, without branches."""
    node = leaves + server
    key[node] = end_of_service
    while node > ONE:
        rival = key[node ^ ONE]
        rival_server = Index(winner[node ^ ONE])
        rival_wins = rival < end_of_service
        end_of_service = rival if rival_wins else end_of_service
        server = rival_server if rival_wins else server
        node >>= ONE
        key[node] = end_of_service
        winner[node] = server


@njit
def _join(before, after, ring, row):
    """A new task joins its ring at the end."""
    tail = Index(before[ring])
    after[tail] = row
    before[row] = tail
    after[row] = ring
    before[ring] = row


@njit
def _leave(before, after, row):
    """A task leaves its ring; returns the one before it."""
    ahead, behind = Index(before[row]), Index(after[row])
    after[ahead] = behind
    before[behind] = ahead
    return ahead


@njit
def _first_waiting(after, last, rings):
    """Type and row of the waiting task that is first in the order of priority."""
    type_ = ZERO
    row = Index(after[Index(last[type_])])
    while row == rings + type_:  # nobody of this type waits
        type_ += ONE
        row = Index(after[Index(last[type_])])
    return type_, row


@njit
def _lowest_in_service(last, rings, above):
    """Lowest type in service that is below type `above`, or `above`."""
    type_ = Index(last.size) - ONE
    while type_ > above and Index(last[type_]) == rings + type_:
        type_ -= ONE
    return type_


@njit
def _interrupt_last(tasks, station, stage, type_, now_s):
    """Take the last task of a type out of service; returns its server."""
    row = Index(station.last[type_])
    server = Index(tasks.server[row])
    station.last[type_] = tasks.before[row]
    tasks.remaining_s[row] = station.due_s[Index(station.row.size) + server] - now_s
    tasks.preemptions[row, stage] += 1
    return server


@njit
def _record(departures_row, departures_s, left, number, row, time_s):
    """Write down a departure; departures of one instant are kept in the order of their numbers."""
    place = left
    while (
        place > 0
        and departures_s[Index(place - 1)] == time_s
        and number[Index(departures_row[Index(place - 1)])] > number[row]
    ):
        departures_row[Index(place)] = departures_row[Index(place - 1)]
        departures_s[Index(place)] = time_s
        place -= 1
    departures_row[Index(place)] = row
    departures_s[Index(place)] = time_s


@njit
def _advance(
    tasks, station, stage, rings, queue, first, stop, left, departures, last_end_s, before_s
):
    """Play a station: ends of service up to and with `last_end_s`, arrivals before `before_s`.

    `queue[first:stop]` are the arrivals, `departures[:left]` those written down so far. Returns
    the new `first` and `left`.
    """
    before, after, type_of, server_of = tasks.before, tasks.after, tasks.type, tasks.server
    service_s, remaining_s = tasks.service_s, tasks.remaining_s
    key, due_s, winner, row_of = station.key, station.due_s, station.winner, station.row
    free, last, leaves = station.free, station.last, Index(station.row.size)
    busy, servers = station.count[BUSY], station.count[SERVERS]
    waiting, idle = station.count[WAITING], station.count[FREE]
    while True:
        next_due_s = due_s[ONE]
        arrival_s = queue.time_s[Index(first)] if first < stop else NEVER
        if next_due_s <= arrival_s:
            if next_due_s > last_end_s:
                break
            server = Index(winner[ONE])
            row = Index(row_of[server])
            type_ = Index(type_of[row])
            tasks.end_s[row, stage] = next_due_s
            ahead = _leave(before, after, row)
            if Index(last[type_]) == row:
                last[type_] = ahead
            _record(departures.row, departures.time_s, left, tasks.number, row, next_due_s)
            left += 1
            if waiting > 0:
                waiting -= 1
                type_, row = _first_waiting(after, last, rings)
                last[type_] = row
                row_of[server] = row
                server_of[row] = server
                next_due_s += remaining_s[row]
            else:
                busy -= 1
                free[Index(idle)] = server
                idle += 1
                next_due_s = NEVER
            _replay(key, winner, leaves, server, _bits(next_due_s))
            continue
        if arrival_s >= before_s:
            break
        row = Index(queue.row[Index(first)])
        first += 1
        type_ = Index(type_of[row])
        _join(before, after, rings + type_, row)
        if busy < servers:
            busy += 1
            idle -= 1
            server = Index(free[Index(idle)])
            last[type_] = row
            row_of[server] = row
            server_of[row] = server
            _enter(key, winner, leaves, server, _bits(arrival_s + service_s[row, stage]))
            continue
        waiting += 1
        lowest = _lowest_in_service(last, rings, type_)
        if lowest > type_:
            server = _interrupt_last(tasks, station, stage, lowest, arrival_s)
            last[type_] = row
            row_of[server] = row
            server_of[row] = server
            _replay(key, winner, leaves, server, _bits(arrival_s + service_s[row, stage]))
        else:
            remaining_s[row] = service_s[row, stage]
    station.count[BUSY], station.count[WAITING], station.count[FREE] = busy, waiting, idle
    return first, left


@njit
def _begin(tasks, station, row, due_s):
    """Have a free server serve a task until `due_s`."""
    count = station.count
    count[BUSY] += 1
    count[FREE] -= 1
    server = Index(station.free[Index(count[FREE])])
    station.row[server] = row
    tasks.server[row] = server
    _enter(station.key, station.winner, Index(station.row.size), server, _bits(due_s))


@njit
def _set_servers(tasks, station, stage, rings, servers, now_s):
    """Change the number of servers: idle ones leave first, then those of the last tasks."""
    count, leaves = station.count, Index(station.row.size)
    count[SERVERS] = servers
    while count[BUSY] > servers:
        lowest = _lowest_in_service(station.last, rings, ZERO)
        server = _interrupt_last(tasks, station, stage, lowest, now_s)
        _replay(station.key, station.winner, leaves, server, _bits(NEVER))
        station.free[Index(count[FREE])] = server
        count[FREE] += 1
        count[BUSY] -= 1
        count[WAITING] += 1
    while count[WAITING] > 0 and count[BUSY] < servers:
        count[WAITING] -= 1
        type_, row = _first_waiting(tasks.after, station.last, rings)
        station.last[type_] = row
        _begin(tasks, station, row, now_s + tasks.remaining_s[row])


@njit
def _play(tasks, station, stage, rings, queue, first, stop, departures, changes, change, horizon_s):
    """Play a station up to `horizon_s` and not with it, its capacity changes on the way.

    Returns how far arrivals and changes were taken, and the number of departures.
    """
    left = 0
    while True:
        changing = change < changes.time_s.size and changes.time_s[change] < horizon_s
        before_s = changes.time_s[change] if changing else horizon_s
        # ends of service of its instant come before a change, and are beyond the horizon
        last_end_s = before_s if changing else np.nextafter(horizon_s, -1.0)
        first, left = _advance(
            tasks, station, stage, rings, queue, first, stop, left, departures, last_end_s, before_s
        )
        if not changing:
            return first, change, left
        servers = changes.servers[change]
        _set_servers(tasks, station, stage, rings, servers, before_s)
        change += 1


@njit
def _carry_over(tasks, stations, rings, rows, stage_of, due_s):
    """Put the tasks of a state where they were; rows are in their order of priority."""
    for i in range(rows.size):
        row, stage = Index(rows[i]), stage_of[i]
        station = stations[stage]
        type_ = Index(tasks.type[row])
        ring = Index(rings + stage * station.last.size) + type_
        _join(tasks.before, tasks.after, ring, row)
        if np.isnan(due_s[i]):
            station.count[WAITING] += 1
        else:
            station.last[type_] = row
            _begin(tasks, station, row, due_s[i])


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
    tasks : TaskArrays
    stations, changes : tuples of three StationArrays and three Changes
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
    _carry_over(tasks, stations, rings, carried, carried_stage, carried_due_s)
    queues = (arrivals, buffers[0], buffers[1], buffers[0])  # the last buffer is free again by then
    types, total = stations[0].last.size, arrivals.row.size
    change = np.zeros(3, np.int64)
    first = 0
    while True:
        stop = min(first + chunk, total)
        while stop < total and arrivals.time_s[stop] <= arrivals.time_s[first]:
            stop += 1  # a chunk of one instant would get nowhere
        horizon_s = arrivals.time_s[stop] if stop < total else until_s
        for i in range(first, stop):
            tasks.end_s[Index(arrivals.row[i])] = np.nan  # all three, until they are known
        taken, come = first, stop
        for stage in range(3):
            taken, change[stage], left = _play(
                tasks,
                stations[stage],
                Index(stage),
                Index(rings + stage * types),
                queues[stage],
                taken,
                come,
                queues[stage + 1],
                changes[stage],
                change[stage],
                horizon_s,
            )
            if stage == 0:
                first = taken
            taken, come = 0, left
        if stop == total and horizon_s == until_s:
            return
