"""`airan-market run`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from airan_market.analysis.cli import asking as ask
from airan_market.analysis.cli.telling import ending


def run(
    scenario: ask.ScenarioArgument,
    seed: ask.Seed = 1,
    out: Annotated[Path | None, ask.out_option("default runs/<scenario>-<seed>-<hash>")] = None,
    force: ask.Force = False,
    settings: ask.Set = None,
    engine: ask.Engine = None,
    rounds: ask.Rounds = None,
    horizon: ask.Horizon = None,
    mechanism: ask.Mechanism = None,
    belief: ask.Belief = None,
    use: ask.Use = None,
    quiet: ask.Quiet = False,
    as_json: ask.Json = False,
    debug: ask.Debug = False,
) -> None:
    """Play the market: rounds of contract design and matching, each followed by traffic.

    That of a PACT scenario too: users choose services, and every request is served.

    Leaves a run directory with tables, figures and report.html; its path is the last line of
    standard output.
    """
    short = {"--engine": engine, "--rounds": rounds, "--horizon": horizon}
    short |= {"--mechanism": mechanism, "--belief": belief}
    loaded = ask.load_any(scenario, settings, short, quiet=quiet)
    from airan_market.analysis.play import headline, play
    from airan_market.analysis.progress import COMPILING, Progress

    first = "round 1, with the warm-up"
    with Progress(first, loaded.simulation.rounds, quiet=quiet) as progress:
        if ask.has_to_compile(loaded, traffic=True):
            progress.note(COMPILING)
        with ask.faults_of(scenario, loaded.name):
            ended = play(
                loaded,
                seed,
                out,
                force=force,
                on_start=progress.begun,
                on_round=progress.round,
                on_draw=lambda: progress.now("figures and report"),
            )
    told = headline(ended.summary) if ended.summary else []
    raise typer.Exit(ending(ended, "round", told, quiet=quiet, as_json=as_json, debug=debug))
