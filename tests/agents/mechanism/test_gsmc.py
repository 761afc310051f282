"""GSMC: deferred acceptance by types, held to a library's by users and to blocking pairs."""

import itertools
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import airan_market.agents.mechanism.gsmc as gsmc
from airan_market.agents.matching.assignment import OUT
from airan_market.agents.matching.deferred_acceptance import (
    Game,
    blocking_pair,
    match,
    match_types,
)
from airan_market.agents.mechanism.ct import assumed_menus
from airan_market.agents.mechanism.gsmc import agree, posted_game, quotas, shares
from airan_market.agents.primitives.primitives import Primitives
from airan_market.scenarios import load_scenario

Market = Callable[..., Primitives]
Match = Callable[[Game], np.ndarray]


def random_game(seed: int, types: int, operators: int, units: int = 6) -> Game:
    """Small numbers, so that ties, empty types, full operators and closed ones all occur."""
    rng = np.random.default_rng(seed)
    return Game(
        units=rng.integers(0, units, size=types),
        quota=rng.integers(0, 2 * units, size=operators),
        utility_usd=rng.integers(-1, 4, size=(types, operators)).astype(float),
        profit_usd=rng.integers(-2, 3, size=(types, operators)).astype(float),
        order=rng.permutation(operators),
        opt_out_utility_usd=0.0,
        tie_usd=1e-12,
    )


def test_by_hand(by_library: Match) -> None:
    """Operator 1 has 3 places; both types want it, it wants type 2, then type 1.

    Two of type 2 enter, one of type 1; the other two of type 1 take operator 2, type 3 accepts
    nobody.
    """
    game = Game(
        units=np.array([3, 2, 4]),
        quota=np.array([3, 5]),
        utility_usd=np.array([[2.0, 1.0], [2.0, 1.0], [-1.0, -1.0]]),
        profit_usd=np.array([[1.0, 1.0], [3.0, 1.0], [9.0, 9.0]]),
        order=np.array([0, 1]),
        opt_out_utility_usd=0.0,
        tie_usd=1e-12,
    )
    expected = [[1, 2], [2, 0], [0, 0]]
    assert by_library(game).tolist() == match_types(game).tolist() == expected
    assert blocking_pair(game, np.array(expected)) is None


@settings(max_examples=150)
@given(seed=st.integers(0, 10**6), types=st.integers(1, 4), operators=st.integers(1, 4))
def test_library_and_types_agree_and_nobody_blocks(
    by_library: Match, seed: int, types: int, operators: int
) -> None:
    game = random_game(seed, types, operators)
    matched = match_types(game)
    assert matched.tolist() == by_library(game).tolist()
    assert blocking_pair(game, matched) is None
    assert (matched.sum(axis=0) <= game.quota).all()
    assert (matched.sum(axis=1) <= game.units).all()


def blocks(game: Game, matched: np.ndarray) -> bool:
    """Whether some pair blocks, user by user, from the definition."""
    users = [
        (n, at)
        for n in range(game.units.size)
        for at, count in enumerate([*matched[n], game.units[n] - matched[n].sum()])
        for _ in range(count)
    ]
    operators = game.quota.size
    for n, at in users:
        for m in range(operators):
            if m == at:
                continue
            offer = game.utility_usd[n, m]
            wants = offer >= 0 if at == operators else offer > game.utility_usd[n, at]
            here = [k for k, place in users if place == m]
            room = len(here) < game.quota[m]
            better = any(game.profit_usd[n, m] > game.profit_usd[k, m] for k in here)
            if wants and (room or better):
                return True
    return False


def test_the_check_finds_every_unstable_matching() -> None:
    """All matchings of small games within the quotas, against the definition, user by user."""
    verdicts = []
    for seed in range(8):
        game = replace(random_game(seed, 2, 2, units=4), quota=np.array([2, 3]))
        rows = [
            [row for row in itertools.product(range(4), repeat=2) if sum(row) <= game.units[n]]
            for n in range(2)
        ]
        for choice in itertools.product(*rows):
            matched = np.array(choice)
            if (matched.sum(axis=0) > game.quota).any():
                continue
            verdicts.append(blocks(game, matched))
            assert (blocking_pair(game, matched) is not None) == verdicts[-1]
    assert 0 < sum(verdicts) < len(verdicts)


