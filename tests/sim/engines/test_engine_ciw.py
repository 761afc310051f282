"""The engine against Ciw, an independent simulator: every end of every task, to the last bit."""

from functools import partial

import ciw
import numpy as np
import pytest
from ciw_tandem import run_ciw
from tandem8 import SERVERS, tandem8

from airan_market.sim.engines import engine
from airan_market.sim.engines.capacity import CapacityChanges
from airan_market.sim.streams import stream
from airan_market.sim.workload import Workload

simulate = partial(engine.simulate, engine="simpy")  # the reference


def workload(arrival_s, type_, service_s):
    tasks = len(arrival_s)
    zeros = np.zeros(tasks, dtype=int)
    return Workload(np.arange(tasks), arrival_s, type_, zeros, zeros, service_s)


def busy_workload(seed, tasks=1000, types=4):
    """Load 0.83, 0.85 and 0.8 on three, two and five servers; no two events at one time."""
    rng = stream(seed, "busy workload")
    return workload(
        np.cumsum(rng.exponential(0.1, tasks)),
        rng.integers(types, size=tasks),
        rng.exponential([0.25, 0.17, 0.4], (tasks, 3)),
    )


@pytest.mark.parametrize("seed", range(4))
def test_all_ends_are_those_of_ciw(seed):
    work = busy_workload(seed)
    trace, state = simulate(work, [[3, 2, 5]], until_s=1e4)
    assert len(state) == 0
    assert (trace.preemptions.sum(0) > 100).all()
    assert np.array_equal(trace.stage_end_s, run_ciw(work, [3, 2, 5], 1e4))


@pytest.mark.parametrize("types", [1, 50])
def test_all_ends_are_those_of_ciw_with_one_type_and_with_many(types):
    work = busy_workload(9, types=types)
    trace, _ = simulate(work, [[3, 2, 5]], until_s=1e4)
    assert np.array_equal(trace.stage_end_s, run_ciw(work, [3, 2, 5], 1e4))


def test_all_ends_of_the_benchmark_workload_are_those_of_ciw():
    work = tandem8(2000)
    trace, _ = simulate(work, SERVERS, until_s=1e3)
    assert trace.preemptions.sum() > 100
    assert np.array_equal(trace.stage_end_s, run_ciw(work, SERVERS[0].tolist(), 1e3))


def test_what_has_ended_by_a_moment_in_the_rush_is_what_ciw_says():
    work = busy_workload(5)
    middle_s = 40.0
    here = work.arrival_s < middle_s
    trace, state = simulate(work.select(here), [[3, 2, 5]], until_s=middle_s)
    end_s = run_ciw(work, [3, 2, 5], middle_s)[: here.sum()]
    assert len(state) > 3
    assert np.array_equal(trace.stage_end_s, end_s[trace.task])
    assert np.array_equal(state.stage_end_s, end_s[state.task], equal_nan=True)


# ---- where Ciw has other rules, shown, so that nobody compares there ----


def test_ciw_settles_ties_by_chance_and_we_by_rule():
    """The end of 0 and the arrival of 1, of a higher type, at 2 s: Ciw may interrupt 0 with
    nothing left to do."""
    work = workload([0.0, 2.0], [1, 0], [[2.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    seen = set()
    for seed in range(20):
        ciw.seed(seed)
        seen.add(tuple(run_ciw(work, [1, 1, 1], 10.0)[:, 0]))
    assert seen == {(2.0, 3.0), (3.0, 3.0)}
    trace, _ = simulate(work, [[1, 1, 1]], until_s=10.0)
    assert tuple(trace.stage_end_s[:, 0]) == (2.0, 3.0)


def test_ciw_puts_tasks_that_lost_their_server_before_higher_types():
    """The server is gone from 1 s to 3 s; then Ciw resumes 0, of type 2, before 1, of type 1."""
    work = workload([0.0, 2.0], [1, 0], [[3.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    gone = ciw.Schedule(
        numbers_of_servers=[1, 0, 1], shift_end_dates=[1, 3, 9], preemption="resume"
    )
    assert run_ciw(work, [gone, 1, 1], 8.0)[:, 0].tolist() == [5.0, 6.0]
    changes = CapacityChanges([1.0, 3.0], [0, 0], [0, 0], [0, 1])
    trace, _ = simulate(work, [[1, 1, 1]], until_s=8.0, changes=changes)
    assert trace.stage_end_s[:, 0].tolist() == [6.0, 4.0]
