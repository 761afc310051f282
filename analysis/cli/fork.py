"""`airan-market fork`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from airan_market.analysis.cli import asking as ask
from airan_market.analysis.cli.run import play_seeds


def fork(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN...", help="Runs of markets, finished or stopped."),
    ],
    round_: Annotated[
        int, ask.number("--round", "R", "Rounds that stay as they are.", 1_000_000, 0)
    ],
    settings: ask.Set = None,
    events: Annotated[
        list[str] | None,
        typer.Option(
            "--event",
            metavar="TABLE",
            help='An event, as an inline table: {what="fails", who="operator 3"}; from round R + 1 '
            "on, unless it says when.",
        ),
    ] = None,
    out: Annotated[Path | None, ask.out_option("default runs/<scenario>-<seed>-<hash>")] = None,
    force: ask.Force = False,
    figures: ask.Figures = True,
    quiet: ask.Quiet = False,
    as_json: ask.Json = False,
    debug: ask.Debug = False,
) -> None:
    """Play the same future with one change: the run up to a round, and then something else.

    Up to round R it equals the run to the byte; after it the same users ask for the same tasks.
    Without a change it is the run. `compare` gives the differences.
    """
    from airan_market.analysis.dynamics.forking import forked
    from airan_market.analysis.store.reader import market_of_run

    asked = []
    for path in runs:
        scenario, seed = market_of_run(path)
        asked.append((forked(scenario, round_, settings or (), events or ()), seed))
    status = play_seeds(
        asked, str(runs[0]), out, force=force, figures=figures, quiet=quiet, as_json=as_json,
        debug=debug,
    )  # fmt: skip
    raise typer.Exit(status)
