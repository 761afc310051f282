"""The market: rounds of negotiation, choice, simulated traffic and settlement, as a Mesa model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mesa
import numpy as np
import pandas as pd
from mesa.datacollection import DataCollector

from airan_market.agents.contract.utility import Accounts
from airan_market.agents.market.announcement import Board
from airan_market.agents.market.clearing import ClearingHouse
from airan_market.agents.market.negotiation import Negotiation, Prearranged
from airan_market.agents.market.operator import OperatorAgent
from airan_market.agents.market.tables import (
    CONTRACT_COLUMNS,
    Tables,
    contract_rows,
    market_table,
    operator_table,
    rounds_table,
)
from airan_market.agents.market.user import UserAgent
from airan_market.agents.matching.assignment import OUT, follow_projection, split_proportionally
from airan_market.agents.matching.selection import project
from airan_market.agents.primitives.primitives import Primitives
from airan_market.agents.primitives.traffic import (
    discipline_notes,
    engine_of,
    rates_of,
    servers_of,
    traffic_of,
)
from airan_market.agents.solution.solver import arrive
from airan_market.scenarios import Scenario
from airan_market.sim.arrays import FloatArray, IntArray
from airan_market.sim.engines.engine import simulate
from airan_market.sim.streams import stream
from airan_market.sim.trace import State
from airan_market.sim.traffic.demand import offer

TaskSink = Callable[[pd.DataFrame], None]


@dataclass(frozen=True, eq=False)
class Terms:
    """What a round is traded on.

    Attributes
    ----------
    board : Board
        The menus in force.
    match_probability : array (M, N)
        Z behind them.
    operator_of_user : array (U,) of int
        What the users chose, `assignment.OUT` for staying out.
    """

    board: Board
    match_probability: FloatArray
    operator_of_user: IntArray


class Market(mesa.Model):
    """Users and operators of one scenario, round by round.

    In each round the agents negotiate (Algorithm 1, its iterations spread evenly over the rounds;
    with "ct", "mc" and "gsmc" all is settled before the first), operators post their menus, users
    choose, the tasks of the round are simulated, prices and refunds are settled task by task, and
    everybody observes what came of it.

    Parameters
    ----------
    scenario : Scenario
        With whole users.
    seed : int
        Root seed of every random stream of the run.
    task_sink : callable, optional
        Takes the rows of `tasks.parquet` that are final, round after round; without it they are
        kept in memory and stand in `tables().tasks`.

    Raises
    ------
    ValueError
        For fractional users, or a mechanism, belief or engine that is not there; each its class.
    airan_market.sim.traffic.request_trace.TraceError
        When recorded requests cannot be read.

    Examples
    --------
    >>> from airan_market.scenarios import load_scenario
    >>> short = ["simulation.rounds=1", "simulation.horizon_s=0.5", "simulation.warmup_s=0.1"]
    >>> tables = Market(load_scenario("teleoperation", short), seed=1).run()
    >>> len(tables.rounds), int(tables.rounds["users"].sum()) <= 150
    (24, True)
    """

    scenario: Any = None  # a plain attribute: from 3.5 on Mesa gives models one of its own

    def __init__(
        self, scenario: Scenario, seed: int = 0, task_sink: TaskSink | None = None
    ) -> None:
        super().__init__(rng=seed)
        if not scenario.users.whole_users:
            raise ValueError("users.whole_users = false: a run needs whole users")
        self.scenario = scenario
        self.primitives = Primitives.from_scenario(scenario, seed)
        self._seed = seed
        self._users_by_type = self.primitives.users.astype(np.int64)
        self._user_type = np.repeat(np.arange(self.primitives.types), self._users_by_type)
        self._traffic = traffic_of(scenario, seed, self._users_by_type)
        self._rates = rates_of(scenario.operators)
        self._servers = servers_of(scenario.operators)
        self._engine = engine_of(scenario)
        self._state = State.start(self._servers)
        self._durations_s = _durations(scenario)
        # sums one after another, so that start + duration is exactly the next start
        self._starts_s = np.concatenate([[0.0], np.cumsum(self._durations_s)])
        self._offered = 0  # tasks numbered so far
        self._kept: list[pd.DataFrame] = []
        self._sink = task_sink or self._kept.append
        self._closed = False
        self.round = 0
        self.operators = [
            OperatorAgent(self, m, self.primitives.of_operator(m))
            for m in range(self.primitives.operators)
        ]
        self.users = [self._user(int(type_)) for type_ in self._user_type]
        self._notes: tuple[str, ...] = ()
        self.negotiation = self._open_negotiation()
        self.clearing = ClearingHouse(
            self.primitives, self.rounds_planned, self._starts_s, len(self.users)
        )
        self.terms: Terms | None = None
        self.datacollector = _collector()

    @property
    def rounds_planned(self) -> int:
        """Rounds of the scenario."""
        return self.scenario.simulation.rounds

    @property
    def notes(self) -> list[str]:
        """Plain sentences that a reader of the run should know."""
        return [*self._traffic.notes(), *discipline_notes(self.scenario), *self._notes]

    def run(self, on_round: Callable[[Market], None] | None = None) -> Tables:
        """Play the rounds that are left, close, and return the tables.

        Parameters
        ----------
        on_round : callable, optional
            Called with the market after every round.
        """
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
        self.negotiation.until(-(-round_ * self._iterations // self.rounds_planned))
        self.terms = self._agree(round_)
        if round_ == 1:
            self._trade(0)
        self._trade(round_)
        self.round = round_
        self._observe()
        self._collect()

    def close(self) -> None:
        """Settle what is still under way, as far as it is decided, and hand out its rows."""
        if not self._closed:
            self._closed = True
            self._sink(self.clearing.close(self._state))

    def tables(self) -> Tables:
        """Tables of the rounds finished so far; `tasks` is None when a sink took them."""
        contracts = self.datacollector.get_table_dataframe("contracts")
        rounds = rounds_table(contracts, self.clearing, self.primitives, self._horizon_s)
        model = self.datacollector.get_model_vars_dataframe()
        operators = self.datacollector.get_agenttype_vars_dataframe(OperatorAgent)
        return Tables(
            rounds=rounds,
            market=market_table(model, rounds),
            operators=operator_table(operators, rounds),
            tasks=pd.concat(self._kept, ignore_index=True) if self._kept else None,
        )

    @property
    def _iterations(self) -> int:
        return self.scenario.mechanism.max_iterations

    @property
    def _horizon_s(self) -> float:
        return self.scenario.simulation.horizon_s

    def _user(self, type_: int) -> UserAgent:
        primitives = self.primitives
        return UserAgent(
            self,
            type_,
            float(primitives.latency_sensitivity_usd_per_s[type_]),
            float(primitives.demand_per_s[type_]),
            primitives.refund_usd,
            primitives.opt_out_utility_usd,
            primitives.operators,
        )

    def _open_negotiation(self) -> Negotiation | Prearranged:
        """Rounds of Algorithm 1, or the terms on which another mechanism settles before them."""
        settings = self.scenario.mechanism
        if settings.name == "mixed":
            return Negotiation(self.operators, self.users, self._users_by_type, settings)
        agreed = arrive(self.primitives)
        self._notes = agreed.notes
        return Prearranged(
            self.operators, self.users, self._users_by_type, agreed.menu, agreed.match_probability
        )

    def _agree(self, round_: int) -> Terms:
        """Menus are posted and put into force, users choose."""
        board = self.negotiation.post()
        self.clearing.agree(round_, board)
        matching = self.negotiation.match_probability
        return Terms(board, matching, self._choices(round_, matching))

    def _choices(self, round_: int, matching: FloatArray) -> IntArray:
        """Operator of every user, by the scenario's reading of the mixed matching."""
        reading = self.scenario.simulation.assignment
        if reading == "proportional":
            return split_proportionally(matching, self._users_by_type)
        if reading == "projected":
            projected = project(matching, self.primitives.effective_capacity_per_s)
            return follow_projection(projected, self._users_by_type)
        uniforms = stream(self._seed, "choice", round_).random(len(self.users))
        chosen = [user.choose(u) for user, u in zip(self.users, uniforms, strict=True)]
        return np.array(chosen, dtype=np.int64)

    def _trade(self, round_: int) -> None:
        """Simulate the tasks of a round and settle those that ended."""
        assert self.terms is not None
        start_s, end_s = self._starts_s[round_ : round_ + 2]
        demand = self._traffic.demand(round_, start_s, self._durations_s[round_], self._offered)
        self._offered += len(demand)
        workload = offer(demand, self.terms.operator_of_user, self._rates)
        self.clearing.admit(round_, workload)
        trace, self._state = simulate(
            workload,
            self._servers,
            until_s=end_s,
            state=self._state,
            **self._engine,
        )
        self._sink(self.clearing.settle(trace))

    def _observe(self) -> None:
        """Agents see what became of their own contracts."""
        clearing = self.clearing
        for operator in self.operators:
            operator.observe(
                clearing.tasks[self.round, operator.number],
                clearing.violations[self.round, operator.number],
            )
        paid = clearing.ledger.user_side("price").sum(axis=0)
        refunded = clearing.ledger.user_side("refund").sum(axis=0)
        for number, user in enumerate(self.users):
            user.observe(
                int(clearing.tasks_by_user[number]),
                int(clearing.violations_by_user[number]),
                float(paid[number]),
                float(refunded[number]),
            )

    def _collect(self) -> None:
        assert self.terms is not None
        for row in contract_rows(self.round, self.expected(), self.offered_users()):
            self.datacollector.add_table_row("contracts", row)
        self.datacollector.collect(self)

    def offered_users(self) -> IntArray:
        """Users that each operator and type got this round, (M, N)."""
        assert self.terms is not None
        chosen = self.terms.operator_of_user
        taken = chosen != OUT
        users = np.zeros((self.primitives.operators, self.primitives.types), dtype=np.int64)
        np.add.at(users, (chosen[taken], self._user_type[taken]), 1)
        return users

    def opted_out_users(self) -> int:
        """Users that stay out this round."""
        assert self.terms is not None
        return int((self.terms.operator_of_user == OUT).sum())

    def under_way(self, operator: int) -> int:
        """Tasks that an operator still has at the end of the round."""
        return int((self._state.operator == operator).sum())

    def expected(self) -> Accounts:
        """What this round's terms are worth to everybody."""
        assert self.terms is not None
        return Accounts(self.primitives, self.terms.board.menu, self.terms.match_probability)


