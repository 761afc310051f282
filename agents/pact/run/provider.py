"""The PACT provider: a menu for the users it expects, private costs, what came of its promises."""

from __future__ import annotations

from typing import Any

import mesa
import numpy as np

from airan_market.agents.pact.contract.contract import NO_SERVICE
from airan_market.agents.pact.market import PactMarket
from airan_market.agents.pact.run.board import PactBoard
from airan_market.sim.arrays import FloatArray


class ProviderAgent(mesa.Agent):
    """A provider of the services of one task.

    It knows how types are distributed, never the type of a user. It posts the best menu of its
    services (`PactMarket.contract`), observes what its items' requests came to, and where users
    trust measurements lets them see those of the round before.

    Parameters
    ----------
    model : mesa.Model
    number : int
        0-based task.
    market : PactMarket
        Services, costs and the distribution of types, private.
    first_service : int
        Number of its first service among those of the run.
    liability_level : float
    announces_measured : bool
        Whether its board shows measured qualities.
    """

    def __init__(
        self,
        model: Any,
        number: int,
        market: PactMarket,
        first_service: int,
        liability_level: float,
        *,
        announces_measured: bool,
    ) -> None:
        super().__init__(model)
        self.number = number
        self.contract = market.contract(liability_level, "discrete")
        self._announces_measured = announces_measured
        offered = self.contract.service != NO_SERVICE
        # types that share an item pay one price: the first of each stands for all
        items, first = np.unique(self.contract.service[offered], return_index=True)
        order = np.argsort(self.contract.quality[offered][first], kind="stable")
        self._service = first_service + items[order]
        self._promised: FloatArray = self.contract.quality[offered][first][order]
        self._price_usd: FloatArray = self.contract.price_usd[offered][first][order]
        self._rating = self._promised.copy()
        self.cost_usd = self.liability_usd = 0.0

    def post(self) -> PactBoard:
        """Say the menu, with the promised or the rated qualities."""
        shown = self._rating if self._announces_measured else self._promised
        return PactBoard(self._service, shown.copy(), self._price_usd)

    def observe(self, quality: FloatArray, cost_usd: float, liability_usd: float) -> None:
        """Take note of a round: measured quality of all services, NaN if unused, and costs.

        An item that nobody used keeps its rating.
        """
        measured = quality[self._service]
        self._rating = np.where(np.isnan(measured), self._rating, measured)
        self.cost_usd = cost_usd
        self.liability_usd = liability_usd
