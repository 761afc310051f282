"""Played markets as Mesa users expect them: running, run_model, batch_run, AgentSets."""

import mesa
import numpy as np
import pandas as pd
import pytest
from mesa.batchrunner import batch_run

from airan_market.agents.market import Market, OperatorAgent, UserAgent
from airan_market.agents.pact.run import PactSimulation
from airan_market.scenarios import ScenarioError, load_pact, load_scenario

MARKET = {
    "scenario": "teleoperation",
    "simulation.rounds": 3,
    "simulation.horizon_s": 0.5,
    "simulation.warmup_s": 0.1,
}
PACT = {
    "scenario": "pact",
    "capacity": False,
    "simulation.rounds": 3,
    "simulation.horizon_s": 2.0,
    "traffic.users": 30,
}
BOTH = pytest.mark.parametrize(("kind", "asked"), [(Market, MARKET), (PactSimulation, PACT)])
NEW = int(mesa.__version__.split(".")[1]) >= 5  # Mesa 3.5 passes seeds as `rng` of batch_run


def same(one, other, names=("rounds", "market", "tasks")):
    return all(getattr(one, name).equals(getattr(other, name)) for name in names)


@BOTH
def test_the_last_round_ends_a_run(kind, asked) -> None:
    model = kind(**asked)
    seen = []
    while model.running:
        model.step()
        seen.append(model.running)
    assert seen == [True, True, False]
    assert (model.steps, model.round) == (3, 3)
    with pytest.raises(RuntimeError, match="round 4: the run is over"):
        model.step()


@BOTH
def test_run_model_is_run_without_the_tables(kind, asked) -> None:
    model = kind(**asked)
    assert model.run_model() is None
    assert same(model.tables(), kind(**asked).run())


@BOTH
def test_a_run_closed_early_is_over(kind, asked) -> None:
    model = kind(**asked)
    model.step()
    model.close()
    assert not model.running
    rows = len(model.tables().tasks)
    model.close()  # once more changes nothing
    assert len(model.tables().tasks) == rows
    with pytest.raises(RuntimeError, match="over"):
        model.step()


def batch(kind, parameters, seeds, **settings):
    seeded = {"rng": seeds} if NEW else {}
    parameters = parameters if NEW else {**parameters, "seed": seeds}
    return batch_run(kind, parameters, display_progress=False, **seeded, **settings)


@BOTH
@pytest.mark.parametrize("most", [1000, 5, 2])
def test_batch_run_plays_every_parameter_and_seed(kind, asked, most) -> None:
    key = "users.total" if kind is Market else "traffic.users"
    rows = pd.DataFrame(batch(kind, {**asked, key: [20, 30]}, [4, 5], max_steps=most))
    assert sorted(zip(rows[key], rows["seed"], strict=True)) == [(20, 4), (20, 5), (30, 4), (30, 5)]
    # Mesa 3.3 makes one step more than it is asked for
    assert (rows["round"] == min(3, most if NEW else most + 1)).all()


@BOTH
def test_what_batch_run_collects_is_what_stands_in_the_tables(kind, asked) -> None:
    rows = pd.DataFrame(batch(kind, asked, [7], data_collection_period=1))
    table = kind(**asked, seed=7).run().market
    assert rows["round"].tolist() == [1, 2, 3]
    shared = rows.columns.intersection(table.columns.drop(["satisfied"], errors="ignore"))
    assert len(shared) >= 4
    pd.testing.assert_frame_equal(rows[shared], table[shared], check_dtype=False)


def test_batch_run_in_processes_of_its_own() -> None:
    alone = batch(Market, MARKET, [1, 2])
    spread = batch(Market, MARKET, [1, 2], number_processes=2)
    by_seed = {row["seed"]: row for row in spread}
    for row in alone:
        assert row["violations"] == by_seed[row["seed"]]["violations"]
        assert row["residual"] == by_seed[row["seed"]]["residual"]


@pytest.mark.parametrize(
    ("kind", "load", "asked"), [(Market, load_scenario, MARKET), (PactSimulation, load_pact, PACT)]
)
def test_a_loaded_scenario_goes_into_a_batch_in_a_list(kind, load, asked) -> None:
    scenario = load(asked["scenario"])
    rows = batch(kind, {**asked, "scenario": [scenario]}, [1])
    assert len(rows) == 1
    with pytest.raises(TypeError, match="pass it in a list"):
        batch(kind, {**asked, "scenario": scenario}, [1])


@BOTH
def test_settings_by_name_are_those_of_the_scenario(kind, asked) -> None:
    model = kind(**asked)
    assert model.scenario.simulation.rounds == model.rounds_planned == 3
    load = load_scenario if kind is Market else load_pact
    settings = [f"{key}={value}" for key, value in asked.items() if "." in key]
    again = load(asked["scenario"], settings)
    assert model.scenario == again
    own = {"capacity": False} if kind is PactSimulation else {}
    assert kind(again, **own).scenario is again
    number = {"simulation.rounds": np.int64(2), "simulation.engine": "simpy"}
    assert kind(again, **own, **number).scenario.simulation.rounds == 2
    with pytest.raises(ScenarioError, match="sede"):
        kind(again, **own, sede=1)


@BOTH
def test_a_seed_of_none_is_drawn_and_told(kind, asked) -> None:
    one, two = kind(**asked, seed=None), kind(**asked, seed=None)
    assert one.seed != two.seed
    assert same(one.run(), kind(**asked, seed=one.seed).run())
    assert not same(two.run(), one.tables())


def test_agents_stand_in_sets_in_the_order_of_their_numbers() -> None:
    market = Market(**MARKET)
    assert [operator.number for operator in market.operators] == [0, 1, 2]
    types = market.users.get("type")
    assert types == sorted(types)
    assert set(market.agents_by_type) == {OperatorAgent, UserAgent}
    assert len(market.agents) == len(market.operators) + len(market.users) == 153
    assert list(market.agents_by_type[UserAgent]) == list(market.users)
    market.run_model()
    busy = market.users.select(lambda user: user.tasks > 0)
    assert busy.agg("tasks", sum) == market.clearing.tasks[1:].sum()


def test_mesas_own_chance_is_no_part_of_the_result() -> None:
    """Agents of one's own may draw from it; the market has streams of its own."""
    market = Market(**MARKET)
    market.random.random()
    market.users.shuffle_do("observe", 0, 0, 0.0, 0.0)
    assert same(market.run(), Market(**MARKET).run(), ("rounds", "market", "operators", "tasks"))


def test_providers_and_users_of_pact_stand_in_sets() -> None:
    market = PactSimulation(**PACT)
    assert [provider.number for provider in market.providers] == [0]
    assert len(market.users) == 30
    market.run_model()
    assert market.users.agg("requests", sum) == market.clearing.by_service.requests.sum() > 0
