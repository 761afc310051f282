"""What operators let the market see: announcements, and the board on which they stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from airan_market.agents.contract.menu import Menu
from airan_market.agents.world.conditions import Conditions
from airan_market.sim.arrays import BoolArray, FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Announcement:
    """All that one operator tells: its menu, and the congestion state behind it.

    Costs, servers and the way a menu was found stay with the operator.

    Attributes
    ----------
    menu : Menu
        Latency, price and violation probability of each item, arrays (N,).
    service_value_usd : float
        α_1 q_m of one task.
    shadow_price_usd, effective_capacity_per_s : float
        ω_m and λ̄_m, from which a user reads the penalty of a loaded operator, eq. (32).
    task_size : array (N,), optional
        How many reference tasks one of each type counts for there, with several services.
    """

    menu: Menu
    service_value_usd: float
    shadow_price_usd: float
    effective_capacity_per_s: float
    task_size: FloatArray | None = None


@dataclass(frozen=True, eq=False)
class Board:
    """The announcements of all operators side by side.

    Attributes
    ----------
    menu : Menu
        Arrays (M, N).
    service_value_usd, shadow_price_usd, effective_capacity_per_s : array (M,)
    open : array (M,) of bool
        Operators that take customers.
    task_size : array (M, N), optional

    Examples
    --------
    >>> item = Menu(np.array([0.5]), np.array([2e-4]), np.array([0.01]))
    >>> board = Board.of([Announcement(item, 7e-4, 0.0, 100.0)] * 2)
    >>> board.menu.latency_s.tolist()
    [[0.5], [0.5]]
    """

    menu: Menu
    service_value_usd: FloatArray
    shadow_price_usd: FloatArray
    effective_capacity_per_s: FloatArray
    open: BoolArray
    task_size: FloatArray | None = None

    @classmethod
    def of(cls, announcements: Sequence[Announcement], open_: BoolArray | None = None) -> Board:
        """Put up the announcements, operator by operator; all are open unless told."""
        return cls(
            menu=Menu.stack([a.menu for a in announcements]),
            service_value_usd=np.array([a.service_value_usd for a in announcements]),
            shadow_price_usd=np.array([a.shadow_price_usd for a in announcements]),
            effective_capacity_per_s=np.array([a.effective_capacity_per_s for a in announcements]),
            open=np.ones(len(announcements), dtype=bool) if open_ is None else open_,
            task_size=None
            if any(a.task_size is None for a in announcements)
            else np.array([a.task_size for a in announcements]),
        )

    def size_of(self, type_: int) -> FloatArray | float:
        """Size of a type's task at every operator, (M,); 1 where there is one service."""
        return 1.0 if self.task_size is None else self.task_size[:, type_]

    def available(self, utility_usd: FloatArray) -> FloatArray:
        """Utilities (M, ...) with −∞ at closed operators: nobody can take them."""
        if self.open.all():
            return utility_usd
        closed = ~self.open.reshape(-1, *[1] * (utility_usd.ndim - 1))
        return np.where(closed, -np.inf, utility_usd)


@dataclass(frozen=True, eq=False)
class Terms:
    """What a round is traded on.

    Attributes
    ----------
    board : Board
        The menus in force.
    match_probability : array (M, N)
        Z behind them.
    operator_of_user : array (U,) of int
        What the users chose, `assignment.OUT` for staying out.
    users : array (M, N) of int
        How many each item of each operator got.
    conditions : Conditions
        Under which.
    item_of_user : array (U,) of int, optional
        Item that each user takes where it takes an operator; without it, that of its type.
    by_quality : array (M, X, N), optional
        Z of every class, where users value quality differently.
    """

    board: Board
    match_probability: FloatArray
    operator_of_user: IntArray
    users: IntArray
    conditions: Conditions
    item_of_user: IntArray | None = None
    by_quality: FloatArray | None = None
