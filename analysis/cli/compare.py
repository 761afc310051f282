"""`airan-market compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from airan_market.analysis.cli import asking as ask
from airan_market.analysis.cli.telling import result


def compare(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN RUN...", help="Finished runs of markets, of two scenarios."),
    ],
    first: Annotated[int, ask.number("--from", "R", "First round that counts.", 1_000_000, 1)] = 1,
    as_json: ask.Json = False,
    debug: ask.Debug = False,
) -> None:
    """Differences between runs of several scenarios, seed by seed, with intervals over seeds.

    What the first run's scenario is, the others are compared with. Runs of one seed meet the same
    tasks, so a difference is what the change did, and not chance.
    """
    from airan_market.analysis.dynamics.paired import compare as compared
    from airan_market.analysis.dynamics.paired import shown

    table = compared(runs, first)
    result(table.to_dict("records"), shown(table), as_json=as_json)
