"""The compiled engine is the SimPy engine, task by task and bit by bit."""

import numpy as np
import pytest
from controls.stations import EldestStation, TailStation
from hypothesis import given
from hypothesis import strategies as st

from airan_market.sim.engines.capacity import CapacityChanges
from airan_market.sim.engines.compiled_engine import run_compiled
from airan_market.sim.engines.engine import simulate
from airan_market.sim.engines.simpy_engine import run_simpy
from airan_market.sim.streams import stream
from airan_market.sim.trace import State
from airan_market.sim.workload import Workload

MEAN_SERVICE_S = np.array([0.3, 1.0, 0.2])


def network(seed, *, tasks, types, servers, load, grid, operators, changes):
    """A random network and its work; with a grid, times and works are multiples of 1/grid.

    The offered load is `load` at the GPUs of operator 1; half of the types may be empty.
    """
    rng = stream(seed, "compiled")
    most = np.maximum(1, np.ceil(servers * np.array([0.5, 1.0, 0.3]))).astype(int)
    counts = np.maximum(1, rng.integers(most // 2, most + 1, size=(operators, 3)))
    counts[0] = most
    rate_per_s = load * most[1] / MEAN_SERVICE_S[1] * operators
    arrival_s = np.cumsum(rng.exponential(1 / rate_per_s, tasks))
    service_s = rng.exponential(MEAN_SERVICE_S, (tasks, 3))
    used = np.flatnonzero(rng.random(types) < 0.7)
    if grid:
        arrival_s, service_s = np.round(arrival_s * grid) / grid, np.round(service_s * grid) / grid
    work = Workload(
        task=np.arange(tasks),
        arrival_s=arrival_s,
        type=rng.choice(used, tasks) if used.size else np.zeros(tasks, int),
        operator=rng.integers(operators, size=tasks),
        user=np.zeros(tasks, int),
        service_s=service_s,
    )
    end_s = float(arrival_s[-1]) * rng.choice([0.8, 1.1, 3.0]) + 1.0 if tasks else 1.0
    at = np.sort(rng.uniform(0, end_s, changes))
    if grid:
        at = np.minimum(np.round(at * grid) / grid, np.nextafter(end_s, 0))
    new = rng.integers(0, 2 * servers + 1, size=changes)
    where = rng.integers(operators, size=changes), rng.integers(3, size=changes)
    return work, counts, CapacityChanges(at, *where, new), end_s


networks = st.builds(
    network,
    seed=st.integers(0, 2**31),
    tasks=st.integers(0, 250),
    types=st.integers(1, 20),
    servers=st.sampled_from([1, 2, 3, 8, 30, 200]),
    load=st.sampled_from([0.1, 0.5, 0.9, 1.0, 1.5, 4.0]),
    grid=st.sampled_from([0, 0, 2, 10]),
    operators=st.integers(1, 3),
    changes=st.integers(0, 6),
)
cuts = st.lists(st.floats(0, 1), max_size=4)


def in_spans(run, work, servers, changes, ends_s, **options):
    """Traces and states of a run cut at the given times."""
    state, results = State.start(servers), []
    for end_s in ends_s:
        begin_s = state.clock_s
        rows = (work.arrival_s >= begin_s) & (work.arrival_s < end_s)
        trace, state = run(
            work.select(rows),
            state,
            until_s=end_s,
            changes=changes.between(begin_s, end_s),
            **options,
        )
        results.append((trace, state))
    return results


def equal(one, other):
    return all(
        a.equals(b) for pairs in zip(one, other, strict=True) for a, b in zip(*pairs, strict=True)
    )


@given(network=networks, cuts=cuts, chunk=st.sampled_from([1, 5, 64, 8192]))
def test_both_engines_are_equal_to_the_bit(network, cuts, chunk):
    """Ends, preemption counts and everything under way, after every span."""
    work, servers, changes, end_s = network
    ends_s = sorted({*(end_s * cut for cut in cuts), end_s})
    compiled = in_spans(run_compiled, work, servers, changes, ends_s, chunk=chunk)
    assert equal(in_spans(run_simpy, work, servers, changes, ends_s), compiled)


@pytest.mark.long
def test_both_engines_are_equal_on_thousands_of_random_networks():
    """Over 64 types, spans without a task, chunks of any size, ties, tasks without work."""
    interrupted = 0
    for seed in range(4000):
        rng = stream(seed, "networks")
        work, servers, changes, end_s = network(
            seed,
            tasks=int(rng.choice([0, 1, 20, 200, 900])),
            types=int(rng.choice([1, 2, 8, 70, 130])),
            servers=int(rng.choice([1, 2, 5, 24, 200])),
            load=float(rng.choice([0.2, 0.7, 0.95, 1.1, 3.0])),
            grid=int(rng.choice([0, 0, 1, 10, 1000])),
            operators=int(rng.integers(1, 4)),
            changes=int(rng.choice([0, 0, 2, 9])),
        )
        ends_s = sorted({*(end_s * rng.random(rng.integers(0, 5))), end_s})
        chunk = int(rng.choice([1, 2, 17, 64, 500, 4096]))
        compiled = in_spans(run_compiled, work, servers, changes, ends_s, chunk=chunk)
        assert equal(in_spans(run_simpy, work, servers, changes, ends_s), compiled), seed
        interrupted += sum(int(trace.preemptions.sum()) for trace, _ in compiled)
    assert interrupted > 100_000


@pytest.mark.parametrize("seed", range(3))
def test_both_engines_are_equal_on_long_busy_runs(seed):
    """Tens of thousands of tasks around saturation, servers coming and going."""
    work, servers, changes, end_s = network(
        seed, tasks=20_000, types=8, servers=24, load=0.97, grid=0, operators=2, changes=40
    )
    ends_s = [end_s * part for part in (0.3, 0.31, 1.0)]
    compiled = in_spans(run_compiled, work, servers, changes, ends_s)
    assert equal(in_spans(run_simpy, work, servers, changes, ends_s), compiled)
    assert sum(trace.preemptions.sum() for trace, _ in compiled) > 1000


@pytest.mark.parametrize("wrong", [TailStation, EldestStation])
def test_a_wrong_discipline_is_not_taken_for_equal(wrong):
    """Negative control: the comparison above must see where an interrupted task goes."""
    work, servers, changes, end_s = network(
        1, tasks=2000, types=4, servers=3, load=0.9, grid=0, operators=1, changes=0
    )
    right = in_spans(run_compiled, work, servers, changes, [end_s])
    other = in_spans(run_simpy, work, servers, changes, [end_s], station=wrong)
    assert not equal(other, right)


def test_number_of_threads_and_chunk_change_nothing():
    work, servers, changes, end_s = network(
        7, tasks=5000, types=5, servers=8, load=0.95, grid=10, operators=3, changes=6
    )
    runs = [
        in_spans(run_compiled, work, servers, changes, [end_s], workers=workers, chunk=chunk)
        for workers in (1, 2, 5)
        for chunk in (1, 333, 8192)
    ]
    assert all(equal(runs[0], run) for run in runs)


def test_many_tasks_of_one_instant_pass_a_chunk_of_one():
    tasks = 40
    work = Workload(
        task=np.arange(tasks),
        arrival_s=np.zeros(tasks),
        type=np.arange(tasks) % 3,
        operator=np.zeros(tasks, int),
        user=np.zeros(tasks, int),
        service_s=np.zeros((tasks, 3)),
    )
    none = CapacityChanges.none()
    compiled = in_spans(run_compiled, work, [[2, 1, 2]], none, [1.0], chunk=1)
    assert equal(in_spans(run_simpy, work, [[2, 1, 2]], none, [1.0]), compiled)
    assert (compiled[0][0].stage_end_s == 0).all()


def test_task_numbers_need_not_follow_arrivals():
    work, servers, changes, end_s = network(
        3, tasks=500, types=3, servers=2, load=1.2, grid=2, operators=1, changes=3
    )
    numbers = stream(3, "numbers").permutation(1000)[:500]
    order = np.lexsort((numbers, work.arrival_s))
    columns = work.columns() | {"task": numbers}
    shuffled = Workload(**{name: values[order] for name, values in columns.items()})
    ends_s = [end_s / 2, end_s]
    compiled = in_spans(run_compiled, shuffled, servers, changes, ends_s)
    assert equal(in_spans(run_simpy, shuffled, servers, changes, ends_s), compiled)


def test_the_facade_runs_it():
    work, servers, changes, end_s = network(
        5, tasks=300, types=3, servers=3, load=0.8, grid=0, operators=2, changes=2
    )
    one, other = (
        simulate(work, servers, until_s=end_s, changes=changes, engine=engine)
        for engine in ("simpy", "compiled")
    )
    assert equal([one], [other])
