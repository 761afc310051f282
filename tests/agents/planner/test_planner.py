"""The central planner: by hand, against exhaustion, against its bound, and against the market."""

from collections.abc import Callable
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize, minimize_scalar

from airan_market.agents.belief.belief import operator_belief
from airan_market.agents.contract.feasibility import check_menu
from airan_market.agents.contract.utility import Accounts
from airan_market.agents.planner.bound import (
    Grid,
    best_loads,
    best_predecessors,
    grids,
    welfare_bound,
)
from airan_market.agents.planner.load_cost import load_cost, task_value
from airan_market.agents.planner.planner import (
    Plan,
    climb,
    compatible_latencies,
    feasible,
    first_best_welfare,
    incentive_compatible_welfare,
    plan,
    plan_market,
)
from airan_market.agents.primitives.primitives import Primitives
from airan_market.agents.solution.solver import arrive
from airan_market.scenarios import load_scenario
from airan_market.scenarios.registry import MECHANISMS

Market = Callable[..., Primitives]
TINY = {"users": [30.0, 40.0], "sensitivity": [8e-4, 3e-4]}
ONE = {"servers": [[9, 4, 20]], "rates": [[270.0, 110.0, 180.0]], "value": [7e-4]}
#: Nearly equal types at a nearly empty operator: there the bound of Chernoff falls with the load.
BINDING = {
    "users": [6.0, 6.0],
    "sensitivity": [5e-4, 4.9999e-4],
    "servers": [[9, 4, 20]],
    "rates": [[100.0, 100.0, 100.0]],
    "value": [6.5e-4],
}


def market_welfare(primitives: Primitives, planned: Plan) -> float:
    """Welfare of a plan as that of any outcome: operators and users, prices and refunds."""
    accounts = Accounts(primitives, planned.menu, planned.match_probability)
    return float(accounts.social_welfare_usd_per_s)


# ------------------------------------------------------------------------------------ by hand


def test_one_operator_and_one_type(market: Market) -> None:
    """W(x) = x (v − κ − g(x)) in one dimension, for little demand and for too much."""
    for users in (20.0, 120.0):
        primitives = market(**ONE, users=[users], sensitivity=[5e-4])
        demand = 6.0 * users

        def loss(x: float, primitives: Primitives = primitives) -> float:
            cost = load_cost(primitives, np.array([[x]])).cost_usd[0, 0]
            return -x * float(7e-4 - 8e-6 - cost)

        found = minimize_scalar(
            loss, bounds=(0.0, min(demand, 440.0)), method="bounded", options={"xatol": 1e-9}
        )
        best = max(-found.fun, -loss(demand))  # the method does not look at the ends
        planned = plan_market(primitives, starts=3)
        assert planned.welfare_usd_per_s == pytest.approx(best, rel=1e-8)
        assert planned.welfare_usd_per_s <= planned.upper_bound_usd_per_s
        assert planned.upper_bound_usd_per_s == pytest.approx(best, rel=1e-3)


def test_twins_share_equally(market: Market) -> None:
    twins = market(
        users=[40.0],
        sensitivity=[5e-4],
        servers=[[9, 4, 20]] * 2,
        rates=[[270.0, 110.0, 180.0]] * 2,
        value=[7e-4, 7e-4],
    )
    found = plan_market(twins, starts=4, bound=False)
    assert found.match_probability == pytest.approx(np.full((2, 1), 0.5), abs=1e-5)


def test_a_service_worth_nothing_is_not_run(market: Market) -> None:
    worthless = market(value=[5e-6, 5e-6])  # less than running it
    found = plan_market(worthless, starts=3)
    assert found.welfare_usd_per_s == pytest.approx(0.0, abs=1e-12)
    assert found.match_probability == pytest.approx(np.zeros((2, 3)), abs=1e-9)
    assert 0.0 <= found.upper_bound_usd_per_s < 1e-6


@pytest.mark.parametrize("users", [[0.0, 20.0, 0.0], [0.0, 0.0, 0.0]])
def test_types_without_users(market: Market, users: list[float]) -> None:
    found = plan_market(market(users=users), starts=2)
    assert np.isfinite(found.menu.price_usd).all()
    assert found.welfare_usd_per_s <= found.upper_bound_usd_per_s
    assert found.upper_bound_usd_per_s - found.welfare_usd_per_s < 1e-4


# ---------------------------------------------------------------------- against other searches


