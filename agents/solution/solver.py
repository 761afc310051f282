"""Solve a scenario: the mechanisms alone, no traffic.

A mechanism is a function `agree(primitives) -> Agreement`, known by a name (`scenarios.registry`).
Ours have a file each: `mixed` (Algorithm 1), and the benchmarks `ct`, `mc` and `gsmc`.
"""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np

from airan_market.agents.contract.menu import Menu
from airan_market.agents.mechanism.agreement import Agreement
from airan_market.agents.mechanism.pure import at_induced_load, in_force
from airan_market.agents.primitives.primitives import Primitives
from airan_market.agents.primitives.returned import check_numbers
from airan_market.agents.solution.outcome import Outcome, conclude
from airan_market.scenarios import Scenario
from airan_market.scenarios.registry import MECHANISMS, RegistryError
from airan_market.sim.arrays import BoolArray


def solve(scenario: Scenario, seed: int = 0) -> Outcome:
    """Equilibrium menus, matching, welfare and certificates of a scenario.

    Parameters
    ----------
    scenario : Scenario
    seed : int
        Root seed; only shares drawn from a Dirichlet law use it.

    Raises
    ------
    airan_market.scenarios.registry.RegistryError
        When what stands behind the name of the mechanism, or of the belief, cannot be had, or
        does not return what it has to.

    Examples
    --------
    >>> from airan_market.scenarios import load_scenario
    >>> outcome = solve(load_scenario("teleoperation"))
    >>> outcome.iterations, round(float(outcome.operator_utility_usd_per_s.sum()), 1)
    (50, 2.0)
    >>> solve(load_scenario("teleoperation", ["mechanism.name=ct"])).converged
    True
    """
    return settle(Primitives.from_scenario(scenario, seed))


def settle(primitives: Primitives) -> Outcome:
    """`solve` for a market given as arrays; `primitives.mechanism.name` says which mechanism."""
    return conclude(primitives, agree(primitives))


def arrive(primitives: Primitives) -> Agreement:
    """Agreement of `settle` without history and certificates, which take most of its time.

    Its menus have the violation probabilities at the loads of the matching.

    Examples
    --------
    >>> from airan_market.scenarios import load_scenario
    >>> scenario = load_scenario("teleoperation", ["mechanism.name=mc"])
    >>> found = arrive(Primitives.from_scenario(scenario))
    >>> found.menu.latency_s.shape, found.match_probability[0].tolist()
    ((3, 8), [1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    """
    agreement = agree(primitives)
    return replace(agreement, menu=in_force(primitives, agreement))


def arrive_among(primitives: Primitives, open_: BoolArray) -> Agreement:
    """`arrive` among the operators that are open, with rows for all of them.

    Nobody is at one that is closed, and its menu is NaN.

    Examples
    --------
    >>> from airan_market.scenarios import load_scenario
    >>> scenario = load_scenario("teleoperation", ["mechanism.name=ct"])
    >>> market = Primitives.from_scenario(scenario)
    >>> found = arrive_among(market, np.array([True, False, True]))
    >>> found.match_probability.sum(axis=1).tolist()[1], found.menu.price_usd[1, 0]
    (0.0, np.float64(nan))
    """
    if open_.all():
        return arrive(primitives)
    shape = primitives.operators, primitives.types
    matching, menu = np.zeros(shape), Menu(*np.full((3, *shape), np.nan))
    if not open_.any():
        return Agreement(menu, matching)
    found = arrive(primitives.of_operator(np.flatnonzero(open_)))
    matching[open_] = found.match_probability
    by_quality = None
    if found.by_quality is not None:
        by_quality = np.zeros((*shape[:1], *found.by_quality.shape[1:]))
        by_quality[open_] = found.by_quality
    for field in fields(Menu):
        getattr(menu, field.name)[open_] = getattr(found.menu, field.name)
    return Agreement(
        menu, matching, converged=found.converged, notes=found.notes, by_quality=by_quality
    )


def agree(primitives: Primitives) -> Agreement:
    """What the mechanism that `primitives` name arrives at; that of others is checked.

    Raises
    ------
    airan_market.scenarios.registry.RegistryError
    """
    name = primitives.mechanism.name
    agreement = MECHANISMS.get(name)(primitives)
    if name not in MECHANISMS.ours:
        _check(f"mechanism {name!r}", primitives, agreement)
    return agreement


def _check(said: str, primitives: Primitives, agreement: object) -> None:
    """Refuse what is no agreement of this market, with the value and what is expected."""
    if not (isinstance(agreement, Agreement) and isinstance(agreement.menu, Menu)):
        kind = type(agreement).__name__
        raise RegistryError(f"{said}: returned {kind}, must return an Agreement with a Menu")
    menu, matching = agreement.menu, agreement.match_probability
    settings, shape = primitives.mechanism, (primitives.operators, primitives.types)
    for part, values, *bounds in (
        ("menu.latency_s", menu.latency_s, settings.latency_min_s, settings.latency_max_s),
        ("menu.price_usd", menu.price_usd),
        ("menu.violation_probability", menu.violation_probability, 0.0, 1.0),
        ("match_probability", matching, 0.0, 1.0),
    ):
        check_numbers(f"{said}: {part}", values, shape, *bounds)
    everywhere = f"{said}: match_probability, all operators together, "
    check_numbers(everywhere, matching.sum(axis=0), shape[1:], 0.0, 1.0)
    if agreement.design_probability is not None:
        design = f"{said}: design_probability"
        check_numbers(design, agreement.design_probability, shape, 0.0, 1.0)
    if agreement.temperature_usd is not None:
        if not 0 < agreement.temperature_usd < np.inf:
            tau = agreement.temperature_usd
            raise RegistryError(f"{said}: temperature_usd = {tau}: must be a number above 0")
        check_numbers(f"{said}: shadow_price_usd", agreement.response[1], shape[:1], 0.0)
        induced = at_induced_load(primitives, menu, matching).violation_probability
        apart = f"{said}: menu.violation_probability, less that at the loads of the matching, "
        check_numbers(apart, menu.violation_probability - induced, shape, 0.0, 0.0)
