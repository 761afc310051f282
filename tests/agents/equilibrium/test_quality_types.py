"""Competition where users value quality differently: shares, answers and rest, against loops."""

from itertools import product

import numpy as np
import pytest

from airan_market.agents.belief.belief import operator_belief
from airan_market.agents.certificate.deviation import repriced
from airan_market.agents.contract.utility import Accounts
from airan_market.agents.equilibrium import enumerate_profiles
from airan_market.agents.equilibrium.answer import (
    Rules,
    best_answer,
    bound_of,
    certified_gains,
    evolved_gain,
    facing,
    strategy_value,
)
from airan_market.agents.equilibrium.answering import play, starts
from airan_market.agents.equilibrium.chain import menu_bound
from airan_market.agents.equilibrium.profile import (
    Profile,
    accounts_of,
    settle_users,
    with_margins,
)
from airan_market.agents.primitives.primitives import Primitives
from airan_market.scenarios import load_scenario

SMALL = ["users.latency_sensitivity_usd_per_s=[8e-4, 1e-4]", "users.shares=[0.5, 0.5]",
         "users.total=90",
         "users.quality_sensitivity_usd=[4.5e-4, 4.8e-4]",
         "users.quality_shares=[[0.6, 0.4], [0.3, 0.7]]"]  # fmt: skip


@pytest.fixture(scope="module")
def market() -> Primitives:
    return Primitives.from_scenario(load_scenario("quality_types", SMALL))


@pytest.fixture(scope="module")
def profile() -> Profile:
    latency_s = np.array([[0.08, 0.2], [0.15, 0.6], [0.3, 0.4]])
    return Profile(latency_s, np.array([2e-5, 0.0, 5e-5]))


def by_hand(market: Primitives, profile: Profile) -> tuple[np.ndarray, np.ndarray]:
    """Parts of classes (M, X, N) and operators' utilities, class by class from (15), (25), (33)."""
    value, share, beta = (
        market.quality_value_usd,
        market.quality_share,
        market.latency_sensitivity_usd_per_s,
    )
    assert value is not None
    assert share is not None
    settings = market.mechanism
    found = np.zeros((market.operators, *share.shape))
    left = np.zeros((market.operators, 2))
    for m in range(market.operators):
        left[m] = profile.margin_usd[m]
        left[m, 1] += (beta[0] - beta[1]) * profile.latency_s[m, 0]
    for x, n in np.ndindex(share.shape):
        worth = left[:, n] + value[:, x] - value[:, 0]
        weight = np.exp(worth / settings.temperature_end_usd)
        found[:, x, n] = weight / (1.0 + weight.sum())
    earned = np.zeros(market.operators)
    for m in range(market.operators):
        tasks = (found[m] * share).sum(axis=0) * market.demand_per_s
        belief = operator_belief(market.of_operator(m), np.cumsum(tasks))
        p = belief.probability(profile.latency_s[m])
        price = value[m, 0] - beta * profile.latency_s[m] + market.refund_usd * p - left[m]
        cost = market.violation_cost_usd * p + market.running_cost_usd
        earned[m] = (tasks * (price - cost)).sum()
    return found, earned


def test_users_settle_and_operators_earn_as_by_hand(market: Primitives, profile: Profile) -> None:
    found, earned = by_hand(market, profile)
    settled = settle_users(market, profile)
    assert settled.by_quality == pytest.approx(found, rel=1e-9)
    assert market.quality_share is not None
    mean = (found * market.quality_share).sum(axis=1)
    assert settled.match_probability == pytest.approx(mean, rel=1e-9)
    worth = accounts_of(market, profile)
    assert worth.operator_utility_usd_per_s == pytest.approx(earned, rel=1e-9)
    own = with_margins(market, profile)
    for m in range(3):
        menu, margin = profile.latency_s[m][np.newaxis], profile.margin_usd[m : m + 1]
        value = strategy_value(market, profile, m, menu, margin, Rules())
        assert value[0] == pytest.approx(earned[m], rel=1e-9)
        assert repriced(own, settled, m)(menu)[0] == pytest.approx(mean[m], rel=1e-9)
    # users of α_2 are not like the mean: who takes all alike comes to something else
    assert abs(found[0, 1, 0] - found[0, 0, 0]) > 1e-3
    alike = Accounts(market, settled.menu, settled.match_probability)
    assert abs(float(alike.social_welfare_usd_per_s - worth.social_welfare_usd_per_s)) > 1e-4


