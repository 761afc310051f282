"""Expected utilities of users and operators: what a contract is worth under a belief."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from airan_market.agents.contract.menu import Menu
from airan_market.agents.matching.quality import mean_gain
from airan_market.agents.primitives.primitives import Primitives
from airan_market.sim.arrays import FloatArray

#: Utilities are differences of numbers as large as what a service is worth: what is smaller than
#: this part of the largest of them is rounding, not a preference.
ROUNDING = 1e-12


def task_utility(
    service_value_usd: ArrayLike,
    latency_sensitivity_usd_per_s: ArrayLike,
    latency_s: ArrayLike,
    price_usd: ArrayLike,
    violation_probability: ArrayLike,
    refund_usd: float | FloatArray,
) -> FloatArray:
    """Utility of a task to its user, u = α_1 q − β L − R + R̄ p, elementwise.

    Equation: AI-RAN (15), (18), (27)

    Parameters
    ----------
    service_value_usd, latency_sensitivity_usd_per_s, latency_s, price_usd, violation_probability
        α_1 q (USD), β (USD/s), L (s), R (USD) and p at the load of the operator. They broadcast
        like the arguments of a NumPy ufunc: one type at M operators, or M operators × N types.
    refund_usd : float
        R̄.

    Returns
    -------
    array
        USD per task.

    Examples
    --------
    >>> round(float(task_utility(7e-4, 2e-4, 0.5, 5e-4, 0.25, 1.2e-4)), 9)
    0.00013
    """
    value, sensitivity = np.asarray(service_value_usd), np.asarray(latency_sensitivity_usd_per_s)
    refund = refund_usd * np.asarray(violation_probability)
    return value - sensitivity * np.asarray(latency_s) - np.asarray(price_usd) + refund


def task_profit(
    price_usd: ArrayLike,
    violation_probability: ArrayLike,
    violation_cost_usd: float | FloatArray,
    running_cost_usd: float | FloatArray,
) -> FloatArray:
    """What a task leaves its operator, R − C̄ p − κ, USD, elementwise.

    Equation: AI-RAN (13), (14)

    Examples
    --------
    >>> round(float(task_profit(5e-4, 0.25, 1.2e-3, 8e-6)), 9)
    0.000192
    """
    cost = violation_cost_usd * np.asarray(violation_probability)
    return np.asarray(price_usd) - cost - running_cost_usd


def user_utility(primitives: Primitives, menu: Menu) -> FloatArray:
    """Utility of a task of every type under its own item of every menu, (..., M, N), USD.

    Equation: AI-RAN (27)

    Parameters
    ----------
    primitives : Primitives
        Of all operators, with menus (..., M, N), or of one, with (..., N).
    menu : Menu
    """
    return task_utility(
        primitives.value_by_type_usd,
        primitives.latency_sensitivity_usd_per_s,
        menu.latency_s,
        menu.price_usd,
        menu.violation_probability,
        primitives.refund_usd,
    )


def quality_utility(primitives: Primitives, utility_usd: FloatArray) -> FloatArray:
    """Utility of a task to every class, (..., M, X, N): that of the type and the quality's gain.

    Where users value quality alike there are no classes, and it is that of the types.

    Equation: AI-RAN (18), (21)

    u_{m,n} + (α_x − α_x̲) q_m: which item is best does not depend on α_x, whether it is worth
    taking does.

    Parameters
    ----------
    primitives : Primitives
    utility_usd : array (..., M, N)
        `user_utility`, or any other of the lowest quality type served.

    Examples
    --------
    >>> from airan_market.scenarios import load_scenario
    >>> two = ["users.quality_sensitivity_usd=[4e-4, 6e-4]", "users.quality_shares=[[0.5, 0.5]]"]
    >>> market = Primitives.from_scenario(load_scenario("teleoperation", two))
    >>> quality_utility(market, np.zeros((3, 8)))[0, :, 0].round(7).tolist()
    [0.0, 0.0003575]
    """
    if primitives.quality_share is None:
        return utility_usd
    return utility_usd[..., np.newaxis, :] + primitives.quality_gain_usd[..., np.newaxis]


def tie_usd(primitives: Primitives, utility_usd: FloatArray) -> float:
    """Differences of these utilities up to this are rounding; see `ROUNDING`."""
    value = float(np.abs(primitives.value_by_type_usd).max())
    return ROUNDING * max(value, float(np.abs(utility_usd).max()))


class Agreed(Protocol):
    """Menus, and who takes which."""

    @property
    def menu(self) -> Menu:
        """Menus (M, N)."""
        ...

    @property
    def match_probability(self) -> FloatArray:
        """Matching (M, N)."""
        ...

    @property
    def by_quality(self) -> FloatArray | None:
        """Matching of every class, (M, X, N); None where all users of a type do alike."""
        ...


@dataclass(frozen=True, eq=False)
class Accounts:
    """What a matching on menus is worth to users, to operators and to all of them, expected.

    Parameters
    ----------
    primitives : Primitives
        Of all operators, with arrays (..., M, N), or of one, with (..., N).
    menu : Menu
        Its violation probabilities are what is expected.
    match_probability : array like those of the menu
        z_{m,n}.
    by_quality : array (..., M, X, N), optional
        z of every class; without it users of all quality types are taken to choose alike.

    Examples
    --------
    >>> from airan_market.scenarios import load_scenario
    >>> market = Primitives.from_scenario(load_scenario("teleoperation"))
    >>> kept = Menu(np.full((3, 8), 0.1), np.full((3, 8), 5e-4), np.zeros((3, 8)))
    >>> found = Accounts(market, kept, np.full((3, 8), 0.25))
    >>> found.operator_utility_usd_per_s.round(4).tolist()  # 150 · 24 / 4 tasks/s, 5e-4 − 8e-6
    [0.4428, 0.4428, 0.4428]
    """

    primitives: Primitives
    menu: Menu
    match_probability: FloatArray
    by_quality: FloatArray | None = None

    @classmethod
    def of(cls, primitives: Primitives, agreed: Agreed) -> Accounts:
        """What an agreement, a plan or the terms of a round are worth."""
        return cls(primitives, agreed.menu, agreed.match_probability, agreed.by_quality)

    @cached_property
    def tasks_per_s(self) -> FloatArray:
        """I_n z_{m,n} δ, the tasks of each type itself, not the cumulative load."""
        return self.match_probability * self.primitives.demand_per_s

    @cached_property
    def user_utility_usd(self) -> FloatArray:
        """`user_utility` of a task, the mean over those who take it where qualities differ."""
        utility, market = user_utility(self.primitives, self.menu), self.primitives
        if market.quality_share is None:
            return utility
        taken = self.by_quality
        if taken is None:
            taken = np.repeat(self.match_probability[..., np.newaxis, :], market.qualities, axis=-2)
        return utility + mean_gain(taken, market.quality_share, market.quality_gain_usd)

    @cached_property
    def operator_profit_usd(self) -> FloatArray:
        """`task_profit`, of a task."""
        return task_profit(
            self.menu.price_usd,
            self.menu.violation_probability,
            self.primitives.violation_cost_usd,
            self.primitives.running_cost_usd,
        )

    @property
    def operator_utility_usd_per_s(self) -> FloatArray:
        """Σ_n I_n z_{m,n} δ (R_{m,n} − C̄ p_{m,n} − κ) of every operator.

        Equation: AI-RAN (13), (24), (29)
        """
        return (self.tasks_per_s * self.operator_profit_usd).sum(axis=-1)

    @property
    def social_welfare_usd_per_s(self) -> FloatArray:
        """Total operator utility + Σ_{m,n} I_n z_{m,n} δ u_{m,n}, (...), of a whole market.

        Users that opt out add nothing: what they get elsewhere is not made by this market.
        """
        surplus = self.tasks_per_s * self.user_utility_usd
        *leading, operators, types = surplus.shape
        users = surplus.reshape(*leading, operators * types).sum(axis=-1)
        return self.operator_utility_usd_per_s.sum(axis=-1) + users
