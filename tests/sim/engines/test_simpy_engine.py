"""The engine against hand-worked traces, a naive second implementation, and itself cut in spans."""

import math
from functools import partial
from heapq import nsmallest

import numpy as np
import pytest
from controls.stations import EldestStation, ForgetfulStation, TailStation
from hypothesis import example, given
from hypothesis import strategies as st

from airan_market.sim.engines import engine
from airan_market.sim.engines.capacity import CapacityChanges
from airan_market.sim.engines.disciplines import FirstComeFirstServed, NonPreemptive
from airan_market.sim.engines.simpy_engine import run_simpy
from airan_market.sim.engines.station import Station
from airan_market.sim.streams import stream
from airan_market.sim.trace import State
from airan_market.sim.workload import Workload

simulate = partial(engine.simulate, engine="simpy")  # the reference


def workload(*rows):
    """Return the workload of rows (task, arrival_s, type, operator, service_s)."""
    rows = sorted(rows, key=lambda row: (row[1], row[0]))
    task, arrival_s, type_, operator, service_s = zip(*rows, strict=True) if rows else [[]] * 5
    return Workload(task, arrival_s, type_, operator, [0] * len(rows), service_s)


# ---- hand-worked traces ----


def test_three_tasks_through_the_tandem():
    """One server a stage.

    Uplink: 0 from 0 to 1; 1 from 1 to 2; 2, of the highest type, comes at 1.5, interrupts 1 and is
    done at 2; 1 goes on until 2.5. GPU: 0 from 1 to 2, when 2 comes as 0 leaves; 2 until 5; 1 comes
    at 2.5, waits, 5 to 6. Downlink: 0 from 2 to 6, but 2 comes at 5, takes over until 5.5; 0 has 1
    left, goes on until 6.5 (it is of type 1 and was there before 1, which comes at 6); 1 until 7.
    """
    work = workload(
        (0, 0.0, 1, 0, (1.0, 1.0, 4.0)),
        (1, 0.5, 1, 0, (1.0, 1.0, 0.5)),
        (2, 1.5, 0, 0, (0.5, 3.0, 0.5)),
    )
    trace, state = simulate(work, [[1, 1, 1]], until_s=10.0)
    assert trace.task.tolist() == [0, 1, 2]
    assert trace.stage_end_s.tolist() == [[1.0, 2.0, 6.5], [2.5, 6.0, 7.0], [2.0, 5.0, 5.5]]
    assert trace.preemptions.tolist() == [[0, 0, 1], [1, 0, 0], [0, 0, 0]]
    assert trace.latency_s.tolist() == [6.5, 6.5, 4.0]
    assert len(state) == 0


def test_two_tasks_that_leave_the_uplink_together_reach_the_gpu_in_task_order():
    """At 1 both come to the only GPU: 3, of the lower type, first, and is interrupted at once."""
    work = workload((3, 0.0, 1, 0, (1.0, 2.0, 0.0)), (4, 0.0, 0, 0, (1.0, 2.0, 0.0)))
    trace, _ = simulate(work, [[2, 1, 1]], until_s=10.0)
    assert trace.stage_end_s.tolist() == [[1.0, 5.0, 5.0], [1.0, 3.0, 3.0]]
    assert trace.preemptions.tolist() == [[0, 1, 0], [0, 0, 0]]


def test_place_inside_a_type_is_by_arrival_at_the_stage_and_not_in_the_system():
    """1 overtakes 0 in the uplink, so it is before 0 at the GPU, where both wait for 2."""
    work = workload(
        (0, 0.0, 1, 0, (3.0, 1.0, 0.0)),
        (1, 1.0, 1, 0, (1.0, 1.0, 0.0)),
        (2, 1.0, 0, 0, (0.0, 4.0, 0.0)),
    )
    trace, _ = simulate(work, [[3, 1, 1]], until_s=20.0)
    assert trace.stage_end_s[:, 1].tolist() == [7.0, 6.0, 5.0]


def test_a_completion_at_the_gpu_comes_before_an_arrival_from_the_uplink():
    """0 is done at the GPU at 2, when 1, of a higher type, comes: no interruption."""
    work = workload((0, 0.0, 1, 0, (1.0, 1.0, 0.0)), (1, 0.0, 0, 0, (2.0, 1.0, 0.0)))
    trace, _ = simulate(work, [[2, 1, 1]], until_s=20.0)
    assert trace.preemptions.sum() == 0
    assert trace.stage_end_s[:, 1].tolist() == [2.0, 3.0]


