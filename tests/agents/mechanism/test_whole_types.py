"""GSMC with whole types: who moves together, who is kept, and that nobody blocks."""

import itertools
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import airan_market.agents.mechanism.gsmc as gsmc
from airan_market.agents import Market, solve
from airan_market.agents.certificate import menu_search
from airan_market.agents.matching.deferred_acceptance import (
    BlockingPair,
    Game,
    blocking_pair,
    match,
    match_whole_types,
)
from airan_market.agents.mechanism.gsmc import agree, posted_game
from airan_market.agents.primitives.primitives import Primitives
from airan_market.scenarios import load_scenario

MarketOf = Callable[..., Primitives]
WHOLE = "mechanism.gsmc_unit='type'"


def game_of(units: list[int], quota: list[int], utility: list, profit: list) -> Game:
    return Game(
        np.array(units),
        np.array(quota),
        np.array(utility, dtype=float),
        np.array(profit, dtype=float),
        np.arange(len(quota)),
        0.0,
        1e-12,
        whole=True,
    )


def random_game(seed: int, types: int, operators: int, same_size: bool = False) -> Game:
    """Small numbers, so that ties, empty types, full and closed operators all occur."""
    rng = np.random.default_rng(seed)
    units = rng.integers(0, 6, size=types)
    return Game(
        units=np.where(units > 0, 4, 0) if same_size else units,
        quota=rng.integers(0, 9, size=operators),
        utility_usd=rng.integers(-1, 4, size=(types, operators)).astype(float),
        profit_usd=rng.integers(-2, 3, size=(types, operators)).astype(float),
        order=rng.permutation(operators),
        opt_out_utility_usd=0.0,
        tie_usd=1e-12,
        whole=True,
    )


def test_by_hand() -> None:
    """Everyone wants operator 1 (5 places), which ranks types 3, 1, 2; types have 3, 2 and 4 users.

    Type 3 leaves it one place, type 1 takes it and overfills; type 2 goes to operator 2.
    """
    game = game_of(
        [3, 2, 4], [5, 1], [[2, 1], [2, 1], [2, 1]], [[2.0, 0.0], [1.0, 0.0], [3.0, 0.0]]
    )
    assert match(game).tolist() == [[3, 0], [0, 2], [4, 0]]
    assert blocking_pair(game, match(game)) is None
    users = replace(game, whole=False)
    assert match(users).tolist() == [[1, 1], [0, 0], [4, 0]]


def test_a_type_larger_than_every_quota_goes_where_it_is_the_first() -> None:
    game = game_of([9, 1], [2, 3], [[1, 2], [1, 2]], [[1, 1], [2, 2]])
    assert match(game).tolist() == [[0, 9], [0, 1]]  # type 2 leaves operator 2 two places
    poor = replace(game, units=np.array([9, 3]))  # and now none
    assert match(poor).tolist() == [[9, 0], [0, 3]]
    assert match(replace(game, quota=np.array([0, 0]))).sum() == 0


def test_ties_go_to_the_lower_type_and_the_operator_first_in_order() -> None:
    game = game_of([2, 2], [2, 2], [[1, 1], [1, 1]], [[1, 1], [1, 1]])
    assert match(game).tolist() == [[2, 0], [0, 2]]
    assert match(replace(game, order=np.array([1, 0]))).tolist() == [[0, 2], [2, 0]]


def test_types_without_users_are_nowhere() -> None:
    game = game_of([0, 3], [2, 2], [[3, 1], [1, 2]], [[9, 9], [1, 1]])
    assert match(game).tolist() == [[0, 0], [0, 3]]
    assert match(replace(game, units=np.array([0, 0]))).sum() == 0


def blocks(game: Game, at: tuple[int, ...]) -> bool:
    """From the definition: type by type, operator by operator."""
    operators = game.quota.size
    for n, m in itertools.product(range(game.units.size), range(operators)):
        if not game.units[n] or at[n] == m:
            continue
        offer = game.utility_usd[n, m]
        wants = offer >= 0 if at[n] == operators else offer > game.utility_usd[n, at[n]]
        here = [k for k in range(game.units.size) if at[k] == m]
        no_poorer = [k for k in here if game.profit_usd[k, m] >= game.profit_usd[n, m]]
        if wants and sum(game.units[k] for k in no_poorer) < game.quota[m]:
            return True
    return False


def as_units(game: Game, at: tuple[int, ...]) -> np.ndarray:
    matched = np.zeros(game.utility_usd.shape, dtype=int)
    for n, m in enumerate(at):
        if m < game.quota.size:
            matched[n, m] = game.units[n]
    return matched


def test_the_check_finds_every_unstable_matching() -> None:
    """All matchings of small games against the definition."""
    verdicts = []
    for seed in range(12):
        game = random_game(seed, 4, 2)
        for at in itertools.product(range(3), repeat=4):
            verdicts.append(blocks(game, at))
            assert (blocking_pair(game, as_units(game, at)) is not None) == verdicts[-1]
    assert 0 < sum(verdicts) < len(verdicts)


