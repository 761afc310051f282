"""Solve a scenario: the mechanisms alone, no traffic.

Each mechanism has its file: `mixed` (Algorithm 1) negotiates over iterations; `ct`, `mc` and
`gsmc` settle before the first round, with one function `agree(primitives) -> Agreement` each.
"""

from __future__ import annotations

from collections.abc import Callable

from airan_market.agents.contract.menu import Menu
from airan_market.agents.mechanism import ct, gsmc, mc
from airan_market.agents.mechanism.mixed import designed_menus, iterate
from airan_market.agents.mechanism.pure import Agreement, at_induced_load
from airan_market.agents.primitives.primitives import Primitives
from airan_market.agents.solution.outcome import Outcome, conclude, conclude_pure
from airan_market.scenarios import InputError, Scenario
from airan_market.sim.arrays import FloatArray

MIXED = "mixed"
SETTLED_BEFORE: dict[str, Callable[[Primitives], Agreement]] = {
    "ct": ct.agree,
    "mc": mc.agree,
    "gsmc": gsmc.agree,
}
MECHANISMS = (MIXED, *SETTLED_BEFORE)


class MechanismUnavailable(InputError, ValueError):  # noqa: N818 (a state of the program, not a fault)
    """The scenario names a mechanism that is not there yet; the message lists those that are."""


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
    MechanismUnavailable
        When the scenario's mechanism is not there yet.
    airan_market.agents.belief.belief.BeliefUnavailable
        When its belief is not.

    Examples
    --------
    >>> from airan_market.scenarios import load_scenario
    >>> outcome = solve(load_scenario("teleoperation"))
    >>> outcome.iterations, round(float(outcome.operator_utility_usd_per_s.sum()), 1)
    (50, 2.0)
    >>> solve(load_scenario("teleoperation", ["mechanism.name=ct"])).converged
    True
    """
    require_mechanism(scenario.mechanism.name)
    return settle(Primitives.from_scenario(scenario, seed))


def settle(primitives: Primitives) -> Outcome:
    """`solve` for a market given as arrays; `primitives.mechanism.name` says which mechanism.

    Raises
    ------
    MechanismUnavailable
    """
    name = primitives.mechanism.name
    require_mechanism(name)
    if name == MIXED:
        return conclude(primitives, list(iterate(primitives)))
    return conclude_pure(primitives, SETTLED_BEFORE[name](primitives))


def arrive(primitives: Primitives) -> tuple[Menu, FloatArray]:
    """Menus and matching of `settle` without history and certificates, which take most of its time.

    Returns
    -------
    menu : Menu
        Arrays (M, N), violation probabilities at the loads of the matching.
    match_probability : array (M, N)

    Raises
    ------
    MechanismUnavailable

    Examples
    --------
    >>> from airan_market.scenarios import load_scenario
    >>> scenario = load_scenario("teleoperation", ["mechanism.name=mc"])
    >>> menu, matching = arrive(Primitives.from_scenario(scenario))
    >>> menu.latency_s.shape, matching[0].tolist()
    ((3, 8), [1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    """
    name = primitives.mechanism.name
    require_mechanism(name)
    if name == MIXED:
        *_, last = iterate(primitives)
        return designed_menus(primitives, last.match_probability)[1], last.match_probability
    agreement = SETTLED_BEFORE[name](primitives)
    matching = agreement.match_probability
    return at_induced_load(primitives, agreement.menu, matching), matching


def require_mechanism(name: str) -> None:
    """Refuse a mechanism that is not there.

    Raises
    ------
    MechanismUnavailable
    """
    if name not in MECHANISMS:
        raise MechanismUnavailable(
            f"mechanism.name = {name!r}: available are {', '.join(MECHANISMS)}"
        )
