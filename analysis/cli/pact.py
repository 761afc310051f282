"""`airan-market pact`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from airan_market.analysis.cli import asking as ask
from airan_market.analysis.cli.telling import result
from airan_market.analysis.exits import say


def pact(
    scenario: ask.ScenarioArgument,
    out: Annotated[Path | None, ask.out_option("default runs/<scenario>-<hash>")] = None,
    force: ask.Force = False,
    claims: Annotated[
        bool,
        typer.Option(
            "--claims",
            help="Hold the PACT paper's claims over thousands of readings of what it leaves open.",
        ),
    ] = False,
    rival: Annotated[
        str | None,
        typer.Option(
            "--rival", metavar="SCENARIO", help="A second provider's services, for the same users."
        ),
    ] = None,
    settings: ask.Set = None,
    quiet: ask.Quiet = False,
    as_json: ask.Json = False,
    debug: ask.Debug = False,
) -> None:
    """Price services of different quality by contract: menu, first best, liability.

    Leaves a directory with tables, figures and report.html, whose path is the last line of
    standard output; with --json only when --out or --claims asks for it.
    """
    from airan_market.scenarios import load_pact

    loaded = load_pact(scenario, settings or [])
    other = None if rival is None else load_pact(rival)
    from airan_market.agents.pact import solve_pact
    from airan_market.analysis.pact import rivals
    from airan_market.analysis.pact.publish import claim_sentences, claims_in, publish
    from airan_market.analysis.pact.text import pact_text
    from airan_market.analysis.progress import Progress

    with ask.faults_of(scenario, loaded.name):
        outcome = solve_pact(loaded)
    for note in () if quiet else outcome.notes():
        say(note)
    fields: dict[str, Any] = outcome.to_json()
    told: list[str] = []
    if other is not None:
        found = rivals.rivalry(loaded, other)
        names = (loaded.name, f"rival {other.name}")
        fields["competition"] = rivals.rivalry_json(found)
        told = rivals.rivalry_sentences(found, names)
    directory = None
    if out is not None or claims or not as_json:
        with Progress("tables and figures", quiet=quiet) as progress:
            directory = publish(loaded, outcome, out, claims=claims, force=force, progress=progress)
        if other is not None:
            rivals.write_rivalry(directory, other, found, names)
        if claims:
            fields["claims"] = claims_in(directory, outcome)
            told += claim_sentences(fields["claims"])
    lines = [] if as_json else [pact_text(outcome), *(f"- {said}" for said in told), str(directory)]
    result(fields, "\n".join(lines), as_json=as_json)
