"""The market: rounds of negotiation, choice, simulated traffic and settlement, as a Mesa model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from airan_market.agents.contract.utility import Accounts
from airan_market.agents.market.announcement import Terms
from airan_market.agents.market.clearing import ClearingHouse, Met
from airan_market.agents.market.negotiation import Negotiation
from airan_market.agents.market.operator import OperatorAgent
from airan_market.agents.market.strategy.operators import OPERATORS
from airan_market.agents.market.strategy.users import USERS
from airan_market.agents.market.tables import Tables, market_table, operator_table, rounds_table
from airan_market.agents.market.user import UserAgent
from airan_market.agents.matching.assignment import (
    OUT,
    follow_projection,
    split_proportionally,
)
from airan_market.agents.matching.response import project
from airan_market.agents.primitives.quality import quality_of_users
from airan_market.agents.primitives.services import of_type
from airan_market.agents.primitives.stations import (
    measured_rates,
    rate_notes,
    rates_of,
    servers_of,
)
from airan_market.agents.primitives.traffic import Traffic, traffic_of
from airan_market.agents.rounds.agents import classes_of, require
from airan_market.agents.rounds.model import RoundModel, TaskSink, asked_for
from airan_market.agents.rounds.snapshot import Places
from airan_market.agents.solution.solver import arrive_among
from airan_market.agents.world.conditions import Conditions
from airan_market.agents.world.timeline import Timeline
from airan_market.scenarios import Scenario, load_scenario
from airan_market.sim.arrays import FloatArray, IntArray
from airan_market.sim.engines.capacity import CapacityChanges
from airan_market.sim.streams import stream
from airan_market.sim.trace import State
from airan_market.sim.traffic.demand import Demand, offer
from airan_market.sim.traffic.rate_trace import RateSteps, RateTrace
from airan_market.sim.workload import Workload


class Market(RoundModel):
    """Users and operators of one scenario, round by round.

    In each round the agents negotiate (Algorithm 1, its iterations spread evenly over the rounds;
    with "ct", "mc" and "gsmc" all is settled before the first, and anew when conditions change),
    operators post their menus, users choose, the tasks of the round are simulated, prices and
    refunds are settled task by task, and everybody observes what came of it.

    Parameters
    ----------
    scenario : Scenario, str or Path
        With whole users; a name or a file is loaded.
    seed, task_sink
        As in `agents.rounds.model.RoundModel`.
    operator_class : class, or mapping of str to class
        Derived from `OperatorAgent`; for all operators, or by the name of an operator.
    user_class : class
        Derived from `UserAgent`.
    **settings
        Values by dotted key that change the scenario, such as `**{"users.total": 90}`.

    Attributes
    ----------
    operators, users : AgentSet
        In the order of their numbers.
    agreed : list of Terms
        What every round was traded on; `terms` is the last.

    Raises
    ------
    ValueError
        For fractional users, or a mechanism, belief or engine that is not there; each its class.
    airan_market.sim.traffic.trace_file.TraceError
        When recorded requests cannot be read.
    airan_market.agents.rounds.agents.AgentError
        When an agent of one's own answers what the market cannot take.

    Examples
    --------
    >>> from airan_market.scenarios import load_scenario
    >>> short = ["simulation.rounds=1", "simulation.horizon_s=0.5", "simulation.warmup_s=0.1"]
    >>> tables = Market(load_scenario("teleoperation", short), seed=1).run()
    >>> len(tables.rounds), int(tables.rounds["users"].sum()) <= 150
    (24, True)

    One that goes on where another stood:

    >>> whole, first, second = (Market("teleoperation", 1, **{"simulation.rounds": 2,
    ...     "simulation.horizon_s": 0.1, "simulation.warmup_s": 0.1}) for _ in range(3))
    >>> first.step()
    >>> second.restore(first.snapshot())
    >>> second.run().rounds.equals(whole.run().rounds)
    True
    """

    _changing = (*RoundModel._changing, "negotiation", "agreed", "_faced", "met")

    def __init__(
        self,
        scenario: Scenario | str | Path,
        seed: int | None = 0,
        task_sink: TaskSink | None = None,
        *,
        operator_class: type[OperatorAgent] | Mapping[str, type[OperatorAgent]] = OperatorAgent,
        user_class: type[UserAgent] = UserAgent,
        **settings: Any,
    ) -> None:
        scenario = asked_for(scenario, settings, Scenario, load_scenario)
        if not scenario.users.whole_users:
            raise ValueError("users.whole_users = false: a run needs whole users")
        super().__init__(scenario, seed, servers_of(scenario.operators), task_sink)
        self.timeline = Timeline(scenario, self.seed, self._starts_s)
        conditions = self.timeline.conditions(1)
        self.primitives = primitives = conditions.primitives
        self._state = State.start(self.timeline.first_servers)
        self._users_by_type = self.timeline.pool
        self._user_type = np.repeat(np.arange(primitives.types), self._users_by_type)
        self._user_quality = quality_of_users(scenario.users, self._users_by_type)
        self._traffic = traffic_of(scenario, self.seed, self._users_by_type)
        self._rates = rates_of(scenario.operators)
        self._measured_rates: dict[tuple[int, int], RateTrace | RateSteps] = {
            **measured_rates(scenario.operators),
            **self.timeline.rate_steps,
        }
        own = {o.name: OPERATORS[o.strategy.kind] for o in scenario.operators if o.strategy}
        given = operator_class if operator_class is not OperatorAgent else own
        classes = classes_of(given, [o.name for o in scenario.operators], OperatorAgent)
        self.operators = self._in_order(
            cls(self, m, primitives.of_operator(m)) for m, cls in enumerate(classes)
        )
        if user_class is UserAgent and scenario.users.strategy is not None:
            user_class = USERS[scenario.users.strategy.kind]
        self.met = Met.nothing(primitives.operators, primitives.types)
        (user_class,) = classes_of(user_class, ["user"], UserAgent)
        types = zip(self._user_type, self._user_quality, strict=True)
        self.users = self._in_order(self._user(user_class, int(n), int(x)) for n, x in types)
        nobody = np.flatnonzero(self._users_by_type == 0)
        absent = {int(n): self._user(UserAgent, int(n)) for n in nobody}
        for user in absent.values():
            user.remove()  # it is none of the model's agents
        self.notes = [*self._traffic.notes, *rate_notes(scenario.operators), *self.notes]
        if primitives.services is not None:
            self.notes += primitives.services.notes
        # Algorithm 1 is played by the agents, every other mechanism settles before the first round
        agreed = (
            None
            if scenario.mechanism.name == "mixed"
            else arrive_among(conditions.primitives, conditions.open)
        )
        self.notes += () if agreed is None else agreed.notes
        self.negotiation = Negotiation(
            self.operators, self.users, self._users_by_type, absent, scenario.mechanism, agreed,
            None if primitives.quality_share is None else self._user_quality,
        )  # fmt: skip
        self._faced = conditions
        if not (conditions.open.all() and (conditions.users == self._users_by_type).all()):
            self.negotiation.face(conditions, self._users_by_type)
            if agreed is not None:
                self.negotiation.settle(agreed)
        self.clearing = ClearingHouse(primitives, self._starts_s, len(self.users))
        self.clearing.keep_fresh = any(getattr(o, "wants_latencies", False) for o in self.operators)
        self._items_alike = all(type(user).items is UserAgent.items for user in self.users)
        self.agreed: list[Terms] = []
        self.datacollector = self._collector(
            temperature=lambda model: model.negotiation.temperature_usd,
            residual=lambda model: model.negotiation.residual,
            opted_out_users=lambda model: model.opted_out_users,
            operator_utility_expected_usd_per_s=lambda model: float(
                model.expected().operator_utility_usd_per_s.sum()
            ),
            social_welfare_expected_usd_per_s=lambda model: float(
                model.expected().social_welfare_usd_per_s
            ),
            tasks=lambda model: int(model.clearing.tasks[model.round].sum()),
            violations=lambda model: int(model.clearing.violations[model.round].sum()),
        )

    @property
    def terms(self) -> Terms:
        """What the round is traded on."""
        return self.agreed[-1]

    def tables(self) -> Tables:
        """Tables of the rounds finished so far; `tasks` is None when a sink took them."""
        agreed = self.agreed[: self.round]
        rounds = rounds_table(agreed, self.clearing, self._durations_s[-1])
        reports = self.datacollector.get_model_vars_dataframe()
        stations = self.occupancy[1 : self.round + 1]
        return Tables(
            rounds=rounds,
            market=market_table(reports, rounds),
            operators=operator_table(agreed, self.under_way[1:], stations, rounds),
            tasks=self._task_table(),
        )

    def _also_given(self) -> Places:
        """The conditions of every round, and what agents and books take from them.

        What holds for several rounds is named by the first of them, which is among those played: a
        market that is like this one up to some round, and then another, finds the same there.
        """
        rounds = range(self.rounds_planned, 0, -1)  # of equal things the last place counts
        return {
            (f"round {round_}", part): thing
            for round_ in rounds
            for part, thing in (
                ("conditions", self.timeline.conditions(round_)),
                ("primitives", self.timeline.conditions(round_).primitives),
                ("mechanism", self.timeline.conditions(round_).mechanism),
            )
        }

    def _user(self, user_class: type[UserAgent], type_: int, quality: int = 0) -> UserAgent:
        primitives = self.primitives
        user = user_class(
            self,
            type_,
            float(primitives.latency_sensitivity_usd_per_s[type_]),
            float(primitives.demand_per_s[type_]),
            of_type(primitives.refund_usd, type_),
            primitives.opt_out_utility_usd,
            primitives.operators,
            primitives.added_value_usd(type_, quality),
        )
        user.quality = quality
        return user

    @property
    def opted_out_users(self) -> int:
        """Users who are present and take no operator in this round."""
        return int(self.terms.conditions.users.sum() - self.terms.users.sum())

    def _agree(self, round_: int) -> None:
        conditions = self.timeline.conditions(round_)
        self._face(conditions)
        iterations = self.scenario.mechanism.max_iterations
        more = conditions.mechanism.iterations_per_round
        if more is None:
            self.negotiation.until(-(-round_ * iterations // self.rounds_planned))
        elif round_ == 1:
            self.negotiation.until(iterations)
        else:
            self.negotiation.more(more)
        board, matching = self.negotiation.post(), self.negotiation.match_probability
        self.clearing.agree(round_, board, conditions.primitives)
        chosen = self._choices(round_, matching)
        taken = chosen != OUT
        items = None if self._items_alike else self._items(chosen)
        users = np.zeros(matching.shape, dtype=np.int64)
        taken_items = (self._user_type if items is None else items)[taken]
        np.add.at(users, (chosen[taken], taken_items), 1)
        by_quality = self.negotiation.by_quality
        self.agreed.append(Terms(board, matching, chosen, users, conditions, items, by_quality))

    def _items(self, chosen: IntArray) -> IntArray:
        """Item that every user takes at the operator of its choice; of its type where it has none.

        Raises
        ------
        AgentError
            When a user takes an item that there is not.
        """
        items = self._user_type.copy()
        types = range(self.primitives.types)
        for number, (user, operator) in enumerate(zip(self.users, chosen, strict=True)):
            if operator == OUT:
                continue
            item = user.items()[operator]
            require(user, item in types, "items()", item, "a number of type")
            items[number] = item
        return items

    def _face(self, conditions: Conditions) -> None:
        """Let agents know the conditions of a round, if they are not those of the last."""
        before, self._faced = self._faced, conditions
        if conditions is before:
            return
        market = conditions.primitives
        for operator in self.operators:
            operator.primitives = market.of_operator(operator.number)
        for user in self.users:
            user.demand_of_type_per_s = float(market.demand_per_s[user.type])
            user.refund_usd = of_type(market.refund_usd, user.type)
            user.opt_out_utility_usd = market.opt_out_utility_usd
            user.added_value_usd = market.added_value_usd(user.type, user.quality)
        self.negotiation.face(conditions, self._users_by_type)
        if self.scenario.mechanism.name != "mixed":
            self.negotiation.settle(arrive_among(conditions.primitives, conditions.open))

    def _asking(self, round_: int) -> Traffic:
        conditions = self.timeline.conditions(round_)
        rate_per_s = conditions.primitives.task_rate_per_user_per_s
        return self._traffic.under(conditions.users, rate_per_s)

    def _changes(self, start_s: float, end_s: float) -> CapacityChanges:
        return self.timeline.changes(start_s, end_s)

    def _choices(self, round_: int, matching: FloatArray) -> IntArray:
        """Operator of every user, by the scenario's reading of the mixed matching."""
        reading, conditions = self.scenario.simulation.assignment, self.timeline.conditions(round_)
        present = self.negotiation.present
        if reading != "sampled":
            capacity_per_s = conditions.primitives.effective_capacity_per_s

            def projected(matching: FloatArray, users: IntArray) -> IntArray:
                return follow_projection(project(matching, capacity_per_s), users)

            rule = split_proportionally if reading == "proportional" else projected
            return self.negotiation.deal(rule, matching, self.negotiation.by_quality)
        uniforms = stream(self.seed, "choice", round_).random(len(self.users))
        users = list(self.users)
        if all(type(user).choose is UserAgent.choose for user in users):  # alike: all at once
            return np.where(present, self.negotiation.strategies().draw(uniforms), OUT)
        chosen = [user.choose(u) for user, u in zip(users, uniforms, strict=True)]
        allowed = range(OUT, len(self.operators))
        for user, operator in zip(users, chosen, strict=True):
            require(user, operator in allowed, "choose()", operator, "OUT or a number of operator")
        return np.where(present, np.array(chosen, dtype=np.int64), OUT)

    def _workload(self, round_: int, demand: Demand) -> Workload:
        terms = self.terms
        workload = offer(demand, terms.operator_of_user, self._rates, self._measured_rates)
        if terms.item_of_user is None:
            return workload
        return replace(workload, type=terms.item_of_user[workload.user])  # an item has a priority

    def _admit(self, round_: int, workload: Workload) -> None:
        items, market = self.terms.item_of_user, self.terms.conditions.primitives
        lost, beta = None, self.primitives.latency_sensitivity_usd_per_s
        if items is not None:
            lost = beta[items] - beta[self._user_type]
        gain = None
        if market.quality_share is not None:
            gain = market.quality_gain_usd[:, self._user_quality]
        self.clearing.admit(round_, workload, lost, gain)

    def _settle_rest(self) -> pd.DataFrame:
        """What is under way and late already has broken its agreement."""
        return self.clearing.close(self._state)

    def _observe(self) -> None:
        clearing = self.clearing
        self._meet()
        for m, operator in enumerate(self.operators):
            operator.observe(clearing.tasks[self.round, m], clearing.violations[self.round, m])
        paid = clearing.ledger.user_side("price")
        refunded = clearing.ledger.user_side("refund")
        self.clearing.fresh.clear()
        met = clearing.tasks_by_user, clearing.violations_by_user, paid, refunded
        for user, *own in zip(self.users, *(each.tolist() for each in met), strict=True):
            user.observe(*own)

    def _meet(self) -> None:
        """Add a round to what users met, discounted as the scenario says."""
        strategy, clearing, r = self.scenario.users.strategy, self.clearing, self.round
        if strategy is not None:
            ended, late = clearing.ended[r], clearing.violations[r]
            self.met = self.met.after(strategy.memory, ended, clearing.latency_sum_s[r], late)

    def expected(self) -> Accounts:
        """What this round's terms are worth to everybody."""
        terms = self.terms
        market, menu = terms.conditions.primitives, terms.board.menu
        return Accounts(market, menu, terms.match_probability, terms.by_quality)
