"""`airan-market dashboard`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from airan_market.analysis.cli import asking as ask
from airan_market.analysis.exits import say


def dashboard(
    scenario: ask.ScenarioArgument = "teleoperation",
    seed: ask.Seed = 1,
    settings: ask.Set = None,
    reading: ask.Reading = None,
    use: ask.Use = None,
    host: Annotated[
        str, typer.Option("--host", metavar="ADDRESS", help="Who can come in: this machine alone.")
    ] = "127.0.0.1",
    port: Annotated[int, ask.number("--port", "N", "0: one that is free.", 65535, 0)] = 8765,
    show: Annotated[
        bool | None,
        typer.Option("--open/--no-open", help="Open a browser; by default with a screen."),
    ] = None,
    out: Annotated[Path, ask.out_option("Where the page exports runs to.")] = Path("runs"),
    quiet: ask.Quiet = False,
    debug: ask.Debug = False,
) -> None:
    """Play a market on a page in the browser: settings, shocks, two futures, figures as it goes.

    Every tab has a market of its own. Ends with Ctrl-C. Needs the extra dashboard:
    pip install 'airan-market[dashboard]'.
    """
    from airan_market.analysis.dashboard import server

    server.require_extra()
    loaded = ask.load_any(scenario, settings, {}, reading, quiet=quiet)
    from airan_market.analysis.dashboard.model import Asked

    if not server.is_loopback(host):
        say(
            f"warning: {host} lets other machines in: whoever reaches it can play, use this "
            f"machine's processors and write runs below {out}; there is no password"
        )
    place = server.bound(host, port)
    alone = "from this machine alone" if server.is_loopback(host) else "also from other machines"

    def started(url: str) -> None:
        say(f"the page is at {url}, {alone}; Ctrl-C ends it")

    server.serve(
        Asked(loaded, seed, out), place, started, server.can_show() if show is None else show
    )
