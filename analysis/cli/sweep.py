"""`airan-market sweep`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from airan_market.analysis.cli import asking as ask
from airan_market.analysis.cli.telling import result
from airan_market.analysis.exits import say
from airan_market.analysis.process.watchdog import INTERRUPTED, KEPT, WATCHDOG

if TYPE_CHECKING:
    from airan_market.analysis.sweep.workers import Finished


def _shipped(incomplete: str) -> list[str]:
    from airan_market.scenarios.sweep import shipped_sweeps

    return [name for name in shipped_sweeps() if name.startswith(incomplete)]


@contextmanager
def interrupted_into(place: Path) -> Iterator[None]:
    """Say after Ctrl-C that finished cells are kept."""
    WATCHDOG.line = KEPT
    try:
        yield
    except KeyboardInterrupt:
        WATCHDOG.tell(f"interrupted; finished cells kept in {place}; the same command goes on")
        raise typer.Exit(INTERRUPTED) from None


def sweep(
    sweep: Annotated[
        str,
        typer.Argument(
            metavar="SWEEP",
            help="A TOML file, or the name of one that ships.",
            autocompletion=_shipped,
        ),
    ],
    out: Annotated[Path | None, ask.out_option("What it already holds is not recomputed.")] = None,
    workers: ask.Workers = None,
    scheduler: Annotated[
        str | None,
        typer.Option("--scheduler", metavar="ADDRESS", help="Of a Dask cluster, tcp://HOST:PORT."),
    ] = None,
    figures: ask.Figures = True,
    use: ask.Use = None,
    quiet: ask.Quiet = False,
    as_json: ask.Json = False,
    debug: ask.Debug = False,
) -> None:
    """Compute many markets: a grid, a list or a quasi-random design over settings and seeds.

    Every finished cell is a file; whatever ends the sweep, the same command does what is missing.
    Leaves results.parquet, a ledger, figures and report.html in a directory, whose path is the last
    line of standard output. A cell that fails never stops the others; then the status is 1.
    """
    from airan_market.analysis.progress import Progress
    from airan_market.analysis.sweep.sweeping import sweep_into
    from airan_market.scenarios.sweep import load_sweep_file

    asked = load_sweep_file(sweep)
    place = out or Path("runs") / f"sweep-{asked.name}"
    with Progress("cells", quiet=quiet) as progress:

        def planned(missing: int, of: int) -> None:
            if missing < of:
                progress.note(f"{of - missing} of {of} cells are there already")

        def ended(one: Finished, done: int, of: int) -> None:
            if one.fault:
                progress.note(f"cell {one.cell.number} failed: {one.fault}")
            progress.ended(done, of)

        with interrupted_into(place):
            fields = sweep_into(
                place, asked, workers=workers, scheduler=scheduler, on_plan=planned, on_cell=ended
            )
    if figures and fields["done"]:
        from airan_market.analysis.redraw import redraw

        told = redraw(place)
        fields |= told
        for sentence in () if quiet else told["findings"]:
            say(sentence)
    if fields["failed"]:
        say(f"{fields['failed']} of {fields['cells']} cells failed; the same command tries again")
    result(fields, str(place), as_json=as_json)
    if fields["failed"]:
        raise typer.Exit(1)
