"""`airan-market reproduce`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from airan_market.analysis.cli import asking as ask
from airan_market.analysis.cli.telling import going_on, result
from airan_market.analysis.exits import say
from airan_market.scenarios import InputError

NAMES = (
    "table1, fig3, fig4, fig5, fig6 or a sweep: users, types, refund, violation_cost, dirichlet, "
    "zeta"
)

OUT, DRAWS = "runs/reproduction", 100


def reproduce(
    only: Annotated[list[str] | None, ask.only_option(NAMES)] = None,
    out: Annotated[
        Path | None,
        ask.out_option(f"{OUT} by default. What it already holds is not recomputed."),
    ] = None,
    draws: Annotated[
        int | None,
        ask.number("--draws", "N", "Dirichlet draws of the users' types; 100 by default.", 10**6),
    ] = None,
    reading: Annotated[
        list[str] | None,
        typer.Option(
            "--reading",
            metavar="NAME",
            help="A reading that ships, a TOML file of one, or all; may be given repeatedly.",
            autocompletion=lambda: ["all", *ask.readings("")],
        ),
    ] = None,
    contradictions: Annotated[
        bool,
        typer.Option(
            "--contradictions", help="Show what contradicts itself in print, and nothing else."
        ),
    ] = False,
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
    if contradictions:
        _contradict({"--only": only, "--out": out, "--draws": draws, "--reading": reading}, as_json)
        return
    out, draws = Path(OUT) if out is None else out, DRAWS if draws is None else draws
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


def _contradict(unused: Mapping[str, object], as_json: bool) -> None:
    from airan_market.analysis.reproduction.contradictions import as_text, contradictions

    given = [option for option, value in unused.items() if value]
    if given:
        allowed = "is not used with --contradictions, which looks at printed numbers alone"
        raise InputError(f"{', '.join(given)}: {allowed}")
    found = contradictions()
    fields = {"arguments": [argument.to_json() for argument in found]}
    result(fields, as_text(found), as_json=as_json)