@pytest.mark.parametrize("operator", [0, 1, 2])
def test_the_answer_is_the_best_of_a_grid_and_of_another_search(
    market: Primitives, profile: Profile, operator: int
) -> None:
    """All menus of 60 latencies, and differential evolution with a fixed seed: none earns more."""
    levels = np.geomspace(0.01, 2.0, 60)
    grid = np.array([pair for pair in product(levels, repeat=2) if pair[0] <= pair[1]])
    held = np.full(len(grid), profile.margin_usd[operator])
    values = strategy_value(market, profile, operator, grid, held, Rules())
    answer = best_answer(market, profile, operator, everywhere=True)
    assert answer.value_usd_per_s >= values.max() * (1 - 1e-9)
    assert answer.value_usd_per_s <= values.max() * 1.02  # and the grid is no bad search
    evolved = evolved_gain(market, profile, operator, Rules(), generations=80)
    assert evolved <= answer.gain_usd_per_s * (1 + 1e-6) + 1e-9
    assert evolved >= 0.99 * answer.gain_usd_per_s
    assert bound_of(market, profile, operator, Rules()) >= answer.value_usd_per_s


def test_the_bound_comes_nearer_with_its_cells(market: Primitives, profile: Profile) -> None:
    faced = facing(market, profile, 0)
    margin = float(profile.margin_usd[0])
    best = best_answer(market, profile, 0, everywhere=True).value_usd_per_s
    bounds = [menu_bound(faced, (margin, margin), states) for states in (50, 100, 200, 400)]
    assert bounds[0] > bounds[1] > bounds[2] > bounds[3] >= best


def test_free_margins_come_to_rest_where_nobody_gains(market: Primitives) -> None:
    rules = Rules(margins=True)
    plays = [play(market, begun, rules) for begun in starts(market, 2, 1, rules)]
    assert all(found.settled for found in plays)
    assert plays[0].profit_usd_per_s[-1] == pytest.approx(plays[1].profit_usd_per_s[-1], rel=1e-2)
    found = plays[0].profile
    profits = accounts_of(market, found).operator_utility_usd_per_s
    for m, answer in enumerate(certified_gains(market, found, rules)):
        assert answer.gain_usd_per_s <= 1e-4 * profits[m]
        assert evolved_gain(market, found, m, rules, generations=60) <= 1e-4 * profits[m]
    moved = Profile(1.2 * found.latency_s, found.margin_usd)  # elsewhere somebody gains
    gains = [answer.gain_usd_per_s for answer in certified_gains(market, moved, rules)]
    assert max(gains) > 1e-4 * profits.max()


def test_equal_alphas_are_the_market_without(profile: Profile) -> None:
    same = ["users.quality_sensitivity_usd=[4e-4, 4e-4]", "users.quality_shares=[[0.3, 0.7]]"]
    plain, two = (Primitives.from_scenario(load_scenario("teleoperation", [*SMALL[:3], *more]))
                  for more in ([], same))  # fmt: skip
    values = [
        [f(market, profile, 0) for f in (
            lambda m, p, k: best_answer(m, p, k).value_usd_per_s,
            lambda m, p, k: bound_of(m, p, k, Rules()),
        )]
        for market in (plain, two)
    ]  # fmt: skip
    assert values[0] == pytest.approx(values[1], rel=1e-6)


def test_small_markets_profile_by_profile(market: Primitives) -> None:
    """Every class takes what is best for it; equilibria by their definition, with other loops."""
    two = market.of_operator(np.arange(2))
    assert two.quality_share is not None
    found = enumerate_profiles(two, [0.05, 0.3, 1.0])
    gain = two.quality_gain_usd
    beta = two.latency_sensitivity_usd_per_s
    known = []
    for i, j in product(range(6), repeat=2):
        menus = found.menus[[i, j]]
        tasks = np.zeros((2, 2))
        for x, n in np.ndindex(two.quality_share.shape):
            rent = (beta[0] - beta[1]) * menus[:, 0] * n
            worth = rent + gain[:, x]
            taken = 0 if worth[0] >= worth[1] - 1e-15 else 1  # operator 1 has more capacity
            tasks[taken, n] += two.quality_share[x, n] * two.demand_per_s[n]
        for m in range(2):
            own = two.of_operator(m)
            p = operator_belief(own, np.cumsum(tasks[m])).probability(menus[m])
            rent = (beta[0] - beta[1]) * menus[m, 0] * np.arange(2)
            price = own.service_value_usd - beta * menus[m] + two.refund_usd * p - rent
            profit = price - two.violation_cost_usd * p - two.running_cost_usd
            wanted = float((tasks[m] * profit).sum())
            assert found.utility_usd_per_s[i, j, m] == pytest.approx(wanted, rel=1e-9, abs=1e-12)
        mine, other = found.utility_usd_per_s[i, j]
        gains = [found.utility_usd_per_s[k, j, 0] - mine for k in range(6)]
        gains += [found.utility_usd_per_s[i, k, 1] - other for k in range(6)]
        if max(gains) <= 1e-12:
            known.append((i, j))
    assert found.equilibria == known
