"""The outcome of a mechanism and `solve`."""

import json
from collections.abc import Callable

import numpy as np
import pytest

from airan_market.agents.contract.feasibility import check_menu
from airan_market.agents.matching.load import cumulative_load
from airan_market.agents.mechanism.mixed import agree
from airan_market.agents.primitives.primitives import Primitives
from airan_market.agents.solution.outcome import Outcome, conclude
from airan_market.agents.solution.solver import solve
from airan_market.scenarios import load_scenario

Market = Callable[..., Primitives]

# Table I of the paper, proposed method: types × operators
PUBLISHED = np.array(
    [
        [0.25, 0.25, 0.25],
        [0.256, 0.256, 0.256],
        [0.29, 0.29, 0.29],
        [0.306, 0.312, 0.317],
        [0.315, 0.323, 0.335],
        [0.294, 0.325, 0.368],
        [0.252, 0.311, 0.432],
        [0.164, 0.247, 0.589],
    ]
).T


@pytest.fixture(scope="module")
def outcome() -> Outcome:
    return solve(load_scenario("teleoperation"))


def test_default_market_lands_near_the_published_outcome(outcome: Outcome) -> None:
    """Published: 2.05 and 2.14 USD/s; the shares of the types behind them are not."""
    assert outcome.operator_utility_usd_per_s.sum() == pytest.approx(2.05, rel=0.05)
    assert outcome.social_welfare_usd_per_s == pytest.approx(2.14, rel=0.05)
    assert np.abs(outcome.match_probability - PUBLISHED).max() < 0.05
    # operator 3 ends above 0.95 of its capacity, which costs a type less than τ/100 in the end
    assert (outcome.shadow_price_usd[:2] == 0).all()
    assert outcome.shadow_price_usd[2] < 1e-7


def test_json_has_exactly_the_published_fields(outcome: Outcome) -> None:
    fields = outcome.to_json()
    assert list(fields) == [
        "mechanism",
        "operators",
        "match_probability",
        "opt_out_probability",
        "matching",
        "operator_utility_usd_per_s",
        "social_welfare_usd_per_s",
        "iterations",
        "converged",
        "certificates",
    ]
    assert [list(operator) for operator in fields["operators"]] == [
        ["latency_s", "price_usd", "violation_belief", "load_tasks_per_s", "shadow_price"]
    ] * 3
    assert np.shape(fields["match_probability"]) == (3, 8)
    assert all(0 <= m <= 3 for m in fields["matching"])
    assert json.loads(json.dumps(fields, allow_nan=False)) == fields


def test_probabilities_add_up(outcome: Outcome) -> None:
    fields = outcome.to_json()
    total = np.array(fields["match_probability"]).sum(axis=0) + fields["opt_out_probability"]
    assert total == pytest.approx(np.ones(8), abs=1e-12)


def test_final_menus_belong_to_the_final_loads(outcome: Outcome) -> None:
    primitives = Primitives.from_scenario(load_scenario("teleoperation"))
    load = cumulative_load(outcome.match_probability, primitives.demand_per_s)
    assert outcome.load_per_s.tolist() == load.tolist()
    assert (np.diff(outcome.menu.latency_s) >= 0).all()
    assert check_menu(primitives, outcome.menu).holds(1e-15)


def test_operators_are_one_based_and_out_is_zero(market: Market) -> None:
    """Service that nobody wants: users value staying out at far more."""
    primitives = market(opt_out=1.0)
    found = conclude(primitives, agree(primitives))
    assert found.matching.tolist() == [-1, -1, -1]
    assert found.to_json()["matching"] == [0, 0, 0]


def test_history_is_that_of_the_iterations(market: Market) -> None:
    primitives = market(max_iterations=7)
    agreement = agree(primitives)
    states = agreement.states
    found = conclude(primitives, agreement)
    assert len(found.history) == found.iterations == 7
    last, _ = found.history[-1]
    assert last.residual == found.residual
    assert last.match_probability.tolist() == found.match_probability.tolist()
    assert [found.history[k][0].temperature_usd for k in (0, -1)] == pytest.approx([1e-4, 1e-5])
    for k in (1, 4):
        state, accounts = found.history[k - 1]
        assert state is states[k]
        rate = states[k - 1].match_probability * primitives.demand_per_s
        assert accounts.tasks_per_s.tolist() == rate.tolist()
        profit = state.menu.price_usd - 1.2e-3 * state.menu.violation_probability - 8e-6
        expected = (rate * profit).sum(axis=1)
        assert accounts.operator_utility_usd_per_s == pytest.approx(expected, rel=1e-12)
        assert accounts.social_welfare_usd_per_s > expected.sum()


def test_convergence_is_said(market: Market) -> None:
    cold = market(max_iterations=5)
    settled = market(
        temperature_start_usd=1e-4, temperature_end_usd=1e-4, max_iterations=200, tolerance=1e-8
    )
    first = conclude(cold, agree(cold))
    second = conclude(settled, agree(settled))
    assert (first.converged, first.iterations) == (False, 5)
    assert second.converged
    assert second.residual <= 1e-8
    assert second.iterations < 200


def test_a_cost_that_does_not_deter_is_noted_once(market: Market) -> None:
    primitives = market(violation_cost=1e-4)
    found = conclude(primitives, agree(primitives))
    assert len(found.notes) == 1
    assert (found.menu.latency_s == 1e-3).all()


def test_same_scenario_same_outcome(outcome: Outcome) -> None:
    again = solve(load_scenario("teleoperation"), seed=9)  # nothing drawn: shares are given
    assert json.dumps(again.to_json()) == json.dumps(outcome.to_json())


def test_a_drawn_population_depends_on_the_seed() -> None:
    tables = load_scenario("teleoperation").model_dump(exclude_none=True)
    del tables["users"]["shares"]
    tables["users"]["dirichlet_alpha"] = 10.0
    tables["mechanism"]["max_iterations"] = 3
    scenario = load_scenario(tables)
    one, same, two = (solve(scenario, seed).to_json() for seed in (1, 1, 2))
    assert one == same != two


def test_fractional_users_are_solved_as_they_are() -> None:
    equal = "users.shares=[0.125, 0.125, 0.125, 0.125, 0.125, 0.125, 0.125, 0.125]"
    scenario = load_scenario("teleoperation", ["users.whole_users=false", equal])
    found = solve(scenario)
    rate = found.match_probability * 18.75 * 24
    assert found.load_per_s[:, -1] == pytest.approx(rate.sum(axis=1))


def test_exact_belief_solves(market: Market) -> None:
    primitives = market(belief="fifo", max_iterations=4)
    found = conclude(primitives, agree(primitives))
    assert found.belief == "fifo"
    assert json.dumps(found.to_json(), allow_nan=False)