def test_exhaustive_search_of_a_tiny_market(market: Market) -> None:
    """All splits of two types over two operators in steps of 1/20, and staying out."""
    primitives = market(**TINY)
    steps = np.arange(21) / 20
    simplex = np.array([pair for pair in product(steps, steps) if sum(pair) <= 1 + 1e-12])
    pairs = np.array(list(product(range(len(simplex)), repeat=2)))
    splits = np.stack([simplex[pairs[:, 0]], simplex[pairs[:, 1]]], axis=-1)  # (B, M, N)
    rate = splits * primitives.demand_per_s
    cost = load_cost(primitives, rate.cumsum(axis=-1)).cost_usd
    worth = (rate * (task_value(primitives)[:, np.newaxis] - cost)).sum(axis=(1, 2))
    best = float(worth.max())
    found = plan_market(primitives)
    assert best <= found.first_best_usd_per_s <= best * 1.005
    assert found.first_best_usd_per_s <= found.upper_bound_usd_per_s
    assert found.upper_bound_usd_per_s <= found.first_best_usd_per_s * (1 + 1e-4)
    # the exhaustive best is near the plan, not merely as good
    near = splits[worth.argmax()]
    assert np.abs(near - found.match_probability).max() < 0.1


@settings(max_examples=15)
@given(
    split=st.lists(st.floats(0.02, 1.0), min_size=9, max_size=9),
    compatible=st.booleans(),
)
def test_gradients(market: Market, split: list[float], compatible: bool) -> None:
    primitives = market()
    z = np.array(split).reshape(3, 3)
    z = (0.9 * z / z.sum(axis=0))[:2]
    make = incentive_compatible_welfare if compatible else first_best_welfare
    welfare = make(primitives)
    _, slope = welfare(z)
    chosen = np.random.default_rng(1).standard_normal(z.shape)
    up, down = (welfare(z + sign * 1e-5 * chosen)[0] for sign in (1, -1))
    assert (slope * chosen).sum() == pytest.approx((up - down) / 2e-5, rel=1e-3, abs=1e-6)


def test_climbs_do_not_lose(market: Market) -> None:
    primitives = market(users=[300.0, 200.0, 400.0])
    welfare = first_best_welfare(primitives)
    rng = np.random.default_rng(5)
    for _ in range(5):
        start = rng.dirichlet(np.ones(3), 3).T[:2]
        end, value = climb(welfare, start)
        assert value >= welfare(start)[0]
        assert value == welfare(end)[0]
        assert (end >= 0).all()
        assert (end.sum(axis=0) <= 1 + 1e-12).all()


def test_feasible_splits_are_left_alone() -> None:
    z = np.array([[0.25, 0.0], [0.5, 1.0]])
    assert np.array_equal(feasible(z), z)


# -------------------------------------------------------------------------------- incentives


def test_a_plan_s_welfare_is_that_of_its_contracts(market: Market) -> None:
    """Computed again from prices, refunds and utilities, which all drop out."""
    for case in ({}, {"users": [300.0, 200.0, 400.0]}, {"participation_margin_usd": 5e-5}, BINDING):
        primitives = market(**case)
        found = plan_market(primitives, starts=4, bound=False)
        assert market_welfare(primitives, found) == pytest.approx(found.welfare_usd_per_s, rel=1e-9)
        assert check_menu(primitives, found.menu).holds(1e-15)
        assert (np.diff(found.menu.latency_s, axis=-1) >= 0).all()


def test_incentives_cost_nothing_in_an_ordinary_market(market: Market) -> None:
    found = plan_market(market(), starts=4, bound=False)
    assert not found.incentives_bind
    assert found.welfare_usd_per_s == pytest.approx(found.first_best_usd_per_s, rel=1e-12)


