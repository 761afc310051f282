"""What events make of the conditions of a round, and of the servers inside one."""

import numpy as np
import pytest

from airan_market.agents.world.ran import RanControl, decided, ran_load
from airan_market.agents.world.rhythm import demand_factors
from airan_market.agents.world.timeline import Timeline
from airan_market.scenarios import ScenarioError, load_scenario
from airan_market.scenarios.schema.dynamics import Ran, RanPolicy, Rhythm
from airan_market.sim.streams import stream

STARTS_S = np.array([0.0, 2.0, 12.0, 22.0, 32.0])


def timeline(events: str = "", *more: str) -> Timeline:
    given = [f"events=[{events}]"] if events else []
    settings = [*given, "mechanism.iterations_per_round=5", "simulation.rounds=3", *more]
    return Timeline(load_scenario("teleoperation", settings), 1, STARTS_S)


def test_without_events_all_rounds_have_one_set_of_conditions() -> None:
    line = timeline()
    assert line.conditions(1) is line.conditions(3)
    assert line.conditions(0) is line.conditions(1)
    assert len(line.changes(0.0, 32.0)) == 0
    assert line.first_servers.tolist() == [[48, 24, 194], [43, 16, 172], [28, 12, 115]]


def test_servers_change_where_and_when_they_are_told_to() -> None:
    line = timeline('{at_s=15.5, what="servers", who="operator 2", stage="gpu", value=9}')
    changes = line.changes(12.0, 22.0)
    assert changes.columns(0) == {"time_s": 15.5, "operator": 1, "stage": 1, "servers": 9}
    assert line.conditions(2).primitives.servers[1, 1] == 16  # agents learn of it a round later
    assert line.conditions(3).primitives.servers[1, 1] == 9


def test_who_fails_has_no_servers_until_it_recovers_and_no_customers_until_the_next_round() -> None:
    line = timeline(
        '{at_s=5.0, what="fails", who="operator 1"}, {at_s=15.0, what="recovers", who="operator 1"}'
    )
    assert line.changes(0.0, 12.0).servers.tolist() == [0, 0, 0]
    assert line.changes(12.0, 22.0).servers.tolist() == [48, 24, 194]
    assert [bool(line.conditions(r).open[0]) for r in (1, 2, 3)] == [True, False, True]


def test_who_enters_is_closed_before() -> None:
    line = timeline('{at_round=2, what="enters", who="operator 3"}')
    assert [line.conditions(r).open.tolist() for r in (1, 2)] == [[True, True, False], [True] * 3]


def test_who_is_bought_leaves_and_its_servers_follow_a_round_later() -> None:
    line = timeline('{at_round=2, what="is_bought", who="operator 3", by="operator 1"}')
    assert line.conditions(2).open.tolist() == [True, True, False]
    assert line.conditions(2).primitives.servers[0].tolist() == [48, 24, 194]
    assert line.conditions(3).primitives.servers[0].tolist() == [76, 36, 309]
    moved = line.changes(22.0, 32.0)
    assert moved.servers.tolist() == [76, 36, 309, 0, 0, 0]


@pytest.mark.parametrize(
    ("event", "read", "value"),
    [
        ('what="refund", value=2e-4', lambda p: p.refund_usd, 2e-4),
        ('what="violation_cost", value=2e-3', lambda p: p.violation_cost_usd, 2e-3),
        ('what="running_cost", value=1e-5', lambda p: p.running_cost_usd, 1e-5),
        ('what="opt_out_utility", value=1e-6', lambda p: p.opt_out_utility_usd, 1e-6),
        ('what="demand", value=30.0', lambda p: p.task_rate_per_user_per_s, 30.0),
        (
            'what="service_value", who="operator 2", value=8e-4',
            lambda p: p.service_value_usd.tolist(),
            [7.15e-4, 8e-4, 7.15e-4],
        ),
        ('what="users", who=2, value=3', lambda p: p.users[1], 3.0),
        ('what="set", key="mechanism.damping", value=0.5', lambda p: p.mechanism.damping, 0.5),
        (
            'what="rate", who="operator 1", stage="gpu", value=8e13',
            lambda p: p.service_rate_per_s[0, 1],
            8e13 / 3.6e11,
        ),
    ],
)
def test_every_setting_that_an_event_can_change(event, read, value) -> None:
    line = timeline(f"{{at_round=2, {event}}}")
    before, after = (line.conditions(r).primitives for r in (1, 2))
    assert read(after) == value
    assert read(before) != value


