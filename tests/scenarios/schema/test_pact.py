"""The scenario of a PACT market: what it refuses, and that it reads back what it writes."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from airan_market.scenarios import (
    PactScenario,
    ScenarioError,
    describe_keys,
    dump_toml,
    keys_markdown,
    load_pact,
    load_scenario,
    scenario_hash,
    scenario_kind,
)

PAGE = Path(__file__).parents[3] / "docs" / "pact_keys.md"
SLOW = {"name": "slow", "quality": 0.3, "cost_usd": 0.01}
FAST = {"name": "fast", "quality": 0.6, "cost_usd": 0.05, "liability_usd": 0.1}
PHYSICAL = {
    "name": "model", "input_kb": 20, "output_kb": 20, "parameters": 1e9, "layers": 2,
    "context_tokens": 64, "attention_width": 8, "rate_flop_per_s": 1e12, "satisfaction": 0.5,
}  # fmt: skip


def mine(**settings: Any) -> dict[str, Any]:
    return {"name": "mine", "pact": {"types": [1, 2], "services": [SLOW, FAST], **settings}}


def lines(tables: Any, *overrides: str) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        load_pact(tables, overrides)
    return [str(fault).removeprefix("mapping: ") for fault in caught.value.faults]


def test_a_table_of_services_and_a_line_of_types_is_a_market(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(
        'name = "mine"\npact.types = [1, 2]\n[[pact.services]]\nname = "only"\nquality = 0.5\n'
        "cost_usd = 0.1\n",
        encoding="utf-8",
    )
    market = load_pact(file).pact
    assert market.types == (1.0, 2.0)
    assert market.services[0].quality == 0.5
    assert market.serve_all
    assert market.tokens_per_kb == 0.25


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        (
            {"services": [SLOW | {"quality": 1.2}]},
            "pact.services[1].quality = 1.2: must be a finite number from 0 to 1",
        ),
        (
            {"types": [1, 3, 2]},
            "pact.types = [1, 3, 2]: must increase from one type to the next "
            "(type 3: 2 follows 3)",
        ),
        (
            {"types": [2, 2]},
            "pact.types = [2, 2]: must increase from one type to the next (type 2: 2 follows 2)",
        ),
        (
            {"probabilities": [0.5, 0.4]},
            "pact.probabilities = [0.5, 0.4]: must sum to 1 (sums to 0.9)",
        ),
        (
            {"probabilities": [1.0]},
            "pact.probabilities = [1.0]: must have one probability for each of the 2 types (has 1)",
        ),
        (
            {"probabilities": [1.0, 0.0]},
            "pact.probabilities[2] = 0.0: must be a finite number > 0 and <= 1",
        ),
        (
            {"services": [SLOW, SLOW]},
            'pact.services[2].name = "slow": must differ from pact.services[1].name',
        ),
        (
            {"services": [{"name": "a", "quality": 0.5}]},
            "pact.services[1].cost_usd: required with quality",
        ),
        (
            {"services": [SLOW | {"layers": 3}]},
            "pact.services[1].layers = 3: must not be given together with quality",
        ),
        (
            {"services": [PHYSICAL | {"satisfaction": None}]},
            "pact.services[1].satisfaction: required, or answers_met and answers_rated, or "
            "pact.outcomes in its place",
        ),
        (
            {"services": [{"name": "a"}]},
            "pact.services[1].quality: required with cost_usd, or else input_kb, output_kb, "
            "parameters, layers, context_tokens, attention_width, rate_flop_per_s",
        ),
        (
            {"services": [PHYSICAL | {"satisfaction": None, "answers_met": 5, "answers_rated": 4}]},
            "pact.services[1].answers_met = 5: must not exceed answers_rated = 4",
        ),
        (
            {"services": [PHYSICAL | {"answers_met": 5}]},
            "pact.services[1].answers_met = 5: must not be given together with satisfaction",
        ),
        (
            {"services": [PHYSICAL | {"satisfaction": None, "answers_met": 5}]},
            "pact.services[1].answers_rated: required with answers_met",
        ),
        (
            {"services": [PHYSICAL | {"dimensions": [0.5]}]},
            "pact.services[1].dimensions = [0.5]: must have one value for each of the 0 "
            "[[pact.dimensions]] (has 1)",
        ),
        (
            {"dimensions": [{"name": "a", "weight": 0.6}, {"name": "b", "weight": 0.5}]},
            "pact.dimensions = [{ name = \"a\", weight = 0.6 }, { name = \"b\", weight = 0.5 }]: "
            "the weights of all dimensions must not sum to more than 1 (sum to 1.1)",
        ),
        ({"quality_min": 1.0}, "pact.quality_min = 1.0: must be below quality_max = 1.0"),
        (
            {"valuation": {"form": "expression"}},
            'pact.valuation.expression: required with form = "expression"',
        ),
        (
            {"valuation": {"form": "power", "parameter": 1.5}},
            'pact.valuation.parameter = 1.5: must be below 1 with form = "power"',
        ),
        (
            {"valuation": {"expression": "q"}},
            'pact.valuation.expression = "q": must not be given with form = "log"',
        ),
        (
            {"tasks": [{"name": "x", "share": 1.0}]},
            'pact.tasks[1].name = "x": must be the task of a service',
        ),
        ({"colour": 1}, "pact.colour = 1: unknown key, allowed here are: types, "),
        ({"quality_mn": 1}, "pact.quality_mn = 1: unknown key, did you mean quality_min?"),
        ({"layers": 1}, "pact.layers = 1: unknown key here, did you mean pact.services[m].layers?"),
    ],
)  # fmt: skip
def test_what_is_impossible_is_refused_in_one_line(settings: dict[str, Any], line: str) -> None:
    found = lines(mine(**settings))
    assert any(text.startswith(line) for text in found), found
    assert len(found) <= 3


def test_all_faults_are_told_at_once_in_the_order_of_the_file() -> None:
    found = lines(
        mine(types=[2, 1], probabilities=[0.5, 0.6], services=[SLOW | {"quality": -1}, FAST, FAST])
    )
    assert [text.split(" =")[0] for text in found] == [
        "pact.types", "pact.services[1].quality", "pact.services[3].name", "pact.probabilities",
    ]  # fmt: skip


def test_tasks_have_services_shares_and_types_of_their_own() -> None:
    tasks = [
        {"name": "logs", "share": 0.7},
        {"name": "plans", "share": 0.3, "types": [1, 2, 4], "probabilities": [0.2, 0.3, 0.5]},
    ]
    services = [SLOW | {"task": "logs"}, FAST | {"task": "logs"}, SLOW | {"task": "plans"}]
    market = load_pact(mine(tasks=tasks, services=services)).pact
    assert market.tasks is not None
    assert market.tasks[1].types == (1.0, 2.0, 4.0)
    tasks[1] |= {"share": 0.4, "types": [1, 1, 4]}
    assert lines(mine(tasks=tasks, services=[*services, SLOW])) == [
        "pact.services[4].task: required with [[pact.tasks]]",
        "pact.tasks = [{ name = \"logs\", share = 0.7 }, { name = \"plans\", share ...: "
        "the shares of all tasks must sum to 1 (sum to 1.1)",
        "pact.tasks[2].types = [1, 1, 4]: must increase from one type to the next "
        "(type 2: 1 follows 1)",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "tables",
    [
        "pact",
        mine(),
        mine(
            dimensions=[{"name": "a", "weight": 0.2}],
            services=[PHYSICAL | {"dimensions": [0.4]}],
            valuation={"form": "expression", "expression": "sqrt(q)"},
        ),
    ],
)
def test_what_is_written_out_reads_back_equal(tables: Any) -> None:
    scenario = load_pact(tables)
    again = load_pact(tomllib.loads(dump_toml(scenario)))
    assert again == scenario
    assert scenario_hash(again) == scenario_hash(scenario)
    assert load_pact(scenario) == scenario


def test_a_setting_changes_the_hash() -> None:
    changed = load_pact("pact", ["pact.services[8].liability_usd=0.3"])
    assert scenario_hash(changed) != scenario_hash(load_pact("pact"))


def test_overrides_are_named_as_the_source() -> None:
    assert lines("pact", "pact.services[2].satisfaction=2") == [
        "--set: pact.services[2].satisfaction = 2: must be a finite number from 0 to 1"
    ]


def test_each_loader_refuses_the_other_kind_in_one_line() -> None:
    assert scenario_kind("pact") == "pact"
    assert scenario_kind("teleoperation") == "market"
    with pytest.raises(ScenarioError) as caught:
        load_scenario("pact")
    assert str(caught.value) == (
        "pact: is a PACT scenario, for `airan-market pact` and `run`, and describes no operators"
    )
    assert lines("teleoperation") == [
        "teleoperation: is an AI-RAN scenario, without a [pact] table, for `airan-market run` and "
        "`solve`"
    ]
    assert lines({"name": "neither"})[0].startswith("pact: required, must be a table of types")


def test_every_key_is_described_and_the_page_is_the_schema() -> None:
    keys = list(describe_keys(PactScenario))
    assert "pact.services[m].liability_usd" in {key.key for key in keys}
    for key in keys:
        assert all(key), key
        assert not key.meaning.endswith("."), key
    assert PAGE.read_text(encoding="utf-8").endswith(keys_markdown(PactScenario))


def test_values_that_the_paper_leaves_open_say_so() -> None:
    text = (Path(__file__).parents[3] / "scenarios" / "pact.toml").read_text(encoding="utf-8")
    for key in ("flop_cost_usd =", "# probabilities", 'form = "log"', "scale =", "c_h and c_m"):
        place = text.index(key)
        assert "assumed" in text[max(0, place - 420) : place + 120], key
