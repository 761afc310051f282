"""Solve a scenario: the mechanisms alone, no traffic."""

from __future__ import annotations

from agents.mixed import iterate
from agents.outcome import Outcome, conclude
from agents.primitives import Primitives
from scenarios import Scenario

MECHANISMS = ("mixed",)


class MechanismUnavailable(ValueError):  # noqa: N818 (a state of the program, not a fault)
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
    agents.belief.BeliefUnavailable
        When its belief is not.

    Examples
    --------
    >>> from scenarios import load_scenario
    >>> outcome = solve(load_scenario("teleoperation"))
    >>> outcome.iterations, round(float(outcome.operator_utility_usd_per_s.sum()), 1)
    (50, 2.0)
    """
    require_mechanism(scenario)
    primitives = Primitives.from_scenario(scenario, seed)
    return conclude(primitives, list(iterate(primitives)))


def require_mechanism(scenario: Scenario) -> None:
    """Refuse a scenario whose mechanism is not there yet.

    Raises
    ------
    MechanismUnavailable
    """
    if scenario.mechanism.name not in MECHANISMS:
        raise MechanismUnavailable(
            f"mechanism.name = {scenario.mechanism.name!r}: available are {', '.join(MECHANISMS)}"
        )
