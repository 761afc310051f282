"""The scenarios that ship: they load, and say of themselves what is true."""

import csv
import math
from datetime import datetime
from importlib import resources
from pathlib import Path

import pytest

from airan_market.scenarios import (
    Scenario,
    TraceArrivals,
    load_pact,
    load_scenario,
    scenario_kind,
    shipped_scenarios,
)

TRACE = Path(__file__).parents[3] / "shared/data/azure_llm_2023/AzureLLMInferenceTrace_conv.csv"

FITTED = ("shares", "service_value_usd", "temperature_end_usd")


@pytest.fixture
def replay() -> Scenario:
    return load_scenario("llm_replay")


def arrivals_of(scenario: Scenario) -> TraceArrivals:
    assert isinstance(scenario.simulation.arrivals, TraceArrivals)
    return scenario.simulation.arrivals


def test_every_shipped_file_loads_under_its_own_name() -> None:
    files = {file.name for file in resources.files("airan_market.scenarios").iterdir()}
    shipped = shipped_scenarios()
    assert {f"{name}.toml" for name in shipped} == {f for f in files if f.endswith(".toml")}
    for name in shipped:
        load = load_pact if scenario_kind(name) == "pact" else load_scenario
        assert load(name).name == name


def test_descriptions_are_one_line() -> None:
    told = shipped_scenarios()
    assert told["teleoperation"] == (
        "The default market of the AI-RAN paper: 150 teleoperation users, three operators, eight "
        "user types"
    )
    assert all(len(line) < 110 and "\n" not in line and line for line in told.values())


def test_a_shipped_name_wins_over_a_file_and_a_path_reaches_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = (
        resources.files("airan_market.scenarios")
        .joinpath("teleoperation.toml")
        .read_text(encoding="utf-8")
    )
    Path("teleoperation").write_text(text.replace("total = 150", "total = 3"), encoding="utf-8")
    assert load_scenario("teleoperation").users.total == 150
    assert load_scenario("./teleoperation").users.total == 3
    assert load_scenario(Path("teleoperation")).users.total == 3


def test_the_default_market_is_the_paper_s() -> None:
    market = load_scenario("teleoperation")
    assert market.users.total == 150
    assert market.users.tasks_per_user_per_s == 24
    assert market.users.latency_sensitivity_usd_per_s == tuple(n / 1e4 for n in range(8, 0, -1))
    assert market.users.shares is not None
    users = [150 * share for share in market.users.shares]
    assert users == pytest.approx([17, 21, 21, 20, 21, 19, 17, 14], abs=1e-9)
    assert market.task.model_dump() == {
        "input_bits": 0.18e6,
        "work_flop": 3.6e11,
        "output_bits": 0.27e6,
        "law": "exponential",
    }
    assert market.economics.refund_usd == 1.2e-4
    assert market.economics.violation_cost_usd == 1.2e-3
    assert market.economics.running_cost_usd == 8e-6
    servers = [(o.uplink.servers, o.gpu.servers, o.downlink.servers) for o in market.operators]
    assert servers == [(48, 24, 194), (43, 16, 172), (28, 12, 115)]
    assert {o.gpu.rate_flop_per_s for o in market.operators} == {40e12}
    assert {o.uplink.rate_bps for o in market.operators} == {200e6}
    assert {o.downlink.rate_bps for o in market.operators} == {200e6}
    mechanism = market.mechanism
    assert (mechanism.chernoff_zeta, mechanism.demand_floor, mechanism.damping) == (0.9, 0.05, 0.35)
    assert mechanism.max_iterations == 50
    assert market.simulation.engine == "compiled"


def test_values_that_the_paper_leaves_open_say_so() -> None:
    text = (
        resources.files("airan_market.scenarios")
        .joinpath("teleoperation.toml")
        .read_text(encoding="utf-8")
    )
    lines = text.splitlines()
    for key in [
        "opt_out_utility_usd",
        "latency_min_s",
        "latency_max_s",
        "tolerance",
        "temperature_start_usd",
        "capacity_safety",
        "shadow_price_step_usd",
        "assumed_workload_share",
        *FITTED,
    ]:
        place = next(i for i, line in enumerate(lines) if line.startswith(f"{key} ="))
        above = []
        for line in reversed(lines[:place]):
            if not line.startswith("#"):
                break
            above.append(line)
        word = "fitted" if key in FITTED else "assumed"
        assert word in " ".join([lines[place], *above]), key
    assert "gpu 40 TFLOP/s: fitted" in text
    assert "uplink and downlink 200 Mbit/s: assumed" in text


def test_the_replay_s_market_fits_its_own_arithmetic(replay: Scenario) -> None:
    demand_per_s = replay.users.total * replay.users.tasks_per_user_per_s
    busy = {
        "uplink": demand_per_s * replay.task.input_bits,
        "gpu": demand_per_s * replay.task.work_flop,
        "downlink": demand_per_s * replay.task.output_bits,
    }
    offered = {
        "uplink": sum(o.uplink.servers * o.uplink.rate_bps for o in replay.operators),
        "gpu": sum(o.gpu.servers * o.gpu.rate_flop_per_s for o in replay.operators),
        "downlink": sum(o.downlink.servers * o.downlink.rate_bps for o in replay.operators),
    }
    slack = {stage: offered[stage] / busy[stage] for stage in busy}
    assert slack["gpu"] == pytest.approx(1.6, abs=0.02)
    assert min(slack["uplink"], slack["downlink"]) > 4 * slack["gpu"]
    assert len({o.gpu.servers for o in replay.operators}) == 3
    # every type keeps more than the running cost at 3 s, some fifteen mean service times
    economics = replay.economics
    for sensitivity in replay.users.latency_sensitivity_usd_per_s:
        assert economics.service_value_usd - 3 * sensitivity > economics.running_cost_usd


def test_the_replay_is_sized_to_the_real_trace(replay: Scenario) -> None:
    if not TRACE.exists():
        pytest.skip(f"needs {TRACE.name} in ../shared/data/azure_llm_2023")
    with TRACE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    # seven decimals in the file, six in datetime: the last one does not matter here
    times = [datetime.fromisoformat(rows[i]["TIMESTAMP"][:-1]) for i in (0, -1)]
    length_s = (times[1] - times[0]).total_seconds()
    context = sum(int(row["ContextTokens"]) for row in rows) / len(rows)
    generated = sum(int(row["GeneratedTokens"]) for row in rows) / len(rows)
    arrivals, simulation = arrivals_of(replay), replay.simulation

    bits, flop = arrivals.bits_per_token, arrivals.flop_per_token
    assert replay.task.input_bits == pytest.approx(context * bits, rel=1e-5)
    assert replay.task.work_flop == pytest.approx((context + generated) * flop, rel=1e-5)
    assert replay.task.output_bits == pytest.approx(generated * bits, rel=1e-5)
    rate_per_s = len(rows) / length_s * arrivals.speed_up
    asked_per_s = replay.users.total * replay.users.tasks_per_user_per_s
    assert asked_per_s == pytest.approx(rate_per_s, rel=1e-4)
    played_s = simulation.warmup_s + simulation.rounds * simulation.horizon_s
    assert math.ceil(length_s / arrivals.speed_up) < played_s <= 3600 / arrivals.speed_up
