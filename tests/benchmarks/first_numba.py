"""The yardstick: a first straightforward Numba version of the same process.

It is what one writes after having understood the process and before having measured anything: one
station after another over the whole run, a winner tree over the ends of service, the tasks of a
type in a doubly linked list, the numbers of tasks in service and waiting counted by type. It has
none of what `sim.engines.kernel` does for speed (no chunks that stay in the cache, no climbing only
as far as an end of service wins, no integer times, no unsigned indices, no tables of small
integers), and less to do: one operator, no capacity changes, nothing carried over from an earlier
span. Its ends and interruptions have to be those of the engine, which the benchmark checks.
"""

import numpy as np
from numba import njit

from airan_market.sim.arrays import FloatArray, IntArray
from airan_market.sim.workload import Workload


def run_first(workload: Workload, servers: IntArray) -> tuple[FloatArray, IntArray]:
    """Return when each task left each stage, s, and how often it was interrupted there, (n, 3)."""
    types = int(workload.type.max(initial=0)) + 1
    end_s = np.empty((len(workload), len(servers)))
    preemptions = np.zeros((len(workload), len(servers)), dtype=np.int64)
    play(workload.arrival_s, workload.type, workload.service_s, servers, types, end_s, preemptions)
    return end_s, preemptions


@njit(cache=True)
def play(arrival_s, type_of, service_s, servers, types, end_s, preemptions):
    """Play the stages one after another; what leaves one comes to the next."""
    tasks = arrival_s.size
    row, time_s = np.arange(tasks), arrival_s
    for stage in range(servers.size):
        left_row, left_s = np.empty(tasks, np.int64), np.empty(tasks)
        _station(
            row,
            time_s,
            type_of,
            service_s[:, stage],
            servers[stage],
            types,
            end_s[:, stage],
            preemptions[:, stage],
            left_row,
            left_s,
        )
        row, time_s = left_row, left_s


@njit(cache=True)
def _station(
    queue_row, queue_s, type_of, service_s, servers, types, end_s, preemptions, left_row, left_s
):
    """Play one station from its first arrival to its last end of service."""
    tasks = queue_row.size
    leaves = 1
    while leaves < servers:
        leaves *= 2
    due_s = np.full(2 * leaves, np.inf)  # the winner tree: entry 1 is the next end of service
    winner = np.arange(2 * leaves) - leaves  # and whose it is
    for node in range(leaves - 1, 0, -1):
        winner[node] = winner[2 * node]
    row_of = np.zeros(leaves, np.int64)  # the task that a server serves
    server_of = np.zeros(tasks, np.int64)
    remaining_s = np.zeros(tasks)
    # the list of type n is closed by entry tasks + n; those in service are its front part
    before, after = np.arange(tasks + types), np.arange(tasks + types)
    last = np.arange(tasks, tasks + types)  # last in service of a type, or the closing entry
    serving, waiting = np.zeros(types, np.int64), np.zeros(types, np.int64)
    free = np.arange(servers)[::-1].copy()
    idle, all_waiting, come, left = servers, 0, 0, 0
    while left < tasks:
        now_s = due_s[1]
        if come == tasks or now_s <= queue_s[come]:  # an end of service
            server = winner[1]
            row = row_of[server]
            type_ = type_of[row]
            end_s[row] = now_s
            after[before[row]], before[after[row]] = after[row], before[row]
            if last[type_] == row:
                last[type_] = before[row]
            serving[type_] -= 1
            place = left  # tasks that leave at one instant leave in the order of their rows
            while place > 0 and left_s[place - 1] == now_s and left_row[place - 1] > row:
                left_row[place], left_s[place] = left_row[place - 1], now_s
                place -= 1
            left_row[place], left_s[place] = row, now_s
            left += 1
            if all_waiting > 0:
                type_ = 0
                while waiting[type_] == 0:
                    type_ += 1
                row = after[last[type_]]
                waiting[type_] -= 1
                all_waiting -= 1
                last[type_] = row
                serving[type_] += 1
                row_of[server] = row
                server_of[row] = server
                _set_due(due_s, winner, leaves, server, now_s + remaining_s[row])
            else:
                free[idle] = server
                idle += 1
                _set_due(due_s, winner, leaves, server, np.inf)
        else:  # an arrival
            now_s, row = queue_s[come], queue_row[come]
            come += 1
            type_ = type_of[row]
            close = tasks + type_
            tail = before[close]
            after[tail], before[row], after[row], before[close] = row, tail, close, row
            server = -1
            if idle > 0:
                idle -= 1
                server = free[idle]
            else:
                lowest = types - 1
                while lowest > type_ and serving[lowest] == 0:
                    lowest -= 1
                if lowest > type_:  # interrupt its last task
                    victim = last[lowest]
                    last[lowest] = before[victim]
                    serving[lowest] -= 1
                    waiting[lowest] += 1
                    preemptions[victim] += 1
                    server = server_of[victim]
                    remaining_s[victim] = due_s[leaves + server] - now_s
                else:
                    remaining_s[row] = service_s[row]
                    waiting[type_] += 1
                all_waiting += 1
            if server >= 0:
                last[type_] = row
                serving[type_] += 1
                row_of[server] = row
                server_of[row] = server
                _set_due(due_s, winner, leaves, server, now_s + service_s[row])


@njit(cache=True)
def _set_due(due_s, winner, leaves, server, time_s):
    """Give a server another end of service and play its matches again up to the root."""
    node = leaves + server
    due_s[node] = time_s
    while node > 1:
        rival = node ^ 1
        if due_s[rival] < time_s:
            time_s = due_s[rival]
            server = winner[rival]
        node //= 2
        due_s[node] = time_s
        winner[node] = server
