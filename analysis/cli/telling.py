"""What commands tell in the same way: how a run or a validation ended, what was kept."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from airan_market.analysis.exits import DONE, FAILED, emit, say, unexpected_line
from airan_market.analysis.process.watchdog import INTERRUPTED, KEPT, WATCHDOG
from airan_market.analysis.store.durable import json_text

if TYPE_CHECKING:
    from airan_market.analysis.ended import Ended


GO_ON = "the same command goes on from there"


def result(fields: Any, text: str, *, as_json: bool) -> None:
    """Put the result on standard output: fields as JSON, or a text."""
    emit(json_text(fields) if as_json else text)


def ending(
    ended: Ended,
    unit: str,
    sentences: Sequence[str],
    *,
    quiet: bool,
    as_json: bool,
    debug: bool,
) -> int:
    """Say how what takes long ended, and return the exit status.

    Parameters
    ----------
    ended : Ended
    unit : str
        What is finished one by one: "round".
    sentences : sequence of str
        What was found, said when it is complete.
    quiet, as_json, debug : bool
    """
    for message in () if quiet else ended.messages:
        say(message)
    if ended.path is None or (ended.summary is None and ended.error is None):
        WATCHDOG.tell(f"interrupted before the first {unit} was finished: nothing is kept")
        return INTERRUPTED
    complete = ended.status == "complete"
    for sentence in sentences if complete and not quiet else ():
        say(sentence)
    status = DONE if complete else INTERRUPTED
    kept = f"finished {unit}s: {ended.finished}, kept in {ended.path}"
    if unit == "round":
        kept += f"; {GO_ON}"
    if complete:
        kept = f"all tables are kept in {ended.path}"
    if ended.error is not None:
        status = FAILED
        say(f"airan-market: {unexpected_line(ended.error)} ({kept})")
        if debug:
            traceback.print_exception(ended.error)
    elif not complete or ended.undrawn:
        status = INTERRUPTED
        WATCHDOG.tell(f"interrupted; {kept}; `airan-market report {ended.path}` draws them")
    if ended.summary is not None:
        result(ended.summary, str(ended.path), as_json=as_json)
    return status


@contextmanager
def going_on(directory: Path) -> Iterator[None]:
    """Say after Ctrl-C what is kept of a directory of cells, if anything is."""
    WATCHDOG.line = KEPT
    try:
        yield
    except KeyboardInterrupt:
        from airan_market.analysis.store.cell_store import count

        if kept := count(directory):
            line = f"interrupted; cells kept in {directory}: {kept}; the same command goes on"
        else:
            line = "interrupted before the first cell was finished: nothing is kept"
        WATCHDOG.tell(line)
        raise typer.Exit(INTERRUPTED) from None
