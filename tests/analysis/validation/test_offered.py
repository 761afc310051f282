import numpy as np
import pytest

from airan_market.agents.solution.solver import solve
from airan_market.analysis.validation.offered import LEAST_TAIL, grid, offered
from airan_market.scenarios import load_scenario
from airan_market.sim.theory.preemptive import class_end_to_end_tail


def test_rates_are_the_solved_matching_times_the_demand(edge, site):
    outcome = solve(edge, seed=1)
    demand = np.array([80, 10]) * 10.0  # users of each type, tasks of each user
    assert site.own_rate_per_s == pytest.approx(outcome.match_probability[0] * demand, rel=1e-15)
    assert site.load_per_s == pytest.approx(outcome.load_per_s[0], rel=1e-12)
    assert site.agreed_s.tolist() == outcome.menu.latency_s[0].tolist()
    assert site.belief.tolist() == outcome.menu.violation_probability[0].tolist()


def test_fractional_users_are_welcome():
    scenario = load_scenario("bound_fails", ["users.total=91", "users.whole_users=false"])
    (site,) = offered(scenario, seed=1)
    assert site.own_rate_per_s.sum() == pytest.approx(910.0, rel=1e-3)


def test_saturated_and_idle_types_have_names(make_site):
    site = make_site(own=(20.0, 0.0, 60.0, 30.0), agreed=(0.1, 0.2, 0.3, 0.4))
    assert site.saturated.tolist() == [False, False, False, True]
    assert site.idle.tolist() == [False, True, False, False]
    assert site.looked_at.tolist() == [0, 2]
    # at exactly its capacity a station has no stationary law
    assert make_site(own=(20.0, 80.0), agreed=(0.1, 0.2)).saturated.tolist() == [False, True]


def test_a_grid_covers_the_whole_tail_and_begins_with_the_agreed_latency(make_site):
    site = make_site()
    latency_s = grid(site, 8)
    assert latency_s.shape == (3, 9)
    assert latency_s[:, 0].tolist() == [0.2, 0.3, 0.9]
    assert np.diff(latency_s[:, 1:], axis=1) == pytest.approx(latency_s[:, 1:2] * np.ones(7))
    tail = class_end_to_end_tail(
        latency_s[:, -1:], site.servers, site.service_rate_per_s, site.own_rate_per_s
    )
    assert tail[:, 0] == pytest.approx(np.full(3, LEAST_TAIL), rel=1e-3)


def test_a_grid_reaches_an_agreement_beyond_the_tail_and_stays_put_where_nothing_is_to_see(
    make_site,
):
    assert grid(make_site(agreed=(50.0, 50.0, 50.0)), 4)[:, -1].tolist() == [50.0] * 3
    site = make_site(own=(20.0, 0.0, 90.0), agreed=(0.1, 0.2, 0.3))
    assert grid(site, 4)[1:].tolist() == [[0.2] * 5, [0.3] * 5]
