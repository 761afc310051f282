"""Learners against known answers, a maintained library, and brute force."""

import itertools
import warnings

import numpy as np
import pytest

from airan_market.agents.equilibrium.profile import accounts_of
from airan_market.agents.learning import (
    Exp3,
    Game,
    Grid,
    Logit,
    QLearning,
    Ucb1,
    learn,
    market_env,
    repeat,
)
from airan_market.agents.learning.environment import SCALES
from airan_market.agents.market.model import Market
from airan_market.agents.primitives.primitives import Primitives
from airan_market.scenarios import load_scenario

QUICK = QLearning(decay=1e-4, patience=5_000)
SHORT = {
    "simulation.rounds": 3, "simulation.horizon_s": 0.2, "simulation.warmup_s": 0.1,
    "mechanism.max_iterations": 6,
}  # fmt: skip


def shared_stream(rounds: int, arms: int) -> np.ndarray:
    return np.random.default_rng(7).random((rounds, arms)) * np.linspace(0.4, 1.0, arms)


def test_exp3_has_the_probabilities_of_river_on_a_shared_stream() -> None:
    bandit = pytest.importorskip("river.bandit")
    rewards, ours, theirs = shared_stream(300, 4), Exp3(4, 0.2), bandit.Exp3(gamma=0.2, seed=1)
    for t, uniform in enumerate(np.random.default_rng(2).random(300)):
        theirs.pull(range(4))  # what it would play, which needs not be what is played
        told = [theirs._probabilities[arm] for arm in range(4)]
        assert ours.probability == pytest.approx(told, rel=1e-9)
        arm = ours.choose(uniform)
        ours.learn(arm, float(rewards[t, arm]))
        theirs.update(arm, float(rewards[t, arm]))


def test_ucb_pulls_as_river_does_on_a_shared_stream() -> None:
    bandit = pytest.importorskip("river.bandit")
    rewards, ours = shared_stream(500, 4), Ucb1(4)
    theirs = bandit.UCB(delta=1.0, seed=1)
    for row in rewards:
        arm = ours.choose()
        assert arm == theirs.pull(range(4)) or ours.pulls.min() == 0  # it draws among the untried
        ours.learn(arm, float(row[arm]))
        theirs.update(arm, float(row[arm]))


def test_bandits_find_the_best_arm_and_rewards_out_of_range_are_refused() -> None:
    rewards = shared_stream(4000, 4)
    for learner in (Exp3(4, 0.1), Ucb1(4)):
        arms = []
        for uniform, row in zip(np.random.default_rng(1).random(4000), rewards, strict=True):
            arms.append(learner.choose(uniform))
            learner.learn(arms[-1], float(row[arms[-1]]))
        assert np.mean(np.array(arms[-1000:]) == 3) > 0.5
        with pytest.raises(ValueError, match="from 0 to 1"):
            learner.learn(0, 1.5)


def test_nash_and_monopoly_prices_are_those_of_the_first_order_conditions() -> None:
    for market in (Logit(), Logit(firms=3, differentiation=0.4, outside=-0.5)):
        near = np.linspace(-1e-3, 1e-3, 201)
        price = np.full((201, market.firms), market.bertrand_nash)
        price[:, 0] += near
        assert abs(near[market.profit(price)[:, 0].argmax()]) < 2e-5
        together = market.monopoly + near[:, np.newaxis] * np.ones(market.firms)
        assert abs(near[market.profit(together).sum(axis=1).argmax()]) < 2e-5


def test_payoffs_of_a_grid_are_those_of_its_prices() -> None:
    duopoly = Logit()
    price, payoff = duopoly.grid(5), duopoly.payoffs(5)
    for one, two in itertools.product(range(5), range(5)):
        expected = duopoly.profit(np.array([price[one], price[two]]))
        assert payoff[one + 5 * two] == pytest.approx(expected)


def test_learners_that_look_ahead_collude_and_others_do_not() -> None:
    """Four short sessions each; the long test has the published numbers."""
    duopoly = Logit()
    payoff = duopoly.payoffs(6)
    ahead, blind = (
        np.mean([
            duopoly.gain(float(learn(payoff, 6, seed, settings).profit.mean()))
            for seed in range(4)
        ])
        for settings in (
            QLearning(decay=4e-5, patience=20_000),
            QLearning(decay=4e-5, patience=20_000, discount=0.0),
        )
    )  # fmt: skip
    assert ahead > 0.5
    assert blind < ahead - 0.2


