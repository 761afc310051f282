"""The operator: private servers and costs, a menu for the demand it expects."""

from __future__ import annotations

from typing import Any

import mesa
import numpy as np

from airan_market.agents.contract.design import designed_menus
from airan_market.agents.contract.menu import Menu
from airan_market.agents.market.announcement import Announcement
from airan_market.agents.matching.shadow_price import update_shadow_price
from airan_market.agents.primitives.primitives import Primitives
from airan_market.sim.arrays import FloatArray


class OperatorAgent(mesa.Agent):
    """One AI-RAN operator.

    In every iteration of the negotiation, and once more when a round is posted, the market calls

    1. `expect`: it perceives which part of each type means to come;
    2. `announce`: it answers with a menu, designed for the loads that follow (eqs. (34), (37),
       (38)), and its congestion state;
    3. `adjust_shadow_price` (not when posting): it moves ω with its load (36);

    and after the round `observe`. With a mechanism that settles before the first round it is told
    its menu then, and again when conditions change (`commit`). An operator of one's own overrides
    some of these. It announces N latencies within `mechanism.latency_min_s` and `latency_max_s`, N
    finite prices, N probabilities and a finite congestion state; menu and state are all that users
    see. Whether the menu is incentive compatible or true is its own affair: users of the class
    `UserAgent` take the item meant for their type. Refunds and costs of violations are settled by
    what it announced and what then happened.

    Parameters
    ----------
    model : mesa.Model
        The market.
    number : int
        m, 0-based.
    primitives : Primitives
        Its own row (`Primitives.of_operator`): servers, costs, demand; private.

    Attributes
    ----------
    match_probability : array (N,)
        z_m as it was last perceived.
    shadow_price_usd : float
        ω_m.
    tasks, violations : array (N,) of int
        What it observed: tasks of the last round, and agreements of it known to be broken.
    """

    def __init__(self, model: Any, number: int, primitives: Primitives) -> None:
        super().__init__(model)
        self.number = number
        self.primitives = primitives
        self.shadow_price_usd = 0.0
        self.match_probability: FloatArray = np.zeros(primitives.types)
        self._agreed: Menu | None = None
        self.tasks: FloatArray = np.zeros(primitives.types)
        self.violations: FloatArray = np.zeros(primitives.types)

    def expect(self, match_probability: FloatArray) -> None:
        """Perceive z_{m,n}: which part of the users of each type means to come, (N,)."""
        self.match_probability = match_probability

    def commit(self, menu: Menu | None) -> None:
        """Announce this menu (N,) from now on, whatever demand is expected; None: be free again."""
        self._agreed = menu

    def announce(self) -> Announcement:
        """Say the menu, with the congestion state; designed for the expected demand, or agreed."""
        own = self.primitives
        return Announcement(
            menu=self._agreed or designed_menus(own, self.match_probability),
            service_value_usd=float(self.primitives.service_value_usd),
            shadow_price_usd=self.shadow_price_usd,
            effective_capacity_per_s=self.effective_capacity_per_s,
            task_size=None if own.services is None else np.asarray(own.task_size),
        )

    def adjust_shadow_price(self) -> None:
        """Raise the shadow price when more is expected than there is room for, else lower it."""
        self.shadow_price_usd = float(
            update_shadow_price(
                np.asarray(self.shadow_price_usd),
                np.asarray(self.expected_load_per_s),
                np.asarray(self.effective_capacity_per_s),
                self.primitives.mechanism.shadow_price_step_usd,
            )
        )

    def observe(self, tasks: FloatArray, violations: FloatArray) -> None:
        """Take note of the tasks of a round and of its agreements broken so far, (N,)."""
        self.tasks = tasks
        self.violations = violations

    @property
    def effective_capacity_per_s(self) -> float:
        """λ̄_m, tasks/s."""
        return float(self.primitives.effective_capacity_per_s)

    @property
    def expected_load_per_s(self) -> float:
        """Σ_n I_n z_{m,n} δ, tasks/s; `Primitives.bottleneck_load_per_s`."""
        return float(self.primitives.bottleneck_load_per_s(self.match_probability))
