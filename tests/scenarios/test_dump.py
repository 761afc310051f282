"""A scenario written out loads back to an equal one, and equal ones have one hash."""

import json
import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airan_market.scenarios import Scenario, dump_toml, load_scenario, scenario_hash

# sizes and rates of these scenarios are anything that is allowed
pytestmark = pytest.mark.filterwarnings("ignore::airan_market.scenarios.ScenarioWarning")

TINY = {
    "name": "tiny",
    "users": {
        "total": 1,
        "latency_sensitivity_usd_per_s": [2e-4],
        "shares": [1],
        "tasks_per_user_per_s": 0.1,
    },
    "task": {"input_bits": 1, "work_flop": 2, "output_bits": 3},
    "economics": {
        "service_value_usd": 1e-3,
        "refund_usd": 1e-4,
        "violation_cost_usd": 1e-3,
        "running_cost_usd": 0,
    },
    "operators": [
        {
            "name": "a",
            "uplink": {"servers": 1, "rate_bps": 1e7},
            "gpu": {"servers": 2, "rate_flop_per_s": 1e11},
            "downlink": {"servers": 3, "rate_bps": 3e7},
        }
    ],
}
# Changes only when the resolved content does: a new key, another default, another way to hash. Runs
# stored under the old hash are then no longer recognised, so say so in the change log.
TINY_HASH = "31e57435c882ef7e4175979603a33c9e3ad8057ea7c618e18224f808fcefb7f0"

positive = st.floats(1e-30, 1e30)
nonnegative = st.just(0.0) | positive
finite = nonnegative | st.floats(-1e30, -1e-30)
fraction = st.floats(1e-30, 1, exclude_max=True)
servers = st.integers(1, 1_000_000)
text = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=20)


@st.composite
def users(draw: st.DrawFn) -> dict[str, Any]:
    types = draw(st.integers(1, 5))
    sensitivity = draw(st.lists(positive, min_size=types, max_size=types))
    table = {
        "total": draw(st.integers(1, 10_000_000)),
        "latency_sensitivity_usd_per_s": sorted(sensitivity, reverse=True),
        "tasks_per_user_per_s": draw(positive),
        "whole_users": draw(st.booleans()),
    }
    if draw(st.booleans()):
        return table | {"dirichlet_alpha": draw(positive)}
    weights = draw(st.lists(st.floats(1e-3, 1), min_size=types, max_size=types))
    return table | {"shares": [weight / sum(weights) for weight in weights]}


def radio() -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({"servers": servers, "rate_bps": positive})


arrivals = st.just("poisson") | st.fixed_dictionaries(
    {
        "trace": text,
        "format": st.just("azure-llm-2023"),
        "bits_per_token": positive,
        "flop_per_token": positive,
    },
    optional={"speed_up": positive},
)
bursts = st.fixed_dictionaries(
    {"burst_ratio": st.floats(1.0, 1e6)},
    optional={"burst_share": fraction, "burst_mean_s": st.floats(1e3, 1e30)},
)
laws = st.sampled_from(["exponential", "deterministic"]) | st.fixed_dictionaries(
    {"lognormal_cv": st.floats(1e-30, 100)}
)
tables = st.fixed_dictionaries(
    {
        "name": st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True),
        "users": users(),
        "task": st.fixed_dictionaries(
            {"input_bits": positive, "work_flop": positive, "output_bits": positive}
        ),
        "economics": st.fixed_dictionaries(
            {
                "service_value_usd": finite,
                "refund_usd": nonnegative,
                "violation_cost_usd": nonnegative,
                "running_cost_usd": nonnegative,
            },
            optional={"opt_out_utility_usd": finite},
        ),
        "operators": st.lists(
            st.fixed_dictionaries(
                {
                    "name": text,
                    "uplink": radio(),
                    "gpu": st.fixed_dictionaries({"servers": servers, "rate_flop_per_s": positive}),
                    "downlink": radio(),
                },
                optional={"service_value_usd": finite},
            ),
            min_size=1,
            max_size=3,
            unique_by=lambda operator: operator["name"],
        ),
    },
    optional={
        "schema_version": st.just(1),
        "mechanism": st.fixed_dictionaries(
            {},
            optional={
                "name": st.sampled_from(["mixed", "ct", "mc", "gsmc"]),
                "chernoff_zeta": fraction,
                "damping": fraction,
                "tolerance": nonnegative,
                "assumed_workload_share": fraction,
                "gsmc_unit": st.sampled_from(["user", "type"]),
                "ct_belief": st.sampled_from(["posted", "empty", "placed", "congested"]),
                "gsmc_quotas": st.booleans(),
                "ties": st.sampled_from(["capacity", "number"]),
            },
        ),
        "simulation": st.fixed_dictionaries(
            {},
            optional={
                "rounds": st.integers(1, 100),
                "horizon_s": st.floats(1e-6, 1e12),
                "arrivals": arrivals,
            },
        ),
    },
)


