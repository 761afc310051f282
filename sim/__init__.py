"""What happens: queueing theory of a station, and the simulation of the same station."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sim.engine import simulate

__all__ = ["simulate"]


def __getattr__(name: str) -> Any:
    """Import the engines on first use: the theory needs none of them."""
    if name != "simulate":
        raise AttributeError(f"module 'sim' has no attribute {name!r}")
    from sim.engine import simulate

    return simulate
