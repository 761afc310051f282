import numpy as np
import pytest

from airan_market.analysis.validation.beyond import (
    BURSTS,
    USUAL,
    Law,
    beyond_table,
    laws,
    play_law,
    summarise_beyond,
)
from airan_market.analysis.validation.ladder import PRIORITY, ladder
from airan_market.scenarios import load_scenario
from airan_market.sim.traffic.arrival_laws import Poisson, Recorded
from airan_market.sim.traffic.trace_file import TraceError
from airan_market.sim.traffic.work_laws import Deterministic, EmpiricalTasks, Exponential, Lognormal

AGREED = (0.06, 0.1, 0.2)
LAWS = [
    Law(USUAL, Poisson(), Exponential()),
    Law("deterministic", Poisson(), Deterministic()),
    Law("lognormal", Poisson(), Lognormal(3.0)),
    Law("bursts", BURSTS, Exponential()),
]
REQUESTS = "TIMESTAMP,ContextTokens,GeneratedTokens\n" + "".join(
    f"2023-11-16 18:15:{second:02}.0000000,{100 + 7 * second},{50 + 40 * (second % 3)}\n"
    for second in range(60)
)


def counts(site, law, **options):
    options = {"seed": 1, "replications": 10, "tasks": 100_000} | options
    found = play_law(site, law, **options)
    return found.exceedances[:, :, 0], found.tasks


def test_the_usual_laws_give_the_exact_tail(make_site):
    """Three intervals, 1 % false alarms together."""
    site = make_site(agreed=AGREED)
    found = play_law(site, LAWS[0], seed=1, replications=10, tasks=100_000)
    _, low, high = (band[:, 0] for band in found.interval(1 - 0.01 / 3))
    exact = ladder(site, site.agreed_s[:, np.newaxis])[PRIORITY][:, 0]
    for n in range(3):
        assert low[n] < exact[n] < high[n]
        # control: a type's law is not that of the next
        assert not low[n] < exact[(n + 1) % 3] < high[n]


def test_variability_makes_tasks_late(make_site):
    site = make_site(agreed=(0.12, 0.15, 0.3))  # well out in the tail: a lognormal is often small
    usual, even, uneven, bursts = (
        late.sum(axis=0) / tasks.sum(axis=0) for late, tasks in (counts(site, law) for law in LAWS)
    )
    assert (even < usual).all()
    assert (uneven > usual).all()
    assert bursts[2] > 2 * usual[2]  # the low type waits out the bursts


def test_loads_are_kept_whatever_the_law(make_site):
    site = make_site(agreed=AGREED)
    for law in LAWS:
        _, tasks = counts(site, law)
        assert tasks.sum(axis=0) / tasks.sum() == pytest.approx(
            np.array([20, 30, 25]) / 75, rel=0.03
        )


def test_the_same_seed_gives_the_same_counts_and_another_does_not(make_site):
    site = make_site(agreed=AGREED)
    one, again, other = (counts(site, LAWS[2], seed=s, tasks=5000)[0] for s in (1, 1, 2))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


def test_a_task_that_is_never_done_is_late(make_site):
    """Nothing of the last type is ever done in time: all of it is late, none is lost."""
    site = make_site(own=(20.0, 50.0, 29.9), agreed=(5.0, 5.0, 1e-9))
    late, tasks = counts(site, LAWS[0], tasks=20_000)
    assert (late[:, 2] == tasks[:, 2]).all()
    assert (tasks > 0).all()


def test_saturated_types_and_empty_operators_are_left_out(make_site):
    site = make_site(own=(20.0, 90.0), agreed=(0.1, 0.1))
    _, tasks = counts(site, LAWS[0], tasks=5000)
    assert tasks[:, 1].sum() == 0
    empty = make_site(own=(0.0, 0.0), agreed=(0.1, 0.1))
    assert play_law(empty, LAWS[0], seed=1) is None
    table = beyond_table([site, empty], LAWS[:2], 0.95, seed=1, replications=4, tasks=5000)
    assert table[["operator", "type"]].drop_duplicates().to_numpy().tolist() == [[1, 1]]


def test_the_table_and_its_summary(make_site):
    site = make_site(agreed=AGREED)
    told = []
    table = beyond_table(
        [site], LAWS, 0.95, seed=1, replications=10, tasks=50_000, on_done=told.append
    )
    assert len(table) == len(LAWS) * 3
    assert told == [f"{law.name}, made up" for law in LAWS]
    assert (table["ci_low"] <= table["probability"]).all()
    summary = summarise_beyond(table).set_index("law")
    assert summary.loc["bursts", "violated"] >= 1
    worst = table[table["law"] == "bursts"].sort_values("ratio").iloc[0]
    assert summary.loc["bursts", "least_ratio"] == worst["ratio"]


def test_the_laws_of_a_scenario():
    plain = [law.name for law in laws(load_scenario("bound_fails"))]
    assert plain[0] == USUAL
    own = laws(load_scenario("bound_fails", ["task.law.lognormal_cv=5"]))
    assert [law.name for law in own] == [*plain, "this scenario's own"]
    assert own[-1].work == Lognormal(5.0)
    bursts = laws(load_scenario("bound_fails", ["simulation.arrivals.burst_ratio=4"]))
    assert bursts[-1].arrivals.ratio == 4.0


def test_a_trace_of_requests_is_tried(tmp_path):
    path = tmp_path / "requests.csv"
    path.write_text(REQUESTS)
    found = {law.name: law for law in laws(load_scenario("bound_fails"), path)}
    assert isinstance(found["measured work"].work, EmpiricalTasks)
    assert isinstance(found["measured work and arrivals"].arrivals, Recorded)
    own = load_scenario("llm_replay", [f"simulation.arrivals.trace={path}"])
    assert {law.name for law in laws(own)} == set(found)
    with pytest.raises((TraceError, OSError)):
        laws(load_scenario("bound_fails"), tmp_path / "none.csv")