def admissible(game: Game, matched: np.ndarray) -> bool:
    """Whether every operator has a place for its poorest type when the others are in."""
    kept = [[n for n in game.ranking(m) if matched[n, m]] for m in range(game.quota.size)]
    return all(
        sum(game.units[n] for n in types[:-1]) < game.quota[m]
        for m, types in enumerate(kept)
        if types
    )


def utilities(game: Game, matched: np.ndarray) -> np.ndarray:
    return np.where(matched > 0, game.utility_usd, 0.0).sum(axis=1)


@pytest.mark.parametrize("seed", range(15))
def test_no_stable_matching_is_better_for_any_type(seed: int) -> None:
    """Against exhaustive search, without ties: the result is stable and best for every type."""
    rng = np.random.default_rng(seed)
    drawn = random_game(seed, 4, 2)
    game = replace(
        drawn, utility_usd=rng.normal(0.5, 1, (4, 2)), profit_usd=rng.normal(size=(4, 2))
    )
    every = (as_units(game, at) for at in itertools.product(range(3), repeat=4))
    willing = (m for m in every if (game.utility_usd[m > 0] >= 0).all() and admissible(game, m))
    stable = [matched for matched in willing if blocking_pair(game, matched) is None]
    found = utilities(game, match(game))
    assert any((matched == match(game)).all() for matched in stable)
    assert (found >= np.max([utilities(game, matched) for matched in stable], axis=0)).all()


@settings(max_examples=150)
@given(seed=st.integers(0, 10**6), types=st.integers(1, 5), operators=st.integers(1, 4))
def test_stable_whole_and_overfilled_by_one_type_at_most(
    seed: int, types: int, operators: int
) -> None:
    game = random_game(seed, types, operators)
    matched = match_whole_types(game)
    assert blocking_pair(game, matched) is None
    assert ((matched == 0) | (matched == game.units[:, np.newaxis])).all()
    assert ((matched > 0).sum(axis=1) <= 1).all()
    assert admissible(game, matched)


@settings(max_examples=100)
@given(seed=st.integers(0, 10**6), types=st.integers(1, 5), operators=st.integers(1, 4))
def test_the_library_gives_the_same_for_types_of_one_size(
    by_library: Callable[[Game], np.ndarray], seed: int, types: int, operators: int
) -> None:
    """An operator of q places keeps ⌈q / size⌉ types, the last one overfilling it."""
    game = random_game(seed, types, operators, same_size=True)
    size = max(int(game.units.max()), 1)
    units = replace(game, units=np.minimum(game.units, 1), quota=-(-game.quota // size))
    assert match(game).tolist() == (size * by_library(units)).tolist()


def test_a_spoiled_matching_is_caught_with_its_witness() -> None:
    """Negative control: type 2 of `test_by_hand` put in place of type 1."""
    game = game_of(
        [3, 2, 4], [5, 1], [[2, 1], [2, 1], [2, 1]], [[2.0, 0.0], [1.0, 0.0], [3.0, 0.0]]
    )
    spoiled = np.array([[0, 3], [2, 0], [4, 0]])
    assert blocking_pair(game, spoiled) == BlockingPair(0, 1, 0, 1, 1.0)


def test_an_unstable_result_is_not_handed_on(
    market: MarketOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gsmc, "match", lambda game: np.zeros(game.utility_usd.shape, dtype=int))
    with pytest.raises(ArithmeticError, match="blocking pair"):
        agree(market(gsmc_unit="type"))


def test_users_move_one_by_one_unless_asked(market: MarketOf) -> None:
    assert not posted_game(market()).whole
    assert posted_game(market(gsmc_unit="type")).whole


def test_fractional_users_move_with_their_type(market: MarketOf) -> None:
    agreed = agree(market(users=[2.5], sensitivity=[4e-4], gsmc_unit="type"))
    assert agreed.match_probability.tolist() == [[1.0], [0.0]]


def test_solve_and_run_trade_the_same_whole_types(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(menu_search, "BUDGET", 3)  # its certificates are not looked at
    short = ["simulation.rounds=2", "simulation.horizon_s=0.5", "simulation.warmup_s=0.1"]
    scenario = load_scenario("teleoperation", [*short, "mechanism.name='gsmc'", WHOLE])
    found, market = solve(scenario), Market(scenario, seed=3)
    assert set(found.match_probability.ravel().tolist()) == {0.0, 1.0}
    tables = market.run()
    users = found.match_probability * market.primitives.users
    for _, rows in tables.rounds.groupby("round"):
        rows = rows.sort_values(["operator", "type"])
        assert rows["users"].to_numpy() == pytest.approx(users.ravel(), abs=1e-9)
        assert rows["latency_s"].tolist() == found.menu.latency_s.ravel().tolist()
    expected = found.operator_utility_usd_per_s.sum()
    ours = tables.market["operator_utility_expected_usd_per_s"].to_numpy()
    assert ours == pytest.approx(expected)


@pytest.mark.parametrize("name", ["mixed", "ct", "mc"])
def test_no_other_mechanism_looks_at_it(market: MarketOf, name: str) -> None:
    from airan_market.agents.solution.solver import arrive

    answers = []
    for unit in ("user", "type"):
        matching = arrive(market(name=name, gsmc_unit=unit)).match_probability
        answers.append(matching.tolist())
    assert answers[0] == answers[1]