def test_a_value_that_its_setting_refuses_is_told_by_its_key() -> None:
    with pytest.raises(ScenarioError, match=r"events, mechanism.damping = 3"):
        timeline('{at_round=2, what="set", key="mechanism.damping", value=3.0}')


def test_users_beyond_the_first_are_in_the_pool_from_the_start() -> None:
    line = timeline('{at_round=3, what="users", who=1, value=40}')
    assert line.pool[0] == 40
    assert line.conditions(1).present(line.pool).sum() == 150


# ---- the RAN ----


def test_servers_of_the_ran_leave_the_ai_stage() -> None:
    line = timeline("", "ran.peak_gpus=4", "ran.policy.kind=fixed", "ran.policy.reserve=0.5")
    assert line.first_servers[:, 1].tolist() == [22, 14, 10]
    assert len(line.changes(0.0, 32.0)) == 0


def test_an_operator_that_the_ran_leaves_nothing_is_closed() -> None:
    line = timeline("", "ran.peak_gpus=12", "ran.policy.kind=fixed")
    assert line.conditions(1).open.tolist() == [True, True, False]


def test_a_policy_by_hand() -> None:
    """Threshold 0.9 and 0.6 on needs 2, 2, 3.9, 1: 2 instances, then 3 (2 > 1.8), 3, 4."""
    need = np.array([2.0, 2.0, 3.9, 1.0])
    assert decided(RanPolicy(kind="threshold"), need, 5).tolist() == [2, 3, 3, 4]
    control = RanControl(np.arange(4.0), need, np.array([2, 3, 3, 4]))
    assert control.between(0.0, 4.0) == (3.0, 0.25)
    assert control.between(2.5, 3.5) == (3.5, 0.5)


def test_a_forecast_follows_a_ramp_that_a_threshold_lags() -> None:
    need = np.linspace(1.0, 9.0, 60)
    short = {
        kind: (need > decided(RanPolicy(kind=kind, margin=0.0), need, 10)).mean()
        for kind in ("threshold", "predictive")
    }
    assert short["predictive"] < 0.1


def test_the_load_of_the_ran_has_the_mean_and_the_memory_it_was_asked_for() -> None:
    """Mean 0.2 of lognormal noise: four standard errors of a path of 1e5 seconds, memory 5 s."""
    ran = Ran(peak_gpus=4, mean_load=0.2, swing=0.0, noise=0.3, noise_memory_s=5.0)
    load = ran_load(ran, np.arange(100_000.0), stream(1, "a test"))
    assert abs(load.mean() - 0.2) < 4 * 0.2 * 0.3 * np.sqrt(2 * 5 / 100_000) * 1.1
    x = np.log(load) - np.log(load).mean()
    assert abs((x[1:] * x[:-1]).mean() / x.var() - np.exp(-0.2)) < 0.01
    assert not abs((x[1:] * x[:-1]).mean() / x.var() - np.exp(-0.5)) < 0.01  # another memory


# ---- rhythm ----


def test_demand_over_a_week_has_mean_one() -> None:
    week = Rhythm(day_s=24.0, swing=0.4, second_swing=0.2, weekend=0.6)
    factors = demand_factors(week, np.arange(0.0, 24 * 7 + 1), 1)
    assert factors.mean() == pytest.approx(1.0)
    weekday, weekend = factors[: 24 * 5], factors[24 * 5 :]
    assert weekend.mean() / weekday.mean() == pytest.approx(0.6)
    assert weekday.argmax() % 24 in (10, 11, 14, 15)


def test_a_file_of_windows_without_names_is_demand(tmp_path) -> None:
    path = tmp_path / "client.csv"
    path.write_text("600,2.0,1.1,Gamma,1,1\n1200,6.0,1.2,Gamma,1,1\n")
    rhythm = Rhythm(day_s=1.0, trace=str(path), format="servegen-windows", speed_up=600.0)
    factors = demand_factors(rhythm, np.array([0.0, 1.0, 2.0, 3.0]), 1)
    assert factors.tolist() == [0.5, 1.5, 0.5]
