"""A PACT market that is played: users choose, requests are served, promises meet what happened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from airan_market.agents.matching.assignment import OUT
from airan_market.agents.pact.market import markets_of
from airan_market.agents.pact.run.capacity import ServiceCapacity, capacity_of, capacity_tables
from airan_market.agents.pact.run.catalogue import catalogue_of
from airan_market.agents.pact.run.clearing import PactClearing
from airan_market.agents.pact.run.population import PactPopulation
from airan_market.agents.pact.run.provider import ProviderAgent, posted
from airan_market.agents.pact.run.tables import items_table, market_table, rounds_table
from airan_market.agents.pact.run.traffic import drawn_requests, station_times
from airan_market.agents.pact.run.user import PactUser
from airan_market.agents.primitives.traffic import DrawnTraffic
from airan_market.agents.rounds.agents import classes_of, require
from airan_market.agents.rounds.model import RoundModel, TaskSink, asked_for
from airan_market.scenarios import PactScenario, load_pact
from airan_market.scenarios.registry import DISCIPLINES
from airan_market.sim.engines.capacity import CapacityChanges
from airan_market.sim.streams import stream
from airan_market.sim.traffic.demand import Demand
from airan_market.sim.workload import Workload


@dataclass(frozen=True, eq=False)
class PactTables:
    """Tables of a run; `docs/tables.md` says what is in every column.

    Types are numbered in their task, services and users over all tasks, task after task. `capacity`
    and `capacity_curve` (how many users the promises bear) are empty while rounds are left, and for
    a discipline of one's own, which they do not know; `tasks` is None when a sink took them.
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


