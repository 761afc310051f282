"""All mechanisms behind one interface, on ordinary markets and on those at the edge."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from airan_market.agents import Market, solve
from airan_market.agents.certificate import menu_search
from airan_market.agents.certificate.certificates import check_selection
from airan_market.agents.contract.utility import task_profit, task_utility
from airan_market.agents.matching.load import cumulative_load
from airan_market.agents.primitives.primitives import Primitives
from airan_market.agents.solution.outcome import Outcome
from airan_market.agents.solution.solver import arrive, settle
from airan_market.scenarios import load_scenario
from airan_market.scenarios.registry import MECHANISMS as REGISTRY
from airan_market.scenarios.registry import RegistryError

MarketOf = Callable[..., Primitives]

# what makes each of them an edge is asserted in `test_edges_are_what_they_are_called`
EDGES: dict[str, dict[str, Any]] = {
    "ordinary": {},
    "saturation": {"users": [60.0, 80.0, 90.0]},
    "ironing": {"users": [40.0, 1.0, 40.0], "sensitivity": [8e-4, 7.9e-4, 2e-4]},
    "one operator": {"servers": [[9, 4, 20]], "rates": [[270.0, 110.0, 180.0]], "value": [7e-4]},
    "one type": {"users": [60.0], "sensitivity": [4e-4]},
    "a type without users": {"users": [30.0, 0.0, 40.0]},
    "no users at all": {"users": [0.0, 0.0, 0.0]},
    "fractional users": {"users": [12.3, 20.5, 7.7]},
}
MECHANISMS = tuple(REGISTRY.ours)
PURE = [name for name in MECHANISMS if name != "mixed"]


@pytest.fixture(scope="module")
def outcomes(market: MarketOf) -> dict[tuple[str, str], tuple[Primitives, Outcome]]:
    found = {}
    for edge, changes in EDGES.items():
        for name in MECHANISMS:
            primitives = market(name=name, max_iterations=12, **changes)
            found[edge, name] = primitives, settle(primitives)
    return found


@pytest.fixture
def few_deviations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the outcome is looked at but not its certificates."""
    monkeypatch.setattr(menu_search, "BUDGET", 3)


def test_edges_are_what_they_are_called(outcomes: dict) -> None:
    for name in MECHANISMS:
        primitives, _ = outcomes["saturation", name]
        capacity = (primitives.servers * primitives.service_rate_per_s).min(axis=-1)
        assert primitives.demand_per_s.sum() > capacity.sum()
    for name in ("mixed", "ct"):
        latency = outcomes["ironing", name][1].menu.latency_s
        assert (np.diff(latency) == 0).any()
        assert latency.min() > 1e-3
        assert latency.max() < 2.0


@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize("name", MECHANISMS)
def test_outcome_is_whole(outcomes: dict, edge: str, name: str) -> None:
    primitives, found = outcomes[edge, name]
    fields = found.to_json()
    assert fields["mechanism"] == name
    assert json.loads(json.dumps(fields, allow_nan=False)) == fields
    probabilities = found.match_probability
    assert (probabilities >= 0).all()
    assert (probabilities.sum(axis=0) <= 1 + 1e-12).all()
    assert (np.diff(found.menu.latency_s) >= 0).all()
    worst = found.certificates.feasibility
    # the price of a saturated type holds a whole refund, still rounding of numbers of 1e-3
    assert worst.holds(1e-15)
    assert len(found.certificates.deviations) == primitives.operators
    assert all(d is None or d.gain_usd_per_s >= 0 for d in found.certificates.deviations)
    broken = found.certificates.broken
    assert broken is not None
    assert not broken[:, primitives.users == 0].any()
    assert len(found.certificates.sentences()) == 2 + primitives.operators + broken.any()
    assert found.certificates.design_loss_usd_per_s is not None
    assert (found.certificates.design_loss_usd_per_s == 0).all()


