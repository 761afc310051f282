"""`airan-market report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from airan_market.analysis.cli import asking as ask
from airan_market.analysis.cli.telling import result


def report(
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="What any of the other commands left.")
    ],
    use: ask.Use = None,
    quiet: ask.Quiet = False,
    as_json: ask.Json = False,
    debug: ask.Debug = False,
) -> None:
    """Draw anything finished again, figures and report.html, from its tables.

    A run, a validation, a PACT menu, a reproduction or a set of answers. The tables are first
    compared with the hashes in the manifest.
    """
    from airan_market.analysis.redraw import redraw

    summary = redraw(directory)
    result(summary, str(directory / "report.html"), as_json=as_json)
