"""A market that is played in rounds: the Mesa model that the markets of both papers are."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any, Self, TypeVar

import mesa
import numpy as np
import pandas as pd
from mesa.agent import AgentSet
from mesa.datacollection import DataCollector

from airan_market.agents.primitives.stations import discipline_notes, engine_of
from airan_market.agents.primitives.traffic import Traffic
from airan_market.agents.rounds.roll import rolls_of
from airan_market.agents.rounds.snapshot import Places, given, packed, unpacked
from airan_market.scenarios.schema.checks.doubts import require_playable
from airan_market.sim.arrays import FloatArray, IntArray
from airan_market.sim.engines.capacity import CapacityChanges
from airan_market.sim.engines.engine import simulate
from airan_market.sim.engines.occupancy import Occupancy, occupancy
from airan_market.sim.trace import State, Trace
from airan_market.sim.traffic.demand import Demand
from airan_market.sim.workload import Workload

TaskSink = Callable[[pd.DataFrame], None]
Asked = TypeVar("Asked")

#: Tasks of a round that are simulated and settled at a time; memory and the caches hold them.
TASKS_AT_A_TIME = 1 << 20


class RoundModel(mesa.Model, ABC):
    """Rounds of agreement, simulated traffic and settlement, as many as the scenario asks for.

    `running` is False after the last: it ends `run_model()` and `mesa.batch_run`, and a further
    `step()` is an error. Agents are in `agents` and `agents_by_type`. Draws come from named streams
    of `seed`, not from Mesa's `random` and `rng`, which are there for agents of one's own.

    A market supplies `_agree`, `_workload`, `_observe`, `_settle_rest` and `tables`, sets
    `_traffic`, `clearing` and `datacollector`, adds to `notes`, and names in `_changing` which of
    its attributes change from round to round.

    Parameters
    ----------
    scenario : Scenario or PactScenario
    seed : int or None
        Root seed of every random stream of the run; None draws one, which `seed` then holds.
    servers : array (M, 3) of int
        Servers of every operator (or service) and stage.
    task_sink : callable, optional
        Takes the rows of `tasks.parquet` that are final, round after round; without it they are
        kept in memory and stand in `tables().tasks`.

    Raises
    ------
    ScenarioError
        For a round whose tasks no machine can hold.

    Attributes
    ----------
    round : int
        Rounds played.
    occupancy : list of Occupancy
        How full the stations were in the warm-up and in every round.
    under_way : list of array (M,) of int
        Tasks that every operator (or service) had at the end of each.
    notes : list of str
        Plain sentences that a reader of the run should know.
    """

    scenario: Any = None  # a plain attribute: from 3.5 on Mesa gives models one of its own
    running: bool
    clearing: Any
    _traffic: Traffic
    #: Attributes that change in play; with those of the agents they are the state of a market.
    _changing: tuple[str, ...] = (
        "round", "steps", "running", "occupancy", "under_way", "clearing", "_state", "_offered",
    )  # fmt: skip

    def __init__(
        self, scenario: Any, seed: int | None, servers: IntArray, task_sink: TaskSink | None
    ) -> None:
        require_playable(scenario)
        root = int(np.random.SeedSequence().generate_state(1)[0]) if seed is None else seed
        super().__init__(rng=root)
        self.scenario, self.seed = scenario, root
        simulation = scenario.simulation
        self._durations_s = np.array(
            [simulation.warmup_s, *[simulation.horizon_s] * self.rounds_planned]
        )
        # sums one after another, so that start + duration is exactly the next start
        self._starts_s = np.concatenate([[0.0], np.cumsum(self._durations_s)])
        self.notes = discipline_notes(scenario)
        self._engine = engine_of(scenario)
        self._servers = servers
        self._state = State.start(servers)
        self._offered = 0  # tasks numbered so far
        self._kept: list[pd.DataFrame] = []
        self._sink = task_sink or self._kept.append
        self._closed = False
        self.occupancy: list[Occupancy] = []
        self.under_way: list[IntArray] = []
        self.round = 0

    @property
    def rounds_planned(self) -> int:
        """Rounds of the scenario."""
        return self.scenario.simulation.rounds

    @property
    def expected_tasks(self) -> FloatArray:
        """Mean number of tasks of the warm-up and of every round, (rounds + 1,)."""
        spans = zip(self._starts_s, self._durations_s, strict=False)
        return np.array([self._asking(r).mean_tasks(*span) for r, span in enumerate(spans)])

    def run(self, on_round: Callable[[Self], None] | None = None) -> Any:
        """Play the rounds that are left, close, and return the tables.

        Parameters
        ----------
        on_round : callable, optional
            Called with the market after every round.
        """
        while self.running:
            self.step()
            if on_round is not None:
                on_round(self)
        self.close()
        return self.tables()

    def run_model(self) -> None:
        """Play the rounds that are left and close: Mesa's word for `run`, without the tables."""
        super().run_model()
        self.close()

    def step(self) -> None:
        """Play one round; before the first, the warm-up.

        Raises
        ------
        RuntimeError
            When the run is closed or all its rounds are played.
        """
        if not self.running:
            raise RuntimeError(f"round {self.round + 1}: the run is over")
        round_ = self.round + 1
        assert self._given  # as long as nothing has changed
        self._agree(round_)
        if round_ == 1:
            self._trade(0)
        self._trade(round_)
        self.round = round_
        self._observe()
        self.datacollector.collect(self)
        self.running = round_ < self.rounds_planned

    def snapshot(self) -> bytes:
        """State between two rounds, for `restore` of a market made alike.

        Raises
        ------
        SnapshotError
            When an agent of one's own holds what cannot be kept, such as an open file.
        """
        content = {
            "market": {name: getattr(self, name) for name in self._changing},
            "agents": rolls_of(self.agents),
            "collected": self.datacollector.model_vars,
            "draws": (self.random.getstate(), self.rng.bit_generator.state),
        }
        return packed(content, self._given, self._modules())

    def restore(self, snapshot: bytes) -> None:
        """Take up the state of another market, which was made with the same arguments as this.

        Raises
        ------
        SnapshotError
            When it is no such state.

        Examples
        --------
        See `agents.market.model.Market`.
        """
        agents = {agent.unique_id: agent for agent in self.agents}
        content = unpacked(
            snapshot,
            self._given,
            self._modules(),
            lambda found: (
                {number for roll in found["agents"] for number in roll.numbers} == agents.keys()
                and found["market"].keys() == set(self._changing)
            ),
        )
        for name, value in content["market"].items():
            setattr(self, name, value)
        for roll in content["agents"]:
            for number, attributes in roll:
                vars(agents[number]).update(attributes)
        self.datacollector.model_vars = content["collected"]
        drawn, self.rng.bit_generator.state = content["draws"]
        self.random.setstate(drawn)

    def _modules(self) -> set[str]:
        """Where the classes of the agents are from."""
        return {type(agent).__module__ for agent in self.agents}

    @cached_property
    def _given(self) -> Places:
        """What the scenario gives, by its place; first asked for before the first round."""
        changing = {name: getattr(self, name) for name in self._changing}
        parts = {name: part for name, part in changing.items() if hasattr(part, "__dict__")}
        agents = {f"agent {agent.unique_id}": agent for agent in self.agents}
        return {**given({"market": self, **agents}, parts), **self._also_given()}

    def _also_given(self) -> Places:
        """What else the scenario gives and a market made alike has: nothing, unless it says so."""
        return {}

    def close(self) -> None:
        """End the run: settle what is still under way and hand out its rows."""
        if not self._closed:
            self._closed, self.running = True, False
            self._sink(self._settle_rest())

    @abstractmethod
    def tables(self) -> Any:
        """Tables of the rounds finished so far; `tasks` is None when a sink took them."""

    @abstractmethod
    def _agree(self, round_: int) -> None:
        """Menus are posted and put into force, users choose."""

    @abstractmethod
    def _workload(self, round_: int, demand: Demand) -> Workload:
        """Tasks of a round as they come to the stations of those whom users chose."""

    @abstractmethod
    def _observe(self) -> None:
        """Agents see what became of their own dealings."""

    @abstractmethod
    def _settle_rest(self) -> pd.DataFrame:
        """Settle what is under way at the end; returns its rows."""

    def _trade(self, round_: int) -> None:
        """Simulate the tasks of a round and settle those that ended."""
        start_s, end_s = self._starts_s[round_ : round_ + 2]
        duration_s = self._durations_s[round_]
        demand = self._asking(round_).demand(round_, start_s, duration_s, self._offered)
        self._offered += len(demand)
        workload = self._workload(round_, demand)
        self._admit(round_, workload)
        del demand  # the tasks of a round stand once
        self.occupancy.append(
            Occupancy.total(
                self._play(part, until_s) for part, until_s in self._parts(workload, end_s)
            )
        )
        self.under_way.append(np.bincount(self._state.operator, minlength=len(self._servers)))

    def _parts(self, workload: Workload, end_s: float) -> Iterable[tuple[Workload, float]]:
        """Tasks of a round as they are played: a batching GPU begins its step anew at a cut."""
        if self._engine["engine"] != "compiled":
            return [(workload, end_s)]
        return workload.spans(TASKS_AT_A_TIME, end_s)

    def _play(self, workload: Workload, until_s: float) -> Occupancy:
        """Simulate tasks up to a time and settle those that ended."""
        before = self._state
        changes = self._changes(before.clock_s, until_s)
        trace = self._simulate(workload, until_s, changes)
        self._sink(self.clearing.settle(trace))
        return occupancy(trace, before, self._state, changes)

    def _admit(self, round_: int, workload: Workload) -> None:
        """Charge the tasks of a round."""
        self.clearing.admit(round_, workload)

    def _asking(self, round_: int) -> Traffic:
        """Traffic of those who are there in a round."""
        return self._traffic

    def _changes(self, start_s: float, end_s: float) -> CapacityChanges:
        """Servers that come and go in a span."""
        return CapacityChanges.none()

    def _simulate(self, workload: Workload, until_s: float, changes: CapacityChanges) -> Trace:
        """Go on from the state so far."""
        trace, self._state = simulate(
            workload,
            self._servers,
            until_s=until_s,
            state=self._state,
            changes=changes,
            **self._engine,
        )
        return trace

    def _collector(self, **reporters: Callable[[Any], Any]) -> DataCollector:
        """What Mesa collects at the end of a round; counts are those known by then."""
        both = {"round": lambda model: model.round, "seed": lambda model: model.seed}
        return DataCollector(model_reporters=both | reporters)

    def _in_order(self, agents: Iterable[mesa.Agent]) -> AgentSet:
        return AgentSet(agents, random=self.random)

    def _task_table(self) -> pd.DataFrame | None:
        return pd.concat(self._kept, ignore_index=True) if self._kept else None