def test_a_spoiled_matching_is_caught_with_its_witness() -> None:
    """Negative control: at the default market one type 1 user changes places with one of type 3."""
    primitives = Primitives.from_scenario(load_scenario("teleoperation"))
    game = posted_game(primitives)
    matched = match(game)
    assert blocking_pair(game, matched) is None
    matched[2, 2] -= 1
    matched[4, 2] += 1
    matched[4, 1] -= 1
    matched[2, 1] += 1
    pair = blocking_pair(game, matched)
    assert pair is not None
    assert (pair.type, pair.operator, pair.better, pair.displaced) == (2, 1, 2, 4)
    assert pair.gain_usd == pytest.approx(game.utility_usd[2, 2] - game.utility_usd[2, 1])


def test_an_unstable_result_is_not_handed_on(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gsmc, "match", lambda game: np.zeros(game.utility_usd.shape, dtype=int))
    with pytest.raises(ArithmeticError, match="blocking pair"):
        agree(market())


def test_large_games_are_played() -> None:
    game = random_game(3, 64, 10, units=2_000)
    assert game.units.sum() > 10_000
    assert blocking_pair(game, match(game)) is None
    many = replace(random_game(1, 2, 100, units=2), units=np.array([1, 1]))
    assert match(many).sum() <= 2


def test_quotas_are_whole_users_of_the_effective_capacity(market: Market) -> None:
    """λ̄ = 0.95 · 440 = 418 and 0.95 · 360 = 342 tasks/s, of 6 tasks/s each: 69.67 and 57."""
    assert quotas(market()).tolist() == [69, 57]


def test_operators_keep_those_who_leave_them_most_not_those_who_pay_most(market: Market) -> None:
    """Two users of type 1 pay most, and are late so often that operator 1 would rather have others.

    All want operator 1, which has 69 places.
    """
    primitives = market(users=[2.0, 60.0, 20.0], sensitivity=[8e-4, 3e-4, 2e-4])
    _, menu = assumed_menus(primitives)
    game = posted_game(primitives)
    profit = menu.price_usd - 1.2e-3 * menu.violation_probability - 8e-6
    assert game.profit_usd == pytest.approx(profit.T, rel=1e-12)
    assert [game.ranking(m) for m in (0, 1)] == [[1, 2, 0]] * 2
    assert (-menu.price_usd).argsort(axis=1).tolist() == [[0, 1, 2]] * 2
    users = agree(primitives).match_probability * primitives.users
    assert users == pytest.approx(np.array([[0, 60, 9], [2, 0, 11]]))


def test_fractional_users_take_whole_places(market: Market) -> None:
    """2.5 users are three units, the half one is last."""
    primitives = market(users=[2.5], sensitivity=[4e-4])
    game = replace(posted_game(primitives), quota=np.array([2, 9]))
    assert game.units.tolist() == [3]
    assert game.preferences(0) == [0, 1]
    assert match(game).tolist() == [[2, 1]]
    part = shares(primitives.users, game, match(game))
    assert part == pytest.approx(np.array([[0.8], [0.2]]))
    crowded = replace(game, quota=np.array([1, 1]))
    assert shares(primitives.users, crowded, match(crowded)).sum() == pytest.approx(0.8)


def test_who_finds_no_place_stays_out(market: Market) -> None:
    primitives = market(task_rate=20.0)  # 20 and 17 places for 90 users
    agreed = agree(primitives)
    users = agreed.match_probability * primitives.users
    assert users.sum(axis=1) == pytest.approx([20, 17])
    assert agreed.match_probability.sum(axis=0).min() < 1


def test_nobody_wants_to_come(market: Market) -> None:
    assert agree(market(opt_out=1.0)).match_probability.sum() == 0
    assert blocking_pair(posted_game(market(opt_out=1.0)), np.zeros((3, 2), dtype=int)) is None


def test_operators_without_a_place_are_left_out(market: Market) -> None:
    game = replace(posted_game(market()), quota=np.array([0, 7]))
    matched = match(game)
    assert matched.sum(axis=0).tolist() == [0, 7]
    assert blocking_pair(game, matched) is None
    assert OUT not in game.preferences(0)


def test_default_market() -> None:
    primitives = Primitives.from_scenario(load_scenario("teleoperation"))
    users = agree(primitives).match_probability * primitives.users
    expected = np.zeros((3, 8))
    expected[0, :2] = 17, 21
    expected[2, 2:5] = 21, 20, 11  # 52 places
    expected[1, 4:] = 10, 19, 17, 14
    assert users == pytest.approx(expected)
