"""Whether a menu is feasible: every type wants its own item, and wants it at all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from airan_market.agents.contract.menu import Menu
from airan_market.agents.contract.utility import task_utility
from airan_market.agents.primitives.primitives import Primitives
from airan_market.sim.arrays import FloatArray


@dataclass(frozen=True)
class Constraint:
    """The worst of the constraints of one kind.

    Attributes
    ----------
    violation_usd : float
        How much more utility the constraint asks for than the menu gives, USD per task; at most
        0 when it holds (and then the slack, negated), −inf when there is no such constraint.
    operator, type, item : int
        Where, 0-based; item is the one that the type prefers, its own for individual
        rationality. −1 when there is no such constraint.
    """

    violation_usd: float
    operator: int
    type: int
    item: int


@dataclass(frozen=True)
class Feasibility:
    """Result of `check_menu`: the worst individual-rationality and incentive constraint.

    `margin_usd` is the utility that the individual-rationality constraint asks for.
    """

    individual_rationality: Constraint
    incentive_compatibility: Constraint
    margin_usd: float = 0.0

    def holds(self, tolerance_usd: float) -> bool:
        """Whether no constraint is violated by more than the tolerance."""
        worst = max(
            self.individual_rationality.violation_usd,
            self.incentive_compatibility.violation_usd,
        )
        return worst <= tolerance_usd


def check_menu(primitives: Primitives, menu: Menu) -> Feasibility:
    """Check all N individual-rationality and N(N−1) incentive constraints of every operator.

    Equation: AI-RAN (19)-(22)

    Type n choosing item j is served and delayed as item j: its utility is
    α_1 q − β_n L_j − R_j + R̄ p_j. Individual rationality (20) asks for a
    utility of 0, or of the participation margin where there is one: a menu that leaves less does
    not keep what the setting promises, though users may still take it.

    Parameters
    ----------
    primitives : Primitives
        Of all operators, or of one.
    menu : Menu
        Arrays (M, N), or (N,).

    Returns
    -------
    Feasibility
        With the place and the size of the worst constraint of either kind.

    Examples
    --------
    >>> from airan_market.scenarios import load_scenario
    >>> from airan_market.agents.contract.design import design_menu
    >>> market = Primitives.from_scenario(load_scenario("teleoperation")).of_operator(0)
    >>> good = design_menu(market, market.demand_per_s.cumsum() / 3, market.demand_per_s / 3)
    >>> check_menu(market, good).holds(1e-15)
    True
    >>> dear = Menu(good.latency_s, good.price_usd + 1e-5, good.violation_probability)
    >>> worst = check_menu(market, dear).individual_rationality
    >>> worst.type, round(worst.violation_usd, 12)
    (0, 1e-05)
    """
    if primitives.services is not None:
        return _of_services(primitives, menu)
    sensitivity = primitives.latency_sensitivity_usd_per_s
    latency, price, probability = (
        np.atleast_2d(part)[:, np.newaxis, :]
        for part in (menu.latency_s, menu.price_usd, menu.violation_probability)
    )
    value = np.atleast_1d(primitives.service_value_usd)[:, np.newaxis, np.newaxis]
    taking = task_utility(  # (M, type, item)
        value, sensitivity[:, np.newaxis], latency, price, probability, primitives.refund_usd
    )
    own = np.diagonal(taking, axis1=1, axis2=2)
    envy = taking - own[:, :, np.newaxis]
    itself = np.arange(sensitivity.size)
    envy[:, itself, itself] = -np.inf
    margin = np.atleast_1d(primitives.participation_margin_usd)
    spare = own - margin[:, np.newaxis]
    poorest = np.unravel_index(np.argmin(spare), spare.shape)
    return Feasibility(
        Constraint(-float(spare[poorest]), int(poorest[0]), int(poorest[1]), int(poorest[1])),
        _worst(envy),
        float(margin[poorest[0]]),
    )


def _of_services(primitives: Primitives, menu: Menu) -> Feasibility:
    """Worst constraints of all services: no type can take an item of another service."""
    services = primitives.services
    assert services is not None
    rationality: list[Constraint] = []
    envy: list[Constraint] = []
    margin = 0.0
    for number in range(len(services.names)):
        types = services.types_of(number)
        own = Menu(*(part[..., types] for part in vars(menu).values()))
        found = check_menu(primitives.of_service(number), own)
        margin = found.margin_usd
        for worst, kept in (
            (found.individual_rationality, rationality),
            (found.incentive_compatibility, envy),
        ):
            places = [-1 if n < 0 else int(types[n]) for n in (worst.type, worst.item)]
            kept.append(Constraint(worst.violation_usd, worst.operator, *places))
    return Feasibility(
        max(rationality, key=lambda worst: worst.violation_usd),
        max(envy, key=lambda worst: worst.violation_usd),
        margin,
    )


def _worst(envy: FloatArray) -> Constraint:
    place = np.unravel_index(np.argmax(envy), envy.shape)
    if np.isneginf(envy[place]):  # one type: nothing to envy
        return Constraint(-np.inf, -1, -1, -1)
    return Constraint(float(envy[place]), *(int(i) for i in place))
