"""How agents come to terms: over the iterations of Algorithm 1, or before the first round."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from mesa.agent import AgentSet

from airan_market.agents.market.announcement import Announcement, Board
from airan_market.agents.market.operator import OperatorAgent
from airan_market.agents.market.user import UserAgent
from airan_market.agents.matching.assignment import deal, split_proportionally
from airan_market.agents.matching.response import temperature
from airan_market.agents.mechanism.agreement import Agreement
from airan_market.agents.rounds.agents import require
from airan_market.agents.world.conditions import Conditions
from airan_market.scenarios import Mechanism
from airan_market.sim.arrays import BoolArray, FloatArray, IntArray

_ONE = 1 + 1e-9  # a sum of probabilities, up to rounding


class Negotiation:
    """Operators and users settling menus and matching; the steps of Algorithm 1, dealt out.

    With an agreement that stands before the first round there is nothing left to settle: operators
    commit to its menus, users are dealt out by its matching, and no iteration is played; new
    conditions need a new agreement (`settle`).

    Parameters
    ----------
    operators : AgentSet of OperatorAgent
    users : AgentSet of UserAgent
        Type after type.
    users_by_type : array (N,) of int
        I_n.
    absent : mapping of int to UserAgent
        One user for each type that has none: Algorithm 1 has a strategy of every type. It answers
        as users do, and trades nothing.
    settings : scenarios.Mechanism
    agreed : Agreement, optional
    quality_of_user : array (U,) of int, optional
        Quality type of every user, where they value quality differently.

    Attributes
    ----------
    iteration : int
        k, iterations played so far.
    temperature_usd, residual : float
        τ_k and ‖Z_k − Z_{k−1}‖_∞ of the last one; NaN where there are none.
    match_probability : array (M, N)
        Z_k: mean strategy of the users of each type who are present; of a type without any, what
        one of it would do.
    present : array (U,) of bool
        Users who are there; the others answer too, as they would.
    open : array (M,) of bool
        Operators that take customers.
    """

    def __init__(
        self,
        operators: AgentSet,
        users: AgentSet,
        users_by_type: IntArray,
        absent: Mapping[int, UserAgent],
        settings: Mechanism,
        agreed: Agreement | None = None,
        quality_of_user: IntArray | None = None,
    ) -> None:
        self._operators = operators
        self._users = users
        self._ends = np.cumsum(users_by_type)
        self._absent = absent
        self._type_of = np.repeat(np.arange(users_by_type.size), users_by_type)
        self._quality_of = quality_of_user
        self._settings = settings
        self.iteration = 0
        self.present: BoolArray = np.ones(len(users), dtype=bool)
        self.open: BoolArray = np.ones(len(operators), dtype=bool)
        self.temperature_usd, self.residual = settings.temperature_start_usd, np.inf
        self._over = agreed is not None
        self.match_probability: FloatArray
        if agreed is not None:
            self.settle(agreed)
        else:
            self.match_probability = self._mean_strategies()

    @property
    def settled(self) -> bool:
        """Whether the matching moves no more than the tolerance, or no iterations are left."""
        over = self._over or self.iteration >= self._settings.max_iterations
        return over or self.residual <= self._settings.tolerance

    def face(self, conditions: Conditions, pool: IntArray) -> None:
        """Take up who is there, and who takes customers: nobody keeps to one who does not."""
        self.present, self.open = conditions.present(pool), conditions.open
        self._settings = conditions.mechanism
        if not self.open.all():
            for user in self._users:
                user.strategy = np.where(self.open, user.strategy, 0.0)
        self.match_probability = self._mean_strategies()

    def settle(self, agreed: Agreement) -> None:
        """Take up what a mechanism arrived at among those who are there.

        Open operators commit to its menus, and present users are dealt out by its matching.
        """
        self.temperature_usd = self.residual = np.nan
        dealt = self.deal(split_proportionally, agreed.match_probability, agreed.by_quality)
        for user, operator in zip(self._users, dealt, strict=True):
            user.take(int(operator))
        for type_, user in self._absent.items():
            user.strategy = agreed.match_probability[:, type_]
        for operator, opened in zip(self._operators, self.open, strict=True):
            operator.commit(agreed.menu[operator.number] if opened else None)
        self.match_probability = self._mean_strategies()

    def deal(
        self,
        rule: Callable[[FloatArray, IntArray], IntArray],
        match_probability: FloatArray,
        by_quality: FloatArray | None,
    ) -> IntArray:
        """Operator of every user who is present by a rule, type by type or class by class."""
        matching, class_of = match_probability, self._type_of
        if by_quality is not None and self._quality_of is not None:
            matching = by_quality.reshape(len(by_quality), -1)
            class_of = self._quality_of * self._ends.size + self._type_of
        classes = matching.shape[1]
        return deal(lambda users: rule(matching, users), class_of, self.present, classes)

    @property
    def by_quality(self) -> FloatArray | None:
        """Z of every class, (M, X, N), where users value quality differently.

        The mean strategy of those who are present; of a class without any, that of its type.
        """
        if self._quality_of is None:
            return None
        mean = np.repeat(self.match_probability[:, np.newaxis], self._quality_of.max() + 1, axis=1)
        each = np.array([user.strategy for user in self._users])
        for x, n in np.unique(
            np.stack([self._quality_of, self._type_of])[:, self.present], axis=1
        ).T:
            same = (self._quality_of == x) & (self._type_of == n) & self.present
            mean[:, x, n] = each[same].mean(axis=0)
        return mean

    def more(self, iterations: int) -> None:
        """Play so many iterations more, at the last temperature, settled or not."""
        for _ in range(0 if self._over else iterations):
            self._iterate()

    def until(self, iteration: int) -> None:
        """Negotiate up to an iteration, or until settled."""
        while self.iteration < iteration and not self.settled:
            self._iterate()

    def post(self) -> Board:
        """Menus for the demand that operators now expect: what this round is traded on."""
        for operator in self._operators:
            operator.expect(self.match_probability[operator.number])
        return posted(self._operators, self.open)

    def _iterate(self) -> None:
        settings = self._settings
        self.iteration += 1
        self.temperature_usd = temperature(
            min(self.iteration, settings.max_iterations),
            settings.max_iterations,
            settings.temperature_start_usd,
            settings.temperature_end_usd,
        )
        board = self.post()
        respond_all(
            (*self._users, *self._absent.values()), board, self.temperature_usd, settings.damping
        )
        before, self.match_probability = self.match_probability, self._mean_strategies()
        self.residual = float(np.abs(self.match_probability - before).max())
        for operator in self._operators:
            operator.expect(self.match_probability[operator.number])
            operator.adjust_shadow_price()

    def _mean_strategies(self) -> FloatArray:
        """Z: mean strategy of the users of each type.

        Raises
        ------
        AgentError
            When the strategy of a user is none.
        """
        operators = len(self._operators)
        users = list(self._users)
        given = [user.strategy for user in users]
        allowed = f"{operators} numbers, sum at most 1"
        if any(getattr(strategy, "shape", None) != (operators,) for strategy in given):
            for user, strategy in zip(users, given, strict=True):
                require(user, np.shape(strategy) == (operators,), "strategy", strategy, allowed)
        each = np.array(given, dtype=float).reshape(-1, operators)
        right = (each >= 0).all(axis=1) & (each.sum(axis=1) <= _ONE)
        for user, strategy in zip(users, each, strict=True) if not right.all() else ():
            fine = bool(strategy.min() >= 0 and strategy.sum() <= _ONE)
            require(user, fine, "strategy", strategy, allowed)
        mean = np.empty((operators, self._ends.size))
        for type_, (start, end) in enumerate(pairwise([0, *self._ends])):
            own = each[start:end] if end > start else [self._absent[type_].strategy]
            here = self.present[start:end]
            if here.any() and not here.all():
                own = own[here]
            mean[:, type_] = np.mean(own, axis=0)
        return mean


def respond_all(
    users: Iterable[UserAgent], board: Board, temperature_usd: float, damping: float
) -> None:
    """Let all users respond to a board.

    Users who differ in nothing that `UserAgent.respond` looks at answer alike, so one of them is
    asked and the others take its answer over; a class that responds in its own way is asked always.
    """
    answers: dict[tuple[Any, ...], FloatArray] = {}
    for user in users:
        if type(user).respond is not UserAgent.respond:
            user.respond(board, temperature_usd, damping)
            continue
        key = user.type, *user.known, user.strategy.tobytes()
        answer = answers.get(key)
        if answer is None:
            user.respond(board, temperature_usd, damping)
            answer = answers[key] = user.strategy
            answer.setflags(write=False)  # it is shared
        user.strategy = answer


def posted(operators: AgentSet, open_: BoolArray | None = None) -> Board:
    """Put up what every operator announces now.

    Raises
    ------
    AgentError
        When an operator announces what cannot be a contract.
    """
    announced = [operator.announce() for operator in operators]
    for operator, announcement in zip(operators, announced, strict=True):
        _check(operator, announcement)
    return Board.of(announced, open_)


def _check(operator: OperatorAgent, announcement: Announcement) -> None:
    settings, menu = operator.primitives.mechanism, announcement.menu
    low, high = settings.latency_min_s, settings.latency_max_s
    for name, least, most in (
        ("latency_s", low, high),
        ("price_usd", -np.inf, np.inf),
        ("violation_probability", 0.0, 1.0),
    ):
        item = np.asarray(getattr(menu, name), dtype=float)
        right = item.shape == (operator.primitives.types,) and np.isfinite(item).all()
        allowed = f"{operator.primitives.types} numbers, {least:g} to {most:g}"
        require(operator, right and (item >= least) & (item <= most), name, item, allowed)
    for name in ("service_value_usd", "shadow_price_usd", "effective_capacity_per_s"):
        value = getattr(announcement, name)
        require(operator, bool(np.isfinite(value)), name, value, "a finite number")
