"""What a scenario is: complete, frozen, and checked however it is made."""

import copy
import pickle
import tomllib
from collections.abc import Callable

import numpy as np
import pytest
from pydantic import ValidationError

from airan_market.scenarios import Scenario, load_scenario


def test_defaults_of_the_design(small_text: str, write: Callable[[str], str]) -> None:
    scenario = load_scenario(write(small_text))
    assert scenario.schema_version == 1
    assert scenario.users.whole_users is True
    assert scenario.economics.opt_out_utility_usd == 0.0
    assert scenario.operators[0].service_value_usd is None
    assert scenario.task.law == "exponential"
    assert scenario.mechanism.model_dump() == {
        "name": "mixed",
        "design": "exact",
        "belief": "chernoff",
        "chernoff_zeta": 0.9,
        "latency_min_s": 1e-3,
        "latency_max_s": 2.0,
        "demand_floor": 0.05,
        "damping": 0.35,
        "max_iterations": 50,
        "iterations_per_round": None,
        "tolerance": 1e-9,
        "temperature_start_usd": 1e-4,
        "temperature_end_usd": 1e-5,
        "capacity_safety": 0.95,
        "shadow_price_step_usd": 1e-6,
        "participation_margin_usd": 0.0,
        "lowest_served_quality": None,
        "assumed_workload_share": 0.5,  # one of two operators
        "gsmc_unit": "user",
        "ct_belief": "congested",
        "mc_belief": "posted",
        "gsmc_belief": "posted",
        "gsmc_quotas": True,
        "ties": "capacity",
    }
    assert scenario.simulation.model_dump() == {
        "rounds": 10,
        "horizon_s": 10.0,
        "warmup_s": 2.0,
        "engine": "compiled",
        "discipline": "preemptive-resume",
        "assignment": "sampled",
        "arrivals": "poisson",
        "batching": None,
    }


def test_the_assumed_share_follows_the_operators_unless_given(small_text: str) -> None:
    tables = tomllib.loads(small_text)
    assert load_scenario(tables, ["mechanism.damping=1"]).mechanism.assumed_workload_share == 0.5
    given = load_scenario(tables, ["mechanism.assumed_workload_share=0.2"])
    assert given.mechanism.assumed_workload_share == 0.2
    tables["operators"] = tables["operators"][:1]
    assert load_scenario(tables).mechanism.assumed_workload_share == 1.0


def test_nothing_in_a_scenario_can_be_changed() -> None:
    scenario = load_scenario("llm_replay")
    for table in (
        scenario,
        scenario.users,
        scenario.task,
        scenario.economics,
        scenario.operators[0],
        scenario.operators[0].gpu,
        scenario.operators[0].uplink,
        scenario.mechanism,
        scenario.simulation,
        scenario.simulation.arrivals,
    ):
        for key in type(table).model_fields:  # type: ignore[union-attr]
            with pytest.raises(ValidationError, match="frozen"):
                setattr(table, key, getattr(table, key))
        with pytest.raises(ValidationError):
            table.extra = 1  # type: ignore[union-attr]
    assert isinstance(scenario.operators, tuple)
    assert isinstance(scenario.users.shares, tuple)


@pytest.mark.filterwarnings("ignore::airan_market.scenarios.ScenarioWarning")  # on purpose
def test_numbers_are_floats_and_counts_are_ints() -> None:
    scenario = load_scenario("teleoperation", ["task.work_flop=5", "simulation.horizon_s=3"])
    assert isinstance(scenario.task.work_flop, float)
    assert isinstance(scenario.simulation.horizon_s, float)
    assert type(scenario.users.total) is int


def test_a_mapping_may_hold_numpy_numbers(small_text: str) -> None:
    tables = tomllib.loads(small_text)
    plain = load_scenario(tables)
    tables["users"]["total"] = np.int64(10)
    tables["users"]["shares"] = np.array([0.5, 0.5])
    tables["task"]["work_flop"] = np.float64(1e10)
    tables["users"]["dirichlet_alpha"] = None  # not given
    assert load_scenario(tables) == plain


def test_a_scenario_can_be_changed_into_another() -> None:
    scenario = load_scenario("teleoperation")
    assert load_scenario(scenario) == scenario
    fewer = load_scenario(scenario, ["users.total=30"])
    assert (scenario.users.total, fewer.users.total) == (150, 30)


def test_direct_construction_checks_settings_against_each_other(small_text: str) -> None:
    tables = tomllib.loads(small_text)
    tables["users"]["shares"] = [0.5, 0.6]
    tables["operators"][1]["name"] = "a"
    with pytest.raises(ValidationError) as caught:
        Scenario.model_validate(tables)
    assert "users.shares: must sum to 1 (sums to 1.1)" in str(caught.value)
    assert "operators[2].name: must differ from operators[1].name" in str(caught.value)


def test_a_scenario_travels_to_other_processes() -> None:
    scenario = load_scenario("llm_replay")
    assert pickle.loads(pickle.dumps(scenario)) == scenario
    assert copy.deepcopy(scenario) == scenario
