"""The same future with one change: a run's scenario with events from some round on.

Everything in a run follows from its scenario and its seed, and demand is drawn before anybody
chooses. So a fork is the same scenario with events added: up to their round it is the same run to
the byte, and after it the same users ask for the same tasks at the same times.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

from airan_market.scenarios import Fault, Scenario, ScenarioError, load_scenario
from airan_market.scenarios.tables import plain

#: Why a run whose rounds are the iterations of Algorithm 1 cannot be forked.
STANDS = (
    "required for a fork: without it the rounds are the iterations of one algorithm, and nobody "
    "answers what changes; play it again with --set mechanism.iterations_per_round=5"
)
#: Keys that have an event of their own.
EVENT_OF = {
    "users.tasks_per_user_per_s": "demand",
    "economics.refund_usd": "refund",
    "economics.violation_cost_usd": "violation_cost",
    "economics.running_cost_usd": "running_cost",
    "economics.opt_out_utility_usd": "opt_out_utility",
}


def forked(
    scenario: Scenario, round_: int, settings: Sequence[str] = (), events: Sequence[str] = ()
) -> Scenario:
    """A scenario that changes after a round.

    Parameters
    ----------
    scenario : Scenario
    round_ : int
        Rounds that stay as they are; what changes holds from the next one on.
    settings : sequence of str
        `key=value`, a key of economics, of mechanism or the demand.
    events : sequence of str
        Inline tables of TOML, with the keys of `[[events]]`; without a time they hold from the next
        round on.

    Raises
    ------
    ScenarioError
        Naming the option: no such round left, no key and value or table, or what the scenario does
        not take.

    Examples
    --------
    >>> market = load_scenario("demand_surge")
    >>> forked(market, 3) == market
    True
    >>> leaves = '{what="leaves", who="operator 2"}'
    >>> changed = forked(market, 3, ["economics.refund_usd=0"], [leaves])
    >>> [(e.at_round, e.what) for e in changed.events]
    [(8, 'demand'), (15, 'demand'), (4, 'refund'), (4, 'leaves')]
    """
    if not 0 <= round_ < scenario.simulation.rounds:
        allowed = f"must be below the {scenario.simulation.rounds} rounds of the run"
        raise ScenarioError([Fault("--round", str(round_), "", allowed)])
    added = [_set_event(text, round_ + 1) for text in settings]
    added += [_event(text, round_ + 1) for text in events]
    if not added:
        return scenario
    mechanism = scenario.mechanism
    if mechanism.name == "mixed" and mechanism.iterations_per_round is None:
        raise ScenarioError([Fault("the run", "mechanism.iterations_per_round", "", STANDS)])
    tables = plain(scenario.model_dump(exclude_none=True))
    before = tables.get("events", [])
    tables["events"] = [*before, *added]
    asked = [*(("--set", text) for text in settings), *(("--event", text) for text in events)]
    try:
        return load_scenario(tables)
    except ScenarioError as error:
        said = {f"events[{len(before) + k}]": option for k, option in enumerate(asked, start=1)}
        raise ScenarioError([_of_option(fault, said) for fault in error.faults]) from None


def _of_option(fault: Fault, asked: Mapping[str, tuple[str, str]]) -> Fault:
    """A fault of an event that was added, as one of the option that asked for it."""
    place, _, key = fault.key.partition(".")
    if place not in asked:
        return fault
    option, text = asked[place]
    named = "" if option == "--set" or not key else f"{key}: "
    return Fault(option, text, "", f"{named}{fault.allowed}")


def _set_event(text: str, at_round: int) -> dict[str, Any]:
    key, equals, value = text.partition("=")
    try:
        content = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        content = value  # plain text, as after --set elsewhere
    if not equals:
        raise ScenarioError([Fault("--set", text, "", "must be written dotted.key=value")])
    if key in EVENT_OF:
        return {"at_round": at_round, "what": EVENT_OF[key], "value": content}
    return {"at_round": at_round, "what": "set", "key": key, "value": content}


def _event(text: str, at_round: int) -> dict[str, Any]:
    try:
        table = tomllib.loads(f"event = {text}")["event"]
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError([Fault("--event", text, "", f"not an inline table: {error}")]) from None
    if not isinstance(table, Mapping):
        raise ScenarioError([Fault("--event", text, "", 'must be a table, {what="fails", ...}')])
    when = {} if {"at_round", "at_s"} & table.keys() else {"at_round": at_round}
    return {**when, **table}