def test_tasks_without_any_work_pass_in_an_instant():
    work = workload(*((n, 1.0, n % 2, 0, (0.0, 0.0, 0.0)) for n in range(4)))
    trace, _ = simulate(work, [[1, 1, 1]], until_s=2.0)
    assert trace.stage_end_s.tolist() == [[1.0] * 3] * 4
    assert trace.preemptions.sum() == 0


def test_operators_do_not_feel_each_other():
    alone = workload((1, 0.5, 1, 1, (1.0, 1.0, 1.0)))
    both = workload((0, 0.5, 0, 0, (1.0, 1.0, 1.0)), (1, 0.5, 1, 1, (1.0, 1.0, 1.0)))
    servers = [[1, 1, 1], [1, 1, 1]]
    trace, _ = simulate(both, servers, until_s=9.0)
    assert trace.select(trace.operator == 1).equals(simulate(alone, servers, until_s=9.0)[0])


def test_a_gpu_is_taken_away_in_mid_service_and_given_back():
    """0 has 1.5 of 2 left at 1.5, and 1, of the higher type, is served when the GPU is back."""
    work = workload((0, 0.0, 1, 0, (1.0, 2.0, 0.0)), (1, 1.0, 0, 0, (1.0, 1.0, 0.0)))
    changes = CapacityChanges([1.5, 4.0], [0, 0], [1, 1], [0, 1])
    trace, state = simulate(work, [[2, 1, 1]], until_s=20.0, changes=changes)
    assert trace.stage_end_s[:, 1].tolist() == [6.5, 5.0]
    assert trace.preemptions[:, 1].tolist() == [1, 0]
    assert state.servers.tolist() == [[2, 1, 1]]


def test_what_a_span_leaves_for_the_next():
    """At 2.5, one server a stage: 0 in the downlink until 6, 2 at the GPU until 5, 1 waits there
    with all its work (see the first test); 3 waits in the uplink, interrupted, for 4."""
    work = workload(
        (0, 0.0, 1, 0, (1.0, 1.0, 4.0)),
        (1, 0.5, 1, 0, (1.0, 1.0, 0.5)),
        (2, 1.5, 0, 0, (0.5, 3.0, 0.5)),
        (3, 2.5, 1, 0, (0.75, 1.0, 1.0)),
        (4, 2.75, 0, 0, (2.0, 1.0, 1.0)),
    )
    trace, state = simulate(work, [[1, 1, 1]], until_s=3.0)
    nan = math.nan
    assert len(trace) == 0
    assert state.clock_s == 3.0
    assert state.task.tolist() == [0, 1, 2, 3, 4]
    assert state.stage.tolist() == [2, 1, 1, 0, 0]
    assert state.stage_arrival_s.tolist() == [2.0, 2.5, 2.0, 2.5, 2.75]
    assert state.in_service.tolist() == [True, False, True, False, True]
    np.testing.assert_array_equal(state.due_s, [6.0, nan, 5.0, nan, 4.75])
    np.testing.assert_array_equal(state.remaining_s, [nan, 1.0, nan, 0.5, nan])
    np.testing.assert_array_equal(state.stage_end_s[:3, :2], [[1.0, 2.0], [2.5, nan], [2.0, nan]])
    assert np.isnan(state.stage_end_s[3:]).all()
    assert state.preemptions.tolist() == [[0] * 3, [1, 0, 0], [0] * 3, [1, 0, 0], [0] * 3]


def test_an_end_of_service_on_the_cut_belongs_to_the_next_span():
    work = workload((0, 0.0, 0, 0, (1.0, 0.0, 0.0)))
    trace, state = simulate(work, [[1, 1, 1]], until_s=1.0)
    assert (len(trace), state.due_s.tolist()) == (0, [1.0])
    trace, state = simulate(Workload.empty(), [[1, 1, 1]], until_s=1.5, state=state)
    assert (trace.stage_end_s.tolist(), len(state)) == ([[1.0, 1.0, 1.0]], 0)


# ---- a naive second implementation: one station after the other, everything sorted anew ----


#: Order in which a discipline serves: of whether a task is served, its type, its arrival.
ORDERS = {
    Station: lambda served, type_, arrival_s: (type_, arrival_s),
    NonPreemptive: lambda served, type_, arrival_s: (not served, type_, arrival_s),
    FirstComeFirstServed: lambda served, type_, arrival_s: (arrival_s,),
}


