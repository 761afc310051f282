"""Hand-worked event logs of one station: every start, interruption and end, in order."""

import pytest

from airan_market.sim.engines.simpy_clock import CHANGE, Clock, base_priority
from airan_market.sim.engines.station import ServerChange, Station, Task


class LoggingStation(Station):
    """A station that writes down what happens: (time, what, task)."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.log = []

    def serve_until(self, task, due_s):
        self.log.append((self.clock.now, "start", task.number))
        super().serve_until(task, due_s)

    def interrupt(self, task):
        self.log.append((self.clock.now, "interrupt", task.number))
        super().interrupt(task)

    def complete(self, task):
        self.log.append((self.clock.now, "end", task.number))
        super().complete(task)


def play(tasks, servers=1, changes=(), until_s=100.0):
    """Return the log of tasks {number: (arrival, type, work)} under changes [(time, servers)]."""
    clock = Clock()
    station = LoggingStation(clock, 0, servers, types=4, leave=lambda task: None)
    for number, (arrival_s, type_, work_s) in tasks.items():
        task = Task(number, number, type_, (work_s, 0.0, 0.0))
        station.schedule_arrival(task, arrival_s)
    for row, (time_s, count) in enumerate(changes):
        clock.schedule_at(ServerChange(station, count), time_s, base_priority(0, CHANGE) + row)
    clock.run_until(until_s)
    return station.log


def test_a_higher_type_interrupts_and_the_lower_resumes():
    assert play({0: (0.0, 1, 3.0), 1: (1.0, 0, 1.0)}) == [
        (0.0, "start", 0),
        (1.0, "interrupt", 0),
        (1.0, "start", 1),
        (2.0, "end", 1),
        (2.0, "start", 0),
        (4.0, "end", 0),
    ]


def test_the_same_type_and_a_lower_one_wait():
    assert play({0: (0.0, 1, 3.0), 1: (1.0, 2, 1.0), 2: (2.0, 1, 1.0)}) == [
        (0.0, "start", 0),
        (3.0, "end", 0),
        (3.0, "start", 2),
        (4.0, "end", 2),
        (4.0, "start", 1),
        (5.0, "end", 1),
    ]


def test_a_task_is_interrupted_twice():
    assert play({0: (0.0, 1, 5.0), 1: (1.0, 0, 1.0), 2: (3.0, 0, 1.0)}) == [
        (0.0, "start", 0),
        (1.0, "interrupt", 0),
        (1.0, "start", 1),
        (2.0, "end", 1),
        (2.0, "start", 0),
        (3.0, "interrupt", 0),
        (3.0, "start", 2),
        (4.0, "end", 2),
        (4.0, "start", 0),
        (7.0, "end", 0),
    ]


def test_interruptions_nest():
    assert play({0: (0.0, 2, 4.0), 1: (1.0, 1, 2.0), 2: (2.0, 0, 1.0)}) == [
        (0.0, "start", 0),
        (1.0, "interrupt", 0),
        (1.0, "start", 1),
        (2.0, "interrupt", 1),
        (2.0, "start", 2),
        (3.0, "end", 2),
        (3.0, "start", 1),
        (4.0, "end", 1),
        (4.0, "start", 0),
        (7.0, "end", 0),
    ]


def test_an_interrupted_task_stands_before_later_arrivals_of_its_type():
    assert play({0: (0.0, 1, 3.0), 1: (1.0, 0, 2.0), 2: (2.0, 1, 1.0)}) == [
        (0.0, "start", 0),
        (1.0, "interrupt", 0),
        (1.0, "start", 1),
        (3.0, "end", 1),
        (3.0, "start", 0),
        (5.0, "end", 0),
        (5.0, "start", 2),
        (6.0, "end", 2),
    ]


def test_of_the_lowest_type_in_service_the_latest_to_arrive_makes_room():
    log = play({0: (0.0, 0, 9.0), 1: (1.0, 2, 9.0), 2: (2.0, 2, 9.0), 3: (3.0, 1, 9.0)}, servers=3)
    assert log[3:5] == [(3.0, "interrupt", 2), (3.0, "start", 3)]


def test_latest_to_arrive_is_not_latest_to_resume():
    """0 resumes at 4 and 1 at 5, so 1 goes at 6; 0, which has been resumed too, stays."""
    tasks = {
        0: (0.0, 1, 10.0),
        1: (1.0, 1, 10.0),
        2: (2.0, 0, 3.0),
        3: (3.0, 0, 1.0),
        4: (6.0, 0, 1.0),
    }
    assert play(tasks, servers=2, until_s=7.5) == [
        (0.0, "start", 0),
        (1.0, "start", 1),
        (2.0, "interrupt", 1),
        (2.0, "start", 2),
        (3.0, "interrupt", 0),
        (3.0, "start", 3),
        (4.0, "end", 3),
        (4.0, "start", 0),
        (5.0, "end", 2),
        (5.0, "start", 1),
        (6.0, "interrupt", 1),
        (6.0, "start", 4),
        (7.0, "end", 4),
        (7.0, "start", 1),
    ]


def test_a_completion_comes_before_an_arrival_of_the_same_instant():
    assert play({0: (0.0, 1, 2.0), 1: (2.0, 0, 1.0)}) == [
        (0.0, "start", 0),
        (2.0, "end", 0),
        (2.0, "start", 1),
        (3.0, "end", 1),
    ]


def test_completions_of_one_instant_come_in_task_order():
    log = play({7: (0.0, 1, 2.0), 3: (1.0, 0, 1.0)}, servers=2)
    assert log[2:] == [(2.0, "end", 3), (2.0, "end", 7)]


def test_arrivals_of_one_instant_come_in_task_order_whatever_their_type():
    assert play({0: (0.0, 1, 1.0), 1: (0.0, 0, 1.0)}) == [
        (0.0, "start", 0),
        (0.0, "interrupt", 0),
        (0.0, "start", 1),
        (1.0, "end", 1),
        (1.0, "start", 0),
        (2.0, "end", 0),
    ]
    assert play({0: (0.0, 0, 1.0), 1: (0.0, 1, 1.0)}) == [
        (0.0, "start", 0),
        (1.0, "end", 0),
        (1.0, "start", 1),
        (2.0, "end", 1),
    ]


def test_a_task_without_work_is_done_before_the_next_arrival_of_its_instant():
    assert play({0: (1.0, 1, 0.0), 1: (1.0, 0, 2.0), 2: (2.0, 0, 0.0)}) == [
        (1.0, "start", 0),
        (1.0, "end", 0),
        (1.0, "start", 1),
        (3.0, "end", 1),
        (3.0, "start", 2),
        (3.0, "end", 2),
    ]


def test_a_server_is_taken_away_in_mid_service_and_given_back():
    assert play({0: (0.0, 0, 3.0)}, changes=[(1.0, 0), (2.5, 1)]) == [
        (0.0, "start", 0),
        (1.0, "interrupt", 0),
        (2.5, "start", 0),
        (4.5, "end", 0),
    ]


def test_idle_servers_are_taken_first_then_that_of_the_last_task():
    tasks = {0: (0.0, 1, 9.0), 1: (0.0, 0, 9.0), 2: (0.5, 1, 9.0)}
    log = play(tasks, servers=4, changes=[(1.0, 3), (2.0, 2), (3.0, 1), (4.0, 3)], until_s=5.0)
    assert log[3:] == [
        (2.0, "interrupt", 2),
        (3.0, "interrupt", 0),
        (4.0, "start", 0),
        (4.0, "start", 2),
    ]


def test_a_station_without_servers_keeps_its_tasks_and_their_order():
    tasks = {0: (0.0, 1, 1.0), 1: (0.5, 0, 1.0), 2: (1.0, 0, 1.0)}
    assert play(tasks, servers=0) == []
    assert play(tasks, servers=0, changes=[(3.0, 2)]) == [
        (3.0, "start", 1),
        (3.0, "start", 2),
        (4.0, "end", 1),
        (4.0, "start", 0),
        (4.0, "end", 2),
        (5.0, "end", 0),
    ]


def test_a_change_comes_after_completions_and_before_arrivals_of_its_instant():
    """The only server leaves at 2, when 0 is just done; 1 arrives then and finds none."""
    assert play({0: (0.0, 0, 2.0), 1: (2.0, 0, 1.0)}, changes=[(2.0, 0), (5.0, 1)]) == [
        (0.0, "start", 0),
        (2.0, "end", 0),
        (5.0, "start", 1),
        (6.0, "end", 1),
    ]


def test_changes_of_one_instant_happen_one_after_the_other():
    """Gone and back at once is an interruption all the same."""
    assert play({0: (0.0, 0, 2.0)}, changes=[(1.0, 0), (1.0, 1)]) == [
        (0.0, "start", 0),
        (1.0, "interrupt", 0),
        (1.0, "start", 0),
        (2.0, "end", 0),
    ]


def test_work_that_is_left_is_due_time_minus_now_to_the_bit():
    """Due 0.1 + 0.4, interrupted at 0.3, resumed at 0.3 + 0.4: other roundings end elsewhere."""
    end_s = (0.3 + 0.4) + ((0.1 + 0.4) - 0.3)
    assert play({0: (0.1, 1, 0.4), 1: (0.3, 0, 0.4)})[-1] == (end_s, "end", 0)
    assert end_s not in (0.1 + 0.4 + 0.4, (0.3 + 0.4) + (0.4 - (0.3 - 0.1)))


def test_an_event_is_at_its_time_to_the_bit():
    """SimPy's own schedule would put the end at now + (due - now), which here is another number."""
    clock, due_s = Clock(0.2), 0.9
    assert clock.now + (due_s - clock.now) != due_s
    seen = []
    station = LoggingStation(clock, 0, 1, 1, leave=lambda task: seen.append(clock.now))
    station.serve_until(Task(0, 0, 0, (1.0, 0.0, 0.0)), due_s)
    clock.run_until(1.7)
    assert seen == [due_s]
    assert clock.now == 1.7


def test_a_span_does_not_contain_its_end():
    clock = Clock()
    station = LoggingStation(clock, 0, 1, 1, leave=lambda task: None)
    station.schedule_arrival(Task(0, 0, 0, (0.0, 0.0, 0.0)), 1.0)
    clock.run_until(1.0)
    assert station.log == []
    clock.run_until(1.5)
    assert station.log == [(1.0, "start", 0), (1.0, "end", 0)]


@pytest.mark.parametrize("stage", [0, 1, 2])
def test_priorities_order_one_instant_by_stage_kind_and_task(stage):
    ranks = [base_priority(stage, kind) + number for kind in range(3) for number in (0, 2**63 - 1)]
    assert ranks == sorted(set(ranks))
    assert ranks[0] > 0
    assert ranks[-1] < base_priority(stage + 1, 0)
