"""`airan-market identify`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from airan_market.analysis.cli import asking as ask
from airan_market.analysis.cli.telling import going_on, result
from airan_market.analysis.exits import say


def identify(
    only: Annotated[list[str] | None, ask.only_option("posterior, rules")] = None,
    out: Annotated[Path, ask.out_option("What it already holds is not recomputed.")] = Path(
        "runs/identification"
    ),
    reading: Annotated[
        list[str] | None,
        typer.Option(
            "--reading",
            metavar="NAME",
            help="A reading to sample, or a TOML file of one; may be given repeatedly.",
            autocompletion=ask.readings,
        ),
    ] = None,
    draws: Annotated[
        int,
        ask.number("--draws", "N", "Dirichlet draws of the users, for the rules.", most=100_000),
    ] = 20,
    live: Annotated[
        int, ask.number("--live", "N", "Points of the nested sampling.", most=100_000)
    ] = 100,
    workers: ask.Workers = None,
    quiet: ask.Quiet = False,
    as_json: ask.Json = False,
    debug: ask.Debug = False,
) -> None:
    """Find what the printed numbers identify: the market, the users, and the reading behind them.

    Samples, under each reading, what Table I and the two totals leave possible, and counts for
    every combination of the rules how many published claims it brings out. Leaves tables, figures
    and findings.md in a directory, whose path is the last line of standard output. A second call
    computes only what is missing. Sampling needs dynesty: pip install 'airan-market[identify]'.
    """
    from airan_market.analysis.identification.cells import cells
    from airan_market.analysis.identification.report import identify_into
    from airan_market.analysis.progress import Progress

    wanted = cells(only or (), reading or (), draws=draws, live=live)
    with Progress("cells", len(wanted), quiet=quiet) as progress, going_on(out):
        fields = identify_into(
            out, only or (), reading or (), draws=draws, live=live, workers=workers,
            on_cell=progress.cell,
        )  # fmt: skip
    for sentence in () if quiet else fields["findings"]:
        say(sentence)
    result(fields, str(out), as_json=as_json)
