"""`airan-market equilibrium`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from airan_market.analysis.cli import asking as ask
from airan_market.analysis.cli.telling import going_on, result
from airan_market.analysis.exits import say


def equilibrium(
    scenario: ask.ScenarioArgument,
    margins: Annotated[
        bool, typer.Option("--margins", help="Operators also choose what they leave to everybody.")
    ] = False,
    starts: Annotated[int, ask.number("--starts", "N", "Of the play.", most=1000, least=1)] = 10,
    studies: Annotated[
        bool, typer.Option("--studies/--no-studies", help="Entry of operators, and other rules.")
    ] = True,
    replications: Annotated[
        int, ask.number("--replications", "R", "Of the traffic.", most=100_000, least=2)
    ] = 12,
    rounds: Annotated[
        int, ask.number("--rounds", "K", "Of answers, at most.", most=100_000, least=1)
    ] = 120,
    seed: ask.Seed = 1,
    out: Annotated[Path | None, ask.out_option("What it already holds is not recomputed.")] = None,
    workers: ask.Workers = None,
    settings: ask.Set = None,
    reading: ask.Reading = None,
    belief: ask.Belief = None,
    use: ask.Use = None,
    quiet: ask.Quiet = False,
    as_json: ask.Json = False,
    debug: ask.Debug = False,
) -> None:
    """Find a profile of menus from which no operator gains, or the cycle; certify and explain it.

    Operators answer one another from many starts. Beside the profile stand the published outcome
    and a planner's, what simulation makes of them, what entry and other rules do. Leaves tables,
    figures, findings.md and report.html in a directory, whose path is the last line of standard
    output. A second call computes only what is missing.
    """
    market = ask.load(
        scenario, settings, {"--belief": belief}, reading, quiet=quiet, one_service=True
    )
    from airan_market.analysis.equilibrium.cells import plays
    from airan_market.analysis.equilibrium.report import seek_into
    from airan_market.analysis.progress import Progress
    from airan_market.analysis.store.directory import default_directory

    asked = {"count": starts, "margins": margins, "studies": studies, "rounds": rounds}
    out = out or default_directory(market, seed, prefix="equilibrium", settings=asked)
    wanted = plays(market, seed=seed, count=starts, margins=margins, studies=studies, rounds=rounds)
    with Progress("cells", len(wanted), quiet=quiet) as progress, going_on(out):
        fields = seek_into(
            out, market, seed=seed, count=starts, margins=margins, studies=studies, rounds=rounds,
            replications=replications, workers=workers, on_cell=progress.cell,
        )  # fmt: skip
    for sentence in () if quiet else fields["findings"]:
        say(sentence)
    result(fields, str(out), as_json=as_json)
