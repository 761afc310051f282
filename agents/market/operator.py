"""The operator: private servers and costs, a menu for the demand it expects."""

from __future__ import annotations

from typing import Any

import mesa
import numpy as np

from airan_market.agents.contract.design import designed_menus
from airan_market.agents.contract.menu import Menu
from airan_market.agents.market.announcement import Announcement
from airan_market.agents.matching.selection import update_shadow_price
from airan_market.agents.primitives.primitives import Primitives
from airan_market.sim.arrays import FloatArray


class OperatorAgent(mesa.Agent):
    """One AI-RAN operator.

    It perceives which part of each type means to come, designs its menu for the loads that follow
    (eqs. (34), (37), (38)), announces menu and congestion state, and moves its shadow price with
    its load (36).

    Parameters
    ----------
    model : mesa.Model
        The market.
    number : int
        m, 0-based.
    primitives : Primitives
        Its own row (`Primitives.of_operator`), private.
    """

    def __init__(self, model: Any, number: int, primitives: Primitives) -> None:
        super().__init__(model)
        self.number = number
        self._primitives = primitives
        self._shadow_price_usd = 0.0
        self._match_probability: FloatArray = np.zeros(primitives.types)
        self._agreed: Menu | None = None
        self.tasks: FloatArray = np.zeros(primitives.types)
        self.violations: FloatArray = np.zeros(primitives.types)

    def expect(self, match_probability: FloatArray) -> None:
        """Perceive z_{m,n}: which part of the users of each type means to come, (N,)."""
        self._match_probability = match_probability

    def commit(self, menu: Menu) -> None:
        """Announce this menu (N,) from now on, whatever demand is expected."""
        self._agreed = menu

    def announce(self) -> Announcement:
        """Say the menu, with the congestion state; designed for the expected demand, or agreed."""
        return Announcement(
            menu=self._agreed or designed_menus(self._primitives, self._match_probability),
            service_value_usd=float(self._primitives.service_value_usd),
            shadow_price_usd=self._shadow_price_usd,
            effective_capacity_per_s=self.effective_capacity_per_s,
        )

    def adjust_shadow_price(self) -> None:
        """Raise the shadow price when more is expected than there is room for, else lower it."""
        self._shadow_price_usd = float(
            update_shadow_price(
                np.asarray(self._shadow_price_usd),
                np.asarray(self.expected_load_per_s),
                np.asarray(self.effective_capacity_per_s),
                self._primitives.mechanism.shadow_price_step_usd,
            )
        )

    def observe(self, tasks: FloatArray, violations: FloatArray) -> None:
        """Take note of the tasks of the last round and of the agreements broken so far, (N,)."""
        self.tasks = tasks
        self.violations = violations

    @property
    def shadow_price_usd(self) -> float:
        """ω_m."""
        return self._shadow_price_usd

    @property
    def effective_capacity_per_s(self) -> float:
        """λ̄_m, tasks/s."""
        return float(self._primitives.effective_capacity_per_s)

    @property
    def expected_load_per_s(self) -> float:
        """Σ_n I_n z_{m,n} δ, tasks/s."""
        return float((self._match_probability * self._primitives.demand_per_s).sum())
