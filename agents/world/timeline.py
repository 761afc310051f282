"""The timeline of a run: its conditions in every round, and what changes inside rounds.

All of it follows from the scenario and the seed, before anybody decides anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property

import numpy as np

from airan_market.agents.primitives.primitives import Primitives
from airan_market.agents.primitives.quality import quality_shares
from airan_market.agents.primitives.stations import fading_rates, rates_of, servers_of
from airan_market.agents.world.conditions import Conditions
from airan_market.agents.world.ran import RanControl, controls
from airan_market.agents.world.rhythm import demand_factors
from airan_market.scenarios import Fault, Scenario, ScenarioError, load_scenario
from airan_market.scenarios.schema.dynamics import Event
from airan_market.sim.arrays import BoolArray, FloatArray, IntArray
from airan_market.sim.engines.capacity import CapacityChanges
from airan_market.sim.traffic.rate_trace import RateSteps

STAGE = {"uplink": 0, "gpu": 1, "downlink": 2}
WORK_KEY = ("input_bits", "work_flop", "output_bits")
#: Events that are another value of a setting: its key.
SETTING = {
    "refund": "economics.refund_usd",
    "violation_cost": "economics.violation_cost_usd",
    "running_cost": "economics.running_cost_usd",
    "opt_out_utility": "economics.opt_out_utility_usd",
    "demand": "users.tasks_per_user_per_s",
}


@dataclass(frozen=True, eq=False)
class Sites:
    """Stations and doors of all operators at one moment.

    Attributes
    ----------
    servers : array (M, 3) of int
        In force, but for those that the RAN has: 0 where an operator has failed.
    nominal : array (M, 3) of int
        What an operator has when it has not failed.
    rates : array (M, 3)
    open : array (M,) of bool
    """

    servers: IntArray
    nominal: IntArray
    rates: FloatArray
    open: BoolArray


class Timeline:
    """What a run's events, rhythm and RAN bring.

    Parameters
    ----------
    scenario : Scenario
    seed : int
    starts_s : array (rounds + 2,)
        Start of the warm-up and of every round, and the end of the last.

    Raises
    ------
    ScenarioError
        When a value that an event sets is not allowed where it stands.
    airan_market.sim.traffic.trace_file.TraceError
        When a trace cannot be read.

    Examples
    --------
    >>> events = 'events=[{at_round=2, what="fails", who="operator 3"}]'
    >>> market = load_scenario("teleoperation", [events, "mechanism.iterations_per_round=5"])
    >>> line = Timeline(market, 1, np.array([0.0, 2.0, 12.0, 22.0]))
    >>> line.conditions(1).open.tolist(), line.conditions(2).open.tolist()
    ([True, True, True], [True, True, False])
    >>> line.changes(12.0, 22.0).servers.tolist()
    [0, 0, 0]
    """

    def __init__(self, scenario: Scenario, seed: int, starts_s: FloatArray) -> None:
        self._scenario, self._seed, self._starts_s = scenario, seed, starts_s
        self.events = [(self._moment_s(event), event) for event in scenario.events or ()]
        self._handed_over_s = [
            float(starts_s[event.at_round + 1])
            for _, event in self.events
            if event.what == "is_bought" and event.at_round is not None
        ]
        self._ordered = sorted(self.events, key=lambda item: item[0])
        self.names = [operator.name for operator in scenario.operators]
        self.ran: list[RanControl] = (
            controls(scenario.ran, len(self.names), starts_s[-1], seed) if scenario.ran else []
        )
        self._factors = demand_factors(scenario.users.rhythm, starts_s, seed)
        base = Primitives.from_scenario(scenario, seed)
        self._base_users = base.users.astype(np.int64)
        self._known: dict[tuple[object, ...], Conditions] = {}
        rounds = range(1, len(starts_s) - 1)
        self._conditions = {r: self._at_round(r, base) for r in rounds}

    def conditions(self, round_: int) -> Conditions:
        """Conditions of a round; those of round 1 hold in the warm-up too."""
        return self._conditions[max(round_, 1)]

    @cached_property
    def pool(self) -> IntArray:
        """Most users of each type that are ever present, (N,)."""
        return np.max([c.users for c in self._conditions.values()], axis=0)

    @cached_property
    def first_servers(self) -> IntArray:
        """Servers of AI work at time 0, (M, 3)."""
        return self._ai_servers(0.0)

    @cached_property
    def _all_changes(self) -> CapacityChanges:
        moments = {*(time for time, _ in self._ordered), *self._handed_over_s}
        for control in self.ran:
            moments |= set(control.time_s[1:][np.diff(control.given) != 0].tolist())
        before, rows = self.first_servers, []
        for time in sorted(moments):
            now = self._ai_servers(time)
            rows += [
                (time, m, stage, now[m, stage]) for m, stage in np.argwhere(now != before).tolist()
            ]
            before = now
        if not rows:
            return CapacityChanges.none()
        time_s, operator, stage, servers = (list(column) for column in zip(*rows, strict=True))
        return CapacityChanges(
            time_s=np.array(time_s), operator=np.array(operator), stage=np.array(stage),
            servers=np.array(servers),
        )  # fmt: skip

    def changes(self, start_s: float, end_s: float) -> CapacityChanges:
        """Servers that come and go in a span."""
        return self._all_changes.between(start_s, end_s)

    @cached_property
    def rate_steps(self) -> dict[tuple[int, int], RateSteps]:
        """Rates that events change, or that fade, by (operator, stage), over the whole run."""
        changed = {
            (self.names.index(str(event.who)), STAGE[str(event.stage)])
            for _, event in self._ordered
            if event.what == "rate"
        }
        moments = [0.0, *sorted({time for time, _ in self._ordered if time > 0})]
        steps = {
            key: RateSteps(moments, [self._sites(time).rates[key] for time in moments])
            for key in changed
        }
        return fading_rates(self._scenario.operators, self._starts_s[-1], self._seed) | steps

    def said(self, round_: int) -> list[str]:
        """The events of a round in words, those inside the round before it included."""
        start_s = 0.0 if round_ == 1 else self._starts_s[round_]
        end_s = self._starts_s[round_ + 1]
        return [text(event) for time, event in self.events if start_s <= time < end_s]

    def _moment_s(self, event: Event) -> float:
        if event.at_s is not None:
            return event.at_s
        assert event.at_round is not None
        return 0.0 if event.at_round == 1 else float(self._starts_s[event.at_round])

    def _until(self, time_s: float) -> list[Event]:
        return [event for moment, event in self._ordered if moment <= time_s]

    def _begin_s(self, round_: int) -> float:
        return 0.0 if round_ == 1 else float(self._starts_s[round_])

    @cache  # noqa: B019 - a timeline lives as long as its market
    def _sites(self, time_s: float) -> Sites:
        operators = self._scenario.operators
        nominal, rates = servers_of(operators).copy(), rates_of(operators).copy()
        failed = np.zeros(len(operators), dtype=bool)
        doors = {"enters": True, "recovers": True, "leaves": False, "fails": False}
        first: dict[str | int | None, str] = {}
        for _, event in self._ordered:
            first.setdefault(event.who, event.what)
        opened = np.array([first.get(name) != "enters" for name in self.names])
        for moment, event in self._ordered:
            if moment > time_s:
                break
            m = self.names.index(event.who) if event.who in self.names else -1
            if event.what == "servers":
                nominal[m, STAGE[str(event.stage)]] = int(event.value or 0)
            elif event.what == "rate":
                rates[m, STAGE[str(event.stage)]] = float(event.value or 0)
            elif event.what in doors:
                opened[m] = doors[event.what]
                failed[m] = event.what == "fails" or (failed[m] and event.what == "leaves")
            elif event.what == "is_bought":
                opened[m] = False
                assert event.at_round is not None
                if self._starts_s[event.at_round + 1] <= time_s:  # a round later
                    nominal[self.names.index(str(event.by))] += nominal[m]
                    failed[m] = True
        return Sites(np.where(failed[:, np.newaxis], 0, nominal), nominal, rates, opened)

    def _ai_servers(self, time_s: float) -> IntArray:
        servers = self._sites(time_s).servers.copy()
        for m, control in enumerate(self.ran):
            period = int(np.searchsorted(control.time_s, time_s, side="right")) - 1
            servers[m, 1] = max(servers[m, 1] - control.given[period], 0)
        return servers

    def _at_round(self, round_: int, base: Primitives) -> Conditions:
        begin_s = self._begin_s(round_)
        happened, sites = self._until(begin_s), self._sites(begin_s)
        servers, factor = self._ai_servers(begin_s), float(self._factors[round_])
        arrays = servers, sites.rates, sites.open
        key = (len(happened), factor, *(array.tobytes() for array in arrays))
        if key in self._known:
            return self._known[key]
        settled = self._settings(happened)
        users = self._base_users.copy()
        for event in happened:
            if event.what == "users":
                users[int(str(event.who)) - 1] = int(event.value or 0)
        changed = Primitives.from_scenario(settled, self._seed) if happened else base
        task = settled.folded.task
        primitives = replace(
            changed,
            users=users.astype(float),
            quality_share=quality_shares(settled.users, users.astype(float)),
            # who has no server at a stage cannot open, and reckons with one until it can
            servers=np.maximum(servers, 1).astype(float),
            service_rate_per_s=sites.rates / [getattr(task, key) for key in WORK_KEY],
            task_rate_per_user_per_s=changed.task_rate_per_user_per_s * factor,
        )
        opened = sites.open & (servers > 0).all(axis=1)
        found = self._known[key] = Conditions(primitives, opened, users)
        return found

    def _settings(self, happened: Sequence[Event]) -> Scenario:
        overrides = []
        for event in happened:
            value = repr(event.value).lower() if isinstance(event.value, bool) else event.value
            if event.what in SETTING:
                overrides.append(f"{SETTING[event.what]}={value}")
            elif event.what == "set":
                overrides.append(f"{event.key}={value}")
            elif event.what == "service_value":
                chosen = [m for m, name in enumerate(self.names) if event.who in (None, name)]
                overrides += [f"operators.{m + 1}.service_value_usd={value}" for m in chosen]
        if not overrides:
            return self._scenario
        try:
            return load_scenario(self._scenario, overrides)
        except ScenarioError as error:
            name = self._scenario.name
            faults = [Fault(name, f"events, {f.key}", f.value, f.allowed) for f in error.faults]
            raise ScenarioError(faults) from None


def text(event: Event) -> str:
    """An event in a few words.

    Examples
    --------
    >>> text(Event(at_round=2, what="servers", who="north", stage="gpu", value=8))
    'north: gpu servers 8'
    >>> text(Event(at_round=2, what="users", who=3, value=40))
    'type 3: users 40'
    """
    who = "" if event.who is None else str(event.who)
    who = f"type {who}" if event.what == "users" else who
    value = "" if event.value is None else str(event.value)
    if isinstance(event.value, float):
        value = f"{event.value:g}"
    what = {"is_bought": f"is bought by {event.by}", "set": event.key or ""}.get(
        event.what, event.what.replace("_", " ")
    )
    said = " ".join(part for part in (event.stage or "", what, value) if part)
    verbs = ("enters", "leaves", "fails", "recovers", "is_bought")
    return f"{who} {said}" if event.what in verbs else f"{who}: {said}" if who else said
