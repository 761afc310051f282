"""A market without queues: fast tables with the right columns, for tests of what is done with them.

Tasks take random latencies that share a factor within a round (so that violations come in
clusters), prices and refunds follow the contract, a few tasks are carried into the next round.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from airan_market.analysis import play as play_module
from airan_market.analysis.play import play
from airan_market.analysis.store.reader import Run, load_run
from airan_market.analysis.store.tables import schema_of
from airan_market.scenarios import Scenario, load_scenario
from airan_market.sim.workload import STAGES

SCENARIO = {
    "schema_version": 1,
    "name": "toy",
    "users": {
        "total": 24,
        "latency_sensitivity_usd_per_s": [3e-4, 2e-4, 1e-4],
        "shares": [0.25, 0.25, 0.5],
        "tasks_per_user_per_s": 10.0,
    },
    "task": {"input_bits": 180e3, "work_flop": 3.6e11, "output_bits": 270e3},
    "economics": {
        "service_value_usd": 7e-4,
        "refund_usd": 1.2e-4,
        "violation_cost_usd": 1.2e-3,
        "running_cost_usd": 8e-6,
    },
    "operators": [
        {
            "name": name,
            "uplink": {"servers": 8, "rate_bps": 50e6},
            "gpu": {"servers": 4, "rate_flop_per_s": 40e12},
            "downlink": {"servers": 30, "rate_bps": 50e6},
        }
        for name in ("north <b>&", "south")
    ],
    "simulation": {"rounds": 4, "horizon_s": 5.0, "warmup_s": 1.0, "engine": "simpy"},
}
BELIEF = np.array([[0.02, 0.2, 1e-4], [0.5, 0.05, 0.3]])  # operator × type


def toy_scenario(*overrides: str) -> Scenario:
    return load_scenario(SCENARIO, overrides)


class FakeMarket:
    """Has the calls of `agents.market.model.Market` and nothing to do with its mathematics.

    `before_round(r)` is called by `simulate`, before round r is finished: the place to raise or
    to send a signal.
    """

    def __init__(
        self,
        scenario: Scenario,
        seed: int = 1,
        task_sink: Callable[[pd.DataFrame], None] | None = None,
        engine: str | None = None,
        before_round: Callable[[int], None] | None = None,
    ) -> None:
        self.scenario, self.seed, self.task_sink = scenario, seed, task_sink
        self.rounds_planned, self.round = scenario.simulation.rounds, 0
        self.notes = ["the market of this test has no queues"]
        self._before_round = before_round
        self._frames: dict[str, list[pd.DataFrame]] = {"rounds": [], "market": [], "operators": []}
        self._under_way = pd.DataFrame()
        self._next_task = 1
        self._closed = False

    @property
    def expected_tasks(self) -> np.ndarray:
        users = self.scenario.users
        spans_s = [self.scenario.simulation.warmup_s, *[self._horizon] * self.rounds_planned]
        return users.total * users.tasks_per_user_per_s * np.array(spans_s)

    def step(self) -> None:
        number = self.round + 1
        rng = np.random.default_rng([self.seed, number])
        drawn = [self._draw(rng, 0, 0.0, self.scenario.simulation.warmup_s)] if number == 1 else []
        start = self.scenario.simulation.warmup_s + self.round * self._horizon
        drawn.append(self._draw(rng, number, start, self._horizon))
        tasks = pd.concat([self._under_way, *drawn], ignore_index=True)
        ended = tasks["downlink_end_s"] < start + self._horizon
        if self.task_sink:
            self.task_sink(tasks[ended].sort_values("task"))
        self.simulate(number)
        self._under_way = tasks[~ended]
        self._count(tasks[tasks["round"] == number], number)
        self.round = number

    def simulate(self, number: int) -> None:
        """Stands for the engine: the part of a round that a signal may cut off."""
        if self._before_round:
            self._before_round(number)

    def close(self) -> None:
        if self._closed or self._under_way.empty:
            return
        self._closed = True
        tasks = self._under_way.copy()
        end = self.scenario.simulation.warmup_s + self.round * self._horizon
        overdue = tasks["arrival_s"] + tasks["agreed_latency_s"] <= end
        tasks.loc[:, ["downlink_end_s", "latency_s"]] = np.nan
        tasks["violated"] = np.where(overdue, True, None)
        tasks["refund_usd"] = np.where(overdue, tasks["refund_usd"].max(), np.nan)
        if self.task_sink:
            self.task_sink(tasks)

    def snapshot(self) -> bytes:
        kept = vars(self).keys() - {"task_sink", "_before_round", "scenario"}
        return pickle.dumps({name: getattr(self, name) for name in sorted(kept)})

    def restore(self, snapshot: bytes) -> None:
        vars(self).update(pickle.loads(snapshot))

    def tables(self) -> SimpleNamespace:
        return SimpleNamespace(
            **{
                name: pd.concat(frames)
                if frames
                else pd.DataFrame(columns=schema_of("market", name).names)
                for name, frames in self._frames.items()
            }
        )

    @property
    def _horizon(self) -> float:
        return self.scenario.simulation.horizon_s

    def _draw(
        self, rng: np.random.Generator, number: int, start: float, length: float
    ) -> pd.DataFrame:
        users = self.scenario.users
        count = rng.poisson(users.total * users.tasks_per_user_per_s * length)
        arrival = np.sort(rng.uniform(start, start + length, count))
        user = rng.integers(1, users.total + 1, count)
        n_types = len(users.latency_sensitivity_usd_per_s)
        type_ = np.minimum((user - 1) * n_types // users.total + 1, n_types)
        operator = rng.integers(1, len(self.scenario.operators) + 1, count)
        work = rng.exponential(0.01, (count, 3))
        latency = work.sum(axis=1) * rng.gamma(5, 0.2)  # one factor for the whole round
        agreed, violated = 0.06 + 0.01 * type_, latency > 0.06 + 0.01 * type_
        contract = number > 0
        tasks = pd.DataFrame(
            {
                "task": np.arange(count) + self._next_task,
                "round": number,
                "operator": operator,
                "type": type_,
                "user": user,
                "arrival_s": arrival,
                "uplink_service_s": work[:, 0],
                "gpu_service_s": work[:, 1],
                "downlink_service_s": work[:, 2],
                "uplink_end_s": arrival + latency / 3,
                "gpu_end_s": arrival + latency / 2,
                "downlink_end_s": arrival + latency,
                "uplink_preemptions": 0,
                "gpu_preemptions": rng.poisson(0.1, count),
                "downlink_preemptions": 0,
                "latency_s": latency,
                "agreed_latency_s": agreed if contract else np.nan,
                "price_usd": 6e-4 - 5e-5 * type_ if contract else np.nan,
                "violated": violated if contract else None,
                "refund_usd": violated * 1.2e-4 if contract else np.nan,
            }
        )
        self._next_task += count
        return tasks

    def _count(self, tasks: pd.DataFrame, number: int) -> None:
        cells = tasks.groupby(["operator", "type"])
        rounds = pd.DataFrame(
            {
                "tasks": cells.size(),
                "violations": cells["violated"].sum().astype(int),
                "revenue_usd": cells["price_usd"].sum(),
                "refunds_usd": cells["refund_usd"].sum(),
                "latency_s": cells["agreed_latency_s"].first(),
                "price_usd": cells["price_usd"].first(),
                "users": cells["user"].nunique(),
            }
        ).reset_index()
        operator, type_ = rounds["operator"].to_numpy() - 1, rounds["type"].to_numpy() - 1
        rounds.insert(0, "round", number)
        rounds["violation_belief"] = BELIEF[operator, type_]
        rounds["match_probability"] = 0.3 + 0.1 * operator + 0.02 * type_
        rounds["offered_tasks_per_s"] = rounds["tasks"] / self._horizon
        rounds["violation_rate"] = rounds["violations"] / rounds["tasks"]
        rounds["violation_cost_usd"] = rounds["violations"] * 1.2e-3
        rounds["running_cost_usd"] = rounds["tasks"] * 8e-6
        kept = rounds["revenue_usd"] - rounds["violation_cost_usd"] - rounds["running_cost_usd"]
        for who, realised in (("operator", kept / self._horizon), ("user", kept * 0 + 0.01)):
            rounds[f"{who}_utility_realised_usd_per_s"] = realised
            rounds[f"{who}_utility_expected_usd_per_s"] = 0.02
        self._frames["rounds"].append(rounds)
        totals = rounds.filter(like="_usd_per_s").sum()
        market = {"round": number, "temperature": 1e-5, "residual": 10.0**-number}
        market["opted_out_users"] = 1
        operators = (
            rounds.groupby("operator")
            .agg(
                load_expected_tasks_per_s=("offered_tasks_per_s", "sum"),
                offered_tasks_per_s=("offered_tasks_per_s", "sum"),
                operator_utility_expected_usd_per_s=("operator_utility_expected_usd_per_s", "sum"),
                operator_utility_realised_usd_per_s=("operator_utility_realised_usd_per_s", "sum"),
            )
            .reset_index()
        )
        operators.insert(0, "round", number)
        operators["shadow_price_usd"] = 0.0
        operators["capacity_tasks_per_s"] = 400.0
        operators["under_way_tasks"] = len(self._under_way)
        for stage in STAGES:
            operators[f"{stage}_utilisation"] = 0.5
            operators[f"{stage}_waiting_tasks"] = 0.25
        self._frames["operators"].append(operators)
        for kind in ("expected", "realised"):
            own = totals[f"operator_utility_{kind}_usd_per_s"]
            market[f"operator_utility_{kind}_usd_per_s"] = own
            market[f"social_welfare_{kind}_usd_per_s"] = (
                own + totals[f"user_utility_{kind}_usd_per_s"]
            )
        self._frames["market"].append(pd.DataFrame([market]))


@pytest.fixture(scope="session")
def scenario() -> Scenario:
    return toy_scenario()


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, scenario: Scenario) -> Path:
    """A complete run directory; tests must not change it."""
    target = tmp_path_factory.mktemp("runs") / "toy"
    played = play(scenario, seed=1, out=target, make_market=FakeMarket)
    assert played.status == "complete"
    return target


@pytest.fixture(scope="session")
def run(finished: Path) -> Run:
    return load_run(finished)


@pytest.fixture
def fake_market() -> type[FakeMarket]:
    return FakeMarket


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves out figures and report, which take most of a small run's time."""
    monkeypatch.setattr(play_module, "draw", lambda *_: None)


@pytest.fixture
def toy() -> Callable[..., Scenario]:
    """Makes the toy scenario, with overrides."""
    return toy_scenario
