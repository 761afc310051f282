"""The program `airan-market`: its commands, and how it ends.

Commands import what they need when they run, so that `--help` answers at once. Standard output
holds the result and nothing else; progress, notes and faults go to standard error.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Annotated

import typer
from typer.main import get_command

import airan_market
from airan_market.analysis.cli.calibrate import calibrate
from airan_market.analysis.cli.choose import choose, search
from airan_market.analysis.cli.compare import compare
from airan_market.analysis.cli.dashboard import dashboard
from airan_market.analysis.cli.equilibrium import equilibrium
from airan_market.analysis.cli.fork import fork
from airan_market.analysis.cli.identify import identify
from airan_market.analysis.cli.pact import pact
from airan_market.analysis.cli.questions import questions
from airan_market.analysis.cli.report import report
from airan_market.analysis.cli.reproduce import reproduce
from airan_market.analysis.cli.run import resume, run
from airan_market.analysis.cli.scenarios import scenarios
from airan_market.analysis.cli.solve import solve
from airan_market.analysis.cli.sweep import sweep
from airan_market.analysis.cli.validate import validate
from airan_market.analysis.exits import DONE, emit, end_of
from airan_market.analysis.process.watchdog import NOTHING_KEPT, WATCHDOG
from airan_market.scenarios import ScenarioWarning

NAME = "airan-market"

app = typer.Typer(
    name=NAME,
    help="Agent-based, discrete-event simulator of the market for AI inference sold over radio "
    "access networks.",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    run, resume, fork, compare, solve, validate, reproduce, calibrate, identify, questions,
    sweep, choose, search, equilibrium, pact, report, scenarios, dashboard,
):  # fmt: skip
    app.command()(command)


@app.callback()
def _program(
    version: Annotated[
        bool,
        typer.Option(
            "--version", is_eager=True, callback=lambda shown: _version(shown), help="Show it."
        ),
    ] = False,
) -> None:
    pass


def _version(shown: bool) -> None:
    if shown:
        emit(f"{NAME} {airan_market.__version__}")
        raise typer.Exit(DONE)


def invoke(arguments: Sequence[str]) -> int:
    """Run the command line with these arguments and return its exit status.

    Examples
    --------
    >>> invoke(["--version"])  # doctest: +ELLIPSIS
    airan-market ...
    0
    """
    WATCHDOG.line = NOTHING_KEPT
    try:
        with warnings.catch_warnings():
            # a command tells the doubts of its scenario once, however often it loads it
            warnings.simplefilter("ignore", ScenarioWarning)
            status = get_command(app)(args=list(arguments), prog_name=NAME, standalone_mode=False)
    except (Exception, KeyboardInterrupt) as error:
        return end_of(error, debug="--debug" in arguments)
    if status == 130:  # how typer reports Ctrl-C
        return end_of(KeyboardInterrupt())
    return status or DONE
