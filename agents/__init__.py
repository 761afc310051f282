"""Who decides: screening, menus, selection and the agents of the market."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agents.market import Market, Tables
    from agents.mechanism import solve
    from agents.outcome import Outcome
    from agents.planner import Plan, plan

__all__ = ["Market", "Outcome", "Plan", "Tables", "plan", "solve"]

_HOMES = {
    "Market": "market",
    "Tables": "tables",
    "Outcome": "outcome",
    "Plan": "planner",
    "plan": "planner",
    "solve": "mechanism",
}


def __getattr__(name: str) -> Any:
    """Import on first use: `solve` needs no Mesa, and the command line starts without either."""
    if name not in _HOMES:
        raise AttributeError(f"module 'agents' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"agents.{_HOMES[name]}"), name)
