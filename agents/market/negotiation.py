"""How agents come to terms: over the iterations of Algorithm 1, or before the first round."""

from __future__ import annotations

import numpy as np
from mesa.agent import AgentSet

from airan_market.agents.contract.menu import Menu
from airan_market.agents.market.announcement import Announcement, Board
from airan_market.agents.market.operator import OperatorAgent
from airan_market.agents.matching.assignment import split_proportionally
from airan_market.agents.matching.response import temperature
from airan_market.agents.rounds.agents import require
from airan_market.scenarios import Mechanism
from airan_market.sim.arrays import FloatArray, IntArray

_ONE = 1 + 1e-9  # a sum of probabilities, up to rounding


class Negotiation:
    """Operators and users settling menus and matching; the steps of `mixed.step`, dealt out.

    Parameters
    ----------
    operators : AgentSet of OperatorAgent
    users : AgentSet of UserAgent
        Type after type.
    users_by_type : array (N,) of int
        I_n.
    settings : scenarios.Mechanism

    Attributes
    ----------
    iteration : int
        k, iterations played so far.
    temperature_usd, residual : float
        τ_k and ‖Z_k − Z_{k−1}‖_∞ of the last one.
    match_probability : array (M, N)
        Z_k: mean strategy of the users of each type, 0 for a type without users.
    """

    def __init__(
        self,
        operators: AgentSet,
        users: AgentSet,
        users_by_type: IntArray,
        settings: Mechanism,
    ) -> None:
        self._operators = operators
        self._users = users
        self._ends = np.cumsum(users_by_type)
        self._settings = settings
        self.iteration = 0
        self.temperature_usd = settings.temperature_start_usd
        self.residual = np.inf
        self.match_probability = self._mean_strategies()

    @property
    def settled(self) -> bool:
        """Whether the matching moves no more than the tolerance, or the iterations are over."""
        over = self.iteration >= self._settings.max_iterations
        return over or self.residual <= self._settings.tolerance

    def until(self, iteration: int) -> None:
        """Negotiate up to an iteration, or until settled."""
        while self.iteration < iteration and not self.settled:
            self._iterate()

    def post(self) -> Board:
        """Menus for the demand that operators now expect: what this round is traded on."""
        for operator in self._operators:
            operator.expect(self.match_probability[operator.number])
        return posted(self._operators)

    def _iterate(self) -> None:
        settings = self._settings
        self.iteration += 1
        self.temperature_usd = temperature(
            self.iteration,
            settings.max_iterations,
            settings.temperature_start_usd,
            settings.temperature_end_usd,
        )
        board = self.post()
        for user in self._users:
            user.respond(board, self.temperature_usd, settings.damping)
        before, self.match_probability = self.match_probability, self._mean_strategies()
        self.residual = float(np.abs(self.match_probability - before).max())
        for operator in self._operators:
            operator.expect(self.match_probability[operator.number])
            operator.adjust_shadow_price()

    def _mean_strategies(self) -> FloatArray:
        return mean_strategies(self._users, self._ends, len(self._operators))


class Prearranged:
    """Terms settled before the first round: the same menus and the same pure matching every round.

    Has what the market asks of a `Negotiation`; there are no iterations, hence no temperature and
    no residual.

    Parameters
    ----------
    operators : AgentSet of OperatorAgent
    users : AgentSet of UserAgent
        Type after type.
    users_by_type : array (N,) of int
    menu : Menu
        Menus (M, N) in force, with the violation probabilities at the loads of the matching.
    match_probability : array (M, N)
        Part of the users of each type at each operator; users are dealt out in their order.

    Attributes
    ----------
    iteration : int
        0.
    temperature_usd, residual : float
        NaN.
    match_probability : array (M, N)
        As given, 0 for a type without users.
    """

    def __init__(
        self,
        operators: AgentSet,
        users: AgentSet,
        users_by_type: IntArray,
        menu: Menu,
        match_probability: FloatArray,
    ) -> None:
        self._operators = operators
        self.iteration = 0
        self.temperature_usd = self.residual = np.nan
        for user, operator in zip(
            users, split_proportionally(match_probability, users_by_type), strict=True
        ):
            user.take(int(operator))
        self.match_probability = mean_strategies(users, np.cumsum(users_by_type), len(operators))
        for operator in operators:
            m = operator.number
            operator.expect(self.match_probability[m])
            operator.commit(menu[m])

    @property
    def settled(self) -> bool:
        """Always."""
        return True

    def until(self, iteration: int) -> None:
        """Nothing is left to negotiate."""

    def post(self) -> Board:
        """Menus agreed: what every round is traded on."""
        return posted(self._operators)


def posted(operators: AgentSet) -> Board:
    """Put up what every operator announces now.

    Raises
    ------
    AgentError
        When an operator announces what cannot be a contract.
    """
    announced = [operator.announce() for operator in operators]
    for operator, announcement in zip(operators, announced, strict=True):
        _check(operator, announcement)
    return Board.of(announced)


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


def mean_strategies(users: AgentSet, ends: IntArray, operators: int) -> FloatArray:
    """Mean strategy of the users of each type, (M, N); 0 for a type without users.

    `ends` are the numbers of users up to and with each type.

    Raises
    ------
    AgentError
        When the strategy of a user is none.
    """
    each = [np.asarray(user.strategy, dtype=float) for user in users]
    for user, strategy in zip(users, each, strict=True):
        right = strategy.shape == (operators,) and strategy.min() >= 0 and strategy.sum() <= _ONE
        require(user, bool(right), "strategy", strategy, f"{operators} numbers, sum at most 1")
    starts = np.concatenate([[0], ends[:-1]])
    mean = np.zeros((operators, ends.size))
    for type_, (start, end) in enumerate(zip(starts, ends, strict=True)):
        if end > start:
            mean[:, type_] = np.mean(each[start:end], axis=0)
    return mean
