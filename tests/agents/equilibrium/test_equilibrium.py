"""Profiles from which nobody gains: the answers, the bound, the play, and small markets whole."""

from dataclasses import replace
from importlib import import_module
from itertools import product

import numpy as np
import pytest

from airan_market.agents.equilibrium.answer import (
    Rules,
    best_answer,
    bound_of,
    certified_gains,
    evolved_gain,
    facing,
    strategy_value,
)
from airan_market.agents.equilibrium.answering import cycle_of, play, returns, starts
from airan_market.agents.equilibrium.chain import menu_bound, start_menu
from airan_market.agents.equilibrium.profile import Profile, accounts_of
from airan_market.agents.equilibrium.whole_types import _cycle, enumerate_profiles
from airan_market.agents.primitives.primitives import Primitives
from airan_market.scenarios import load_scenario

THREE = ["users.latency_sensitivity_usd_per_s=[8e-4, 4e-4, 1e-4]", "users.shares=[0.3, 0.3, 0.4]"]


@pytest.fixture(scope="module")
def market() -> Primitives:
    return Primitives.from_scenario(load_scenario("teleoperation", THREE))


@pytest.fixture(scope="module")
def profile() -> Profile:
    rng = np.random.default_rng(3)
    return Profile(np.sort(rng.uniform(0.05, 1.0, (3, 3)), axis=1), np.zeros(3))


