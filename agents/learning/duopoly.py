"""The known answer for learners: pricing under logit demand, as Calvano and others have it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

from airan_market.sim.arrays import FloatArray


@dataclass(frozen=True)
class Logit:
    """n equal firms with logit demand: q_i = e^((a - p_i)/μ) / (Σ_j e^((a - p_j)/μ) + e^(a_0/μ)).

    The defaults are the baseline of Calvano, Calzolari, Denicolò and Pastorello (2020), "Artificial
    intelligence, algorithmic pricing, and collusion", section II.

    Attributes
    ----------
    firms : int
    quality, outside, cost, differentiation : float
        a, a_0, c and μ.

    Examples
    --------
    >>> duopoly = Logit()
    >>> round(duopoly.bertrand_nash, 3), round(duopoly.monopoly, 3)
    (1.473, 1.925)
    """

    firms: int = 2
    quality: float = 2.0
    outside: float = 0.0
    cost: float = 1.0
    differentiation: float = 0.25

    def profit(self, price: FloatArray) -> FloatArray:
        """Profits (..., n) at prices (..., n)."""
        weight = np.exp((self.quality - price) / self.differentiation)
        out = np.exp(self.outside / self.differentiation)
        share = weight / (weight.sum(axis=-1, keepdims=True) + out)
        profit: FloatArray = (price - self.cost) * share
        return profit

    @property
    def bertrand_nash(self) -> float:
        """The price that is best against itself: (p - c)(1 - q) = μ."""
        return float(brentq(lambda p: (p - self.cost) * (1 - self._share(p)) - self.differentiation,
                            self.cost, self.cost + 20 * self.differentiation))  # fmt: skip

    @property
    def monopoly(self) -> float:
        """The price that all together would set: (p - c)(1 - n q) = μ."""

        def slope(p: float) -> float:
            return (p - self.cost) * (1 - self.firms * self._share(p)) - self.differentiation

        return float(brentq(slope, self.cost, self.cost + 40 * self.differentiation))

    def _share(self, price: float) -> float:
        weight = np.exp((self.quality - price) / self.differentiation)
        out = np.exp(self.outside / self.differentiation)
        return float(weight / (self.firms * weight + out))

    def grid(self, actions: int = 15, beyond: float = 0.1) -> FloatArray:
        """Prices from below the Nash to above the monopoly price, by a part of their distance."""
        low, high = self.bertrand_nash, self.monopoly
        margin = beyond * (high - low)
        return np.linspace(low - margin, high + margin, actions)

    def payoffs(self, actions: int = 15) -> FloatArray:
        """Profits (A^n, n) of every profile of the grid; the action of firm 1 varies fastest."""
        price = self.grid(actions)
        place = np.arange(actions**self.firms)
        each = [price[place // actions**i % actions] for i in range(self.firms)]
        return self.profit(np.stack(each, axis=-1))

    def gain(self, profit: float) -> float:
        """Δ, the collusion index: 0 at the Nash profit of a firm, 1 at the monopoly's."""
        nash, monopoly = (
            float(self.profit(np.full(self.firms, p))[0])
            for p in (self.bertrand_nash, self.monopoly)
        )
        return (profit - nash) / (monopoly - nash)
