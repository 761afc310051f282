"""A PACT market that is played: users choose, requests are served, promises meet what happened."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mesa
import numpy as np
import pandas as pd
from mesa.datacollection import DataCollector

from airan_market.agents.matching.assignment import OUT
from airan_market.agents.pact.market import markets_of
from airan_market.agents.pact.run.capacity import ServiceCapacity, capacity_of, capacity_tables
from airan_market.agents.pact.run.catalogue import catalogue_of
from airan_market.agents.pact.run.clearing import PactClearing
from airan_market.agents.pact.run.provider import ProviderAgent
from airan_market.agents.pact.run.tables import items_table, market_table, rounds_table
from airan_market.agents.pact.run.traffic import drawn_requests, station_times
from airan_market.agents.pact.run.user import PactUser
from airan_market.agents.primitives.population import largest_remainder
from airan_market.agents.primitives.traffic import discipline_notes, engine_of
from airan_market.scenarios import PactScenario
from airan_market.scenarios.registry import DISCIPLINES
from airan_market.sim.arrays import IntArray
from airan_market.sim.engines.engine import simulate
from airan_market.sim.streams import stream
from airan_market.sim.trace import State
from airan_market.sim.workload import Workload

TaskSink = Callable[[pd.DataFrame], None]


@dataclass(frozen=True, eq=False)
class PactTables:
    """Tables of a run; numbers of rounds, tasks (`market`), types, services, users are 1-based.

    Types are numbered in their task, services and users over all tasks, task after task.

    Attributes
    ----------
    rounds : DataFrame
        One row per round, task and type: the item that its users took,
        what it promised and what it was.
    market : DataFrame
        One row per round.
    items : DataFrame
        One row per round and service.
    capacity, capacity_curve : DataFrame
        How many users the promises bear (`capacity.capacity_tables`); empty while rounds are left,
        and for a discipline of one's own, which it does not know.
    tasks : DataFrame or None
        One row per request, when they were kept in memory.
    """

    rounds: pd.DataFrame
    market: pd.DataFrame
    items: pd.DataFrame
    capacity: pd.DataFrame
    capacity_curve: pd.DataFrame
    tasks: pd.DataFrame | None = None


def _discrete(scenario: PactScenario) -> PactScenario:
    """The scenario with the menu that can be run: then no cost curve has to fit either."""
    pact = scenario.pact.model_copy(update={"menu": "discrete"})
    return scenario.model_copy(update={"pact": pact})


class PactSimulation(mesa.Model):
    """Users and providers of one PACT scenario, round by round.

    In each round providers post their menus, users choose by what they may count on, the requests
    of the round pass the stations of their services, answers are met or not, and everybody observes
    what came of it. After the last round no more requests come, and all that are under way are
    served to their end: no slow request is left out of any mean.

    Parameters
    ----------
    scenario : PactScenario
        Its menu is the discrete one of the configured services, which alone can be run.
    seed : int
        Root of every random stream of the run.
    task_sink : callable, optional
        Takes the rows of `tasks.parquet`, round after round; without it they are kept in memory.
    capacity : bool
        Whether the tables of a finished run say how many users the promises bear.

    Raises
    ------
    ScenarioError
        When the market is impossible, or a service cannot be run.
    airan_market.sim.traffic.request_trace.TraceError
        When recorded requests cannot be read.

    Examples
    --------
    >>> from airan_market.scenarios import load_pact
    >>> short = ["simulation.rounds=2", "simulation.horizon_s=2", "simulation.engine=simpy"]
    >>> market = PactSimulation(load_pact("pact", short), seed=1)
    >>> market.step()
    >>> [provider.post().service.tolist() for provider in market.providers]
    [[0, 3, 6, 7]]
    """

    scenario: Any = None  # a plain attribute: from 3.5 on Mesa gives models one of its own

    def __init__(
        self,
        scenario: PactScenario,
        seed: int = 0,
        task_sink: TaskSink | None = None,
        *,
        capacity: bool = True,
    ) -> None:
        super().__init__(rng=seed)
        self._wants_capacity = capacity
        self.scenario = scenario
        self._seed = seed
        self.markets = markets_of(_discrete(scenario))
        self.catalogue = catalogue_of(scenario, self.markets)
        self.theta_usd = np.concatenate([m.types.theta_usd for m in self.markets])
        self.market_of_type = np.repeat(
            np.arange(len(self.markets)), [m.types.size for m in self.markets]
        )
        self.number_of_type = np.concatenate([np.arange(m.types.size) for m in self.markets])
        shares = np.concatenate([m.share * m.types.probability for m in self.markets])
        self.users_by_type = largest_remainder(shares, scenario.traffic.users)
        self.type_of_user = np.repeat(np.arange(shares.size), self.users_by_type)
        self._traffic = drawn_requests(scenario, seed, self.users_by_type)
        self._engine = engine_of(scenario)
        self._state = State.start(self.catalogue.servers)
        simulation = scenario.simulation
        self._durations_s = [simulation.warmup_s, *[simulation.horizon_s] * simulation.rounds]
        # sums one after another, so that start + duration is exactly the next start
        self._starts_s = np.concatenate([[0.0], np.cumsum(self._durations_s)])
        self._offered = 0  # requests numbered so far
        self._kept: list[pd.DataFrame] = []
        self._sink = task_sink or self._kept.append
        self._closed = False
        self.round = 0
        first = np.searchsorted(self.catalogue.market, np.arange(len(self.markets)))
        self.providers = [
            ProviderAgent(
                self, number, market, int(first[number]), scenario.pact.liability_level,
                announces_measured=scenario.traffic.trust == "measured",
            )
            for number, market in enumerate(self.markets)
        ]  # fmt: skip
        self.users = [
            PactUser(self, float(self.theta_usd[k]), self.markets[self.market_of_type[k]].valuation)
            for k in self.type_of_user
        ]
        self.clearing = PactClearing(
            self.catalogue,
            simulation.rounds,
            self._starts_s,
            self.type_of_user,
            self.market_of_type,
            self.number_of_type,
        )
        self.service_of_type = np.full((simulation.rounds + 1, shares.size), OUT)
        self.shown_quality = np.full((simulation.rounds + 1, len(self.catalogue.names)), np.nan)
        self.price_usd = self.shown_quality.copy()
        self.datacollector = DataCollector(
            model_reporters={
                "round": lambda model: model.round,
                "users": lambda model: sum(user.service != OUT for user in model.users),
                "users_out": lambda model: sum(user.service == OUT for user in model.users),
            }
        )

    @property
    def rounds_planned(self) -> int:
        """Rounds of the scenario."""
        return self.scenario.simulation.rounds

    @property
    def notes(self) -> list[str]:
        """Plain sentences that a reader of the run should know."""
        notes = discipline_notes(self.scenario)
        if self.scenario.pact.menu == "continuous":
            notes.append(
                "The run plays the discrete menu: only configured services can be served "
                "(pact.menu is continuous)."
            )
        if self.scenario.traffic.trust == "measured":
            notes.append("Users choose by the quality measured in the round before.")
        return notes

    def run(self, on_round: Callable[[PactSimulation], None] | None = None) -> PactTables:
        """Play the rounds that are left, close, and return the tables."""
        while self.round < self.rounds_planned:
            self.step()
            if on_round is not None:
                on_round(self)
        self.close()
        return self.tables()

    def step(self) -> None:
        """Play one round; before the first, the warm-up.

        Raises
        ------
        RuntimeError
            When the run is closed or all its rounds are played.
        """
        if self._closed or self.round >= self.rounds_planned:
            raise RuntimeError(f"round {self.round + 1}: the run is over")
        round_ = self.round + 1
        service_of_user = self._choose(round_)
        if round_ == 1:
            self._trade(0, service_of_user)
        self._trade(round_, service_of_user)
        self.round = round_
        self._observe()
        self.datacollector.collect(self)

    def close(self) -> None:
        """Serve what is under way to its end, and hand out its rows."""
        if self._closed:
            return
        self._closed = True
        state = self._state
        # one after another, on one server, all would be done by then
        end_s = state.clock_s + float(state.service_s.sum()) + 1.0
        trace, self._state = simulate(
            Workload.empty(), self.catalogue.servers, until_s=end_s, state=state,
            **self._engine,
        )  # fmt: skip
        assert not len(self._state), "requests are left under way"
        self._sink(self.clearing.settle(trace))

    def tables(self) -> PactTables:
        """Tables of the rounds finished so far; `tasks` is None when a sink took them."""
        rounds = rounds_table(self)
        capacity, curve = capacity_tables(self._capacities())
        return PactTables(
            rounds=rounds,
            market=market_table(self.datacollector.get_model_vars_dataframe(), rounds),
            items=items_table(self),
            capacity=capacity,
            capacity_curve=curve,
            tasks=pd.concat(self._kept, ignore_index=True) if self._kept else None,
        )

    def _capacities(self) -> list[ServiceCapacity]:
        discipline = self.scenario.simulation.discipline
        if not self._wants_capacity or self.round < self.rounds_planned:
            return []
        if discipline not in DISCIPLINES.ours:  # all of ours are first come, first served here
            return []
        return capacity_of(self.scenario, self.markets, self.catalogue, self._seed)

    def _choose(self, round_: int) -> IntArray:
        """Menus are posted and put into force, users choose; service of every user."""
        boards = [provider.post() for provider in self.providers]
        for board in boards:
            self.clearing.agree(round_, board.service, board.price_usd)
            self.shown_quality[round_, board.service] = board.quality
            self.price_usd[round_, board.service] = board.price_usd
        chosen = [
            user.choose(boards[self.market_of_type[k]])
            for user, k in zip(self.users, self.type_of_user, strict=True)
        ]
        service_of_user = np.array(chosen, dtype=np.int64)
        # users of a type think alike: the last one's choice is everybody's
        self.service_of_type[round_, self.type_of_user] = service_of_user
        return service_of_user

    def _trade(self, round_: int, service_of_user: IntArray) -> None:
        """Serve the requests of a round and settle those that ended."""
        start_s, end_s = self._starts_s[round_ : round_ + 2]
        demand = self._traffic.demand(round_, start_s, self._durations_s[round_], self._offered)
        self._offered += len(demand)
        self.clearing.draw_answers(stream(self._seed, "answers", round_).random(len(demand)))
        service = service_of_user[demand.user]
        taken = service != OUT
        demand, service = demand.select(taken), service[taken]
        workload = Workload(
            task=demand.task,
            arrival_s=demand.arrival_s,
            type=np.zeros(len(demand), dtype=np.int64),  # first come, first served
            operator=service,
            user=demand.user,
            service_s=station_times(
                self.catalogue.parts_s, service, demand.work, self._traffic.law
            ),
        )
        self.clearing.admit(round_, workload)
        trace, self._state = simulate(
            workload, self.catalogue.servers, until_s=end_s, state=self._state,
            **self._engine,
        )  # fmt: skip
        self._sink(self.clearing.settle(trace))

    def _observe(self) -> None:
        """Agents see what became of their own dealings."""
        clearing = self.clearing
        quality = clearing.measured_quality()[self.round]
        for provider in self.providers:
            own = self.catalogue.market == provider.number
            booked = clearing.by_service
            provider.observe(
                quality,
                float(booked.cost_usd[self.round, own].sum()),
                float(booked.liability_usd[self.round, own].sum()),
            )
        for number, user in enumerate(self.users):
            user.observe(
                int(clearing.requests_by_user[number]), float(clearing.paid_by_user_usd[number])
            )