@pytest.mark.long
def test_the_collusion_index_of_calvano_and_others() -> None:
    """40 sessions; 0.85 is inside of three standard errors but for one case in 370."""
    duopoly = Logit()
    payoff = duopoly.payoffs()
    gains = [duopoly.gain(float(learn(payoff, 15, s).profit.mean())) for s in range(40)]
    error = np.std(gains, ddof=1) / np.sqrt(len(gains))
    assert abs(np.mean(gains) - 0.85) < 3 * error
    assert error < 0.03
    blind = [learn(payoff, 15, s, QLearning(discount=0.0)).profit.mean() for s in range(8)]
    assert max(duopoly.gain(float(p)) for p in blind) < 0.6


@pytest.fixture(scope="module")
def game() -> Game:
    market = Primitives.from_scenario(load_scenario("teleoperation"))
    step = 4 * market.mechanism.temperature_end_usd
    grid = Grid(np.array([1.0, 1.5]), step * np.arange(2))
    return Game(market, np.tile(np.linspace(0.05, 0.6, 8), (3, 1)), grid)


def test_a_game_is_the_accounts_of_its_profiles(game: Game) -> None:
    for place in (0, 7, 37, 63):
        actions = place // 4 ** np.arange(3) % 4
        profile = game.profile(actions)
        assert profile.margin_usd[0] == game.grid.action(int(actions[0]))[1]
        worth = accounts_of(game.primitives, profile).operator_utility_usd_per_s
        assert np.array_equal(game.payoffs[place], worth)
        assert game.total(actions) == pytest.approx(worth.sum())


def test_pure_equilibria_are_those_that_looking_finds(game: Game) -> None:
    payoff = game.payoffs.reshape(4, 4, 4, 3, order="F")
    found = []
    for actions in itertools.product(range(4), repeat=3):
        others = [
            [payoff[(*actions[:m], own, *actions[m + 1 :])][m] for own in range(4)]
            for m in range(3)
        ]
        if all(row[a] >= max(row) for row, a in zip(others, actions, strict=True)):
            found.append(list(actions))
    assert sorted(game.pure_equilibria.tolist()) == sorted(found)
    assert len(found) < 64


def test_sessions_are_their_seeds(game: Game) -> None:
    one, again, other = (learn(game.payoffs, 4, seed, QUICK) for seed in (1, 1, 2))
    assert one.periods == again.periods != other.periods
    played = [repeat(game.payoffs, 4, [Exp3(4, 0.2)] * 3, 50, seed) for seed in (1, 1, 2)]
    assert np.array_equal(played[0], played[1])
    assert not np.array_equal(played[0], played[2])
    with pytest.raises(ValueError, match="rows"):
        learn(game.payoffs, 5, 1)


def test_the_environment_passes_the_tests_of_its_library() -> None:
    suite = pytest.importorskip("pettingzoo.test")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it advises on the ranges of observations
        suite.parallel_api_test(market_env(**SHORT), num_cycles=6)
        suite.parallel_seed_test(lambda: market_env(**SHORT), num_cycles=4)


def test_an_environment_in_which_nobody_does_anything_is_the_market() -> None:
    pytest.importorskip("pettingzoo")
    env = market_env(**SHORT)
    env.reset(seed=5)
    plain = Market("teleoperation", 5, **SHORT)
    while env.agents:
        stay = dict.fromkeys(env.agents, np.array([0.0, -1.0]))
        _, rewards, _, _, _ = env.step(stay)
        plain.step()
        kept = plain.clearing.ledger.operator_balance_usd()[plain.round].sum(axis=1) / 0.2
        assert list(rewards.values()) == pytest.approx(kept.tolist(), rel=1e-9)


def test_actions_change_latencies_and_margins() -> None:
    pytest.importorskip("pettingzoo")
    env = market_env(**SHORT)
    env.reset(seed=5)
    env.step(dict.fromkeys(env.agents, np.array([1.0, -0.9])))
    longer, value = env.market.terms.board.menu, env.market.primitives.service_value_usd[0]
    env.reset(seed=5)
    env.step(dict.fromkeys(env.agents, np.array([0.0, -1.0])))
    plain = env.market.terms.board.menu
    inside = longer.latency_s < env.market.primitives.mechanism.latency_max_s
    assert (longer.latency_s >= plain.latency_s).all()
    assert (longer.latency_s[inside] > 1.5 * plain.latency_s[inside]).any()
    assert SCALES[1] == 1 / SCALES[0]
    assert (plain.price_usd[:, 0] - longer.price_usd[:, 0] > 0.04 * value).all()


def test_a_mechanism_that_settles_by_itself_is_refused() -> None:
    pytest.importorskip("pettingzoo")
    with pytest.raises(ValueError, match=r"mechanism\.name = 'ct'"):
        market_env(**{"mechanism.name": "ct"})
