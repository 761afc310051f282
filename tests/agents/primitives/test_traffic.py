"""Traffic of a run: laws and bursts as the scenario asks, chance by name."""

import numpy as np
import pytest

from airan_market.agents import Market
from airan_market.agents.primitives.traffic import arrival_law, traffic_of, work_law
from airan_market.scenarios import load_scenario
from airan_market.sim.traffic.arrival_laws import Bursts, Poisson
from airan_market.sim.traffic.trace_file import TraceError
from airan_market.sim.traffic.work_laws import Deterministic, EmpiricalTasks, Exponential, Lognormal

SHORT = ["simulation.rounds=2", "simulation.horizon_s=2", "simulation.warmup_s=0.5"]
USERS = np.array([3, 0, 5])
TRACE = """\
TIMESTAMP,ContextTokens,GeneratedTokens
2023-11-16 18:17:03.9799600,400,10
2023-11-16 18:17:04.0319600,200,30
"""
BURSTS = "simulation.arrivals.burst_ratio=20"


def scenario(*settings):
    return load_scenario("teleoperation", [*SHORT, *settings])


@pytest.fixture
def trace_file(tmp_path):
    path = tmp_path / "two.csv"
    path.write_text(TRACE)
    return path


def from_trace(path):
    return [f"task.law.trace={path}", "task.law.format=azure-llm-2023"]


def test_laws_of_a_scenario(trace_file):
    assert work_law(scenario().task.law) == Exponential()
    assert work_law(scenario("task.law=deterministic").task.law) == Deterministic()
    assert work_law(scenario("task.law.lognormal_cv=0.5").task.law) == Lognormal(0.5)
    law = work_law(scenario(*from_trace(trace_file)).task.law)
    assert isinstance(law, EmpiricalTasks)
    assert law.rows[:, 0] == pytest.approx([4 / 3, 2 / 3])
    assert arrival_law(scenario().simulation.arrivals) == Poisson()
    assert arrival_law(scenario(BURSTS).simulation.arrivals) == Bursts(20.0, 0.1, 1.0)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("nonsense", ":1: header"),
        (TRACE.replace(",10", ",0").replace(",30", ",0"), ": rows: all 0, allowed a mean above 0"),
    ],
)
def test_a_file_without_a_law_of_work_is_refused_by_name(trace_file, text, line):
    trace_file.write_text(text)
    with pytest.raises(TraceError) as refused:
        work_law(scenario(*from_trace(trace_file)).task.law)
    assert str(refused.value).startswith(f"{trace_file}{line}")
    assert len(str(refused.value).splitlines()) == 1


def test_traffic_of_two_mechanisms_is_the_same_in_bursts_too():
    """Common random numbers: the demand does not know the mechanism, the belief or the engine."""
    one = traffic_of(scenario(BURSTS, "task.law.lognormal_cv=2"), 3, USERS)
    settings = [BURSTS, "task.law.lognormal_cv=2", "mechanism.name=ct", "mechanism.belief=fifo"]
    other = traffic_of(scenario(*settings), 3, USERS)
    assert one.demand(1, 0.5, 2.0, 7).equals(other.demand(1, 0.5, 2.0, 7))
    assert not one.demand(1, 0.5, 2.0, 7).equals(
        traffic_of(scenario(), 3, USERS).demand(1, 0.5, 2.0, 7)
    )


def test_the_pace_of_bursts_goes_on_from_round_to_round():
    """Rounds of 1 s within bursts of 100 s: counts of one run go together, those of 40 do not."""
    settings = ["simulation.arrivals.burst_mean_s=100", "simulation.arrivals.burst_share=0.5"]
    asked = load_scenario("teleoperation", [BURSTS, *settings, "simulation.horizon_s=1"])
    counts = np.array(
        [
            [
                len(traffic_of(asked, seed, np.array([8])).demand(r, float(r), 1.0, 0))
                for r in (1, 2)
            ]
            for seed in range(40)
        ]
    )
    assert np.corrcoef(counts.T)[0, 1] > 0.8
    assert counts[:, 0].std() > 100  # of a mean of 192: calm 18, bursts 366


@pytest.mark.parametrize(
    "settings", [["task.law=deterministic"], [BURSTS], ["task.law.lognormal_cv=3"]]
)
def test_a_run_with_other_laws_trades_and_says_so(settings):
    market = Market(scenario(*settings), seed=1)
    tables = market.run()
    assert tables.rounds["tasks"].sum() > 2000
    (note,) = market.notes
    assert "reckons with Poisson arrivals and exponential work" in note
    if settings == ["task.law=deterministic"]:
        works = tables.tasks.groupby("operator")["gpu_service_s"].nunique()
        assert (works == 1).all()


def test_plain_traffic_needs_no_note():
    assert traffic_of(scenario(), 1, USERS).notes == []
