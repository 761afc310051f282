"""Table I of the PACT paper, and services by physics, by outcomes and given directly."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from airan_market.agents.pact import solve_pact
from airan_market.agents.pact.market import markets_of
from airan_market.agents.pact.service.latency import (
    flop_per_token,
    inference_s,
    tokenisation_s,
    tokens,
    transmission_s,
)
from airan_market.agents.pact.service.quality import cut, quality
from airan_market.agents.pact.service.services import latency_of, services_of
from airan_market.scenarios import ScenarioError, load_pact

PRINTED = [0.531, 0.555, 0.584, 0.655, 0.691, 0.728, 0.814, 0.848]
PHYSICAL = {
    "input_kb": 10, "output_kb": 30, "parameters": 1e9, "layers": 3, "context_tokens": 50,
    "attention_width": 7, "rate_flop_per_s": 4e11,
}  # fmt: skip


def mine(*services: dict[str, Any], **settings: Any) -> dict[str, Any]:
    named = [{"name": f"s{i}"} | service for i, service in enumerate(services, start=1)]
    return {"name": "mine", "pact": {"types": [1, 2], "services": named, **settings}}


def faults(tables: Any, *overrides: str) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        markets_of(load_pact(tables, overrides))
    return [str(fault) for fault in caught.value.faults]


def test_all_eight_printed_qualities_follow_from_a_quarter_token_per_kb() -> None:
    exact = services_of(load_pact("pact")).quality
    assert cut(exact).tolist() == PRINTED
    # cut, not rounded: three of them would round up
    assert (np.round(exact, 3) != PRINTED).sum() == 5


def test_the_printed_four_tokens_per_kb_give_something_else() -> None:
    as_printed = services_of(load_pact("pact", ["pact.tokens_per_kb=4"])).quality
    assert cut(as_printed)[7] == 0.680
    assert (cut(as_printed) != PRINTED).all()


def test_latency_term_by_term() -> None:
    assert transmission_s(10, 30, 1e6) == pytest.approx(0.32, abs=1e-15)
    assert tokenisation_s(10, 30, 2e-4, 3e-4) == pytest.approx(0.011, abs=1e-15)
    assert tokens(10, 30, 0.5) == 20
    assert flop_per_token(1e9, 3, 50, 7) == 2e9 + 2100
    assert inference_s(20 * (2e9 + 2100), 4e11) == pytest.approx(0.100000105, abs=1e-15)


def test_a_service_by_its_physics() -> None:
    market = load_pact(
        mine(
            PHYSICAL | {"satisfaction": 0.6, "hardware_cost_usd": 0.02, "model_cost_usd": 0.003,
                        "liability_usd": 0.4},
            rate_bps=1e6, tokenise_s_per_kb=2e-4, detokenise_s_per_kb=3e-4, tokens_per_kb=0.5,
            flop_cost_usd=1e-12, satisfaction_weight=0.3,
        )
    )  # fmt: skip
    found = services_of(market)
    assert found.latency_s == pytest.approx([0.431000105], abs=1e-12)
    assert latency_of(market.pact, market.pact.services[0]) == found.latency_s[0]
    assert found.quality == pytest.approx([0.3 * 0.6 + 0.7 * (1 - 0.431000105)], abs=1e-12)
    assert found.base_cost_usd == pytest.approx([0.040000042 + 0.023], abs=1e-12)
    assert found.cost_usd(2.0) == pytest.approx([0.040000042 + 0.823], abs=1e-12)


def test_quality_with_more_dimensions_is_a_mean_with_weights_that_sum_to_one() -> None:
    one = quality([1.0], [0.0], 0.4, [[1.0, 1.0]], [0.1, 0.3])
    assert one == pytest.approx([1.0], abs=1e-15)
    weights = [0.6 * 0.4, 0.6 * 0.6, 0.1, 0.3]
    values = [0.5, 1 - 0.2, 0.9, 0.25]
    found = quality([0.5], [0.2], 0.4, [[0.9, 0.25]], [0.1, 0.3])
    assert found == pytest.approx([np.dot(weights, values)], abs=1e-15)
    scenario = mine(
        PHYSICAL | {"satisfaction": 0.5, "dimensions": [0.9, 0.25]},
        satisfaction_weight=0.4,
        dimensions=[{"name": "accuracy", "weight": 0.1}, {"name": "depth", "weight": 0.3}],
    )
    services = services_of(load_pact(scenario))
    expected = quality([0.5], services.latency_s, 0.4, [[0.9, 0.25]], [0.1, 0.3])
    assert services.quality == pytest.approx(expected, abs=1e-15)


def test_estimated_satisfaction_carries_its_interval_into_quality() -> None:
    counted = PHYSICAL | {"answers_met": 35, "answers_rated": 100}
    found = services_of(load_pact(mine(counted, satisfaction_weight=0.3)))
    assert found.satisfaction.tolist() == [0.35]
    width = found.quality_high - found.quality_low
    assert width == pytest.approx([0.3 * (0.45185 - 0.25730)], abs=1e-5)  # Clopper–Pearson
    known = services_of(load_pact(mine(PHYSICAL | {"satisfaction": 0.35})))
    assert known.quality_low.tolist() == known.quality_high.tolist() == known.quality.tolist()


def test_outcomes_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "rated.csv"
    file.write_text("service,met,who\ns1,1,a\ns2,0,b\ns1,0,c\ns1,1,d\n", encoding="utf-8")
    both = mine(PHYSICAL, PHYSICAL | {"rate_flop_per_s": 8e11}, outcomes=str(file))
    assert services_of(load_pact(both)).satisfaction == pytest.approx([2 / 3, 0.0])
    third = mine(PHYSICAL, PHYSICAL, PHYSICAL, outcomes=str(file))
    assert faults(third) == [f"{file}: holds no rated answer of 's3'"]
    file.write_text("service,met\ns1,yes\n", encoding="utf-8")
    assert faults(both) == [f"{file}: line 2 = yes: met must be 1 or 0"]
    file.write_text("service,good\ns1,1\n", encoding="utf-8")
    assert faults(both) == [f"{file}: line 1: must have a column met"]
    assert "No such file" in faults(mine(PHYSICAL, outcomes="gone.csv"))[0]


def test_impossible_services_are_refused_in_one_line_each() -> None:
    slow = {"satisfaction": 0.1, "rate_flop_per_s": 1e10}
    assert faults(mine(PHYSICAL | slow, PHYSICAL | slow)) == [
        f"mine: pact.services[{i}]: its quality is -0.468: must be from 0 to 1 (latency 2.036 s)"
        for i in (1, 2)
    ]
    falling = mine({"quality": 0.8, "cost_usd": 0.1}, {"quality": 0.5, "cost_usd": 0.2})
    assert faults(falling) == [
        "mine: pact.services[1].cost_usd = 0.1: costs must not decrease with quality "
        "(pact.services[2] has lower quality and costs 0.2)"
    ]


def test_services_that_turn_out_dominated_are_told_of() -> None:
    """At 4 tokens per KB the longer answers of Table I are slower, so worse, and dearer."""
    notes = solve_pact(load_pact("pact", ["pact.tokens_per_kb=4"])).notes()
    assert len([note for note in notes if "and costs more" in note]) == 3
    assert not any("and costs more" in note for note in solve_pact(load_pact("pact")).notes())


def test_costs_may_fall_with_quality_because_of_liability_alone() -> None:
    market = load_pact(
        mine(
            {"quality": 0.5, "cost_usd": 0.1, "liability_usd": 0.9},
            {"quality": 0.8, "cost_usd": 0.2, "liability_usd": 0.1},
        )
    )
    assert services_of(market).cost_usd(1.0) == pytest.approx([1.0, 0.3])


def test_each_task_has_its_own_services_weight_and_types() -> None:
    scenario = load_pact(
        mine(
            PHYSICAL | {"satisfaction": 0.5, "task": "a"},
            {"quality": 0.2, "cost_usd": 0.01, "task": "b"},
            {"quality": 0.4, "cost_usd": 0.05, "task": "b"},
            probabilities=[0.9, 0.1],
            menu="discrete",
            tasks=[
                {"name": "a", "share": 0.25, "satisfaction_weight": 0.9},
                {"name": "b", "share": 0.75, "types": [1, 2, 5]},
            ],
        )
    )
    first, second = markets_of(scenario)
    assert first.services.names == ("s1",)
    assert second.services.names == ("s2", "s3")
    expected = quality([0.5], first.services.latency_s, 0.9)
    assert first.services.quality == pytest.approx(expected, abs=1e-15)
    assert first.types.probability.tolist() == [0.9, 0.1]
    assert second.types.probability == pytest.approx([1 / 3] * 3)
    assert (first.share, second.share) == (0.25, 0.75)
