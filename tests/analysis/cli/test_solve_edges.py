"""`airan-market solve FILE --mechanism X` on markets at the edge, as a person calls it."""

import json
from pathlib import Path

import numpy as np
import pytest
import tomli_w

from airan_market.agents.certificate import menu_search
from airan_market.analysis.cli.program import invoke
from airan_market.scenarios.registry import MECHANISMS

NORTH = {"servers": (28, 8, 60), "name": "north"}
SOUTH = {"servers": (28, 6, 60), "name": "south"}
ORDINARY = {
    "total": 40,
    "beta": [8e-4, 4e-4, 1e-4],
    "shares": [0.2, 0.3, 0.5],
    "operators": (NORTH, SOUTH),
}
EDGES = {
    "saturation": {"total": 200},
    "ironing": {"beta": [8e-4, 7.9e-4, 1e-4], "shares": [0.6, 0.02, 0.38]},
    "one operator": {"operators": (SOUTH,)},
    "one type": {"beta": [4e-4], "shares": [1.0]},
    "a type without users": {"shares": [0.5, 0.0, 0.5]},
    "one operator of one type": {
        "operators": (SOUTH,),
        "beta": [4e-4],
        "shares": [1.0],
        "total": 1,
    },
}


def scenario_file(directory: Path, changes: dict) -> Path:
    """A market of two operators, or as changed, as a file."""
    market = ORDINARY | changes
    stages = (
        ("uplink", "rate_bps", 50e6),
        ("gpu", "rate_flop_per_s", 40e12),
        ("downlink", "rate_bps", 50e6),
    )
    operators = [
        {
            "name": operator["name"],
            **{
                stage: {"servers": count, key: rate}
                for (stage, key, rate), count in zip(stages, operator["servers"], strict=True)
            },
        }
        for operator in market["operators"]
    ]
    tables = {
        "name": "edge",
        "users": {
            "total": market["total"],
            "latency_sensitivity_usd_per_s": market["beta"],
            "shares": market["shares"],
            "tasks_per_user_per_s": 24.0,
        },
        "task": {"input_bits": 180e3, "work_flop": 3.6e11, "output_bits": 270e3},
        "economics": {
            "service_value_usd": 7e-4,
            "refund_usd": 1.2e-4,
            "violation_cost_usd": 1.2e-3,
            "running_cost_usd": 8e-6,
        },
        "operators": operators,
    }
    path = directory / "edge.toml"
    path.write_text(tomli_w.dumps(tables), encoding="utf-8")
    return path


@pytest.fixture(autouse=True)
def few_deviations(monkeypatch: pytest.MonkeyPatch) -> None:
    """How much a deviation could gain is not looked at here."""
    monkeypatch.setattr(menu_search, "BUDGET", 20)


@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize("mechanism", MECHANISMS.ours)
def test_solve_answers(
    edge: str, mechanism: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = scenario_file(tmp_path, EDGES[edge])
    assert invoke(["solve", str(path), "--mechanism", mechanism, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["mechanism"] == mechanism
    matching = np.array(told["match_probability"])
    types, operators = len(told["matching"]), len(told["operators"])
    assert matching.shape == (operators, types)
    assert (matching >= 0).all()
    everybody = matching.sum(axis=0) + told["opt_out_probability"]
    assert everybody == pytest.approx(np.ones(types), abs=1e-9)
    for operator in told["operators"]:
        latency = np.array(operator["latency_s"])
        assert (np.diff(latency) >= 0).all()
        assert np.isfinite(operator["price_usd"]).all()
        belief = np.array(operator["violation_belief"])
        assert ((belief >= 0) & (belief <= 1)).all()
    certificates = told["certificates"]
    assert certificates["max_ir_violation"] < 1e-12
    assert certificates["max_ic_violation"] < 1e-12
    assert len(certificates["best_deviation_gain_usd_per_s"]) == operators
    if edge == "saturation":
        capacity = sum(40e12 / 3.6e11 * o["servers"][1] for o in ORDINARY["operators"])
        assert capacity < 200 * 24
        # somebody is promised the longest agreement, or stays out
        longest = max(max(operator["latency_s"]) for operator in told["operators"])
        assert longest == 2.0 or max(told["opt_out_probability"]) > 0
    if edge == "ironing" and mechanism == "ct":
        pooled = [operator["latency_s"] for operator in told["operators"]]
        assert any((np.diff(latency) == 0).any() for latency in pooled)


@pytest.mark.parametrize("unit", ["user", "type"])
def test_gsmc_answers_in_both_readings(
    unit: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = scenario_file(tmp_path, EDGES["a type without users"])
    chosen = ["--mechanism", "gsmc", "--set", f"mechanism.gsmc_unit={unit}"]
    assert invoke(["solve", str(path), *chosen, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["matching"][1] == 0  # nobody of type 2
