"""The planner where users value quality differently: by hand, against a search, against bounds."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import approx_fprime, differential_evolution, linprog

from airan_market.agents.contract.feasibility import check_menu
from airan_market.agents.contract.utility import Accounts
from airan_market.agents.planner.bound import Grid, best_loads, best_predecessors, welfare_bound
from airan_market.agents.planner.classes import dealt, most_worth
from airan_market.agents.planner.load_cost import load_cost
from airan_market.agents.planner.planner import (
    feasible,
    first_best_welfare,
    incentive_compatible_welfare,
    plan_market,
)
from airan_market.agents.primitives.primitives import Primitives
from airan_market.scenarios import load_scenario

SMALL = ["users.latency_sensitivity_usd_per_s=[8e-4, 1e-4]", "users.shares=[0.5, 0.5]",
         "users.total=90", "users.quality_sensitivity_usd=[4.5e-4, 7e-4]",
         "users.quality_shares=[[0.6, 0.4]]"]  # fmt: skip


@pytest.fixture(scope="module")
def small() -> Primitives:
    """Two operators that are too few for 90 users: who goes where matters."""
    return Primitives.from_scenario(load_scenario("quality_types", SMALL)).of_operator(slice(2))


def by_hand(market: Primitives, split: np.ndarray) -> float:
    """Welfare of a split (M, X, N), class by class."""
    value, share = market.quality_value_usd, market.quality_share
    assert value is not None
    assert share is not None
    total, load = 0.0, np.zeros((market.operators, market.types))
    for m, n in np.ndindex(load.shape):
        load[m, n] = sum(
            share[x, j] * market.demand_per_s[j] * split[m, x, j]
            for j in range(n + 1)
            for x in range(len(share))
        )
    cost = load_cost(market, load).cost_usd
    for m, x, n in product(range(market.operators), range(len(share)), range(market.types)):
        tasks = share[x, n] * market.demand_per_s[n] * split[m, x, n]
        total += tasks * (value[m, x] - market.running_cost_usd - cost[m, n])
    return total


def test_welfare_is_that_by_hand_and_that_of_the_accounts(small: Primitives) -> None:
    split = np.random.default_rng(4).dirichlet(np.ones(3), (2, 2)).T[:2]
    value, slope = first_best_welfare(small)(split)
    assert value == pytest.approx(by_hand(small, split), rel=1e-12)
    numeric = approx_fprime(split.ravel(), lambda s: by_hand(small, s.reshape(split.shape)), 1e-7)
    assert slope.ravel() == pytest.approx(numeric, rel=1e-4, abs=1e-6)
    planned = plan_market(small, starts=2, bound=False)
    accounts = Accounts.of(small, planned)
    worth = float(accounts.social_welfare_usd_per_s)
    assert planned.welfare_usd_per_s == pytest.approx(worth, rel=1e-12)
    alike = replace(accounts, by_quality=None)  # who goes where is part of it
    assert float(alike.social_welfare_usd_per_s) < worth * (1 - 1e-3)
    assert check_menu(small, planned.menu).holds(1e-12)


def test_no_search_of_all_splits_finds_more_and_the_bound_is_near(small: Primitives) -> None:
    """Differential evolution knows nothing of slopes; fixed seed."""
    planned = plan_market(small, starts=4)
    assert planned.by_quality is not None

    def loss(point: np.ndarray) -> float:
        return -by_hand(small, feasible(point.reshape(2, 2, 2)))

    found = differential_evolution(loss, [(0.0, 1.0)] * 8, seed=7, maxiter=150, tol=0.0)
    best, top = planned.first_best_usd_per_s, planned.upper_bound_usd_per_s
    assert best == pytest.approx(by_hand(small, planned.by_quality), rel=1e-9)
    assert -found.fun <= best * (1 + 1e-7)
    assert -found.fun >= best * (1 - 1e-3)  # and it is no bad search
    assert best <= top <= best * 1.005
    # the plan of one who takes all for users of α_1 is worth less
    blind = plan_market(replace(small, quality_value_usd=None, quality_share=None), starts=4,
                        bound=False)  # fmt: skip
    alike = np.repeat(blind.match_probability[:, np.newaxis], 2, axis=1)
    assert by_hand(small, alike) < best * (1 - 1e-3)


def test_the_best_operator_is_kept_for_those_who_value_it() -> None:
    market = Primitives.from_scenario(load_scenario("quality_types", SMALL))
    found = plan_market(market, starts=2, bound=False).by_quality
    assert found is not None
    share, demand = market.quality_share, market.demand_per_s
    assert share is not None
    there = (found * share * demand).sum(axis=-1)  # tasks/s of quality types at operators
    mean = there @ np.array([0.0, 1.0]) / there.sum(axis=1)
    assert mean[0] > mean[1:].max()


def test_equal_alphas_are_the_market_without() -> None:
    same = ["users.quality_sensitivity_usd=[4e-4, 4e-4]", "users.quality_shares=[[0.3, 0.7]]"]
    plain, two = (
        plan_market(Primitives.from_scenario(load_scenario("teleoperation", [*SMALL[:3], *more])))
        for more in ([], same)
    )
    assert plain.by_quality is None
    assert two.first_best_usd_per_s == pytest.approx(plain.first_best_usd_per_s, rel=1e-7)
    assert two.upper_bound_usd_per_s >= two.first_best_usd_per_s
    assert two.upper_bound_usd_per_s == pytest.approx(plain.upper_bound_usd_per_s, rel=1e-3)


@pytest.mark.parametrize("split", [0.0, 0.1, 0.3])
def test_slopes_of_compatible_menus(small: Primitives, split: float) -> None:
    welfare = incentive_compatible_welfare(small)
    point = np.full((2, 2, 2), split)
    assert welfare(point)[1].shape == point.shape
    assert welfare(point)[0] <= first_best_welfare(small)(point)[0] + 1e-12


@given(
    st.lists(st.tuples(st.floats(-2, 2), st.floats(0, 3)), min_size=1, max_size=4),
    st.floats(0.0, 9.0),
    st.floats(-2.0, 2.0),
)
def test_who_is_served_is_the_optimum_of_a_linear_program(
    classes: list[tuple[float, float]], rate: float, worth: float
) -> None:
    gain, demand = np.array(classes).T
    found = linprog(-(gain + worth), A_ub=np.ones((1, gain.size)), b_ub=[rate],
                    bounds=[(0.0, d) for d in demand])  # fmt: skip
    value = most_worth(np.array([rate]), np.array([worth]), gain, demand)[0]
    assert value == pytest.approx(-found.fun, abs=1e-7)
    rates = dealt(np.array([rate]), np.array([worth]), gain[:, np.newaxis],
                  demand[:, np.newaxis])[:, 0]  # fmt: skip
    assert rates.sum() <= rate + 1e-12
    assert float(rates @ (gain + worth)) == pytest.approx(value, abs=1e-12)


def test_inner_problem_against_enumeration() -> None:
    """Every chain of nodes of a small grid, one step more hidden in each stage."""
    rng = np.random.default_rng(8)
    worth = -np.sort(-rng.normal(0.5, 1.0, (7, 3)), axis=0)
    demand, gain = np.array([[3.0, 1.0, 5.0], [2.0, 4.0, 1.0]]), np.array([0.0, 0.7])
    prices = np.array([[0.1, 0.2, 0.0], [0.5, 0.1, 0.9]])
    grid = Grid(2.0, worth, worth, demand, gain)

    def value(chain: tuple[int, ...]) -> float:
        total = 0.0
        for n, (before, k) in enumerate(zip((0, *chain), chain, strict=False)):
            if (k - before) * 2.0 > demand[:, n].sum() + 2.0:
                return -np.inf
            total += most_worth(np.array([(k - before + 1) * 2.0]), worth[k : k + 1, n],
                                gain - prices[:, n], demand[:, n])[0]  # fmt: skip
        return total

    chains = [c for c in product(range(7), repeat=3) if c[0] <= c[1] <= c[2]]
    found, nodes = best_loads(grid, prices)
    assert found == pytest.approx(max(value(chain) for chain in chains))
    assert value(tuple(nodes)) == pytest.approx(found)


@given(
    st.lists(st.floats(-5.0, 5.0), min_size=1, max_size=30),
    st.lists(st.floats(-3.0, 3.0), min_size=30, max_size=30),
    st.integers(1, 35),
)
def test_predecessors_are_the_best_for_classes_too(
    value: list[float], gain: list[float], window: int
) -> None:
    size = len(value)
    worth, load, falling = np.array(value), np.arange(size) * 0.5, np.sort(gain)[::-1][:size]

    def earned(rate: np.ndarray, worth: np.ndarray) -> np.ndarray:
        return most_worth(rate, worth, np.array([0.5, -0.5, 1.0]), np.array([2.0, 3.0, 0.7]))

    found = best_predecessors(worth, load, falling, window, earned)
    for k in range(size):
        come = np.arange(max(0, k - window), k + 1)
        reached = worth[come] + earned(load[k] - load[come], np.full(come.size, falling[k]))
        assert found[k] in come
        assert reached[found[k] - come[0]] == pytest.approx(reached.max(), abs=1e-9)


def test_the_bound_holds_for_many_random_splits(small: Primitives) -> None:
    top = welfare_bound(small, coarse=200, fine=2000).bound_usd_per_s
    rng = np.random.default_rng(11)
    worth = first_best_welfare(small)
    drawn = [np.moveaxis(rng.dirichlet([0.4] * 3, (2, 2)), -1, 0)[:2] for _ in range(300)]
    values = [worth(split)[0] for split in drawn]
    assert max(values) <= top
    assert max(values) > 0.5 * top