def test_incentives_bind_where_agreements_would_fall(market: Market) -> None:
    """Checked against a general optimiser over ordered agreements at the same split."""
    primitives = market(**BINDING)
    found = plan_market(primitives, starts=4)
    first = load_cost(primitives, found.load_per_s).latency_s[0]
    assert first[1] < first[0]
    assert found.incentives_bind
    assert found.welfare_usd_per_s < found.first_best_usd_per_s <= found.upper_bound_usd_per_s
    rate = found.match_probability[0] * primitives.demand_per_s
    beta, belief = (
        primitives.latency_sensitivity_usd_per_s,
        operator_belief(primitives.of_operator(0), found.load_per_s[0]),
    )

    def loss(latency_ms: np.ndarray) -> float:
        latency = latency_ms / 1e3
        cost = beta * latency + (1.2e-3 - 1.2e-4) * belief.raw(latency)
        return 1e3 * float((rate * cost).sum())

    ordered = {"type": "ineq", "fun": np.diff}
    best = minimize(loss, 1e3 * first, constraints=ordered, method="SLSQP", options={"ftol": 1e-14})
    pooled = compatible_latencies(primitives, found.match_probability)[0]
    assert pooled == pytest.approx(best.x / 1e3, rel=1e-4)
    assert loss(1e3 * pooled) <= best.fun * (1 + 1e-12)


# ------------------------------------------------------------------------- against the market


@pytest.mark.parametrize("mechanism", MECHANISMS.ours)
def test_no_mechanism_beats_the_planner(market: Market, mechanism: str) -> None:
    primitives = market(name=mechanism)
    agreed = arrive(primitives)
    menu, z = agreed.menu, agreed.match_probability
    outcome = float(Accounts(primitives, menu, z).social_welfare_usd_per_s)
    found = plan_market(primitives, [z], starts=2, bound=False)
    # its menus are not the planner's either
    assert outcome < first_best_welfare(primitives)(z)[0] < found.welfare_usd_per_s


def test_permuting_the_operators_permutes_the_plan(market: Market) -> None:
    primitives = market()
    swapped = replace(
        primitives,
        servers=primitives.servers[::-1],
        service_rate_per_s=primitives.service_rate_per_s[::-1],
        service_value_usd=primitives.service_value_usd[::-1],
    )
    one, other = (plan_market(p, starts=4, bound=False) for p in (primitives, swapped))
    assert one.welfare_usd_per_s == pytest.approx(other.welfare_usd_per_s, rel=1e-9)
    assert one.match_probability == pytest.approx(other.match_probability[::-1], abs=1e-4)


def test_transfers_do_not_matter(market: Market) -> None:
    one = plan_market(market(), starts=3, bound=False)
    other = plan_market(
        market(refund=4.2e-4, violation_cost=1.5e-3, participation_margin_usd=1e-4),
        starts=3,
        bound=False,
    )
    assert one.welfare_usd_per_s == pytest.approx(other.welfare_usd_per_s, rel=1e-9)


def test_plan_of_a_scenario_under_the_exact_tail() -> None:
    """A belief that is less afraid sees more welfare, in the market as in the plan."""
    small = ["users.total=15", "mechanism.belief=fifo"]
    cautious = plan(load_scenario("teleoperation", small[:1]), bound=False)
    primitives = Primitives.from_scenario(load_scenario("teleoperation", small))
    found = plan_market(primitives, starts=0, known=[cautious.match_probability], bound=False)
    assert found.welfare_usd_per_s > cautious.welfare_usd_per_s
    assert market_welfare(primitives, found) == pytest.approx(found.welfare_usd_per_s, rel=1e-9)


# --------------------------------------------------------------------------------- the bound


@settings(max_examples=30)
@given(
    split=st.lists(st.floats(0.0, 1.0), min_size=9, max_size=9),
    crowd=st.sampled_from([0.3, 1.0, 20.0]),
)
def test_no_split_is_above_the_bound(market: Market, split: list[float], crowd: float) -> None:
    primitives = market(users=crowd * np.array([30.0, 20.0, 40.0]))
    z = feasible(np.array(split).reshape(3, 3)[:2])
    if crowd not in BOUNDS:
        found = welfare_bound(primitives, coarse=100, fine=300, rounds=12)
        BOUNDS[crowd] = found.bound_usd_per_s
    assert first_best_welfare(primitives)(z)[0] <= BOUNDS[crowd]


BOUNDS: dict[float, float] = {}  # one computation a market


def test_a_type_without_users_leaves_the_bound_as_tight(market: Market) -> None:
    """At the same prices of the others it is the bound of the market without the type."""
    found = welfare_bound(market(users=[30.0, 0.0, 40.0]), coarse=20, fine=100, rounds=3)
    left_out = market(users=[30.0, 40.0], sensitivity=[8e-4, 2e-4])
    prices = found.task_price_usd[[0, 2]]
    bound = float(prices @ left_out.demand_per_s)
    bound += sum(best_loads(grid, prices)[0] for grid in grids(left_out, 100))
    assert found.bound_usd_per_s == pytest.approx(bound, rel=1e-12)


