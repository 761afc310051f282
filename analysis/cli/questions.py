"""`airan-market questions`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from airan_market.analysis.cli import asking as ask
from airan_market.analysis.cli.telling import going_on, result
from airan_market.analysis.exits import say


def questions(
    scenario: ask.ScenarioArgument = "teleoperation",
    only: Annotated[list[str] | None, ask.only_option("rent, anarchy, beliefs")] = None,
    out: Annotated[Path, ask.out_option("What it already holds is not recomputed.")] = Path(
        "runs/questions"
    ),
    draws: ask.Draws = 12,
    replications: Annotated[
        int, ask.number("--replications", "R", "Of the traffic of every belief.", most=100_000)
    ] = 20,
    workers: ask.Workers = None,
    settings: ask.Set = None,
    reading: ask.Reading = None,
    use: ask.Use = None,
    quiet: ask.Quiet = False,
    as_json: ask.Json = False,
    debug: ask.Debug = False,
) -> None:
    """Answer what the paper does not ask: a rent for users, the price of anarchy, beliefs.

    Leaves tables, figures and findings.md in a directory, whose path is the last line of standard
    output. A second call computes only what is missing.
    """
    from airan_market.analysis.progress import Progress
    from airan_market.analysis.questions.cells import cells
    from airan_market.analysis.questions.report import answer_into

    market = ask.load(scenario, settings, {}, reading, quiet=quiet, one_service=True)
    wanted = cells(market, only or (), draws=draws, replications=replications)
    with Progress("cells", len(wanted), quiet=quiet) as progress, going_on(out):
        fields = answer_into(
            out, market, only or (), draws=draws, replications=replications, workers=workers,
            on_cell=progress.cell,
        )  # fmt: skip
    for sentence in () if quiet else fields["findings"]:
        say(sentence)
    result(fields, str(out), as_json=as_json)
