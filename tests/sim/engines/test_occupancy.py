"""How full the stations were, read off the results: against a monitor that watches every event."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airan_market.sim.engines.capacity import CapacityChanges
from airan_market.sim.engines.engine import simulate
from airan_market.sim.engines.occupancy import occupancy
from airan_market.sim.engines.simpy_engine import run_simpy
from airan_market.sim.engines.station import Station
from airan_market.sim.streams import stream
from airan_market.sim.trace import State
from airan_market.sim.workload import Workload


def watched():
    """A station that adds up servers, services and waiting tasks over time, and all such stations.

    It looks at its numbers whenever the clock has moved on since it last did, before they change.
    """
    stations = []

    class Watched(Station):
        def __init__(self, *args):
            self.sums, self.seen_s, self.counted = np.zeros(3), None, (0, 0, 0)
            super().__init__(*args)
            stations.append(self)

        def __setattr__(self, name, value):
            super().__setattr__(name, value)
            if name in ("servers", "busy_count", "waiting_count") and "waiting_count" in vars(self):
                self.look()

        def look(self, now_s=None):
            now_s = self.clock.now if now_s is None else now_s
            self.seen_s = now_s if self.seen_s is None else self.seen_s
            self.sums += (now_s - self.seen_s) * np.array(self.counted)
            self.seen_s = now_s
            self.counted = (self.servers, self.busy_count, self.waiting_count)

    return Watched, stations


def seen(work, state, until_s, changes):
    """Results of a span, and what the monitor saw: servers, busy and waiting, each (M, 3)."""
    station_class, stations = watched()
    results = run_simpy(work, state, until_s=until_s, changes=changes, station=station_class)
    for station in stations:
        station.look(until_s)
    # tandems are built from their last station
    sums = np.array([station.sums for station in stations])
    return results, sums.reshape(-1, 3, 3)[:, ::-1].transpose(2, 0, 1)


def random_span(seed, tasks, load, changes):
    """Two operators of up to three servers a station, with work enough to fill them."""
    rng = stream(seed, "occupancy")
    servers = rng.integers(1, 4, size=(2, 3))
    end_s = tasks / (2.0 * load) + 1.0
    work = Workload(
        task=rng.permutation(tasks) if tasks else [],
        arrival_s=np.sort(rng.uniform(0, end_s, tasks)),
        type=rng.integers(3, size=tasks),
        operator=rng.integers(2, size=tasks),
        user=np.zeros(tasks, int),
        service_s=rng.exponential(1.0, (tasks, 3)),
    )
    at_s = np.sort(rng.uniform(0, end_s, changes))
    where = rng.integers(2, size=changes), rng.integers(3, size=changes)
    return work, servers, CapacityChanges(at_s, *where, rng.integers(0, 4, size=changes)), end_s


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**31),
    tasks=st.integers(0, 80),
    load=st.sampled_from([0.2, 1.0, 3.0]),
    changes=st.integers(0, 6),
    cuts=st.lists(st.floats(0, 1), max_size=3),
)
def test_it_is_what_a_monitor_sees_span_by_span(seed, tasks, load, changes, cuts):
    work, servers, changes, end_s = random_span(seed, tasks, load, changes)
    state = State.start(servers)
    for until_s in [*sorted(cut * end_s for cut in cuts), end_s]:
        now = (work.arrival_s >= state.clock_s) & (work.arrival_s < until_s)
        span = changes.between(state.clock_s, until_s)
        (trace, after), monitor = seen(work.select(now), state, until_s, span)
        found = occupancy(trace, state, after, span)
        compiled = simulate(
            work.select(now),
            servers,
            until_s=until_s,
            changes=span,
            state=state,
            engine="compiled",
        )
        again = occupancy(compiled[0], state, compiled[1], span)
        for mine, other, watched_sum in zip(
            (found.available_s, found.busy_s, found.waiting_s),
            (again.available_s, again.busy_s, again.waiting_s),
            monitor,
            strict=True,
        ):
            assert (mine == other).all()
            np.testing.assert_allclose(mine, watched_sum, rtol=1e-12, atol=1e-9)
        assert found.span_s == until_s - state.clock_s
        state = after


def test_a_trace_worked_by_hand():
    """One GPU. 0, of type 1, is served from 1; 1, of type 0, interrupts it from 2 to 3.5; at 4 the
    GPU is taken away until 5; 0 needs 3 and is done at 1 + 3 + 1.5 + 1 = 6.5. Cut at 3: until then
    the GPU served 2 s and 0 waited 1 s; from 3 to 8 it served 0.5 + 0.5 + 1.5 s, 0 waited 0.5 + 1.
    """
    work = Workload([0, 1], [0.0, 2.0], [1, 0], [0, 0], [0, 0], [[1.0, 3.0, 0.0], [0.0, 1.5, 0.0]])
    changes = CapacityChanges([4.0, 5.0], [0, 0], [1, 1], [0, 1])
    start = State.start([[2, 1, 1]])
    trace, middle = simulate(work, start.servers, until_s=3.0, state=start)
    first = occupancy(trace, start, middle, changes)
    trace, end = simulate(
        Workload.empty(), start.servers, until_s=8.0, state=middle, changes=changes
    )
    second = occupancy(trace, middle, end, changes)
    assert trace.stage_end_s[:, 1].tolist() == [6.5, 3.5]
    assert first.busy_s.tolist() == [[1.0, 2.0, 0.0]]
    assert first.waiting_s.tolist() == [[0.0, 1.0, 0.0]]
    assert first.available_s.tolist() == [[6.0, 3.0, 3.0]]
    assert second.busy_s.tolist() == [[0.0, 2.5, 0.0]]
    assert second.waiting_s.tolist() == [[0.0, 1.5, 0.0]]
    assert second.available_s.tolist() == [[10.0, 4.0, 5.0]]
    assert second.utilisation[0, 1] == 0.625
    assert second.waiting[0, 1] == 0.3


def test_nobody_waits_not_even_by_rounding_where_there_are_servers_enough():
    work, servers, _, end_s = random_span(3, 80, 1.0, 0)
    plenty = State.start(np.full_like(servers, 80))
    trace, after = simulate(work, plenty.servers, until_s=end_s, state=plenty)
    assert (occupancy(trace, plenty, after).waiting_s == 0).all()


def test_control_a_monitor_of_another_discipline_is_told_apart():
    """Mean numbers over all types do not depend on the order of service, those of a run do."""

    class LastComeFirst(Station):
        def next_waiting(self):
            return next(queue for queue in self.waiting if queue).pop()

    work, servers, changes, end_s = random_span(5, 80, 3.0, 4)
    state = State.start(servers)
    (trace, after), monitor = seen(work, state, end_s, changes)
    other = run_simpy(work, state, until_s=end_s, changes=changes, station=LastComeFirst)
    np.testing.assert_allclose(occupancy(trace, state, after, changes).waiting_s, monitor[2])
    assert abs(occupancy(other[0], state, other[1], changes).waiting_s - monitor[2]).max() > 0.1


def test_a_task_that_vanished_is_named():
    work = Workload([7], [0.0], [0], [0], [0], [[1.0, 1.0, 1.0]])
    start = State.start([[1, 1, 1]])
    _, middle = simulate(work, start.servers, until_s=0.5)
    trace, end = simulate(Workload.empty(), start.servers, until_s=9.0, state=middle)
    with pytest.raises(ValueError, match=r"task = 7: under way before, and neither done nor after"):
        occupancy(trace.select([]), middle, end)
    with pytest.raises(ValueError, match="the earlier one first"):
        occupancy(trace, end, middle)
