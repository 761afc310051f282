"""The hot loop of the compiled engine: the tandem of one operator, station after station.

Stages are feed-forward, so no global event list is needed: over a chunk of a few thousand arrivals
the uplink is played first, its departures feed the GPU, and those the downlink, while the chunk is
still in the cache. At a station the idea is this:

*While fewer tasks than servers are present nobody waits and nobody is interrupted.* So a task
leaves at its arrival plus its service, and all these times of a chunk are written down and sorted
before anything is played. Comparing the k-th departure of that list with the (k + c)-th arrival
tells whether it finds all c servers busy: the first that does opens a *full period*. Up to there
the sorted list is what happens, and nothing else is done.

*Only full periods are played event by event*, on the same list. An arrival that has to wait, and a
task that is interrupted, leave a stale entry there: their `due_s` is no longer what the entry says.
A task that starts again moves its old entry to its new place, mostly a few places to the right.
What is in service is one linked stack per type, from which departures are not removed: who has left
is seen by `due_s` when somebody looks. What waits is one linked list per type. Neither is touched
outside of full periods; a period begins by entering the tasks that have come since the last.

Tasks of a station are numbered in a chunk from 0: those from before first, by type in order of
arrival, then those that come, in order of arrival. The order of events is that of
`sim.engines.simpy_engine`, to the bit. Whatever indexes an array is an unsigned integer: Numba then
leaves out the test for negative indices.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit

Index = np.uint64
NEVER = np.inf
NOBODY = -1
LEFT = -1.0  # `due_s` of a task that has left in a full period
# place of the entry of a task in the list of departures: it was passed, so that one before the next
# is free; or there never was one
PASSED, NONE = -1, -2
LOOK = 16  # arrivals that are compared at once
MOST_BUCKETS = 1 << 15


_UNCOUNTED: Any = {"_nrt": False}


def _uncounted(function: Any) -> Any:
    """Compile without the counting of references to arrays, which takes half of the time.

    A helper that makes no array needs none. The option is private to Numba: where it is not known,
    the helper is compiled as usual, and does the same.
    """
    try:
        return njit(**_UNCOUNTED)(function)
    except (KeyError, TypeError):
        return njit(function)


class Columns(NamedTuple):
    """Columns of the tasks of all operators, one row a task."""

    number: Any  # int64 (n,)
    type: Any  # int32 (n,)
    service_s: Any  # float64 (n, 3)
    remaining_s: Any  # float64 (n,), of a task that waits in the end
    due_s: Any  # float64 (n,), of a task in service in the end
    end_s: Any  # float64 (n, 3)
    preemptions: Any  # int64 (n, 3)


class Queue(NamedTuple):
    """Tasks that come to a station, in order of (time, number)."""

    row: Any  # int32
    time_s: Any  # float64


class Changes(NamedTuple):
    """Capacity changes of one station, in order of time."""

    time_s: Any  # float64
    servers: Any  # int64


@_uncounted
def _sort(due_s, tasks, start_s, horizon_s, list_s, list_task, first, bucket, count):
    """Write the times before the horizon to the list from `first` on, sorted; returns how many.

    Counting sort into buckets of equal width, then insertion: times are nearly uniform.
    """
    latest_s = start_s
    for q in range(tasks):
        latest_s = max(latest_s, due_s[q] if due_s[q] < horizon_s else start_s)
    buckets = np.int64(256)
    while buckets < 3 * tasks and buckets < MOST_BUCKETS:
        buckets *= 2
    for b in range(buckets + 1):
        count[b] = 0
    scale = buckets / (latest_s - start_s) if latest_s > start_s else 0.0
    last, beyond = np.float64(buckets - 1), np.float64(buckets)
    for q in range(tasks):
        place = min((due_s[q] - start_s) * scale, last)
        bucket[q] = np.int32(place if due_s[q] < horizon_s else beyond)
    for q in range(tasks):
        count[Index(bucket[q])] += 1
    end = np.int32(first)
    for b in range(buckets):
        size = count[b]
        count[b] = end
        end += size
    count[buckets] = end  # those beyond the horizon lie behind the list, and are forgotten
    for q in range(tasks):
        into = Index(bucket[q])
        place = count[into]
        count[into] = place + 1
        list_s[Index(place)] = due_s[q]
        list_task[Index(place)] = q
    for k in range(first + 1, np.int64(end)):
        time_s, task = list_s[Index(k)], list_task[Index(k)]
        while k > first and list_s[Index(k - 1)] > time_s:
            list_s[Index(k)] = list_s[Index(k - 1)]
            list_task[Index(k)] = list_task[Index(k - 1)]
            k -= 1
        list_s[Index(k)] = time_s
        list_task[Index(k)] = task
    return np.int64(end) - first


@_uncounted
def _first_full(list_s, time_s, arrival, stop, offset):
    """First arrival that comes before the departure that it needs, or `stop`."""
    while arrival + LOOK <= stop:
        late = 0
        for m in range(LOOK):
            late += list_s[Index(arrival + offset + m)] > time_s[Index(arrival + m)]
        if late:
            break
        arrival += LOOK
    while arrival < stop and list_s[Index(arrival + offset)] <= time_s[Index(arrival)]:
        arrival += 1
    return arrival


@_uncounted
def _copy(list_s, list_task, source, target, size):
    """Move departures forward in the list, to those that have happened."""
    if source != target:
        for m in range(size):
            list_s[Index(target + m)] = list_s[Index(source + m)]
            list_task[Index(target + m)] = list_task[Index(source + m)]


@_uncounted
def _note_places(next_, end, old, due_s, list_task, place, serving, first_waiting):
    """First full period of a chunk: where every entry stands; nobody serves or waits yet."""
    for q in range(old):
        place[Index(q)] = NONE if due_s[Index(q)] < NEVER else PASSED
    for k in range(next_, end):
        place[Index(list_task[Index(k)])] = k
    for type_ in range(serving.size):
        serving[Index(type_)] = NOBODY
        first_waiting[Index(type_)] = NOBODY


@_uncounted
def _serve(task, type_, serving, link):
    """Put a task on the stack of those of its type in service."""
    link[Index(task)] = serving[type_]
    serving[type_] = task


@_uncounted
def _wait(task, type_, first_waiting, last_waiting, link):
    """Put a task behind those of its type that wait."""
    if first_waiting[type_] == NOBODY:
        first_waiting[type_] = task
    else:
        link[Index(last_waiting[type_])] = task
    last_waiting[type_] = task
    link[Index(task)] = NOBODY


@_uncounted
def _last_in_service(after_s, due_s, serving, link):
    """Lowest type in service and its last task; the stacks lose here who left by `after_s`."""
    type_, task = np.int64(serving.size - 1), np.int64(NOBODY)
    while type_ >= 0:
        task = np.int64(serving[Index(type_)])
        while task != NOBODY and due_s[Index(task)] <= after_s:
            task = np.int64(link[Index(task)])
        serving[Index(type_)] = task
        if task != NOBODY:
            break
        type_ -= 1
    return type_, task


@_uncounted
def _interrupt(
    task, type_, now_s, horizon_s, row, stage, due_s, remaining_s, preemptions, place,
    serving, first_waiting, last_waiting, link,
):  # fmt: skip
    """Take the last task of a type out of service: of its type it is the first that waits."""
    serving[Index(type_)] = link[Index(task)]
    behind = first_waiting[Index(type_)]
    link[Index(task)] = behind
    first_waiting[Index(type_)] = task
    if behind == NOBODY:
        last_waiting[Index(type_)] = task
    if due_s[Index(task)] >= horizon_s:
        place[Index(task)] = NONE
    remaining_s[Index(task)] = due_s[Index(task)] - now_s
    due_s[Index(task)] = NEVER
    preemptions[Index(row[Index(task)]), Index(stage)] += 1


@_uncounted
def _shift_right(list_s, list_task, place, k, next_, time_s):
    """Make room before place k for a time: entries that are later move one place to the right."""
    while k > next_ and list_s[Index(k - 1)] > time_s:
        task = list_task[Index(k - 1)]
        list_s[Index(k)] = list_s[Index(k - 1)]
        list_task[Index(k)] = task
        place[Index(task)] = k
        k -= 1
    return k


@_uncounted
def _shift_left(list_s, list_task, place, k, time_s):
    """Fill place k: entries behind it that are earlier than a time move one place to the left."""
    while list_s[Index(k + 1)] < time_s:  # the entry at the end is infinite
        task = list_task[Index(k + 1)]
        list_s[Index(k)] = list_s[Index(k + 1)]
        list_task[Index(k)] = task
        place[Index(task)] = k
        k += 1
    return k


@_uncounted
def _enlist(task, time_s, next_, end, horizon_s, list_s, list_task, place):
    """Give a task that starts again its place in the list; returns its next entry, and its end."""
    k = np.int64(place[Index(task)])
    if k >= 0:  # the old entry is still ahead
        if time_s >= horizon_s:
            _shift_right(list_s, list_task, place, k, next_, -NEVER)
            return next_ + 1, end
        if k > next_ and list_s[Index(k - 1)] > time_s:  # earlier, by rounding
            k = _shift_right(list_s, list_task, place, k, next_, time_s)
        else:
            k = _shift_left(list_s, list_task, place, k, time_s)
    elif time_s >= horizon_s:
        return next_, end
    elif k == PASSED:
        next_ -= 1
        k = _shift_left(list_s, list_task, place, next_, time_s)
    else:
        list_s[Index(end + 1)] = NEVER
        k = _shift_right(list_s, list_task, place, end, next_, time_s)
        end += 1
    list_s[Index(k)] = time_s
    list_task[Index(k)] = task
    place[Index(task)] = k
    return next_, end


@_uncounted
def _resume(
    now_s, next_, end, horizon_s, due_s, remaining_s, list_s, list_task, place,
    serving, first_waiting, link,
):  # fmt: skip
    """Start the first task that waits, in the order of priority."""
    type_ = Index(0)
    while first_waiting[type_] == NOBODY:
        type_ += Index(1)
    task = np.int64(first_waiting[type_])
    first_waiting[type_] = link[Index(task)]
    _serve(task, type_, serving, link)
    due_s[Index(task)] = now_s + remaining_s[Index(task)]
    return _enlist(task, due_s[Index(task)], next_, end, horizon_s, list_s, list_task, place)


@_uncounted
def _play_station(
    stage, servers, old, waiting, tasks, start_s, horizon_s, changes, change,
    row, time_s, due_s, remaining_s, link, serving, first_waiting, last_waiting,
    list_s, list_task, place, bucket, count, type_of, service_s, preemptions,
):  # fmt: skip
    """Play a station over a chunk; the front of the list then has its departures in order of time.

    Of `tasks`, `old` are from before, `waiting` of which wait. Returns how many have left, are
    present and wait, the servers in force, and how far the changes were taken.
    """
    at_once = 0
    for q in range(old, tasks):
        at_once += due_s[q] <= time_s[q]
    # who needs no time may leave before the list knows that it has come
    plainly = at_once == 0
    next_ = np.int64(waiting)  # room for those who wait, who have no entry
    end = next_ + _sort(due_s, tasks, start_s, horizon_s, list_s, list_task, next_, bucket, count)
    list_s[Index(end)] = NEVER
    arrival, left, present, entered = old, 0, old, 0
    noted = False
    after_s = LEFT
    while True:
        changing = change < changes.time_s.size and changes.time_s[change] < horizon_s
        bound_s, stop = horizon_s, tasks
        if changing:
            bound_s, stop = changes.time_s[change], arrival
            while stop < tasks and time_s[Index(stop)] < bound_s:
                stop += 1
        full = True
        if waiting == 0 and plainly:
            offset = next_ + present - servers - arrival
            begin = max(arrival, arrival + servers - present)  # who finds a free server for sure
            limit = min(stop, end - offset)
            found = begin
            if begin < limit:
                found = _first_full(list_s, time_s, begin, limit, offset)
            if found < stop:
                gone = max(0, present + (found - arrival) - servers)
                _copy(list_s, list_task, next_, left, gone)
                present += found - arrival - gone
                arrival = found
                after_s = time_s[Index(arrival)]
            else:
                present += stop - arrival
                arrival = stop
                gone = end - next_
                if changing:
                    gone = 0
                    while list_s[Index(next_ + gone)] <= bound_s:
                        gone += 1
                _copy(list_s, list_task, next_, left, gone)
                present -= gone
                after_s = bound_s
                full = False
            left += gone
            next_ += gone
            if not (full or changing):
                return left, present, 0, servers, change
        if full or present > changes.servers[change]:
            if not noted:
                _note_places(next_, end, old, due_s, list_task, place, serving, first_waiting)
                noted = True
            while entered < arrival:  # gone or not
                type_ = Index(type_of[Index(row[Index(entered)])])
                if entered < old and due_s[Index(entered)] == NEVER:
                    _wait(entered, type_, first_waiting, last_waiting, link)
                else:
                    _serve(entered, type_, serving, link)
                entered += 1
        once = full
        while once or (full and (waiting > 0 or not plainly)):
            once = False
            task = Index(list_task[Index(next_)])
            due = list_s[Index(next_)]
            while due < NEVER and due_s[task] != due:  # stale
                place[task] = PASSED
                next_ += 1
                task = Index(list_task[Index(next_)])
                due = list_s[Index(next_)]
            come_s = time_s[Index(arrival)] if arrival < stop else NEVER
            if due <= come_s and due < NEVER and (plainly or task < Index(arrival)):
                if due > bound_s:
                    break
                list_s[Index(left)] = due
                list_task[Index(left)] = task
                left += 1
                next_ += 1
                present -= 1
                due_s[task] = LEFT
                if waiting > 0:
                    waiting -= 1
                    next_, end = _resume(
                        due, next_, end, horizon_s, due_s, remaining_s, list_s, list_task,
                        place, serving, first_waiting, link,
                    )  # fmt: skip
                continue
            if come_s == NEVER:
                break
            r = Index(row[Index(arrival)])
            type_ = Index(type_of[r])
            if present - waiting < servers:
                _serve(arrival, type_, serving, link)
            else:
                waiting += 1
                low, last = _last_in_service(after_s, due_s, serving, link)
                if low > np.int64(type_):
                    _interrupt(
                        last, low, come_s, horizon_s, row, stage, due_s, remaining_s, preemptions,
                        place, serving, first_waiting, last_waiting, link,
                    )  # fmt: skip
                    _serve(arrival, type_, serving, link)
                else:
                    _wait(arrival, type_, first_waiting, last_waiting, link)
                    remaining_s[Index(arrival)] = service_s[r, Index(stage)]
                    if due_s[Index(arrival)] >= horizon_s:
                        place[Index(arrival)] = NONE
                    due_s[Index(arrival)] = NEVER
            present += 1
            arrival += 1
            entered = arrival
        if full and waiting == 0 and plainly:
            continue
        if not changing:
            return left, present, waiting, servers, change
        servers = changes.servers[change]  # nothing more comes or leaves before it
        change += 1
        while present - waiting > servers:
            low, last = _last_in_service(after_s, due_s, serving, link)
            _interrupt(
                last, low, bound_s, horizon_s, row, stage, due_s, remaining_s, preemptions,
                place, serving, first_waiting, last_waiting, link,
            )  # fmt: skip
            waiting += 1
        while waiting > 0 and present - waiting < servers:
            waiting -= 1
            next_, end = _resume(
                bound_s, next_, end, horizon_s, due_s, remaining_s, list_s, list_task,
                place, serving, first_waiting, link,
            )  # fmt: skip


@_uncounted
def _order_ties(list_s, list_task, left, row, number):
    """Departures of one instant in the order of the numbers of their tasks."""
    ties = 0
    for k in range(1, left):
        ties += list_s[Index(k)] == list_s[Index(k - 1)]
    if ties == 0:
        return
    for k in range(1, left):
        time_s, task = list_s[Index(k)], list_task[Index(k)]
        own = number[Index(row[Index(task)])]
        while (
            k > 0
            and list_s[Index(k - 1)] == time_s
            and number[Index(row[Index(list_task[Index(k - 1)])])] > own
        ):
            list_task[Index(k)] = list_task[Index(k - 1)]
            k -= 1
        list_task[Index(k)] = task


@_uncounted
def _keep(tasks, present, horizon_s, row, due_s, remaining_s):
    """Move the tasks that are still here to the front, in order of arrival."""
    begin, missing = tasks, present
    while missing > 0:
        begin -= 1
        missing -= due_s[Index(begin)] >= horizon_s
    kept = 0
    for q in range(begin, tasks):
        stays = due_s[Index(q)] >= horizon_s
        row[Index(kept)] = row[Index(q)]
        remaining_s[Index(kept)] = remaining_s[Index(q)]
        due_s[Index(kept)] = due_s[Index(q)]
        kept += stays


@njit
def _grown(old, size):
    """Copy of an array (3, old) with room for more."""
    new = np.empty((3, size), old.dtype)
    for stage in range(3):  # assigning a slice compiles for four seconds, to word its complaints
        for q in range(old.shape[1]):
            new[stage, q] = old[stage, q]
    return new


@njit(nogil=True, cache=True)
def play_tandem(
    columns, types, servers, carried, carried_stage, arrivals, changes, start_s, until_s, chunk
):
    """Play the three stations of one operator; what happens is left in `columns` and `servers`.

    Parameters
    ----------
    columns : Columns
        `due_s` and `remaining_s` of tasks carried over: NaN in the one means that they wait.
    types : int
    servers : int64 (3,)
        In force at the start, and then at the end.
    carried, carried_stage : array (k,)
        Rows of the tasks under way at the start by (stage, type, arrival, number).
    arrivals : Queue
        New tasks of this operator.
    changes : tuple of three Changes
    start_s, until_s : float
        The span, which does not contain its end.
    chunk : int
        Arrivals to a pass over the stages; no number that comes out depends on it.
    """
    total = arrivals.row.size
    room = carried.size + min(chunk, total) + 64
    rows = np.empty((3, room), np.uint32)
    come_s, due_s, remaining_s = np.empty((3, room)), np.empty((3, room)), np.empty((3, room))
    link, place = np.empty(room, np.int32), np.empty(room, np.int32)
    bucket = np.empty(room, np.int32)
    list_s, list_task = np.empty(3 * room), np.empty(3 * room, np.int32)
    count = np.empty(MOST_BUCKETS + 1, np.int32)
    serving, first_waiting = np.empty(types, np.int32), np.empty(types, np.int32)
    last_waiting = np.empty(types, np.int32)
    here, waiting, change = np.zeros(3, np.int64), np.zeros(3, np.int64), np.zeros(3, np.int64)
    for q in range(carried.size):
        stage, r = carried_stage[q], carried[q]
        at = here[stage]
        waits = np.isnan(columns.due_s[r])
        rows[stage, at] = r
        due_s[stage, at] = NEVER if waits else columns.due_s[r]
        remaining_s[stage, at] = columns.remaining_s[r]
        waiting[stage] += waits
        here[stage] += 1
        columns.due_s[r] = np.nan
    first = 0
    while True:
        # many that wait make sorting dear: the more there are, the longer the chunk
        stop = min(first + max(chunk, waiting[0] + waiting[1] + waiting[2]), total)
        while first < stop < total and arrivals.time_s[stop] <= arrivals.time_s[first]:
            stop += 1  # a chunk of one instant would get nowhere
        horizon_s = arrivals.time_s[stop] if stop < total else until_s
        while stop > first and arrivals.time_s[stop - 1] >= horizon_s:
            stop -= 1
        need = here[0] + here[1] + here[2] + stop - first + 64
        if need > room:
            room = 2 * need
            rows, due_s = _grown(rows, room), _grown(due_s, room)
            remaining_s = _grown(remaining_s, room)
            come_s = np.empty((3, room))
            link, place = np.empty(room, np.int32), np.empty(room, np.int32)
            bucket = np.empty(room, np.int32)
            list_s, list_task = np.empty(3 * room), np.empty(3 * room, np.int32)
        tasks = here[0] + stop - first
        for q in range(stop - first):
            r = Index(arrivals.row[Index(first + q)])
            at = Index(here[0] + q)
            rows[0, at] = r
            come_s[0, at] = arrivals.time_s[Index(first + q)]
            due_s[0, at] = come_s[0, at] + columns.service_s[r, 0]
            for stage in range(3):
                columns.end_s[r, stage] = np.nan  # until it is known
        for stage in range(3):
            left, here[stage], waiting[stage], servers[stage], change[stage] = _play_station(
                stage, servers[stage], here[stage], waiting[stage], tasks, start_s, horizon_s,
                changes[stage], change[stage], rows[stage], come_s[stage], due_s[stage],
                remaining_s[stage], link, serving, first_waiting, last_waiting, list_s, list_task,
                place, bucket, count, columns.type, columns.service_s, columns.preemptions,
            )  # fmt: skip
            _order_ties(list_s, list_task, left, rows[stage], columns.number)
            _hand_on(columns, stage, left, list_s, list_task, rows, come_s, due_s, here)
            _keep(tasks, here[stage], horizon_s, rows[stage], due_s[stage], remaining_s[stage])
            tasks = left + here[min(stage + 1, 2)]
        first, start_s = stop, horizon_s
        if stop == total and horizon_s == until_s:
            break
    for stage in range(3):
        for q in range(here[stage]):
            r = rows[stage, q]
            if due_s[stage, q] < NEVER:
                columns.due_s[r] = due_s[stage, q]
            else:
                columns.remaining_s[r] = remaining_s[stage, q]


@njit
def _hand_on(columns, stage, left, list_s, list_task, rows, come_s, due_s, here):
    """Write down the departures of a stage, and have the tasks come to the next."""
    row = rows[stage]
    if stage == 2:
        for q in range(left):
            columns.end_s[Index(row[Index(list_task[Index(q)])]), 2] = list_s[Index(q)]
        return
    next_row, next_come_s, next_due_s = rows[stage + 1], come_s[stage + 1], due_s[stage + 1]
    for q in range(left):
        r = Index(row[Index(list_task[Index(q)])])
        at = Index(here[stage + 1] + q)
        columns.end_s[r, Index(stage)] = list_s[Index(q)]
        next_row[at] = r
        next_come_s[at] = list_s[Index(q)]
        next_due_s[at] = list_s[Index(q)] + columns.service_s[r, Index(stage + 1)]
