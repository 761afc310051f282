"""The ledger: every payment of the market, task by task, out of one account into another."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import fsum

import numpy as np
from numpy.typing import ArrayLike

from airan_market.agents.rounds.books import add_at
from airan_market.sim.arrays import FloatArray

KINDS = ("price", "refund", "loss", "running")


@dataclass
class Ledger:
    """Double-entry account of the rounds, users, operators and types of one market.

    Four kinds of payment, each task's own (spec, "Utilities"):

    ========  ==================  =====================================================
    kind      from → to           amount per task
    ========  ==================  =====================================================
    price     user → operator     R of the contract, when the task arrives
    refund    operator → user     R̄, when the agreement is broken
    loss      operator → outside  C̄ − R̄, when the agreement is broken (C̄ holds the refund)
    running   operator → outside  κ, when the task arrives
    ========  ==================  =====================================================

    What users and what operators paid and received is summed separately, over different
    groupings of the same tasks, so that `imbalance_usd` can tell when an entry was lost: operators'
    by round and type, users' over all rounds, or the books would grow with users times rounds.

    Parameters
    ----------
    rounds, users, operators, types : int
        Numbers of each; round 0 is the warm-up and stays empty.

    Examples
    --------
    >>> ledger = Ledger(rounds=1, users=2, operators=1, types=1)
    >>> ledger.book("price", round_=[1, 1], user=[0, 1], operator=[0, 0], type_=[0, 0],
    ...             amount_usd=[0.5, 0.25])
    >>> float(ledger.operator_side("price")[1, 0, 0]), ledger.imbalance_usd()
    (0.75, 0.0)
    """

    rounds: int
    users: int
    operators: int
    types: int
    _operator_side: dict[str, FloatArray] = field(init=False, repr=False)
    _user_side: dict[str, FloatArray] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        shape = (self.rounds + 1, self.operators, self.types)
        self._operator_side = {kind: np.zeros(shape) for kind in KINDS}
        self._user_side = {kind: np.zeros(self.users) for kind in KINDS}

    def book(
        self,
        kind: str,
        round_: ArrayLike,
        user: ArrayLike,
        operator: ArrayLike,
        type_: ArrayLike,
        amount_usd: ArrayLike,
    ) -> None:
        """Enter one payment per task; all arguments broadcast to one entry each.

        `loss` and `running` leave the market; their user says whose task caused them.

        Raises
        ------
        ValueError
            On an unknown kind, an amount that is not finite, or an entry outside the ledger.
        """
        if kind not in KINDS:
            raise ValueError(f"kind = {kind!r}: allowed are {', '.join(KINDS)}")
        entries = np.broadcast_arrays(round_, user, operator, type_, amount_usd)
        rounds, users, operators, types, amounts = (np.atleast_1d(entry) for entry in entries)
        if not np.isfinite(amounts).all():
            raise ValueError(f"amount_usd: {kind} has an entry that is not finite")
        add_at(self._operator_side[kind], (rounds, operators, types), amounts)
        add_at(self._user_side[kind], (users,), amounts)

    def operator_side(self, kind: str) -> FloatArray:
        """Sums by (round, operator, type), USD; row 0 is the warm-up."""
        return self._operator_side[kind].copy()

    def user_side(self, kind: str) -> FloatArray:
        """Sums by user over all rounds, USD."""
        return self._user_side[kind].copy()

    def operator_balance_usd(self) -> FloatArray:
        """What each operator kept, by (round, operator, type): price − refund − loss − running."""
        side = self._operator_side
        return side["price"] - side["refund"] - side["loss"] - side["running"]

    def user_balance_usd(self) -> FloatArray:
        """What each user received less what it paid: refund − price."""
        return self._user_side["refund"] - self._user_side["price"]

    def imbalance_usd(self) -> float:
        """Money that one side booked and the other did not; 0 but for rounding.

        Σ_users (refund − price) + Σ_operators (price − refund), each kind summed exactly
        (`math.fsum`) over its own grouping, and the largest of the kinds returned.
        """
        return max(
            abs(fsum(self._operator_side[kind].ravel()) - fsum(self._user_side[kind]))
            for kind in KINDS
        )