def naive_station(jobs, servers, changes, until_s, order):
    """Serve jobs {task: (arrival_s, type, work_s)}; return ends and preemptions {task: ...}."""
    arrivals = sorted((arrival_s, 2, task) for task, (arrival_s, _, _) in jobs.items())
    cuts = [(time_s, 1, row) for row, (time_s, _) in enumerate(changes)]
    left_s, due_s, ends, interruptions = {}, {}, {}, dict.fromkeys(jobs, 0)
    while events := [(due, 0, task) for task, due in due_s.items()] + cuts[:1] + arrivals[:1]:
        now, kind, which = min(events)
        if now >= until_s:
            break
        if kind == 0:
            ends[which] = due_s.pop(which)
            del left_s[which]
        elif kind == 1:
            servers = changes[which][1]
            cuts.pop(0)
        else:
            left_s[which] = jobs[which][2]
            arrivals.pop(0)
        places = {task: order(task in due_s, jobs[task][1], jobs[task][0]) for task in left_s}
        first = nsmallest(servers, left_s, key=lambda task: (places[task], task))
        for task in [task for task in due_s if task not in first]:
            left_s[task] = due_s.pop(task) - now
            interruptions[task] += 1
        for task in first:
            due_s.setdefault(task, now + left_s[task])
    return ends, interruptions


def naive(work, servers, changes, until_s, station=Station):
    """Return {task: (three ends or NaN, three preemptions)} of the whole network."""
    result = {int(task): ([math.nan] * 3, [0] * 3) for task in work.task}
    for operator in range(len(servers)):
        rows = np.flatnonzero(work.operator == operator)
        come = {int(work.task[row]): float(work.arrival_s[row]) for row in rows}
        for stage in range(3):
            here = (changes.operator == operator) & (changes.stage == stage)
            cuts = list(zip(changes.time_s[here].tolist(), changes.servers[here], strict=True))
            jobs = {
                int(work.task[row]): (
                    come[int(work.task[row])],
                    int(work.type[row]),
                    float(work.service_s[row, stage]),
                )
                for row in rows
                if int(work.task[row]) in come
            }
            come, interruptions = naive_station(
                jobs, servers[operator][stage], cuts, until_s, ORDERS[station]
            )
            for task in jobs:
                result[task][0][stage] = come.get(task, math.nan)
                result[task][1][stage] = interruptions[task]
    return result


def outcome(trace, state):
    """Return the engine's result in the form of `naive`."""
    return {
        task: (ends, preemptions)
        for table in (trace, state)
        for task, ends, preemptions in zip(
            table.task.tolist(),
            table.stage_end_s.tolist(),
            table.preemptions.tolist(),
            strict=True,
        )
    }


def same(a, b):
    """Equal to the bit; repr tells every double, and NaN is NaN."""
    return repr(sorted(a.items())) == repr(sorted(b.items()))


@st.composite
def cases(draw):
    """A workload, servers and changes on a coarse grid, so that most events share an instant.

    With the grid of 1/4 sums are exact and ties abound; with that of 1/10 they round.
    """
    unit = draw(st.sampled_from([0.25, 0.1]))
    grid = st.integers(0, 12).map(lambda k: k * unit)
    operators = draw(st.integers(1, 2))
    size = draw(st.integers(0, 14))
    numbers = draw(st.permutations(range(size)))
    service = st.tuples(*[st.integers(0, 6).map(lambda k: k * unit)] * 3)
    rows = [
        (number, draw(grid), draw(st.integers(0, 3)), draw(st.integers(0, operators - 1)), s)
        for number in numbers
        for s in [draw(service)]
    ]
    servers = draw(
        st.lists(st.tuples(*[st.integers(0, 3)] * 3), min_size=operators, max_size=operators)
    )
    cuts = draw(
        st.lists(
            st.tuples(grid, st.integers(0, operators - 1), st.integers(0, 2), st.integers(0, 3)),
            max_size=5,
        )
    )
    columns = list(zip(*sorted(cuts, key=lambda cut: cut[0]), strict=True)) or [[]] * 4
    return workload(*rows), servers, CapacityChanges(*columns)


disciplines = pytest.mark.parametrize("station", ORDERS, ids=lambda c: c.__name__)


@disciplines
@given(case=cases(), until_s=st.sampled_from([3.25, 5.0, 100.0]))
def test_the_engine_equals_the_naive_implementation_to_the_bit(station, case, until_s):
    work, servers, changes = case
    result = simulate(work, servers, until_s=until_s, changes=changes, station=station)
    assert same(outcome(*result), naive(work, servers, changes, until_s, station))


