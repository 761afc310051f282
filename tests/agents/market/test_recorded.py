"""Markets on data of one's own: a trace of tasks, and radio rates that were measured."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from airan_market.agents import Market
from airan_market.agents.primitives.primitives import Primitives
from airan_market.agents.primitives.stations import rates_of
from airan_market.agents.primitives.traffic import traffic_of
from airan_market.agents.solution.solver import solve
from airan_market.scenarios import load_scenario
from airan_market.sim.streams import stream
from airan_market.sim.traffic.trace_file import TraceError

SHORT = ["simulation.rounds=3", "simulation.horizon_s=0.5", "simulation.warmup_s=0.25"]
END_S = 1.75


@pytest.fixture
def mine(tmp_path: Path) -> pd.DataFrame:
    """A trace of 400 tasks of all users over 2 s, written to mine.csv.gz in a new directory."""
    rng = stream(1, "mine")
    table = pd.DataFrame(
        {
            "arrival_s": np.sort(rng.uniform(0, 2, 400)),
            "user": rng.integers(1, 151, 400),
            "input_bits": rng.exponential(180e3, 400),
            "work_flop": rng.exponential(3.6e11, 400),
            "output_bits": rng.exponential(270e3, 400),
        }
    )
    table.to_csv(tmp_path / "mine.csv.gz", index=False)
    return table


def recorded(tmp_path: Path, *settings: str):
    trace = [
        f"simulation.arrivals.trace={tmp_path / 'mine.csv.gz'}",
        "simulation.arrivals.format=tasks",
    ]
    return load_scenario("teleoperation", [*SHORT, *trace, *settings])


IRELAND = Path(__file__).resolve().parents[4] / "shared" / "data" / "irish_5g_2020"
WORK = ["input_bits", "work_flop", "output_bits"]


def test_every_task_of_the_trace_is_offered_once_at_its_time_with_its_work(tmp_path, mine) -> None:
    scenario = recorded(tmp_path)
    users = Primitives.from_scenario(scenario, 1).users.astype(np.int64)
    traffic = traffic_of(scenario, 1, users)
    spans = [(0, 0.0, 0.25), (1, 0.25, 0.5), (2, 0.75, 0.5), (3, 1.25, 0.5)]
    rounds = [traffic.demand(r, start_s, lasts_s, 0) for r, start_s, lasts_s in spans]
    played = mine[mine["arrival_s"] < END_S]
    assert 300 < len(played) < 400
    for name, wanted in (("arrival_s", played["arrival_s"]), ("work", played[WORK]),
                         ("user", played["user"] - 1)):  # fmt: skip
        offered = np.concatenate([getattr(demand, name) for demand in rounds])
        assert np.array_equal(offered, wanted.to_numpy())
    type_of_user = np.repeat(np.arange(len(users)), users)
    for demand in rounds:
        assert np.array_equal(demand.type, type_of_user[demand.user])


@pytest.mark.parametrize("by", ["user", "type"])
def test_a_market_plays_the_tasks_of_those_who_take_an_operator(tmp_path, mine, by) -> None:
    if by == "type":
        mine["type"] = (mine.pop("user") - 1) // 19 + 1
        mine.to_csv(tmp_path / "mine.csv.gz", index=False)
    market = Market(recorded(tmp_path), seed=1)
    tasks = market.run().tasks
    assert tasks is not None
    wanted = mine.iloc[tasks["task"].to_numpy() - 1]  # tasks are numbered as they arrive
    assert len(tasks) > 200
    assert np.array_equal(tasks["arrival_s"], wanted["arrival_s"])
    assert np.array_equal(tasks[by], wanted[by])
    rates = rates_of(market.scenario.operators)[tasks["operator"] - 1]
    times_s = tasks[[f"{stage}_service_s" for stage in ("uplink", "gpu", "downlink")]].to_numpy()
    assert np.array_equal(times_s, wanted[WORK].to_numpy() / rates)
    assert any("mine.csv.gz offers" in note for note in market.notes)


def test_half_the_pace_of_a_trace_plays_half_of_it(tmp_path, mine) -> None:
    scenario = recorded(tmp_path, "simulation.arrivals.speed_up=0.5")
    users = Primitives.from_scenario(scenario, 1).users.astype(np.int64)
    demand = traffic_of(scenario, 1, users).demand(0, 0.0, END_S, 0)
    assert np.array_equal(demand.arrival_s, mine["arrival_s"][: len(demand)] / 0.5)
    assert len(demand) == (mine["arrival_s"] < END_S / 2).sum()


def test_a_user_that_there_is_not_is_one_line_with_its_row(tmp_path, mine) -> None:
    mine.assign(user=[*mine["user"][:-1], 151]).to_csv(tmp_path / "mine.csv.gz", index=False)
    with pytest.raises(TraceError, match=r"mine.csv.gz:401: user = 151: allowed a user, 1 to 150"):
        Market(recorded(tmp_path), seed=1)


def test_a_trace_of_tasks_is_a_law_of_work_too(tmp_path, mine) -> None:
    settings = ["simulation.arrivals=poisson", f"task.law.trace={tmp_path / 'mine.csv.gz'}",
                "task.law.format=tasks"]  # fmt: skip
    tasks = Market(load_scenario("teleoperation", [*SHORT, *settings]), seed=1).run().tasks
    sizes = tasks["gpu_service_s"] * 40e12 / 3.6e11 * mine["work_flop"].mean()
    assert (
        np.isclose(sizes.to_numpy()[:50, None], mine["work_flop"].to_numpy(), rtol=1e-9)
        .any(axis=1)
        .all()
    )


# ---- measured rates ----


@pytest.fixture
def rates(tmp_path: Path) -> list[str]:
    """Settings: operator 1's uplink has 100 and 25 Mbit/s by turns of half a second."""
    (tmp_path / "rate.csv").write_text("time_s,mbps\n0,100\n0.5,25\n")
    key = "operators[1].uplink.rate_bps"
    return [f"{key}.trace={tmp_path / 'rate.csv'}", f"{key}.column=mbps", f"{key}.unit_bps=1e6"]


