"""The service discipline as a setting: what the scenario names is what the stations play."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest

from airan_market.agents import Market
from airan_market.agents.pact.run import capacity
from airan_market.agents.pact.run.model import PactSimulation
from airan_market.scenarios import load_pact, load_scenario
from airan_market.scenarios.registry import DISCIPLINES, RegistryError, register_discipline
from airan_market.sim import FirstComeFirstServed, NonPreemptive, Station, Workload, simulate

SHORT = ["simulation.rounds=2", "simulation.horizon_s=1", "simulation.warmup_s=0.5",
         "simulation.engine=simpy", "task.law.lognormal_cv=3"]  # fmt: skip
STAGES = ("uplink", "gpu", "downlink")


class ShortestFirst(NonPreemptive):
    """Of the waiting tasks the one with the least work is served next."""

    def next_waiting(self):
        task = min(
            (task for queue in self.waiting for task in queue), key=lambda task: task.remaining_s
        )
        self.waiting[task.type].remove(task)
        return task


@pytest.fixture
def shortest_first() -> Iterator[str]:
    register_discipline("shortest-first")(ShortestFirst)
    yield "shortest-first"
    del DISCIPLINES._found["shortest-first"]


def tasks_of(*settings: str) -> pd.DataFrame:
    tasks = Market(load_scenario("teleoperation", [*SHORT, *settings]), seed=1).run().tasks
    assert tasks is not None
    return tasks


def ends_of(tasks: pd.DataFrame) -> np.ndarray:
    return tasks[[f"{stage}_end_s" for stage in STAGES]].to_numpy(float)


def played_again(tasks: pd.DataFrame, station: type[Station]) -> np.ndarray:
    """Ends of the tasks of a table, simulated on their own until the run ended."""
    tasks = tasks.sort_values(["arrival_s", "task"])
    work = Workload(
        *(tasks[name].to_numpy() - off for name, off in
          [("task", 0), ("arrival_s", 0.0), ("type", 1), ("operator", 1), ("user", 1)]),
        tasks[[f"{stage}_service_s" for stage in STAGES]].to_numpy(float),
    )  # fmt: skip
    scenario = load_scenario("teleoperation")
    servers = [[o.uplink.servers, o.gpu.servers, o.downlink.servers] for o in scenario.operators]
    trace, state = simulate(work, servers, until_s=2.5, station=station)
    ends = np.concatenate([trace.stage_end_s, state.stage_end_s])
    return ends[np.argsort(np.concatenate([trace.task, state.task]))]


@pytest.mark.parametrize(
    ("name", "station"),
    [
        ("preemptive-resume", Station),
        ("non-preemptive", NonPreemptive),
        ("fcfs", FirstComeFirstServed),
        ("shortest-first", ShortestFirst),
    ],
)
def test_a_market_plays_the_discipline_that_is_named(name, station, shortest_first) -> None:
    """The table of tasks is enough to play the run again, with that discipline alone."""
    tasks = tasks_of(f"simulation.discipline={name}").sort_values("task")
    again = {other: played_again(tasks, other) for other in {station, Station, NonPreemptive}}
    np.testing.assert_array_equal(ends_of(tasks), again.pop(station))
    for wrong in again.values():
        assert (np.nan_to_num(wrong) != np.nan_to_num(ends_of(tasks))).any()


def test_another_discipline_is_said_to_be_unknown_to_beliefs() -> None:
    settings = [*SHORT, "simulation.discipline=fcfs"]
    (note,) = (n for n in Market(load_scenario("teleoperation", settings)).notes if "fcfs" in n)
    assert note.endswith("reckon with 'preemptive-resume'.")


def test_what_is_no_station_is_one_line() -> None:
    def pump(clock, stage, servers, types, leave):
        raise AssertionError

    register_discipline("pump")(pump)
    try:
        scenario = load_scenario("teleoperation", [*SHORT, "simulation.discipline=pump"])
        with pytest.raises(RegistryError, match=r"^discipline 'pump': must be a subclass of"):
            Market(scenario)
    finally:
        del DISCIPLINES._found["pump"]


def test_requests_of_a_pact_market_have_one_type_so_only_another_order_matters(
    shortest_first, monkeypatch
) -> None:
    monkeypatch.setattr(capacity, "REQUESTS", 400)  # how many are borne is not the question
    monkeypatch.setattr(capacity, "SETTLING", 100)
    few = ["simulation.rounds=1", "simulation.horizon_s=20", "simulation.engine=simpy",
           "traffic.law=exponential", "traffic.users=900"]  # fmt: skip
    tasks = {
        name: PactSimulation(load_pact("pact", [*few, f"simulation.discipline={name}"]), 1).run()
        for name in ("preemptive-resume", "fcfs", shortest_first)
    }
    usual, first, shortest = tasks.values()
    pd.testing.assert_frame_equal(usual.tasks, first.tasks)
    pd.testing.assert_frame_equal(usual.capacity, first.capacity)
    assert not usual.tasks.equals(shortest.tasks)
    assert (len(usual.capacity) > 0, len(shortest.capacity)) == (True, 0)
