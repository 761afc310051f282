"""The conditions of a round: what the world is when agents come to terms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from airan_market.agents.primitives.primitives import Primitives
from airan_market.scenarios import Mechanism
from airan_market.sim.arrays import BoolArray, IntArray


@dataclass(frozen=True, eq=False)
class Conditions:
    """What holds from the first moment of a round on.

    Attributes
    ----------
    primitives : Primitives
        Servers, rates, users, demand, costs and rules. An operator that is closed has those with
        which it would open.
    open : array (M,) of bool
        Operators that take customers.
    users : array (N,) of int
        Whole users of each type that are present.
    """

    primitives: Primitives
    open: BoolArray
    users: IntArray

    @property
    def mechanism(self) -> Mechanism:
        """Rules of the market."""
        return self.primitives.mechanism

    def present(self, pool: IntArray) -> BoolArray:
        """Which users of a pool, numbered type by type, are present: the first of each type.

        Examples
        --------
        >>> from airan_market.agents.primitives.primitives import Primitives
        >>> from airan_market.scenarios import load_scenario
        >>> market = Primitives.from_scenario(load_scenario("teleoperation"))
        >>> some = Conditions(market, np.ones(3, bool), np.array([1, 0]))
        >>> some.present(np.array([2, 1])).tolist()
        [True, False, False]
        """
        first = np.cumsum(pool) - pool
        place = np.arange(pool.sum()) - np.repeat(first, pool)
        return place < np.repeat(self.users, pool)
