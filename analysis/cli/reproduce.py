"""`airan-market reproduce`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from airan_market.analysis.cli import asking as ask
from airan_market.analysis.cli.telling import going_on, result
from airan_market.analysis.exits import say

NAMES = (
    "table1, fig3, fig4, fig5, fig6 or a sweep: users, types, refund, violation_cost, dirichlet, "
    "zeta"
)


def reproduce(
    only: Annotated[list[str] | None, ask.only_option(NAMES)] = None,
    out: Annotated[Path, ask.out_option("What it already holds is not recomputed.")] = Path(
        "runs/reproduction"
    ),
    draws: ask.Draws = 100,
    reading: Annotated[
        list[str] | None,
        typer.Option(
            "--reading",
            metavar="NAME",
            help="A reading that ships, a TOML file of one, or all; may be given repeatedly.",
            autocompletion=lambda: ["all", *ask.readings("")],
        ),
    ] = None,
    workers: ask.Workers = None,
    quiet: ask.Quiet = False,
    as_json: ask.Json = False,
    debug: ask.Debug = False,
) -> None:
    """Compute the published tables and figures again and hold every claim against them.

    Leaves claims.md, claims.csv, readings.csv, totals.csv and the figures in a directory, whose
    path is the last line of standard output; above it, of several readings, the claims side by
    side. A second call computes only what is missing.
    """
    from airan_market.analysis.progress import Progress
    from airan_market.analysis.reproduction.cells import cells, readings
    from airan_market.analysis.reproduction.comparison import in_text
    from airan_market.analysis.reproduction.report import as_fields, headline, reproduce_into

    wanted = cells(only or [], draws, readings(reading or []))
    with Progress("cells", len(wanted), quiet=quiet) as progress, going_on(out):
        rows = reproduce_into(
            out, only or (), draws, reading or (), workers=workers, on_cell=progress.cell
        )
    for sentence in () if quiet else headline(rows):
        say(sentence)
    text = f"{in_text(rows)}\n{out}" if len(rows) > 1 else str(out)
    result(as_fields(rows), text, as_json=as_json)
