"""How agents come to terms: over the iterations of Algorithm 1, or before the first round."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from airan_market.agents.contract.menu import Menu
from airan_market.agents.market.announcement import Board
from airan_market.agents.market.operator import OperatorAgent
from airan_market.agents.market.user import UserAgent
from airan_market.agents.matching.assignment import split_proportionally
from airan_market.agents.matching.selection import temperature
from airan_market.scenarios import Mechanism
from airan_market.sim.arrays import FloatArray


class Negotiation:
    """Operators and users settling menus and matching; the steps of `mixed.step`, dealt out.

    Parameters
    ----------
    operators : sequence of OperatorAgent
    users : sequence of UserAgent
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
        operators: Sequence[OperatorAgent],
        users: Sequence[UserAgent],
        users_by_type: NDArray[np.int64],
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
        return Board.of([operator.announce() for operator in self._operators])

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
    operators : sequence of OperatorAgent
    users : sequence of UserAgent
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
        operators: Sequence[OperatorAgent],
        users: Sequence[UserAgent],
        users_by_type: NDArray[np.int64],
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
        return Board.of([operator.announce() for operator in self._operators])


def mean_strategies(
    users: Sequence[UserAgent], ends: NDArray[np.int64], operators: int
) -> FloatArray:
    """Mean strategy of the users of each type, (M, N); 0 for a type without users.

    `ends` are the numbers of users up to and with each type.
    """
    starts = np.concatenate([[0], ends[:-1]])
    mean = np.zeros((operators, ends.size))
    for type_, (start, end) in enumerate(zip(starts, ends, strict=True)):
        if end > start:
            mean[:, type_] = np.mean([user.strategy for user in users[start:end]], axis=0)
    return mean