def _menus(market: Primitives, count: int) -> np.ndarray:
    """Menus in order, half of them uniform, half uniform in the logarithm."""
    rng, settings = np.random.default_rng(5), market.mechanism
    low, high = settings.latency_min_s, settings.latency_max_s
    uniform = rng.uniform(low, high, (count // 2, market.types))
    spread = np.exp(rng.uniform(np.log(low), np.log(high), (count // 2, market.types)))
    return np.sort(np.vstack([uniform, spread]), axis=1)


def test_value_is_the_accounts_of_the_profile(market: Primitives, profile: Profile) -> None:
    margins = np.array([1e-5, 0.0, 3e-5])
    changed = replace(profile, margin_usd=margins)
    for m in range(3):
        value = strategy_value(market, changed, m, changed.latency_s[[m]], margins[[m]], Rules())
        own = accounts_of(replace(market, own_margin_usd=margins), changed)
        assert value[0] == pytest.approx(own.operator_utility_usd_per_s[m], rel=1e-12)


@pytest.mark.parametrize("margins", [False, True])
def test_nothing_passes_the_bound(market: Primitives, profile: Profile, margins: bool) -> None:
    """4,000 strategies, and the best answer; what is nearly exact at the grid is no bound."""
    rules = Rules(margins=margins)
    menus = _menus(market, 4_000)
    margin = np.random.default_rng(7).uniform(0, 7e-4, len(menus)) * margins
    for m in range(3):
        bound = bound_of(market, profile, m, rules)
        tried = strategy_value(market, profile, m, menus, margin, rules).max()
        best = best_answer(market, profile, m, rules, everywhere=True).value_usd_per_s
        assert tried <= best * (1 + 1e-9)
        assert best <= bound
        assert bound < 1.6 * best  # it says something
    # a bound for fewer users is passed: the check can fail
    fewer = replace(market, users=0.5 * market.users)
    assert best_answer(market, profile, 0, rules).value_usd_per_s > bound_of(
        fewer, profile, 0, rules
    )


def test_the_bound_shrinks_with_the_cells(market: Primitives, profile: Profile) -> None:
    faced = facing(market, profile, 0)
    best = best_answer(market, profile, 0, everywhere=True).value_usd_per_s
    bounds = [menu_bound(faced, states=states) for states in (100, 200, 400)]
    assert bounds[0] > bounds[1] > bounds[2] >= best
    # of first order in the width
    assert bounds[1] - bounds[2] == pytest.approx((bounds[0] - bounds[1]) / 2, rel=0.5)


def test_the_best_path_is_near_brute_force(market: Primitives, profile: Profile) -> None:
    levels = np.geomspace(0.02, 2.0, 30)
    grid = np.array([menu for menu in product(levels, repeat=3) if sorted(menu) == list(menu)])
    for m in range(3):
        values = strategy_value(market, profile, m, grid, np.zeros(len(grid)), Rules())
        menu = start_menu(facing(market, profile, m), 0.0)
        found = strategy_value(market, profile, m, menu[np.newaxis], np.zeros(1), Rules())
        assert found[0] > 0.95 * values.max()
        best = best_answer(market, profile, m, everywhere=True).value_usd_per_s
        assert best >= values.max() * (1 - 1e-9)


def test_play_comes_to_rest_where_nobody_gains(market: Primitives) -> None:
    rules = Rules(margins=True)
    begun = list(starts(market, 2, 1, rules))[1]
    found = play(market, begun, rules)
    assert found.settled
    profits = accounts_of(market, found.profile).operator_utility_usd_per_s
    for m, answer in enumerate(certified_gains(market, found.profile, rules)):
        assert answer.gain_usd_per_s <= 1e-4 * profits[m]
        assert evolved_gain(market, found.profile, m, rules, generations=60) <= 1e-4 * profits[m]
    # elsewhere somebody gains
    moved = Profile(1.1 * found.profile.latency_s, found.profile.margin_usd)
    gains = [answer.gain_usd_per_s for answer in certified_gains(market, moved, rules)]
    assert max(gains) > 1e-4 * profits.max()
    assert returns(market, found.profile, rules, size=0.01, part=0.5, rounds=8) < 0.2


def test_three_types_at_tied_prices_go_round(market: Primitives) -> None:
    """Latencies are raised until one operator drops to the sensitive; eight rounds, then again."""
    begun = list(starts(market, 2, 1, Rules()))[1]
    found = play(market, begun, rounds=44)
    assert not found.settled
    assert found.cycle_rounds == 8


@pytest.mark.long
def test_the_default_market_comes_to_rest() -> None:
    """Ten starts, one profile, to 1e-4 of the profit; what the issue's first try found."""
    market = Primitives.from_scenario(load_scenario("teleoperation"))
    for margins, total in ((False, 0.2512), (True, 0.1376)):
        rules = Rules(margins=margins)
        plays = [play(market, begun, rules) for begun in starts(market, 10, 1, rules)]
        assert all(found.settled for found in plays)
        profits = np.array([found.profit_usd_per_s[-1].sum() for found in plays])
        assert profits == pytest.approx(total, rel=2e-3)
        best = min(plays, key=lambda found: found.gains_usd_per_s[-1].max())
        for m, answer in enumerate(certified_gains(market, best.profile, rules)):
            profit = best.profit_usd_per_s[-1][m]
            assert answer.gain_usd_per_s <= 1e-4 * profit
            assert evolved_gain(market, best.profile, m, rules) <= 1e-4 * profit
            assert bound_of(market, best.profile, m, rules) >= profit


def test_floor_is_kept(market: Primitives, profile: Profile) -> None:
    floor = 4e-4
    free, kept = Rules(margins=True), Rules(margins=True, price_floor_usd=floor)
    for rules, holds in ((free, False), (kept, True)):
        found = play(market, profile, rules, rounds=12).profile
        accounts = accounts_of(market, found)
        sold = accounts.match_probability > 0
        assert bool((accounts.menu.price_usd[sold] >= 0.95 * floor).all()) is holds


def test_a_cycle_is_seen_and_a_drift_is_not(
    market: Primitives, profile: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    def moves(by: float, of: int):  # type: ignore[no-untyped-def]
        count = iter(range(1, 1000))

        def answer_round(primitives, profile, rules, part):  # type: ignore[no-untyped-def]
            place = next(count) % of
            return Profile(np.full((3, 3), 0.2 + by * place), np.zeros(3)), np.ones(3)

        return answer_round

    first = Profile(np.full((3, 3), 0.2), np.zeros(3))
    for by, of, period in ((0.1, 4, 4), (0.1, 7, 7), (0.001, 4, 0), (0.1, 1000, 0)):
        monkeypatch.setattr(
            import_module("airan_market.agents.equilibrium.answering"),
            "answer_round",
            moves(by, of),
        )
        assert cycle_of(market, first, Rules(), 15) == period


def test_small_markets_profile_by_profile() -> None:
    """Equilibria of the grid by their definition, with other loops."""
    two = ["users.latency_sensitivity_usd_per_s=[8e-4, 1e-4]", "users.shares=[0.5, 0.5]"]
    market = Primitives.from_scenario(load_scenario("teleoperation", two))
    market = market.of_operator(np.arange(2))
    found = enumerate_profiles(market, [0.05, 0.3, 1.0])
    assert found.utility_usd_per_s.shape == (6, 6, 2)
    known = []
    for i, j in product(range(6), repeat=2):
        mine, other = found.utility_usd_per_s[i, j]
        gains = [found.utility_usd_per_s[k, j, 0] - mine for k in range(6)]
        gains += [found.utility_usd_per_s[i, k, 1] - other for k in range(6)]
        if max(gains) <= 1e-12:
            known.append((i, j))
    assert found.equilibria == known
    with pytest.raises(ValueError, match="at most"):
        enumerate_profiles(market, np.linspace(0.01, 1, 60))


def test_matching_pennies_has_no_equilibrium() -> None:
    pennies = np.array([[[1.0, -1.0], [-1.0, 1.0]], [[-1.0, 1.0], [1.0, -1.0]]])
    cycle = _cycle(pennies)
    assert len(cycle) == len(set(cycle)) >= 2
