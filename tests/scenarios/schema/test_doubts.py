"""Units that cannot be meant are told, rounds that no machine holds are refused; others are not."""

import re
import warnings

import pytest

from airan_market.scenarios import (
    ScenarioError,
    ScenarioWarning,
    load_pact,
    load_scenario,
    shipped_scenarios,
)
from airan_market.scenarios.schema.checks.doubts import MANY_TASKS, MOST_TASKS, require_playable

GPU = "operators[1].gpu.rate_flop_per_s"
PER_S = 150 * 24.0  # tasks of teleoperation


def doubts_of(*settings: str, load=load_scenario, source="teleoperation") -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        load(source, settings)
    assert {warning.category for warning in caught} <= {ScenarioWarning}
    return [str(warning.message) for warning in caught]


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        (f"{GPU}=40", r"= 40: in FLOP/s; .* 9e\+09 s; did you mean 40e12 \(40 TFLOP/s\)\?"),
        (f"{GPU}=40000", r"did you mean 40000e12 \(40000 TFLOP/s\)\?"),
        ("operators[2].uplink.rate_bps=0.5", r"= 0.5: in bit/s; .* did you mean 0.5e6 \(0.5 Mbit"),
        ("operators[2].downlink.rate_bps=1e-8", r"= 1e-08: in bit/s; .* s$"),
        ("task.input_bits=3", r"= 3: in bit; .* 1.5e-08 s; did you mean 3e3 \(3 kbit\)\?"),
        ("task.work_flop=5", r"= 5: in FLOP; .* did you mean 5e9 \(5 GFLOP\)\?"),
        ("task.work_flop=1e20", r"gpu.rate_flop_per_s = 4.*: the mean task would take 2.5e\+06 s"),
        ("simulation.horizon_s=10000", r"= 10000: 3.6e\+07 tasks at a time take about 18 GB of memo"
         r"ry; did you mean 10 \(10000 ms\)\?"),
        ("simulation.warmup_s=2e5", r"= 200000.0: 7.2e\+08 .* 360 GB .* mean 200 \(200000 ms\)\?"),
        ("users.total=10000", None),
        ("users.total=400000", r"horizon_s = 10.0: 9.6e\+07 tasks at a time take about 48 GB of m"),
    ],
)  # fmt: skip
def test_what_can_hardly_be_meant_is_told_in_one_line(setting, said) -> None:
    found = doubts_of(setting)
    if said is None:
        assert found == []
        return
    assert len({line.split(" = ")[0].split(".")[-1] for line in found}) == 1
    assert re.search(said, found[0]), found[0]
    assert "\n" not in found[0]
    assert found[0].startswith(("--set: ", "teleoperation: "))


@pytest.mark.parametrize("name", shipped_scenarios())
def test_no_doubt_about_what_ships(name) -> None:
    assert doubts_of(load=load_pact if name == "pact" else load_scenario, source=name) == []


@pytest.mark.parametrize(
    "settings",
    [
        # a phone's AI assistant, a language model on one slow GPU, a batch of video on many fast
        ["task.input_bits=2e3", "task.output_bits=800", "task.work_flop=1e9"],
        ["task.work_flop=2e13", *(f"operators[{m}].gpu.rate_flop_per_s=5e11" for m in (1, 2, 3))],
        ["task.input_bits=8e9", "task.output_bits=8e9", "task.work_flop=1e16"],
        # units of its own: rates of 1, work of 1
        [f"{key}=1" for m in (1, 2, 3) for key in
         (f"operators[{m}].gpu.rate_flop_per_s", f"operators[{m}].uplink.rate_bps",
          f"operators[{m}].downlink.rate_bps")]
        + ["task.input_bits=1", "task.work_flop=1", "task.output_bits=0.5"],
        ["simulation.horizon_s=3600", "simulation.rounds=100"],
        ["simulation.horizon_s=1e6", "users.tasks_per_user_per_s=0.01"],
    ],
)  # fmt: skip
def test_what_can_be_meant_is_not_doubted(settings) -> None:
    assert doubts_of(*settings) == []


def test_a_scenario_read_to_know_what_was_played_is_not_doubted() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_scenario("teleoperation", [f"{GPU}=40"], played=True)


@pytest.mark.parametrize("key", ["horizon_s", "warmup_s"])
def test_the_edge_between_told_and_refused(key) -> None:
    told_s, refused_s = MANY_TASKS / PER_S, MOST_TASKS / PER_S
    assert doubts_of(f"simulation.{key}={told_s * 0.999}") == []
    assert len(doubts_of(f"simulation.{key}={told_s * 1.001}")) == 1
    assert len(doubts_of(f"simulation.{key}={refused_s * 0.999}")) == 1
    assert doubts_of(f"simulation.{key}={refused_s * 1.001}") == []  # refused when it is played
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ScenarioWarning)
        require_playable(load_scenario("teleoperation", [f"simulation.{key}={refused_s * 0.999}"]))
    beyond = load_scenario("teleoperation", [f"simulation.{key}={refused_s * 1.001}"])
    with pytest.raises(ScenarioError, match=rf"simulation.{key} = .* GB of memory, allowed up to"):
        require_playable(beyond)


def test_a_pact_market_is_held_to_the_same() -> None:
    assert len(doubts_of("simulation.horizon_s=1e6", load=load_pact, source="pact")) == 1
    with pytest.raises(ScenarioError, match=r"pact: simulation.horizon_s = 1000000000.0: 3e\+10 "):
        require_playable(load_pact("pact", ["simulation.horizon_s=1e9"]))


def test_a_recorded_trace_brings_as_many_tasks_as_it_has() -> None:
    assert doubts_of("simulation.horizon_s=1e9", source="llm_replay") == []
