"""Users who are alike act in bulk: as if each acted alone, to the last bit."""

import numpy as np
import pytest

from airan_market.agents.market import Market, UserAgent
from airan_market.agents.market.strategies import Strategies, decided, undecided, without
from airan_market.agents.matching.assignment import OUT, draw
from airan_market.agents.rounds import model as rounds_model
from airan_market.agents.rounds.roll import rolls_of

SETTINGS = {
    "users.total": 40, "simulation.rounds": 3, "simulation.horizon_s": 0.5,
    "simulation.warmup_s": 0.25, "mechanism.max_iterations": 6,
}  # fmt: skip
TABLES = ("rounds", "market", "operators", "tasks")


class Alone(UserAgent):
    """Responds as users do; but as its class says so itself, it is asked by itself."""

    def respond(self, *given: object) -> None:
        super().respond(*given)


class Poor(UserAgent):
    """Every second user gets no refund: who differs in what it knows answers for itself."""

    def __init__(self, *given: object) -> None:
        super().__init__(*given)
        self.refund_usd *= self.unique_id % 2


def played(**classes: type[UserAgent]) -> Market:
    market = Market("teleoperation", seed=3, **classes, **SETTINGS)
    market.run()
    return market


@pytest.fixture(scope="module")
def bulk() -> Market:
    return played()


def test_in_bulk_as_alone(bulk: Market) -> None:
    alone = played(user_class=Alone)
    for name in TABLES:
        assert getattr(bulk.tables(), name).equals(getattr(alone.tables(), name))
    assert len({id(user.strategy) for user in bulk.users}) == 8  # one for each type
    assert len({id(user.strategy) for user in alone.users}) == 40


def test_who_differs_is_not_taken_together(bulk: Market) -> None:
    """The negative control: lumping users by type alone would give the tables of `bulk`."""
    unlike = played(user_class=Poor)
    assert len({id(user.strategy) for user in unlike.users}) > 8
    assert not unlike.tables().market.equals(bulk.tables().market)


def test_parts_of_a_round_are_the_round(bulk: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tasks played some hundred at a time: tables to rounding, tasks to the bit, in other order."""
    monkeypatch.setattr(rounds_model, "TASKS_AT_A_TIME", 300)
    parts = played()
    first, second = (m.tables().tasks.sort_values("task") for m in (bulk, parts))
    assert first.reset_index(drop=True).equals(second.reset_index(drop=True))
    for name in TABLES[:-1]:
        one, other = (getattr(m.tables(), name).select_dtypes("number") for m in (bulk, parts))
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("operators", [1, 3, 100])
def test_the_mean_is_that_of_all_users(operators: int) -> None:
    rng = np.random.default_rng(7)
    own = list(rng.dirichlet(np.ones(operators + 1), size=5)[:, :operators])
    which = rng.integers(5, size=2_000)
    strategies = Strategies.of([own[n] for n in which])
    every = np.array([own[n] for n in which])
    assert np.array_equal(strategies.mean(slice(10, 1_990)), every[10:1_990].mean(axis=0))
    uniforms = rng.random(2_000)
    assert strategies.draw(uniforms).tolist() == [
        draw(own[n], u) for n, u in zip(which, uniforms, strict=True)
    ]


def test_strategies_that_are_shared_cannot_be_written() -> None:
    for strategy in (undecided(3), decided(3, 1), decided(3, OUT)):
        with pytest.raises(ValueError, match="read-only"):
            strategy[0] = 0.5


def test_closed_operators_are_left_by_all_and_the_rest_is_shared(bulk: Market) -> None:
    without(bulk.users, np.array([True, False, True]))
    assert len({id(user.strategy) for user in bulk.users}) == 8
    assert all(user.strategy[1] == 0 for user in bulk.users)


def test_a_roll_gives_back_what_agents_hold() -> None:
    class Agent:
        def __init__(self, number: int, **held: object) -> None:
            vars(self).update(unique_id=number, **held)

    agents = [
        Agent(1, ok=True, wealth=0.1, tasks=3, big=2**70, met=None),
        Agent(5, ok=False, wealth=float("inf"), tasks=-3, big=1, met={2}),
        Agent(6, wealth=1, name="another"),
    ]
    rolls = rolls_of(agents)
    assert [sorted(roll.numbers) for roll in rolls] == [[1, 5], [6]]
    found = {number: held for roll in rolls for number, held in roll}
    for agent in agents:
        assert found[agent.unique_id] == vars(agent)
        assert [type(v) for v in found[agent.unique_id].values()] == [
            type(v) for v in vars(agent).values()
        ]
    assert isinstance(rolls[0].held["wealth"], np.ndarray)
    assert isinstance(rolls[0].held["big"], list)
