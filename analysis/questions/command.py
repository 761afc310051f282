"""Compute the three questions beyond the paper: ``python -m airan_market.analysis.questions``.

Leaves tables, figures and findings.md in a directory. What the directory already holds is not
computed again, so an interrupted call goes on where it was.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from airan_market.analysis.exits import DONE, emit, end_of, say
from airan_market.analysis.questions.cells import DRAWS, QUESTIONS, REPLICATIONS

PROGRAM = "python -m airan_market.analysis.questions"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run with these arguments, by default those of the command line; return the exit status.

    0 done, 2 bad input, 3 interrupted (what was finished is kept), 1 anything else.
    """
    options = _parser().parse_args(arguments)
    try:
        _answer(options)
    except (Exception, KeyboardInterrupt) as error:
        if isinstance(error, KeyboardInterrupt):
            say(f"what is finished is kept in {options.out}; the same command goes on from there")
        return end_of(error, debug=options.debug)
    return DONE


def _answer(options: argparse.Namespace) -> None:
    from airan_market.analysis.progress import CellProgress
    from airan_market.analysis.questions.cells import cells, compute
    from airan_market.analysis.questions.report import write
    from airan_market.analysis.store.cell_store import fill
    from airan_market.scenarios import load_scenario

    wanted = cells(
        load_scenario(options.scenario, options.set),
        options.only,
        draws=options.draws,
        replications=options.replications,
    )
    marks = {cell: cell.mark for cell in wanted}
    with CellProgress(len(wanted), quiet=options.quiet) as progress:
        answers = fill(
            options.out, marks, compute, workers=options.workers, on_cell=progress.finished
        )
    for sentence in write(options.out, answers):
        if not options.quiet:
            say(sentence)
    emit(str(options.out))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=PROGRAM, description=__doc__)
    parser.add_argument("scenario", nargs="?", default="teleoperation", help="file or name")
    parser.add_argument("--only", action="append", default=[], metavar="|".join(QUESTIONS))
    parser.add_argument("--out", type=Path, default=Path("runs/questions"), metavar="DIR")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--draws", type=int, default=DRAWS, help="Dirichlet draws of the shares")
    parser.add_argument("--replications", type=int, default=REPLICATIONS, help="of the traffic")
    parser.add_argument("--workers", type=int, default=None, help="processes")
    parser.add_argument("--quiet", action="store_true")
    parser.add_argument("--debug", action="store_true", help="show a traceback")
    return parser
