"""The PACT user: a private type, a choice, and what its requests brought it."""

from __future__ import annotations

from typing import Any

import mesa

from airan_market.agents.matching.assignment import OUT
from airan_market.agents.pact.contract.valuation import Valuation
from airan_market.agents.pact.run.board import PactBoard, best_item, valued


class PactUser(mesa.Agent):
    """One user of a task's services.

    In every round the market asks it to `choose` from the board of its task's provider, a service
    on the board or `assignment.OUT`, and afterwards to `observe`. A user of one's own overrides
    one or both.

    Parameters
    ----------
    model : mesa.Model
    theta_usd : float
        θ, private, seen by others only through the item it takes.
    valuation : Valuation
        v.
    """

    def __init__(self, model: Any, theta_usd: float, valuation: Valuation) -> None:
        super().__init__(model)
        self.theta_usd = theta_usd
        self.valuation = valuation
        self.service = OUT
        self.requests = 0
        self.paid_usd = 0.0

    def choose(self, board: PactBoard) -> int:
        """Take the service with the largest θ v(q) − p, `OUT` for none."""
        item = best_item(self.theta_usd, valued(self.valuation, board.quality), board.price_usd)
        self.service = OUT if item == OUT else int(board.service[item])
        return self.service

    def observe(self, requests: int, paid_usd: float) -> None:
        """Take note of what its requests of the run came to so far."""
        self.requests = requests
        self.paid_usd = paid_usd
