"""`airan-market validate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from airan_market.analysis.cli import asking as ask
from airan_market.analysis.cli.telling import ending


def validate(
    scenario: ask.ScenarioArgument,
    seed: ask.Seed = 1,
    out: Annotated[
        Path | None, ask.out_option("default runs/validate-<scenario>-<seed>-<hash>")
    ] = None,
    force: ask.Force = False,
    settings: ask.Set = None,
    reading: ask.Reading = None,
    mechanism: ask.Mechanism = None,
    belief: ask.Belief = None,
    tasks: Annotated[
        float, typer.Option("--tasks", metavar="N", help="Tasks per operator at the most.")
    ] = 6e6,
    replications: Annotated[
        int, ask.number("--replications", "R", "At the first look; more follow.", most=100_000)
    ] = 40,
    precision: Annotated[
        float,
        typer.Option("--precision", metavar="X", help="Stop at intervals of ± X times p."),
    ] = 0.05,
    paths: Annotated[
        int, ask.number("--paths", "N", "Tagged tasks of a rare-event run.", most=10_000_000)
    ] = 6000,
    points: Annotated[int, ask.number("--points", "N", "Latencies of a tail.", most=10_000)] = 20,
    warmup: Annotated[
        float | None,
        typer.Option("--warmup", metavar="SECONDS", help="Found by MSER-5 unless given."),
    ] = None,
    trace: Annotated[
        Path | None,
        typer.Option("--trace", metavar="FILE", help="Requests (azure-llm-2023) to try as well."),
    ] = None,
    beyond: Annotated[
        bool, typer.Option(help="Try other laws of work and arrivals as well.")
    ] = True,
    bound_map: Annotated[
        bool, typer.Option("--map/--no-map", help="Map where bound and independence fail.")
    ] = True,
    markets: Annotated[
        bool, typer.Option("--markets", help="Look for failures in variants of the scenario.")
    ] = False,
    use: ask.Use = None,
    quiet: ask.Quiet = False,
    as_json: ask.Json = False,
    debug: ask.Debug = False,
) -> None:
    """Hold every queueing approximation against simulation, per operator and type.

    Leaves approximations.parquet, verdicts (csv, md), summary.json, figures and report.html in a
    directory, whose path is the last line of standard output.
    """
    loaded = ask.load(
        scenario,
        settings,
        {"--mechanism": mechanism, "--belief": belief},
        reading,
        quiet=quiet,
        one_service=True,
    )
    from airan_market.analysis.progress import COMPILING, Progress
    from airan_market.analysis.validation.report.summary import sentences
    from airan_market.analysis.validation.session import validate_into
    from airan_market.analysis.validation.truth import Effort
    from airan_market.analysis.validation.validating import KERNELS, Wanted
    from airan_market.sim.machine_code import is_compiled

    effort = Effort(replications, precision, tasks, paths, points, warmup)
    wanted = Wanted(effort, beyond=beyond, trace=trace, map=bound_map, markets=markets)
    with Progress("solving the market", quiet=quiet) as progress:
        if not all(is_compiled(module) for module in KERNELS):
            progress.note(COMPILING)
        ended = validate_into(
            loaded, seed, out, wanted, force=force,
            on_step=progress.step, on_draw=lambda: progress.now("figures"),
        )  # fmt: skip
    told = [*sentences(ended.summary), *ended.summary["notes"]] if ended.summary else []
    raise typer.Exit(ending(ended, "operator", told, quiet=quiet, as_json=as_json, debug=debug))