def random_case(seed, tasks=400):
    """A busy network of two operators with many preemptions and capacity changes."""
    rng = stream(seed, "random case")
    arrival_s = np.cumsum(rng.exponential(0.05, tasks))
    work = Workload(
        np.arange(tasks),
        arrival_s,
        rng.integers(4, size=tasks),
        rng.integers(2, size=tasks),
        np.zeros(tasks, int),
        rng.exponential([0.2, 0.25, 0.2], (tasks, 3)),
    )
    at = np.sort(rng.uniform(0, arrival_s[-1], 20))
    changes = CapacityChanges(at, rng.integers(2, size=20), rng.integers(3, size=20), [1, 4] * 10)
    return work, [[3, 3, 2], [2, 4, 1]], changes


@disciplines
@pytest.mark.parametrize("seed", range(4))
def test_the_engine_equals_the_naive_implementation_on_busy_networks(station, seed):
    work, servers, changes = random_case(seed)
    result = simulate(work, servers, until_s=1e4, changes=changes, station=station)
    assert same(outcome(*result), naive(work, servers, changes, 1e4, station))
    # without preemption only servers that are taken away interrupt
    assert result[0].preemptions.sum() > (100 if station is Station else 1)


@pytest.mark.parametrize(
    "wrong",
    [TailStation, NonPreemptive, FirstComeFirstServed, EldestStation, ForgetfulStation],
    ids=lambda c: c.__name__,
)
def test_the_comparison_sees_a_wrong_discipline(wrong):
    work, servers, changes = random_case(0)
    result = run_simpy(work, State.start(servers), until_s=1e4, changes=changes, station=wrong)
    right = naive(work, servers, changes, 1e4)
    differing = [task for task, (ends, _) in outcome(*result).items() if ends != right[task][0]]
    assert len(differing) > 10


# ---- cuts ----


def in_spans(work, servers, changes, ends_s, station=None):
    """Return the traces of the spans, joined in task order, and the last state."""
    state, traces = State.start(servers), []
    for end_s in ends_s:
        inside = (work.arrival_s >= state.clock_s) & (work.arrival_s < end_s)
        trace, state = simulate(
            work.select(inside),
            servers,
            until_s=end_s,
            changes=changes.between(state.clock_s, end_s),
            state=state,
            station=station,
        )
        traces.append(trace)
    columns = {
        name: np.concatenate([getattr(trace, name) for trace in traces])
        for name in traces[0].rules()
    }
    order = np.argsort(columns["task"])
    return type(traces[0])(**{name: values[order] for name, values in columns.items()}), state


@disciplines
@given(
    case=cases(),
    cuts=st.lists(st.integers(0, 40).map(lambda k: k / 10) | st.floats(0, 4), max_size=6),
)
@example(case=random_case(1, 60), cuts=[0.5, 0.5, 1.0])
def test_cutting_a_run_in_spans_changes_no_bit(station, case, cuts):
    work, servers, changes = case
    whole = simulate(work, servers, until_s=5.0, changes=changes, station=station)
    cut = in_spans(work, servers, changes, [*sorted(cuts), 5.0], station)
    assert cut[0].equals(whole[0])
    assert cut[1].equals(whole[1])


@disciplines
@pytest.mark.parametrize("spans", [2, 37, 400])
def test_cutting_a_busy_run_in_spans_changes_no_bit(station, spans):
    work, servers, changes = random_case(3)
    until_s = 2 * float(work.arrival_s[-1])
    whole = simulate(work, servers, until_s=until_s, changes=changes, station=station)
    ends_s = np.linspace(0, until_s, spans + 1)[1:].tolist()
    cut = in_spans(work, servers, changes, ends_s, station)
    assert cut[0].equals(whole[0])
    assert cut[1].equals(whole[1])


# ---- properties ----


@given(case=cases(), until_s=st.sampled_from([1.0, 2.5, 100.0]))
def test_every_task_is_done_in_service_or_waiting(case, until_s):
    work, servers, changes = case
    here = work.select(work.arrival_s < until_s)
    changes = changes.between(0.0, until_s)
    trace, state = simulate(here, servers, until_s=until_s, changes=changes)
    assert sorted([*trace.task, *state.task]) == sorted(here.task)
    for name in here.rules():  # and its columns are those it came with
        joined = dict(zip(trace.task.tolist(), getattr(trace, name).tolist(), strict=True))
        joined |= dict(zip(state.task.tolist(), getattr(state, name).tolist(), strict=True))
        assert [joined[task] for task in here.task] == getattr(here, name).tolist()
    for operator, stage in np.ndindex(state.servers.shape):
        at = (state.operator == operator) & (state.stage == stage)
        assert state.in_service[at].sum() == min(state.servers[operator, stage], at.sum())


