"""Processes beside the stations: SimPy generators that see the queues and change the servers."""

import numpy as np
import pytest
import simpy
from hypothesis import given
from hypothesis import strategies as st

from airan_market.sim.engines.capacity import CapacityChanges
from airan_market.sim.engines.engine import simulate
from airan_market.sim.workload import Workload


def workload(*rows):
    """Return the workload of rows (arrival_s, type, operator, service_s)."""
    arrival_s, type_, operator, service_s = zip(*rows, strict=True) if rows else [[]] * 4
    tasks = len(rows)
    return Workload(np.arange(tasks), arrival_s, type_, operator, np.zeros(tasks, int), service_s)


def at_fixed_times(changes, networks):
    """A process that carries out changes, and lets its network be looked at afterwards."""

    def process(env, network):
        networks.append(network)
        for time_s, *change in zip(
            *(values.tolist() for values in changes.columns().values()), strict=True
        ):
            if time_s > env.now:
                yield env.timeout(time_s - env.now)
            network.set_servers(*change)

    return process


grid = st.integers(0, 12).map(lambda k: k * 0.25)  # sums are exact and many events share an instant


@st.composite
def cases(draw):
    rows = draw(
        st.lists(
            st.tuples(grid, st.integers(0, 2), st.integers(0, 1), st.tuples(grid, grid, grid)),
            max_size=12,
        )
    )
    cuts = draw(
        st.lists(
            st.tuples(grid, st.integers(0, 1), st.integers(0, 2), st.integers(0, 3)), max_size=6
        )
    )
    columns = list(zip(*sorted(cuts, key=lambda cut: cut[0]), strict=True)) or [[]] * 4
    servers = draw(st.lists(st.tuples(*[st.integers(0, 2)] * 3), min_size=2, max_size=2))
    return workload(*sorted(rows, key=lambda row: row[0])), servers, CapacityChanges(*columns)


@given(case=cases(), until_s=st.sampled_from([3.25, 100.0]), given_rows=st.integers(0, 6))
def test_servers_taken_at_fixed_times_are_capacity_changes_to_the_bit(case, until_s, given_rows):
    """Some rows may come as changes of the span: then those of the process come after them."""
    work, servers, changes = case
    networks = []
    ahead = np.arange(len(changes)) < given_rows
    later = at_fixed_times(changes.select(~ahead), networks)
    played = simulate(
        work, servers, until_s=until_s, changes=changes.select(ahead), processes=[later]
    )
    for engine in ("simpy", "compiled"):
        wanted = simulate(work, servers, until_s=until_s, changes=changes, engine=engine)
        assert all(a.equals(b) for a, b in zip(played, wanted, strict=True))
    assert networks[0].changes.equals(changes)


def test_control_a_change_before_its_place_in_the_instant_is_seen():
    """At 2 the service is just done; a change that does not wait for that interrupts it."""
    work = workload((0.0, 0, 0, (0.0, 2.0, 0.0)))
    changes = CapacityChanges([2.0], [0], [1], [0])

    def hasty(env, network):
        yield env.timeout(2.0)
        network._stations[0][1].set_servers(0)

    wanted = simulate(work, [[1, 1, 1]], until_s=9.0, changes=changes)
    played = simulate(work, [[1, 1, 1]], until_s=9.0, processes=[at_fixed_times(changes, [])])
    wrong = simulate(work, [[1, 1, 1]], until_s=9.0, processes=[hasty])
    assert (len(wanted[0]), len(played[0]), len(wrong[0])) == (1, 1, 0)


def test_a_process_sees_what_was_before_its_instant():
    """0 is served from 0 to 2, when 1, which came at 1, begins; 2 comes at 2."""
    seen = []

    def look(env, network):
        assert isinstance(env, simpy.Environment)
        for _ in range(3):
            counts = network.in_service[0, 0], network.waiting[0, 0], network.servers[0, 0]
            seen.append((env.now, *counts))
            yield env.timeout(1.0)

    work = workload(*((float(n), 0, 0, (2.0, 0.0, 0.0)) for n in range(3)))
    simulate(work, [[1, 1, 1]], until_s=9.0, processes=[look])
    assert seen == [(0.0, 0, 0, 1), (1.0, 1, 0, 1), (2.0, 1, 1, 1)]


def test_what_two_processes_take_at_one_instant_adds_up():
    def take_one(env, network):
        yield env.timeout(1.0)
        network.set_servers(0, 1, network.servers[0, 1] - 1)

    _, state = simulate(Workload.empty(), [[5, 5, 5]], until_s=2.0, processes=[take_one] * 3)
    assert state.servers.tolist() == [[5, 2, 5]]


def test_processes_may_wait_for_each_other_with_all_that_simpy_has():
    """One repair crew: the second breakdown, at 2, is repaired when the first is, at 4 + 3."""
    log = []

    def crew_of(env):
        if not log:
            log.append(simpy.Resource(env, capacity=1))
        return log[0]

    def breakdown(at_s):
        def process(env, network):
            crew = crew_of(env)
            yield env.timeout(at_s)
            network.set_servers(0, 1, network.servers[0, 1] - 1)
            with crew.request() as free:
                yield free
                yield env.timeout(3.0)
            network.set_servers(0, 1, network.servers[0, 1] + 1)
            log.append(env.now)

        return process

    processes = [breakdown(1.0), breakdown(2.0)]
    _, state = simulate(Workload.empty(), [[2, 2, 2]], until_s=5.0, processes=processes)
    assert (log[1:], state.servers.tolist()) == ([4.0], [[2, 1, 2]])
    log.clear()
    _, state = simulate(Workload.empty(), [[2, 2, 2]], until_s=8.0, processes=processes)
    assert (log[1:], state.servers.tolist()) == ([4.0, 7.0], [[2, 2, 2]])


def test_a_process_is_dropped_at_the_end_of_its_span_and_its_servers_stay_away():
    begun = []

    def breakdown(env, network):
        begun.append(env.now)
        yield env.timeout(1.0)
        network.set_servers(0, 0, 0)
        yield env.timeout(3.0)
        network.set_servers(0, 0, 1)

    nobody = Workload.empty()
    _, state = simulate(nobody, [[1, 1, 1]], until_s=4.0, processes=[breakdown])
    assert state.servers.tolist() == [[0, 1, 1]]  # 4 belongs to the next span
    _, state = simulate(nobody, [[1, 1, 1]], until_s=7.0, state=state)
    assert state.servers.tolist() == [[0, 1, 1]]
    _, state = simulate(nobody, [[1, 1, 1]], until_s=12.0, state=state, processes=[breakdown])
    assert state.servers.tolist() == [[1, 1, 1]]
    assert begun == [0.0, 7.0]


def test_what_a_process_raises_comes_out():
    def fails(env, network):
        yield env.timeout(1.0)
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        simulate(Workload.empty(), [[1, 1, 1]], until_s=2.0, processes=[fails])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ((1, 0, 1), "operator = 1: allowed 0 to 0"),
        ((0, -1, 1), "stage = -1: allowed 0 to 2"),
        ((0, 0, -1), "servers = -1: allowed a whole number, at least 0"),
        ((0, 0, 1.5), "servers = 1.5: allowed a whole number, at least 0"),
    ],
)
def test_a_change_that_cannot_be_is_refused(change, message):
    def process(env, network):
        network.set_servers(*change)
        yield env.timeout(1.0)

    with pytest.raises(ValueError, match=message):
        simulate(Workload.empty(), [[1, 1, 1]], until_s=2.0, processes=[process])
