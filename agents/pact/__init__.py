"""PACT: contract pricing of services that differ in quality, the second market.

>>> from agents.pact import solve_pact
>>> from scenarios import load_pact
>>> outcome = solve_pact(load_pact("pact"))
>>> len(outcome.markets[0].contract.theta_usd)
15
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agents.pact.market import PactMarket
    from agents.pact.outcome import PactOutcome, solve_pact
    from agents.pact.simulation import PactSimulation

__all__ = ["PactMarket", "PactOutcome", "PactSimulation", "solve_pact"]

_HOMES = {
    "PactMarket": "market",
    "PactOutcome": "outcome",
    "PactSimulation": "simulation",
    "solve_pact": "outcome",
}


def __getattr__(name: str) -> Any:
    """Import on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module 'agents.pact' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"agents.pact.{_HOMES[name]}"), name)