def _durations(scenario: Scenario) -> FloatArray:
    """Length of the warm-up and of each round, s."""
    simulation = scenario.simulation
    return np.array([simulation.warmup_s, *[simulation.horizon_s] * simulation.rounds])


def _collector() -> DataCollector:
    return DataCollector(
        model_reporters={
            "round": lambda model: model.round,
            "temperature": lambda model: model.negotiation.temperature_usd,
            "residual": lambda model: model.negotiation.residual,
            "opted_out_users": lambda model: model.opted_out_users(),
            "operator_utility_expected_usd_per_s": lambda model: float(
                model.expected().operator_utility_usd_per_s.sum()
            ),
            "social_welfare_expected_usd_per_s": lambda model: float(
                model.expected().social_welfare_usd_per_s
            ),
        },
        agenttype_reporters={
            OperatorAgent: {
                "round": lambda operator: operator.model.round,
                "operator": lambda operator: operator.number + 1,
                "shadow_price_usd": lambda operator: operator.shadow_price_usd,
                "capacity_tasks_per_s": lambda operator: operator.effective_capacity_per_s,
                "load_expected_tasks_per_s": lambda operator: operator.expected_load_per_s,
                "under_way_tasks": lambda operator: operator.model.under_way(operator.number),
            }
        },
        tables={"contracts": list(CONTRACT_COLUMNS)},
    )
