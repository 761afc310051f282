"""The market as a game of few actions: how much longer than designed, and what margin."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from airan_market.agents.equilibrium.answer import Answer, Rules, certified_gains
from airan_market.agents.equilibrium.profile import Profile, accounts_of
from airan_market.agents.primitives.primitives import Primitives
from airan_market.sim.arrays import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Grid:
    """Actions: every latency scale with every margin.

    Attributes
    ----------
    scale : array (S,)
        Latencies of the base, times this.
    margin_usd : array (R,)
        Left to every type beyond its information rent.

    Examples
    --------
    >>> grid = Grid(np.array([1.0, 2.0]), np.array([0.0, 1e-5, 2e-5]))
    >>> grid.actions, grid.action(4)
    (6, (2.0, 1e-05))
    """

    scale: FloatArray
    margin_usd: FloatArray

    @property
    def actions(self) -> int:
        """A."""
        return self.scale.size * self.margin_usd.size

    def action(self, number: int) -> tuple[float, float]:
        """Scale and margin of an action."""
        scale, margin = divmod(number, self.margin_usd.size)
        return float(self.scale[scale]), float(self.margin_usd[margin])


@dataclass(frozen=True, eq=False)
class Game:
    """Operators that all choose from a grid; what a profile is worth is expected (`accounts_of`).

    Attributes
    ----------
    primitives : Primitives
    base_s : array (M, N)
        Latencies that scales multiply.
    grid : Grid
    """

    primitives: Primitives
    base_s: FloatArray
    grid: Grid

    def __post_init__(self) -> None:
        self.primitives.require_one_service("the game of menus")

    def profile(self, actions: IntArray) -> Profile:
        """Strategies behind actions (M,); latencies stay within what the mechanism allows."""
        scale, margin = np.array([self.grid.action(int(a)) for a in actions]).T
        rules = self.primitives.mechanism
        latency_s = self.base_s * scale[:, np.newaxis]
        return Profile(np.clip(latency_s, rules.latency_min_s, rules.latency_max_s), margin)

    @cached_property
    def payoffs(self) -> FloatArray:
        """Profits (A^M, M), USD/s; the action of operator 1 varies fastest."""
        actions, operators = self.grid.actions, self.primitives.operators
        powers = actions ** np.arange(operators)
        rows = [
            accounts_of(self.primitives, self.profile(place // powers % actions))
            .operator_utility_usd_per_s
            for place in range(actions**operators)
        ]  # fmt: skip
        return np.array(rows)

    @cached_property
    def pure_equilibria(self) -> IntArray:
        """Profiles of actions (K, M) from which no operator gains by another action."""
        actions, operators = self.grid.actions, self.primitives.operators
        place = np.arange(actions**operators)
        steady = np.ones(place.size, dtype=bool)
        for m in range(operators):
            step = actions**m
            others = place - place // step % actions * step
            best = np.full(place.size, -np.inf)
            np.maximum.at(best, others, self.payoffs[:, m])
            steady &= self.payoffs[:, m] >= best[others]
        found = np.flatnonzero(steady)
        return found[:, np.newaxis] // actions ** np.arange(operators) % actions

    def total(self, actions: IntArray) -> float:
        """Profit of all operators at actions (M,), USD/s."""
        powers = self.grid.actions ** np.arange(self.primitives.operators)
        return float(self.payoffs[int((actions * powers).sum())].sum())

    def gain(self, profit: float) -> float:
        """Collusion index of a total profit: 0 at the worst pure equilibrium, 1 at the best.

        Raises
        ------
        ValueError
            When the grid has no pure equilibrium.
        """
        if not len(self.pure_equilibria):
            raise ValueError("the grid has no pure equilibrium: there is nothing to compare with")
        nash = min(self.total(actions) for actions in self.pure_equilibria)
        best = float(self.payoffs.sum(axis=1).max())
        return (profit - nash) / (best - nash)

    def certified(self, actions: IntArray, *, margins: bool = True) -> list[Answer]:
        """What every operator could gain by any menu (and margin), off the grid too."""
        return certified_gains(self.primitives, self.profile(actions), Rules(margins=margins))
