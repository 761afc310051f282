"""Users with strategies of their own: the table `strategy` of a scenario's users."""

from __future__ import annotations

from typing import Any

import numpy as np

from airan_market.agents.contract.utility import task_utility
from airan_market.agents.market.announcement import Board
from airan_market.agents.market.user import UserAgent
from airan_market.agents.matching.assignment import OUT
from airan_market.agents.matching.response import adjusted_utility, damp, mixed_response
from airan_market.scenarios.schema.dynamics import UserStrategy
from airan_market.sim.arrays import FloatArray, IntArray


class Strategic(UserAgent):
    """A user whose scenario says how it chooses."""

    def __init__(self, model: Any, type_: int, *known: Any) -> None:
        super().__init__(model, type_, *known)
        self.ways: UserStrategy = model.scenario.users.strategy or UserStrategy()
        self.operator = OUT
        self._before = np.zeros(2)

    def choose(self, uniform: float) -> int:
        """Draw as users do, and remember it."""
        self.operator = super().choose(uniform)
        return self.operator

    def observe(self, tasks: int, violations: int, paid_usd: float, refunded_usd: float) -> None:
        """Take note of the run, and of the round by itself."""
        super().observe(tasks, violations, paid_usd, refunded_usd)
        now = np.array([tasks, violations], dtype=float)
        self.learn(*(now - self._before))
        self._before = now

    def learn(self, tasks: float, violations: float) -> None:
        """What a round with the last choice brought."""


class Bayesian(Strategic):
    """Believes its own experience: a Beta posterior of each operator's violation rate.

    It begins with what an operator announces, worth `prior_tasks` tasks; what it met is discounted
    by `memory` a round. In the paper's utility a violation costs a user nothing beyond the agreed
    latency and brings a refund, so who breaks its word becomes more attractive, not less.
    """

    def __init__(self, model: Any, type_: int, *known: Any) -> None:
        super().__init__(model, type_, *known)
        self.met = np.zeros((2, self.strategy.size))  # tasks and violations by operator

    def learn(self, tasks: float, violations: float) -> None:
        """Discount what was met before, and add the round."""
        self.met *= self.ways.memory
        if self.operator != OUT:
            self.met[:, self.operator] += tasks, violations

    def believed(self, announced: FloatArray) -> FloatArray:
        """Mean of the posterior, (M,)."""
        tasks, violations = self.met
        prior = self.ways.prior_tasks
        return (prior * announced + violations) / (prior + tasks)

    def respond(self, board: Board, temperature_usd: float, damping: float) -> None:
        """As users do, with its own belief in the place of the announced one."""
        _respond(self, board, temperature_usd, damping, board.menu.latency_s[:, self.type],
                 self.believed(board.menu.violation_probability[:, self.type]))  # fmt: skip


class Served(Strategic):
    """Prefers the operator whose item pays best as it was served.

    What counts is the mean latency and the violated part that users of the item met, of the market
    as a whole (`Market.met`), each begun with the announcement, worth `prior_tasks` tasks.
    """

    def respond(self, board: Board, temperature_usd: float, damping: float) -> None:
        """As users do, with met latencies and violations in the place of the announced ones."""
        latency_s, violated = (values[:, self.type] for values in _as_served(self, board))
        _respond(self, board, temperature_usd, damping, latency_s, violated)


class Picks(Strategic):
    """Takes the item that pays best as it was served, whichever type it is meant for.

    As `Served`, over all items. It cannot lie about its type otherwise: an operator sees the item.
    """

    def __init__(self, model: Any, type_: int, *known: Any) -> None:
        super().__init__(model, type_, *known)
        self._items = super().items()

    def items(self) -> IntArray:
        """The item that paid best when it last looked."""
        return self._items

    def respond(self, board: Board, temperature_usd: float, damping: float) -> None:
        """As users do, each operator by its best item as served."""
        menu = board.menu
        latency_s, violated = _as_served(self, board)
        utility = task_utility(
            board.service_value_usd[:, np.newaxis], self.latency_sensitivity_usd_per_s, latency_s,
            menu.price_usd, violated, self.refund_usd,
        )  # fmt: skip
        best = utility.max(axis=1)
        own = utility[:, self.type] >= best  # a tie goes to the item of its type
        self._items = np.where(own, self.type, utility.argmax(axis=1))
        _move(self, board, temperature_usd, damping, best)


class Loyal(Strategic):
    """Chooses anew only now and then: with probability `loyalty` it stays where it was."""

    def choose(self, uniform: float) -> int:
        """Stay, or draw with what is left of the same uniform number."""
        loyalty = self.ways.loyalty
        stays = self.operator != OUT and self.strategy[self.operator] > 0
        if stays and uniform < loyalty:
            return self.operator
        rest = (uniform - loyalty) / (1 - loyalty) if stays else uniform
        return super().choose(rest)


class Quits(Strategic):
    """Leaves for good after some bad rounds in a row."""

    bad_rounds = 0
    gone = False

    def learn(self, tasks: float, violations: float) -> None:
        """Count bad rounds."""
        if tasks == 0:
            return
        self.bad_rounds = self.bad_rounds + 1 if violations > self.ways.bad * tasks else 0
        self.gone = self.gone or self.bad_rounds >= self.ways.patience

    def respond(self, board: Board, temperature_usd: float, damping: float) -> None:
        """As users do, until it is gone."""
        super().respond(board, temperature_usd, damping)
        if self.gone:
            self.strategy = np.zeros_like(self.strategy)

    def choose(self, uniform: float) -> int:
        """Nobody, once it is gone."""
        chosen = super().choose(uniform)
        self.operator = OUT if self.gone else chosen
        return self.operator


def _as_served(user: Strategic, board: Board) -> tuple[FloatArray, FloatArray]:
    """Mean latency and violated part of every item, (M, N), begun with what is announced."""
    prior, met = user.ways.prior_tasks, user.model.met
    announced = board.menu.latency_s, board.menu.violation_probability
    latency_s, violated = (
        (prior * said + total) / (prior + met.tasks)
        for said, total in zip(announced, (met.latency_sum_s, met.violations), strict=True)
    )
    return latency_s, violated


def _respond(
    user: UserAgent,
    board: Board,
    temperature_usd: float,
    damping: float,
    latency_s: FloatArray,
    violated: FloatArray,
) -> None:
    """The mixed response (33) to what a user believes of latency and violations."""
    utility = task_utility(
        board.service_value_usd, user.latency_sensitivity_usd_per_s, latency_s,
        board.menu.price_usd[:, user.type], violated, user.refund_usd,
    )  # fmt: skip
    _move(user, board, temperature_usd, damping, utility)


def _move(
    user: UserAgent, board: Board, temperature_usd: float, damping: float, utility: FloatArray
) -> None:
    """The mixed response (33) to what a task is worth at each operator, damped (35)."""
    adjusted = adjusted_utility(
        utility, board.shadow_price_usd, user.demand_of_type_per_s, board.effective_capacity_per_s
    )
    valued = board.available(user.valued(adjusted))
    response = mixed_response(valued, user.opt_out_utility_usd, temperature_usd)
    user.strategy = damp(user.strategy, response, damping)


USERS: dict[str, type[UserAgent]] = {
    "response": UserAgent,
    "bayesian": Bayesian,
    "served": Served,
    "picks": Picks,
    "loyal": Loyal,
    "quits": Quits,
}
