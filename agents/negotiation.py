"""Algorithm 1 as agents play it: announce, respond, reprice, iteration after iteration."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from agents.announcement import Board
from agents.operator import OperatorAgent
from agents.selection import temperature
from agents.user import UserAgent
from scenarios import Mechanism

FloatArray = NDArray[np.float64]


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
        starts = np.concatenate([[0], self._ends[:-1]])
        mean = np.zeros((len(self._operators), self._ends.size))
        for type_, (start, end) in enumerate(zip(starts, self._ends, strict=True)):
            if end > start:
                mean[:, type_] = np.mean([user.strategy for user in self._users[start:end]], axis=0)
        return mean
