"""The user: a private type, a mixed strategy, and what its contracts brought it."""

from __future__ import annotations

from typing import Any

import mesa
import numpy as np

from airan_market.agents.contract.utility import task_utility
from airan_market.agents.market.announcement import Board
from airan_market.agents.market.strategies import decided, undecided
from airan_market.agents.matching.assignment import draw
from airan_market.agents.matching.response import adjusted_utility, damp, mixed_response
from airan_market.sim.arrays import FloatArray, IntArray


class UserAgent(mesa.Agent):
    """One user of AI inference.

    In every iteration of the negotiation the market calls `respond`: the user perceives the board
    of announcements and answers with a mixed strategy (eqs. (32), (33), damped by (35)), which it
    keeps in `strategy`: M numbers of at least 0, the rest up to 1 for staying out. In every round
    it is asked to `choose` (when `simulation.assignment` is "sampled"; other readings deal users
    out by the mean strategy of their type) and afterwards to `observe`. With a mechanism that
    settles before the first round it is told its operator then, and again when conditions change
    (`take`). A user of one's own overrides some of these.

    A user takes the item that is meant for its type, unless its class says otherwise in `items`.

    Parameters
    ----------
    model : mesa.Model
        The market.
    type_ : int
        Its type n, 0-based; private, seen by others only through the item it takes.
    latency_sensitivity_usd_per_s : float
        β_n, private.
    demand_of_type_per_s : float
        I_n δ, which is public: how much its type asks for altogether.
    refund_usd, opt_out_utility_usd : float
        R̄, and its utility u_0 when it stays out.
    operators : int
        M.
    added_value_usd : float or array (M,)
        What a task is worth to it beyond the service value that operators announce, where there are
        several services or users value quality differently.

    Attributes
    ----------
    quality : int
        Its quality type x, 0-based; private.
    tasks, violations, paid_usd, refunded_usd
        What it observed of its tasks of the run so far.
    """

    quality: int = 0

    def __init__(
        self,
        model: Any,
        type_: int,
        latency_sensitivity_usd_per_s: float,
        demand_of_type_per_s: float,
        refund_usd: float,
        opt_out_utility_usd: float,
        operators: int,
        added_value_usd: float | FloatArray = 0.0,
    ) -> None:
        super().__init__(model)
        self.type = type_
        self.latency_sensitivity_usd_per_s = latency_sensitivity_usd_per_s
        self.demand_of_type_per_s = demand_of_type_per_s
        self.refund_usd = refund_usd
        self.opt_out_utility_usd = opt_out_utility_usd
        self.added_value_usd = added_value_usd
        self.strategy: FloatArray = undecided(operators)
        self.tasks = 0
        self.violations = 0
        self.paid_usd = 0.0
        self.refunded_usd = 0.0

    @property
    def known(self) -> tuple[float | bytes, ...]:
        """What `respond` looks at, besides the board, the type and the strategy so far."""
        added = self.added_value_usd
        return (
            self.latency_sensitivity_usd_per_s,
            self.demand_of_type_per_s,
            self.refund_usd,
            self.opt_out_utility_usd,
            added if isinstance(added, float) else added.tobytes(),
        )

    def valued(self, adjusted_usd: FloatArray) -> FloatArray:
        """Utilities (M,) of the announced service with what it is worth more, or less, to it."""
        return adjusted_usd + self.added_value_usd

    def respond(self, board: Board, temperature_usd: float, damping: float) -> None:
        """Move the strategy towards the mixed response to the board."""
        item = self.type
        utility = task_utility(
            board.service_value_usd,
            self.latency_sensitivity_usd_per_s,
            board.menu.latency_s[:, item],
            board.menu.price_usd[:, item],
            board.menu.violation_probability[:, item],
            self.refund_usd,
        )
        adjusted = adjusted_utility(
            utility,
            board.shadow_price_usd,
            self.demand_of_type_per_s,
            board.effective_capacity_per_s,
            board.size_of(item),
        )
        adjusted = board.available(self.valued(adjusted))
        response = mixed_response(adjusted, self.opt_out_utility_usd, temperature_usd)
        self.strategy = damp(self.strategy, response, damping)

    def take(self, operator: int) -> None:
        """Take one operator for good, `assignment.OUT` to stay out: a strategy without chance."""
        self.strategy = decided(self.strategy.size, operator)

    def items(self) -> IntArray:
        """Which item it would take at each operator, (M,): the one meant for its type."""
        return np.full(self.strategy.size, self.type)

    def choose(self, uniform: float) -> int:
        """Draw an operator from the strategy, `assignment.OUT` to stay out."""
        return draw(self.strategy, uniform)

    def observe(self, tasks: int, violations: int, paid_usd: float, refunded_usd: float) -> None:
        """Take note of what its tasks of the run came to so far."""
        self.tasks = tasks
        self.violations = violations
        self.paid_usd = paid_usd
        self.refunded_usd = refunded_usd