def test_no_load_from_a_node_on_is_worth_more_than_its_ceiling(market: Market) -> None:
    """Where operators are nearly empty Chernoff's bound falls with the load: worth rises first."""
    for case in ({}, BINDING):
        for grid in grids(market(**case), 50):
            assert (np.diff(grid.worth_usd, axis=0) > 0).any()
            above = [grid.worth_usd[k:].max(axis=0) for k in range(51)]
            assert np.array_equal(grid.ceiling_usd, above)


def test_control_a_bound_without_its_rounding_is_broken(market: Market) -> None:
    """Taken at the nodes alone, on a coarse grid, the inner problem falls below a split."""
    primitives = market()
    prices = welfare_bound(primitives, coarse=200, fine=200).task_price_usd
    best = plan_market(primitives, starts=3, bound=False).first_best_usd_per_s
    at_nodes = rounded = float(prices @ primitives.demand_per_s)
    for grid in grids(primitives, 12):
        value, nodes = best_loads(grid, prices)
        rate = np.diff(nodes, prepend=0) * grid.step_per_s
        at_nodes += float(rate @ (grid.worth_usd[nodes, np.arange(3)] - prices))
        rounded += value
    assert at_nodes < best <= rounded


def test_late_tasks_that_are_worth_it_are_in_the_grid(market: Market) -> None:
    """With violations nearly free, operators are worth running past their capacity."""
    crowd = {"users": [300.0, 200.0, 400.0], "violation_cost": 2.5e-4}
    primitives = market(**crowd)
    everyone = np.full((2, 3), 0.5)
    assert first_best_welfare(primitives)(everyone)[0] > 0
    found = plan_market(primitives, [everyone], starts=2)
    assert found.load_per_s[:, -1].sum() > 440.0 + 360.0
    assert found.first_best_usd_per_s <= found.upper_bound_usd_per_s
    assert grids(primitives, 10)[0].step_per_s == pytest.approx(540.0)
    assert grids(market(), 10)[1].step_per_s == pytest.approx(36.0)


@settings(max_examples=80)
@given(
    value=st.lists(st.floats(-5.0, 5.0), min_size=1, max_size=40),
    gain=st.lists(st.floats(-3.0, 3.0), min_size=40, max_size=40),
    window=st.integers(1, 45),
)
def test_predecessors_are_the_best(value: list[float], gain: list[float], window: int) -> None:
    size = len(value)
    worth, load = np.array(value), np.arange(size) * 0.5
    falling = np.sort(gain)[::-1][:size]
    found = best_predecessors(worth, load, falling, window)
    for k in range(size):
        come = range(max(0, k - window), k + 1)
        best = max(worth[j] + (load[k] - load[j]) * falling[k] for j in come)
        assert found[k] in come
        reached = worth[found[k]] + (load[k] - load[found[k]]) * falling[k]
        assert reached == pytest.approx(best, abs=1e-12)


@pytest.mark.parametrize(
    ("shift", "demand"),
    # some loads are worth less than nothing; or all are worth more, and demand is the limit
    [(0.0, [6.0, 4.0, 8.0]), (3.0, [2.0, 2.5, 4.0])],
)
def test_inner_problem_against_enumeration(shift: float, demand: list[float]) -> None:
    """Every chain of nodes of a small grid: none is above, and the nodes found are the best."""
    rng = np.random.default_rng(8)
    worth = -np.sort(-rng.normal(0.5, 1.0, (7, 3)), axis=0) + shift
    grid = Grid(2.0, worth, worth, np.array(demand))
    prices = np.array([0.1, 0.2, 0.0])
    chains = [c for c in product(range(7), repeat=3) if c[0] <= c[1] <= c[2]]

    def value(chain: tuple[int, ...]) -> float:
        rate = np.diff(chain, prepend=0) * 2.0
        if (rate > grid.demand_per_s + 2.0).any():  # one step may be rounding
            return -np.inf
        gain = worth[list(chain), range(3)] - prices
        return float(rate @ gain + 2.0 * np.maximum(gain, 0.0).sum())

    found, nodes = best_loads(grid, prices)
    assert found == pytest.approx(max(value(chain) for chain in chains))
    assert value(tuple(nodes)) == pytest.approx(found)