def asked_for(
    scenario: Any, settings: Mapping[str, Any], kind: type[Asked], load: Callable[..., Asked]
) -> Asked:
    """Scenario that a model was asked to play: one that is there, or one to be loaded and changed.

    Parameters
    ----------
    scenario : Scenario, str, Path or mapping
        What `load` takes.
    settings : mapping
        Values by dotted key, as `mesa.batch_run` passes parameters.
    kind, load
        `Scenario` and `load_scenario`, or those of PACT.

    Examples
    --------
    >>> from airan_market.scenarios import Scenario, load_scenario
    >>> asked_for("teleoperation", {"users.total": 7}, Scenario, load_scenario).users.total
    7
    >>> rhythm = {"users.rhythm": {"day_s": 20.0}, "mechanism.iterations_per_round": 5}
    >>> asked_for("teleoperation", rhythm, Scenario, load_scenario).users.rhythm.day_s
    20.0
    """
    if isinstance(scenario, tuple):
        hint = "Mesa's batch_run has taken a scenario apart: pass it in a list, {'scenario': [it]}"
        raise TypeError(f"scenario: {hint}")
    if isinstance(scenario, kind) and not settings:
        return scenario
    return load(scenario, [f"{key}={_as_toml(value)}" for key, value in settings.items()])


def _as_toml(value: Any) -> str:
    """A value as it may stand behind `key=`; of what is neither table nor list, JSON is TOML.

    >>> _as_toml([{"at_round": 2, "what": "fails", "who": "operator 1"}])
    '[{at_round = 2, what = "fails", who = "operator 1"}]'
    """
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key} = {_as_toml(item)}' for key, item in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_as_toml, value))}]"
    return json.dumps(value, default=lambda number: number.tolist())  # NumPy's numbers
