"""The PACT provider: a menu for the users it expects, private costs, what came of its promises."""

from __future__ import annotations

from typing import Any

import mesa
import numpy as np

from airan_market.agents.pact.contract.contract import NO_SERVICE
from airan_market.agents.pact.market import PactMarket
from airan_market.agents.pact.run.board import PactBoard
from airan_market.agents.rounds.agents import require
from airan_market.sim.arrays import FloatArray, IntArray


class ProviderAgent(mesa.Agent):
    """A provider of the services of one task.

    It knows how types are distributed, never the type of a user. In every round the market asks it
    to `post` its board: the best menu of its services (`PactMarket.contract`), with the qualities
    that are promised or, where users trust measurements, were measured in the round before; and
    afterwards to `observe` what its items' requests came to. A provider of one's own overrides one
    or both. Its board holds services of its own, each once, with finite qualities and prices; what
    it promises there need not be true. Damages and costs are settled by the scenario.

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

    Attributes
    ----------
    contract : Contract
        The menu by type.
    service, promised, rating, price_usd : array (I,)
        Its items; what `post` shows.
    cost_usd, liability_usd : float
        What it observed of the last round.
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
        self.contract = market.contract(liability_level)
        self._announces_measured = announces_measured
        offered = self.contract.service != NO_SERVICE
        # types that share an item pay one price: the first of each stands for all
        items, first = np.unique(self.contract.service[offered], return_index=True)
        order = np.argsort(self.contract.quality[offered][first], kind="stable")
        self.service = first_service + items[order]
        self.promised: FloatArray = self.contract.quality[offered][first][order]
        self.price_usd: FloatArray = self.contract.price_usd[offered][first][order]
        self.rating = self.promised.copy()
        self.cost_usd = self.liability_usd = 0.0

    def post(self) -> PactBoard:
        """Say the menu, with the promised or the rated qualities."""
        shown = self.rating if self._announces_measured else self.promised
        return PactBoard(self.service, shown.copy(), self.price_usd)

    def observe(self, quality: FloatArray, cost_usd: float, liability_usd: float) -> None:
        """Take note of a round: measured quality of all services, NaN if unused, and costs.

        An item that nobody used keeps its rating.
        """
        measured = quality[self.service]
        self.rating = np.where(np.isnan(measured), self.rating, measured)
        self.cost_usd = cost_usd
        self.liability_usd = liability_usd


def posted(provider: ProviderAgent, market_of_service: IntArray) -> PactBoard:
    """The board that a provider posts.

    Raises
    ------
    AgentError
        When it is none: services of others, or numbers that are not finite.
    """
    board = provider.post()
    own = np.flatnonzero(market_of_service == provider.number)
    right = np.isin(board.service, own).all() and np.unique(board.service).size == len(
        board.service
    )
    require(provider, bool(right), "service", board.service, f"{own[0]} to {own[-1]}, each once")
    for name in ("quality", "price_usd"):
        item = np.asarray(getattr(board, name), dtype=float)
        right = item.shape == np.shape(board.service) and np.isfinite(item).all()
        require(provider, bool(right), name, item, "a finite number for every service")
    return board
