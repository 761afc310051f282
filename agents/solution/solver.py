"""Solve a scenario: the mechanisms alone, no traffic.

A mechanism is a function `agree(primitives) -> Agreement`, known by a name (`scenarios.registry`).
Ours have a file each: `mixed` (Algorithm 1), and the benchmarks `ct`, `mc` and `gsmc`.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from airan_market.agents.contract.menu import Menu
from airan_market.agents.mechanism.agreement import Agreement
from airan_market.agents.mechanism.pure import at_induced_load, in_force
from airan_market.agents.primitives.primitives import Primitives
from airan_market.agents.solution.outcome import Outcome, conclude
from airan_market.scenarios import Scenario
from airan_market.scenarios.registry import MECHANISMS, RegistryError

ROUNDING = 1e-9  # of a share of users, a probability, or a bound on latency


def solve(scenario: Scenario, seed: int = 0) -> Outcome:
    """Equilibrium menus, matching, welfare and certificates of a scenario.

    Parameters
    ----------
    scenario : Scenario
    seed : int
        Root seed; only shares drawn from a Dirichlet law use it.

    Returns
    -------
    Outcome

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


def agree(primitives: Primitives) -> Agreement:
    """What the mechanism that `primitives` name arrives at; of others' it is checked.

    Raises
    ------
    airan_market.scenarios.registry.RegistryError
    """
    name = primitives.mechanism.name
    agreement = MECHANISMS.get(name)(primitives)
    if name not in MECHANISMS.ours:
        try:
            _check(primitives, agreement)
        except ValueError as error:
            raise RegistryError(f"mechanism {name!r}: {error}") from None
    return agreement


def _check(primitives: Primitives, agreement: object) -> None:
    """Refuse what is no agreement of this market, with the value and what is expected."""
    if not (isinstance(agreement, Agreement) and isinstance(agreement.menu, Menu)):
        kind = type(agreement).__name__
        raise ValueError(f"returned {kind}, must return an Agreement with a Menu")
    menu, matching = agreement.menu, agreement.match_probability
    settings, shape = primitives.mechanism, (primitives.operators, primitives.types)
    lowest, highest = settings.latency_min_s, settings.latency_max_s
    _check_numbers("menu.latency_s", menu.latency_s, shape, lowest, highest)
    _check_numbers("menu.price_usd", menu.price_usd, shape)
    _check_numbers("menu.violation_probability", menu.violation_probability, shape, 0, 1)
    _check_numbers("match_probability", matching, shape, 0, 1)
    _check_numbers("match_probability of all operators", matching.sum(axis=0), shape[1:], 0, 1)
    if agreement.design_probability is not None:
        _check_numbers("design_probability", agreement.design_probability, shape, 0, 1)
    if agreement.temperature_usd is not None:
        if not 0 < agreement.temperature_usd < np.inf:
            raise ValueError(f"temperature_usd = {agreement.temperature_usd}: must be above 0")
        _check_numbers("shadow_price_usd", agreement.response[1], shape[:1], 0)
        induced = at_induced_load(primitives, menu, matching).violation_probability
        apart = menu.violation_probability - induced
        _check_numbers("menu.violation_probability less that at the loads", apart, shape, 0, 0)


def _check_numbers(
    said: str,
    values: object,
    shape: tuple[int, ...],
    lowest: float = -np.inf,
    highest: float = np.inf,
) -> None:
    found = np.asarray(values)
    if found is not values or found.dtype != float or found.shape != shape:
        what = f"an array of {found.dtype}, {found.shape}" if found is values else type(values)
        raise ValueError(f"{said}: must be an array of float64, {shape}, is {what}")
    wrong = ~((found >= lowest - ROUNDING) & (found <= highest + ROUNDING) & np.isfinite(found))
    if wrong.any():
        place = tuple(np.argwhere(wrong)[0])
        where = "".join(f"[{step + 1}]" for step in place)
        allowed = f"a finite number from {lowest:g} to {highest:g}"
        raise ValueError(f"{said}{where} = {found[place]:g}: must be {allowed}")