@given(tables)
def test_a_dump_loads_back_to_an_equal_scenario(content: dict[str, Any]) -> None:
    scenario = load_scenario(content)
    dumped = dump_toml(scenario)
    again = load_scenario(tomllib.loads(dumped))
    assert again == scenario
    assert dump_toml(again) == dumped
    assert scenario_hash(again) == scenario_hash(scenario)
    # by the bits: == does not tell 0.0 from -0.0
    assert repr(again) == repr(scenario)


@given(bursts, laws)
def test_a_dump_of_tables_in_place_of_words_loads_back(arrivals: Any, law: Any) -> None:
    content = TINY | {"simulation": {"arrivals": arrivals}}
    content["task"] = TINY["task"] | {"law": law}
    scenario = load_scenario(content)
    assert repr(load_scenario(tomllib.loads(dump_toml(scenario)))) == repr(scenario)


def test_the_dump_writes_out_every_default() -> None:
    written = tomllib.loads(dump_toml(load_scenario(TINY)))
    resolved = load_scenario(TINY).model_dump(exclude_none=True)
    assert written == json.loads(json.dumps(resolved))
    assert written["mechanism"]["assumed_workload_share"] == 1.0
    assert set(written["simulation"]) == {
        "rounds",
        "horizon_s",
        "warmup_s",
        "engine",
        "discipline",
        "assignment",
        "arrivals",
    }


def test_a_dump_can_be_loaded_from_a_file(tmp_path: Any) -> None:
    for name in ("teleoperation", "llm_replay"):
        scenario = load_scenario(name)
        path = tmp_path / "scenario.toml"
        path.write_text(dump_toml(scenario), encoding="utf-8")
        assert load_scenario(path) == scenario


def test_the_hash_of_a_literal_scenario() -> None:
    assert scenario_hash(load_scenario(TINY)) == TINY_HASH


def test_the_hash_knows_neither_order_nor_layout_nor_defaults_written_out() -> None:
    backwards = _reversed(TINY) | {"simulation": {"rounds": 10}, "schema_version": 1}
    assert scenario_hash(load_scenario(backwards)) == TINY_HASH
    assert scenario_hash(load_scenario(TINY, ["task.work_flop=0.2e1"])) == TINY_HASH
    assert scenario_hash(load_scenario(TINY, ["economics.opt_out_utility_usd=-0.0"])) == TINY_HASH


@given(st.sampled_from(["task.work_flop", "users.tasks_per_user_per_s"]), positive)
def test_the_hash_tells_settings_apart(key: str, value: float) -> None:
    changed = load_scenario(TINY, [f"{key}={value!r}"])
    assert (scenario_hash(changed) == TINY_HASH) == (changed == load_scenario(TINY))


def test_equal_scenarios_are_one_key_of_a_dictionary() -> None:
    assert len({load_scenario(TINY), load_scenario(TINY), Scenario.model_validate(TINY)}) == 1


def _reversed(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _reversed(item) for key, item in reversed(value.items())}
    return value
