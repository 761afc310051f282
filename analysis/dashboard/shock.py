"""Shocks as events of a scenario, written as `airan-market fork --event` takes them."""

from __future__ import annotations

import json
from typing import Any

from airan_market.scenarios import Scenario


def _table(**keys: Any) -> str:
    return "{" + ", ".join(f"{key}={json.dumps(value)}" for key, value in keys.items()) + "}"


def gpus_left(operator: str, servers: int) -> list[str]:
    """The RAN, or a fault, leaves an operator so many GPU servers from the next round on.

    Examples
    --------
    >>> gpus_left("north", 3)
    ['{what="servers", who="north", stage="gpu", value=3}']
    """
    return [_table(what="servers", who=operator, stage="gpu", value=servers)]


def fails(operator: str) -> list[str]:
    """All servers of an operator stop with the next round."""
    return [_table(what="fails", who=operator)]


def recovers(operator: str) -> list[str]:
    """They serve again from the next round on."""
    return [_table(what="recovers", who=operator)]


def surge(scenario: Scenario, round_: int, factor: float, rounds: int) -> list[str]:
    """Users ask for `factor` times as much in the `rounds` after a round, then as before.

    Examples
    --------
    >>> from airan_market.scenarios import load_scenario
    >>> surge(load_scenario("teleoperation"), 3, 1.5, 2)
    ['{what="demand", value=36.0}', '{at_round=6, what="demand", value=24.0}']
    """
    before = demand(scenario, round_ + 1)
    events = [_table(what="demand", value=before * factor)]
    after = round_ + 1 + rounds
    if after <= scenario.simulation.rounds:
        events.append(_table(at_round=after, what="demand", value=demand(scenario, after)))
    return events


def demand(scenario: Scenario, round_: int) -> float:
    """δ in a round by the scenario and its events, without its rhythm, tasks/(user s)."""
    told = [
        (event.at_round, float(event.value or 0))
        for event in scenario.events or ()
        if event.what == "demand" and event.at_round is not None and event.at_round <= round_
    ]
    default = scenario.users.tasks_per_user_per_s
    return max(told, key=lambda item: item[0])[1] if told else default