class PactSimulation(RoundModel):
    """Users and providers of one PACT scenario, round by round.

    In each round providers post their menus, users choose by what they may count on, the requests
    of the round pass the stations of their services, answers are met or not, and everybody observes
    what came of it. After the last round no more requests come, and all that are under way are
    served to their end: no slow request is left out of any mean.

    Parameters
    ----------
    scenario : PactScenario, str or Path
        Its menu is the discrete one of the configured services, which alone can be run.
    seed, task_sink
        As in `agents.rounds.model.RoundModel`.
    capacity : bool
        Whether the tables of a finished run say how many users the promises bear.
    provider_class : class, or mapping of str to class
        Derived from `ProviderAgent`; for all providers, or by the name of a task.
    user_class : class
        Derived from `PactUser`.
    **settings
        Values by dotted key that change the scenario.

    Attributes
    ----------
    providers, users : AgentSet
        In the order of tasks, and of types.

    Raises
    ------
    ScenarioError
        When the market is impossible, or a service cannot be run.
    airan_market.sim.traffic.trace_file.TraceError
        When recorded requests cannot be read.
    airan_market.agents.rounds.agents.AgentError
        When an agent of one's own answers what the market cannot take.

    Examples
    --------
    >>> from airan_market.scenarios import load_pact
    >>> short = ["simulation.rounds=2", "simulation.horizon_s=2", "simulation.engine=simpy"]
    >>> market = PactSimulation(load_pact("pact", short), seed=1)
    >>> market.step()
    >>> [provider.post().service.tolist() for provider in market.providers]
    [[0, 3, 6, 7]]
    """

    _traffic: DrawnTraffic
    _changing = (*RoundModel._changing, "service_of_user")

    def __init__(
        self,
        scenario: PactScenario | str | Path,
        seed: int | None = 0,
        task_sink: TaskSink | None = None,
        *,
        capacity: bool = True,
        provider_class: type[ProviderAgent] | Mapping[str, type[ProviderAgent]] = ProviderAgent,
        user_class: type[PactUser] = PactUser,
        **settings: Any,
    ) -> None:
        scenario = asked_for(scenario, settings, PactScenario, load_pact)
        markets = markets_of(_discrete(scenario))
        catalogue = catalogue_of(scenario, markets)
        super().__init__(scenario, seed, catalogue.servers, task_sink)
        self.markets, self.catalogue, self._wants_capacity = markets, catalogue, capacity
        self.population = PactPopulation.of(markets, scenario.traffic.users)
        self._traffic = drawn_requests(scenario, self.seed, self.population.users_by_type)
        self.notes += _notes(scenario)
        classes = classes_of(provider_class, [m.name for m in markets], ProviderAgent)
        first = np.searchsorted(catalogue.market, np.arange(len(markets)))
        self.providers = self._in_order(
            cls(
                self, number, market, int(first[number]), scenario.pact.liability_level,
                announces_measured=scenario.traffic.trust == "measured",
            )
            for number, (cls, market) in enumerate(zip(classes, markets, strict=True))
        )  # fmt: skip
        (user_class,) = classes_of(user_class, ["user"], PactUser)
        theta_usd, market_of_type = self.population.theta_usd, self.population.market
        self.users = self._in_order(
            user_class(self, float(theta_usd[k]), markets[market_of_type[k]].valuation)
            for k in self.population.type_of_user
        )
        self.service_of_user = np.full(len(self.users), OUT)
        self.clearing = PactClearing(catalogue, self.population, self._starts_s)
        self.datacollector = self._collector(
            users=lambda model: int((model.service_of_user != OUT).sum()),
            users_out=lambda model: int((model.service_of_user == OUT).sum()),
            requests=lambda model: int(model.clearing.by_service.requests[model.round].sum()),
            satisfied=lambda model: int(model.clearing.by_service.satisfied[model.round].sum()),
        )

    def tables(self) -> PactTables:
        """Tables of the rounds finished so far; `tasks` is None when a sink took them."""
        rounds = rounds_table(self.clearing, self.round)
        capacity, curve = capacity_tables(self._capacities())
        stations = self.occupancy[1 : self.round + 1]
        return PactTables(
            rounds=rounds,
            market=market_table(self.datacollector.get_model_vars_dataframe(), rounds),
            items=items_table(self.clearing, self.round, self._durations_s[-1], stations),
            capacity=capacity,
            capacity_curve=curve,
            tasks=self._task_table(),
        )

    def _capacities(self) -> list[ServiceCapacity]:
        if not self._wants_capacity or self.round < self.rounds_planned:
            return []
        if self.scenario.simulation.discipline not in DISCIPLINES.ours:
            return []  # all of ours are first come, first served here
        return capacity_of(self.scenario, self.markets, self.catalogue, self.seed)

    def _agree(self, round_: int) -> None:
        boards = [posted(provider, self.catalogue.market) for provider in self.providers]
        population, chosen = self.population, []
        for user, type_ in zip(self.users, population.type_of_user, strict=True):
            board = boards[population.market[type_]]
            service = user.choose(board)
            right = service == OUT or service in board.service
            require(user, bool(right), "choose()", service, "OUT or a service on the board")
            chosen.append(service)
        self.service_of_user = np.array(chosen, dtype=np.int64)
        self.clearing.agree(round_, boards, self.service_of_user)

    def _workload(self, round_: int, demand: Demand) -> Workload:
        self.clearing.draw_answers(stream(self.seed, "answers", round_).random(len(demand)))
        service, parts_s = self.service_of_user[demand.user], self.catalogue.parts_s
        taken = service != OUT
        demand, service = demand.select(taken), service[taken]
        return Workload(
            task=demand.task,
            arrival_s=demand.arrival_s,
            type=np.zeros(len(demand), dtype=np.int64),  # first come, first served
            operator=service,
            user=demand.user,
            service_s=station_times(parts_s, service, demand.work, self._traffic.law),
        )

    def _settle_rest(self) -> pd.DataFrame:
        """Serve what is under way to its end."""
        # one after another, on one server, all would be done by then
        end_s = self._state.clock_s + float(self._state.service_s.sum()) + 1.0
        trace = self._simulate(Workload.empty(), end_s, CapacityChanges.none())
        assert not len(self._state), "requests are left under way"
        return self.clearing.settle(trace)

    def _observe(self) -> None:
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


def _notes(scenario: PactScenario) -> list[str]:
    """What a reader should know of menu and users."""
    notes = []
    if scenario.pact.menu == "continuous":
        notes.append(
            "The run plays the discrete menu: only configured services can be served "
            "(pact.menu is continuous)."
        )
    if scenario.traffic.trust == "measured":
        notes.append("Users choose by the quality measured in the round before.")
    return notes