class WatchedStation(Station):
    """After every event: no idle server while a task waits, and the first tasks are served."""

    checks = 0

    def arrive(self, task):
        super().arrive(task)
        self.check()

    def start_waiting(self):  # the last thing that an end of service or a change does
        super().start_waiting()
        self.check()

    def check(self):
        def key(task):
            return (task.type, task.stage_arrival_s, task.number)

        served = [task for row in self.in_service for task in row.values()]
        waiting = [task for queue in self.waiting for task in queue]
        assert (len(served), len(waiting)) == (self.busy_count, self.waiting_count)
        assert len(served) == min(self.servers, len(served) + len(waiting))
        assert max(map(key, served), default=()) < min(map(key, waiting), default=(math.inf,))
        type(self).checks += 1


@pytest.mark.parametrize("seed", range(3))
def test_no_server_idles_while_a_task_waits(seed):
    work, servers, changes = random_case(seed)
    before = WatchedStation.checks
    until_s = float(work.arrival_s[-1])
    run_simpy(
        work.select(slice(-1)),
        State.start(servers),
        until_s=until_s,
        changes=changes.between(0.0, until_s),
        station=WatchedStation,
    )
    assert WatchedStation.checks - before > 1000


def test_the_watch_sees_an_idle_server():
    class LazyStation(WatchedStation):
        def set_servers(self, servers):
            self.servers = servers
            self.check()

    work, servers, changes = random_case(0)
    with pytest.raises(AssertionError):
        run_simpy(work, State.start(servers), until_s=1e4, changes=changes, station=LazyStation)


@given(case=cases(), lowest=st.integers(0, 2))
def test_a_type_does_not_feel_the_types_below_it(case, lowest):
    work, servers, changes = case
    with_all, _ = simulate(work, servers, until_s=100.0, changes=changes)
    without = work.select(work.type <= lowest)
    alone, _ = simulate(without, servers, until_s=100.0, changes=changes)
    high = with_all.select(with_all.type <= lowest)
    assert high.task.tolist() == alone.task.tolist()
    assert high.stage_end_s.tolist() == alone.stage_end_s.tolist()


@given(case=cases())
def test_exchanging_operators_exchanges_the_result(case):
    work, servers, changes = case
    last = len(servers) - 1
    swapped = Workload(**{**work.columns(), "operator": last - work.operator})
    cuts = CapacityChanges(**{**changes.columns(), "operator": last - changes.operator})
    trace, state = simulate(work, servers, until_s=100.0, changes=changes)
    other, rest = simulate(swapped, servers[::-1], until_s=100.0, changes=cuts)
    assert same(outcome(trace, state), outcome(other, rest))
    assert rest.servers.tolist() == state.servers.tolist()[::-1]


# ---- a discipline of one's own ----


@pytest.mark.parametrize(
    ("take", "times"),
    [(lambda queue: (queue.popleft(), queue.popleft())[1], 0), (lambda queue: queue[0], 2)],
    ids=["lost", "twice"],
)
def test_a_task_that_a_discipline_loses_or_serves_twice_is_named(take, times):
    class Careless(Station):
        def next_waiting(self):
            return take(next(queue for queue in self.waiting if queue))

    work = workload(*((n, 0.25 * n, 0, 0, (1.0, 0.0, 0.0)) for n in range(3)))
    with pytest.raises(RuntimeError, match=f"Careless at uplink of operator 0: .* {times} times"):
        simulate(work, [[1, 1, 1]], until_s=1.5, station=Careless)


def test_a_discipline_that_cannot_be_cut_refuses_tasks_under_way():
    class Remembering(Station):
        cuttable = False

    work = workload((0, 0.0, 0, 0, (1.0, 0.0, 0.0)))
    _, state = simulate(work, [[1, 1, 1]], until_s=0.5, station=Remembering)
    with pytest.raises(ValueError, match=r"Remembering: cannot be cut in spans.*has 1 task"):
        simulate(Workload.empty(), [[1, 1, 1]], until_s=2.0, state=state, station=Remembering)
    _, empty = simulate(Workload.empty(), [[1, 1, 1]], until_s=2.0, state=state)
    simulate(Workload.empty(), [[1, 1, 1]], until_s=3.0, state=empty, station=Remembering)
