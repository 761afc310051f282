"""Who the users of a PACT run are: types of all tasks, one after another, and their whole users."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from airan_market.agents.pact.contract.valuation import Valuation
from airan_market.agents.pact.market import PactMarket
from airan_market.agents.pact.run.board import valued
from airan_market.agents.primitives.population import largest_remainder
from airan_market.sim.arrays import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class PactPopulation:
    """Types (K,) of all tasks and the users (U,) of each, in this order.

    Attributes
    ----------
    theta_usd : array (K,)
    market, number : array (K,) of int
        0-based task of a type, and its number in it.
    type_of_user : array (U,) of int
    valuations : tuple of Valuation
        v of every task.
    """

    theta_usd: FloatArray
    market: IntArray
    number: IntArray
    type_of_user: IntArray
    valuations: tuple[Valuation, ...]

    @classmethod
    def of(cls, markets: tuple[PactMarket, ...], users: int) -> PactPopulation:
        """Whole users of the markets, rounded to their shares by largest remainder.

        Examples
        --------
        >>> from airan_market.agents.pact.market import markets_of
        >>> from airan_market.scenarios import load_pact
        >>> PactPopulation.of(markets_of(load_pact("pact")), 30).users_by_type.tolist()
        [2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2]
        """
        sizes = [m.types.size for m in markets]
        shares = np.concatenate([m.share * m.types.probability for m in markets])
        return cls(
            np.concatenate([m.types.theta_usd for m in markets]),
            np.repeat(np.arange(len(markets)), sizes),
            np.concatenate([np.arange(size) for size in sizes]),
            np.repeat(np.arange(shares.size), largest_remainder(shares, users)),
            tuple(m.valuation for m in markets),
        )

    @property
    def users_by_type(self) -> IntArray:
        """Users of every type, (K,)."""
        return np.bincount(self.type_of_user, minlength=self.theta_usd.size)

    def worth_usd(self, type_: IntArray, quality: FloatArray) -> FloatArray:
        """θ v(q) of types at qualities; a negative quality as `board.valued` has it."""
        worth = np.full(quality.shape, np.nan)
        for number, valuation in enumerate(self.valuations):
            own = self.market[type_] == number
            worth[own] = valued(valuation, quality[own])
        return self.theta_usd[type_] * worth
