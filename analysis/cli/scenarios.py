"""`airan-market scenarios`."""

from __future__ import annotations

from airan_market.analysis.cli import asking as ask
from airan_market.analysis.cli.telling import result


def scenarios(
    quiet: ask.Quiet = False, as_json: ask.Json = False, debug: ask.Debug = False
) -> None:
    """List the scenarios that ship, a line each."""
    from airan_market.scenarios import shipped_scenarios

    shipped = shipped_scenarios()
    width = max(len(name) for name in shipped)
    lines = (f"{name:<{width}}  {about}" for name, about in shipped.items())
    result(shipped, "\n".join(lines), as_json=as_json)