@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize("name", MECHANISMS)
def test_utilities_are_those_of_the_matching(outcomes: dict, edge: str, name: str) -> None:
    """Recomputed from menus, loads and matching alone, operator by operator, type by type."""
    primitives, found = outcomes[edge, name]
    rate = found.match_probability * primitives.demand_per_s
    assert found.load_per_s == pytest.approx(
        cumulative_load(found.match_probability, primitives.demand_per_s)
    )
    total = welfare = 0.0
    for m in range(primitives.operators):
        for n in range(primitives.types):
            price, p = found.menu.price_usd[m, n], found.menu.violation_probability[m, n]
            total += rate[m, n] * float(task_profit(price, p, 1.2e-3, 8e-6))
            user = task_utility(
                primitives.service_value_usd[m],
                primitives.latency_sensitivity_usd_per_s[n],
                found.menu.latency_s[m, n],
                price,
                p,
                1.2e-4,
            )
            welfare += rate[m, n] * float(user)
    assert found.operator_utility_usd_per_s.sum() == pytest.approx(total, rel=1e-9, abs=1e-12)
    expected = pytest.approx(total + welfare, rel=1e-9, abs=1e-12)
    assert found.social_welfare_usd_per_s == expected


@pytest.mark.parametrize("name", PURE)
def test_what_a_pure_mechanism_does_not_have(outcomes: dict, name: str) -> None:
    _, found = outcomes["ordinary", name]
    assert (found.temperature_usd, found.residual) == (None, None)
    assert found.history == []
    assert found.shadow_price_usd.tolist() == [0.0, 0.0]


@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize("name", MECHANISMS)
def test_the_short_way_arrives_at_the_same(outcomes: dict, edge: str, name: str) -> None:
    primitives, found = outcomes[edge, name]
    agreed = arrive(primitives)
    menu = agreed.menu
    assert agreed.match_probability.tolist() == found.match_probability.tolist()
    for part in ("latency_s", "price_usd", "violation_probability"):
        assert getattr(menu, part).tolist() == getattr(found.menu, part).tolist()