def test_work_is_divided_by_the_rate_at_arrival(rates) -> None:
    plain, measured = (
        Market(
            load_scenario("teleoperation", [*SHORT, "simulation.assignment=projected", *more]), 1
        )
        for more in (["operators[1].uplink.rate_bps=40e6"], rates)
    )
    one, other = (
        market.run().tasks.sort_values("task", ignore_index=True) for market in (plain, measured)
    )
    # the mean of 1 / rate is 1 / 40 Mbit/s: operators agree on the same, users do the same
    assert one["task"].tolist() == other["task"].tolist()
    assert one["agreed_latency_s"].dropna().tolist() == other["agreed_latency_s"].dropna().tolist()
    first = (one["operator"] == 1).to_numpy()
    now_bps = np.where(one["arrival_s"] % 1.0 < 0.5, 100e6, 25e6)[first]
    bits = 40e6 * one["uplink_service_s"][first]
    assert (bits > 0).sum() > 100
    np.testing.assert_allclose(other["uplink_service_s"][first], bits / now_bps, rtol=1e-12)
    assert one["uplink_service_s"][~first].equals(other["uplink_service_s"][~first])
    for stage in ("gpu", "downlink"):
        assert one[f"{stage}_service_s"].equals(other[f"{stage}_service_s"])
    (note,) = (note for note in measured.notes if "uplink" in note)
    assert "1 / E[1 / rate] = 4e+07 bit/s" in note


def test_operators_reckon_with_the_mean_of_one_over_the_rate(rates) -> None:
    wanted = solve(load_scenario("teleoperation", ["operators[1].uplink.rate_bps=40e6"]))
    found = solve(load_scenario("teleoperation", rates))
    assert np.array_equal(found.menu.price_usd, wanted.menu.price_usd)
    arithmetic = solve(load_scenario("teleoperation", ["operators[1].uplink.rate_bps=62.5e6"]))
    assert not np.array_equal(found.menu.price_usd, arithmetic.menu.price_usd)


def test_a_drive_through_ireland_is_played() -> None:
    drive = IRELAND / "driving_2020.01.16_07.26.43.csv"
    if not drive.exists():
        pytest.skip(f"{drive.name} is not here")
    key = "operators[1].downlink.rate_bps"
    measured = {"trace": drive, "column": "DL_bitrate", "unit_bps": 1e3, "time": "Timestamp",
                "time_format": "%Y.%m.%d_%H.%M.%S", "least_bps": 1e6}  # fmt: skip
    market = Market(
        load_scenario("teleoperation", [*SHORT, *(f"{key}.{k}={v}" for k, v in measured.items())])
    )
    tasks = market.run().tasks
    first = tasks[tasks["operator"] == 1]
    # the first two seconds that were measured: 1, 0 and 1 kbit/s are left out at their head
    assert len(first) > 100
    assert market.scenario.operators[0].downlink.rate_bps.least_bps == 1e6
    (note,) = (note for note in market.notes if "downlink" in note)
    assert "of its 1981 rows are left out" in note


def test_a_rate_that_cannot_be_read_is_one_line(rates, tmp_path) -> None:
    (tmp_path / "rate.csv").write_text("time_s,mbps\n0,100\n0.5,0\n")
    with pytest.raises(TraceError, match=r"rate.csv:3: mbps = 0: allowed a number above 0"):
        solve(load_scenario("teleoperation", rates))