@pytest.mark.parametrize("edge", EDGES)
def test_whole_types_settle_on_every_edge(
    market: MarketOf, edge: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(menu_search, "BUDGET", 3)
    primitives = market(name="gsmc", gsmc_unit="type", **EDGES[edge])
    found = settle(primitives)
    assert json.dumps(found.to_json(), allow_nan=False)
    assert set(found.match_probability.ravel().tolist()) <= {0.0, 1.0}
    placed = found.match_probability.sum(axis=0)
    assert (placed[primitives.users == 0] == 0).all()
    if edge != "saturation":  # everybody finds a place
        assert (placed[primitives.users > 0] == 1).all()


@pytest.mark.parametrize("edge", EDGES)
def test_reselection_ends_in_a_selection_equilibrium(outcomes: dict, edge: str) -> None:
    primitives, found = outcomes[edge, "ct"]
    assert found.converged
    assert found.certificates.selection.equilibrium
    assert check_selection(primitives, found.menu, found.matching).equilibrium


@pytest.mark.parametrize(("edge", "name"), [("ordinary", "gsmc"), ("saturation", "mc")])
def test_the_static_benchmarks_need_not(outcomes: dict, edge: str, name: str) -> None:
    """Negative control of the certificate: their users do not choose after the redesign."""
    certificates = outcomes[edge, name][1].certificates
    assert not certificates.selection.equilibrium
    assert "matching is not a selection equilibrium" in certificates.sentences()[1]
    assert "projected" not in certificates.sentences()[1]


@pytest.mark.parametrize("name", PURE)
def test_permuting_the_operators_permutes_the_outcome(market: MarketOf, name: str) -> None:
    """Up to type 1, whose ties go by capacity and so do not depend on the order either."""
    servers, rates = [[9, 4, 20], [7, 3, 15]], [[270.0, 110.0, 180.0], [250.0, 120.0, 190.0]]
    value = [7e-4, 6.5e-4]
    one = settle(market(name=name, servers=servers, rates=rates, value=value))
    other = settle(market(name=name, servers=servers[::-1], rates=rates[::-1], value=value[::-1]))
    assert other.match_probability[::-1].tolist() == one.match_probability.tolist()
    assert other.social_welfare_usd_per_s == pytest.approx(one.social_welfare_usd_per_s, rel=1e-12)


@pytest.mark.parametrize("name", MECHANISMS)
def test_exact_belief_is_played_as_well(market: MarketOf, name: str) -> None:
    found = settle(
        market(
            name=name,
            belief="fifo",
            max_iterations=3,
            users=[30.0, 40.0],
            sensitivity=[8e-4, 3e-4],
        )
    )
    assert found.belief == "fifo"
    assert json.dumps(found.to_json(), allow_nan=False)


@pytest.mark.usefixtures("few_deviations")
def test_totals_of_the_default_market() -> None:
    """GSMC comes out above the proposed method's 2.050 when types are split, below it when not.

    The figures are this program's own, kept so that a change of them is noticed.
    """
    expected = {
        ("ct", "user"): (0.438, 0.713),
        ("mc", "user"): (-0.879, -0.351),
        ("gsmc", "user"): (2.201, 2.280),
        ("gsmc", "type"): (1.338, 1.417),
    }
    for (name, unit), totals in expected.items():
        chosen = [f"mechanism.name={name}", f"mechanism.gsmc_unit={unit}"]
        found = solve(load_scenario("teleoperation", chosen))
        ours = found.operator_utility_usd_per_s.sum(), found.social_welfare_usd_per_s
        assert ours == pytest.approx(totals, abs=1e-3)


def test_an_unknown_mechanism_says_what_there_is(market: MarketOf) -> None:
    primitives = market()
    settings = primitives.mechanism.model_copy(update={"name": "auction"})
    with pytest.raises(RegistryError, match='\'auction\': must be one of "mixed", "ct", '):
        arrive(replace(primitives, mechanism=settings))


SHORT = ["simulation.rounds=2", "simulation.horizon_s=0.5", "simulation.warmup_s=0.1"]


@pytest.mark.usefixtures("few_deviations")
@pytest.mark.parametrize("assignment", ["sampled", "proportional", "projected"])
@pytest.mark.parametrize("name", PURE)
def test_a_run_trades_what_solve_says(name: str, assignment: str) -> None:
    chosen = [f"mechanism.name={name}", f"simulation.assignment={assignment}"]
    scenario = load_scenario("teleoperation", [*SHORT, *chosen])
    found, market = solve(scenario), Market(scenario, seed=3)
    tables = market.run()
    users = found.match_probability * market.primitives.users
    if assignment == "projected":
        users = market.primitives.users * (found.matching == np.arange(3)[:, np.newaxis])
    for _, rows in tables.rounds.groupby("round"):
        rows = rows.sort_values(["operator", "type"])
        assert rows["users"].to_numpy() == pytest.approx(users.ravel(), abs=1e-9)
        assert rows["latency_s"].tolist() == found.menu.latency_s.ravel().tolist()
        assert rows["price_usd"].tolist() == found.menu.price_usd.ravel().tolist()
        assert rows["violation_belief"].tolist() == pytest.approx(
            found.menu.violation_probability.ravel()
        )
    table = tables.market
    assert table[["temperature", "residual"]].isna().all(axis=None)
    expected = found.operator_utility_usd_per_s.sum()
    assert table["operator_utility_expected_usd_per_s"].to_numpy() == pytest.approx(expected)
    assert table["social_welfare_expected_usd_per_s"].to_numpy() == pytest.approx(
        found.social_welfare_usd_per_s
    )


@pytest.mark.parametrize("name", PURE)
def test_same_seed_same_run(name: str) -> None:
    scenario = load_scenario("teleoperation", [*SHORT, f"mechanism.name={name}"])
    one, two = (Market(scenario, seed=5).run() for _ in range(2))
    assert one.tasks is not None
    assert two.tasks is not None
    assert one.tasks.equals(two.tasks)
    assert one.rounds.equals(two.rounds)


@pytest.mark.parametrize("name", PURE)
def test_a_type_without_users_can_be_played(name: str) -> None:
    shares = "users.shares=[0.5, 0, 0.1, 0.1, 0.1, 0.1, 0.05, 0.05]"
    scenario = load_scenario("teleoperation", [*SHORT, f"mechanism.name={name}", shares])
    tables = Market(scenario, seed=1).run()
    assert tables.rounds.loc[tables.rounds["type"] == 2, "users"].sum() == 0
    assert tables.rounds["users"].sum() > 0
