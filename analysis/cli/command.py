"""The command line `airan-market`.

Commands import what they need when they run, so that `--help` answers at once. Standard output
holds the result and nothing else; progress, notes and faults go to standard error.
"""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from typer.main import get_command

from airan_market.analysis.exits import (
    DONE,
    FAILED,
    INTERRUPTED,
    emit,
    end_of,
    say,
    unexpected_line,
)

if TYPE_CHECKING:
    from airan_market.analysis.play import Played
    from airan_market.analysis.validation.session import Validated
    from airan_market.scenarios import PactScenario, Scenario

NAME = "airan-market"
Loaded = TypeVar("Loaded")

app = typer.Typer(
    name=NAME,
    help="Agent-based, discrete-event simulator of the market for AI inference sold over radio "
    "access networks.",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

ScenarioArgument = Annotated[
    str, typer.Argument(metavar="SCENARIO", help="A TOML file, or the name of one that ships.")
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Root of every random stream.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a setting; may be given repeatedly."),
]
Engine = Annotated[
    str | None, typer.Option("--engine", metavar="simpy|compiled", help="simulation.engine")
]
Rounds = Annotated[str | None, typer.Option("--rounds", metavar="K", help="simulation.rounds")]
Horizon = Annotated[
    str | None, typer.Option("--horizon", metavar="SECONDS", help="simulation.horizon_s")
]
Mechanism = Annotated[
    str | None, typer.Option("--mechanism", metavar="mixed|ct|mc|gsmc", help="mechanism.name")
]
Belief = Annotated[
    str | None,
    typer.Option(
        "--belief",
        metavar="chernoff|chernoff-optimised|fifo|priority|measured",
        help="mechanism.belief",
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Nothing on standard error but faults.")]
Json = Annotated[
    bool, typer.Option("--json", help="The result as JSON on standard output, nothing else there.")
]
Debug = Annotated[bool, typer.Option("--debug", help="Show where an unexpected error came from.")]

#: Options that are short for a setting, and the setting.
SHORT_FOR = {
    "--engine": "simulation.engine",
    "--rounds": "simulation.rounds",
    "--horizon": "simulation.horizon_s",
    "--mechanism": "mechanism.name",
    "--belief": "mechanism.belief",
}


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
        from importlib.metadata import version

        emit(f"{NAME} {version(NAME)}")
        raise typer.Exit(DONE)


@app.command()
def run(
    scenario: ScenarioArgument,
    seed: Seed = 1,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="default runs/<scenario>-<seed>-<hash>"),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a complete run.")] = False,
    settings: Set = None,
    engine: Engine = None,
    rounds: Rounds = None,
    horizon: Horizon = None,
    mechanism: Mechanism = None,
    belief: Belief = None,
    quiet: Quiet = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Play the market: rounds of contract design and matching, each followed by traffic.

    That of a PACT scenario too: users choose services, and every request is served.

    Leaves a run directory with tables, figures and report.html; its path is the last line of
    standard output.
    """
    from airan_market.scenarios import scenario_kind

    short = {"--engine": engine, "--rounds": rounds, "--horizon": horizon}
    of_operators = {"--mechanism": mechanism, "--belief": belief}
    loaded: Scenario | PactScenario
    if scenario_kind(scenario) == "pact":
        _refuse_options(of_operators)
        loaded = _load_pact(scenario, settings, short)
    else:
        loaded = _load(scenario, settings, short | of_operators)
    from airan_market.analysis.play import play
    from airan_market.analysis.progress import RoundProgress

    with RoundProgress(loaded.simulation.rounds, quiet=quiet) as progress:
        if _has_to_compile(loaded, traffic=True):
            progress.compiling()
        with _faults_of(scenario, loaded.name):
            played = play(
                loaded,
                seed,
                out,
                force=force,
                on_start=progress.started,
                on_round=progress.finished,
                on_draw=progress.drawing,
            )
    raise typer.Exit(_tell(played, quiet=quiet, as_json=as_json, debug=debug))


def _has_to_compile(loaded: Scenario | PactScenario, *, traffic: bool) -> bool:
    """Whether the machine code that this scenario needs is still to be made, once a machine."""
    from airan_market.scenarios import Scenario
    from airan_market.scenarios.registry import BELIEFS
    from airan_market.sim.machine_code import is_compiled

    if not isinstance(loaded, Scenario):
        return not is_compiled(
            "airan_market.sim.engines.kernel"
        )  # its capacity is always found with it
    modules = list(BELIEFS.kernels(loaded.mechanism.belief))
    if traffic and loaded.simulation.engine == "compiled":
        modules.append("airan_market.sim.engines.kernel")
    return not all(is_compiled(module) for module in modules)


@app.command()
def solve(
    scenario: ScenarioArgument,
    seed: Seed = 1,
    settings: Set = None,
    mechanism: Mechanism = None,
    belief: Belief = None,
    quiet: Quiet = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Solve the mechanism alone, no traffic: menus, matching, welfare, certificates."""
    loaded = _load(scenario, settings, {"--mechanism": mechanism, "--belief": belief})
    from airan_market.agents.solution.solver import solve as solve_market
    from airan_market.analysis.progress import COMPILING

    if not quiet and _has_to_compile(loaded, traffic=False):
        say(COMPILING)
    outcome = solve_market(loaded, seed=seed)
    for note in () if quiet else outcome.notes:
        say(note)
    fields = outcome.to_json()
    if as_json:
        emit(json.dumps(fields, indent=2))
        return
    from airan_market.analysis.cli.outcome_text import outcome_text

    names = [operator.name for operator in loaded.operators]
    emit(outcome_text(fields, names, outcome.certificates.sentences()))


@app.command()
def report(
    directory: Annotated[
        Path, typer.Argument(metavar="RUN_DIR", help="A directory that `run` left.")
    ],
    quiet: Quiet = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Draw a finished run again: summary, figures and report.html from its tables.

    The tables are first compared with the hashes in the manifest.
    """
    from airan_market.analysis.play import draw, write_summary
    from airan_market.analysis.store.reader import load_run

    load_run(directory, verify=True)
    summary = write_summary(directory)
    draw(directory)
    if as_json:
        emit(json.dumps(summary, indent=2))
    else:
        emit(str(directory / "report.html"))


@app.command()
def reproduce(
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only",
            metavar="NAME",
            help="table1, fig3, fig4, fig5, fig6 or a sweep: users, types, refund, "
            "violation_cost, dirichlet, zeta; may be given repeatedly.",
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="What it already holds is not recomputed.")
    ] = Path("runs/reproduction"),
    draws: Annotated[
        int, typer.Option("--draws", metavar="N", help="Dirichlet draws of the users' types.")
    ] = 100,
    quiet: Quiet = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Compute the published tables and figures again and hold every claim against them.

    Leaves claims.md, claims.csv, totals.csv and the figures in a directory, whose path is the
    last line of standard output. A second call computes only what is missing.
    """
    from airan_market.analysis.progress import CellProgress
    from airan_market.analysis.reproduction.cells import cells, reproduce
    from airan_market.analysis.reproduction.report import as_fields, headline, write

    wanted = cells(only or [], draws)
    with CellProgress(len(wanted), quiet=quiet) as progress:
        try:
            answers = reproduce(out, wanted, on_cell=progress.finished)
        except KeyboardInterrupt:
            say(f"what is finished is kept in {out}; the same command goes on from there")
            raise
    rows = write(out, answers)
    for sentence in () if quiet else headline(rows):
        say(sentence)
    emit(json.dumps(as_fields(rows), indent=2) if as_json else str(out))


@app.command()
def validate(
    scenario: ScenarioArgument,
    seed: Seed = 1,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="default runs/validate-<scenario>-<seed>-<hash>"),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a complete validation.")] = False,
    settings: Set = None,
    mechanism: Mechanism = None,
    belief: Belief = None,
    tasks: Annotated[
        float, typer.Option("--tasks", metavar="N", help="Tasks per operator at the most.")
    ] = 6e6,
    replications: Annotated[
        int, typer.Option("--replications", metavar="R", help="At the first look; more follow.")
    ] = 40,
    precision: Annotated[
        float,
        typer.Option("--precision", metavar="X", help="Stop at intervals of ± X times p."),
    ] = 0.05,
    paths: Annotated[
        int, typer.Option("--paths", metavar="N", help="Tagged tasks of a rare-event run.")
    ] = 6000,
    points: Annotated[int, typer.Option("--points", metavar="N", help="Latencies of a tail.")] = 20,
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
        bool, typer.Option("--map/--no-map", help="Map where the paper's bound holds and fails.")
    ] = True,
    markets: Annotated[
        bool, typer.Option("--markets", help="Look for failures in variants of the scenario.")
    ] = False,
    quiet: Quiet = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Hold every queueing approximation against simulation, per operator and type.

    Leaves approximations.parquet, verdicts (csv, md), summary.json and figures in a directory,
    whose path is the last line of standard output.
    """
    loaded = _load(scenario, settings, {"--mechanism": mechanism, "--belief": belief})
    from airan_market.analysis.progress import StepProgress
    from airan_market.analysis.validation.session import validate_into
    from airan_market.analysis.validation.truth import Effort
    from airan_market.analysis.validation.validate import KERNELS, Wanted
    from airan_market.sim.machine_code import is_compiled

    effort = Effort(replications, precision, tasks, paths, points, warmup)
    wanted = Wanted(effort, beyond=beyond, trace=trace, map=bound_map, markets=markets)
    with StepProgress("solving the market", quiet=quiet) as progress:
        if not all(is_compiled(module) for module in KERNELS):
            progress.compiling()
        done = validate_into(
            loaded, seed, out, wanted, force=force,
            on_step=progress.finished, on_draw=progress.drawing,
        )  # fmt: skip
    raise typer.Exit(_tell_validated(done, quiet=quiet, as_json=as_json, debug=debug))


@app.command()
def pact(
    scenario: ScenarioArgument,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="default runs/<scenario>-<hash>"),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace another result.")] = False,
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
    settings: Set = None,
    quiet: Quiet = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Price services of different quality by contract: menu, first best, liability.

    Leaves a directory with tables and figures, whose path is the last line of standard output;
    with --json only when --out or --claims asks for it.
    """
    from airan_market.scenarios import load_pact

    loaded = load_pact(scenario, settings or [])
    other = None if rival is None else load_pact(rival)
    from airan_market.agents.pact import solve_pact

    with _faults_of(scenario, loaded.name):
        outcome = solve_pact(loaded)
    for note in () if quiet else outcome.notes():
        say(note)
    fields: dict[str, Any] = outcome.to_json()
    told: list[str] = []
    if other is not None:
        from airan_market.analysis.pact.rivals import (
            rivalry,
            rivalry_json,
            rivalry_sentences,
            write_rivalry,
        )

        found = rivalry(loaded, other)
        names = (loaded.name, f"rival {other.name}")
        fields["competition"] = rivalry_json(found)
        told = rivalry_sentences(found, names)
    directory = None
    if out is not None or claims or not as_json:
        from airan_market.analysis.pact.report import publish

        directory = publish(loaded, outcome, out, claims=claims, force=force, quiet=quiet)
        if other is not None:
            write_rivalry(directory, other, found, names)
    if as_json:
        emit(json.dumps(fields, indent=2))
        return
    from airan_market.analysis.pact.text import pact_text

    emit(pact_text(outcome))
    for sentence in told:
        emit(f"- {sentence}")
    emit(str(directory))


@app.command()
def scenarios(quiet: Quiet = False, as_json: Json = False, debug: Debug = False) -> None:
    """List the scenarios that ship, a line each."""
    from airan_market.scenarios import shipped_scenarios

    shipped = shipped_scenarios()
    if as_json:
        emit(json.dumps(shipped, indent=2))
        return
    width = max(len(name) for name in shipped)
    emit("\n".join(f"{name:<{width}}  {about}" for name, about in shipped.items()))


def _load(source: str, settings: list[str] | None, short: dict[str, str | None]) -> Scenario:
    """Load the scenario with `--set` and then the short options applied.

    A fault of a setting that has a short option, when that was used, names the option.
    """
    from airan_market.scenarios import load_scenario

    return _with_short_options(load_scenario, source, settings, short)


def _with_short_options(
    load: Callable[[str, list[str]], Loaded],
    source: str,
    settings: list[str] | None,
    short: dict[str, str | None],
) -> Loaded:
    from airan_market.scenarios import ScenarioError

    used = {SHORT_FOR[option]: option for option, value in short.items() if value is not None}
    overrides = [f"{key}={short[option]}" for key, option in used.items()]
    try:
        return load(source, [*(settings or []), *overrides])
    except ScenarioError as error:
        raise ScenarioError(
            replace(fault, source=used[fault.key])
            if fault.source == "--set" and fault.key in used
            else fault
            for fault in error.faults
        ) from error


@contextmanager
def _faults_of(source: str, name: str) -> Iterator[None]:
    """Tell faults that show only in use by the file they are in, not by the scenario's name."""
    from airan_market.scenarios import ScenarioError

    try:
        yield
    except ScenarioError as error:
        raise ScenarioError(
            replace(fault, source=source) if fault.source == name else fault
            for fault in error.faults
        ) from error


def _load_pact(
    source: str, settings: list[str] | None, short: dict[str, str | None]
) -> PactScenario:
    """Load a PACT scenario as `_load` does that of operators."""
    from airan_market.scenarios import load_pact

    return _with_short_options(load_pact, source, settings, short)


def _refuse_options(options: dict[str, str | None]) -> None:
    from airan_market.scenarios import Fault, ScenarioError

    reason = "is for AI-RAN scenarios, this is a PACT scenario"
    given = {name: value for name, value in options.items() if value is not None}
    if given:
        raise ScenarioError(
            [Fault(name, SHORT_FOR[name], f'"{value}"', reason) for name, value in given.items()]
        )


def _tell(played: Played, *, quiet: bool, as_json: bool, debug: bool) -> int:
    """Say how a run ended and return the exit status."""
    for message in played.messages:
        if not quiet:
            say(message)
    if played.path is None:
        say("interrupted before the first round was finished: nothing is kept")
        return INTERRUPTED
    complete = played.status == "complete"
    if complete and played.summary and not quiet:
        _say_summary(played.summary)
    status = DONE if complete else INTERRUPTED
    rest = f"`{NAME} report {played.path}` draws them"
    if played.error is not None:
        status = FAILED
        kept = "all" if complete else str(played.rounds)
        say(f"{NAME}: {unexpected_line(played.error)} ({kept} rounds are kept in {played.path})")
        if debug:
            traceback.print_exception(played.error)
    elif not complete:
        say(f"interrupted: {played.rounds} finished rounds are kept in {played.path}; {rest}")
    elif played.drawing_interrupted:
        status = INTERRUPTED
        say(f"interrupted: the tables are complete in {played.path}; {rest}")
    if as_json and played.summary is not None:
        emit(json.dumps(played.summary, indent=2))
    elif not as_json:
        emit(str(played.path))
    return status


def _tell_validated(done: Validated, *, quiet: bool, as_json: bool, debug: bool) -> int:
    """Say how a validation ended and return the exit status."""
    if done.path is None or done.summary is None:
        say("interrupted before the first operator was simulated: nothing is kept")
        return INTERRUPTED
    from airan_market.analysis.validation.summary import sentences

    for sentence in () if quiet else (*sentences(done.summary), *done.summary["notes"]):
        say(sentence)
    status = DONE
    if done.status != "complete":
        status = INTERRUPTED
        simulated = done.summary["operators_simulated"]
        say(f"interrupted: operators simulated by then: {simulated}; kept in {done.path}")
    elif done.undrawn:
        status = INTERRUPTED
        say(f"interrupted: the tables are complete in {done.path}, the figures are not")
    elif done.error is not None:
        status = FAILED
        say(f"{NAME}: {unexpected_line(done.error)} (the tables are complete in {done.path})")
        if debug:
            traceback.print_exception(done.error)
    emit(json.dumps(done.summary, indent=2) if as_json else str(done.path))
    return status


def _say_summary(summary: dict[str, Any]) -> None:
    if summary.get("kind") == "pact":
        from airan_market.analysis.pact_run.headline import headline
    else:
        from airan_market.analysis.runs.headline import headline

    for sentence in [*headline(summary), *summary["notes"]]:
        say(sentence)


def invoke(arguments: Sequence[str]) -> int:
    """Run the command line with these arguments and return its exit status.

    Examples
    --------
    >>> invoke(["--version"])  # doctest: +ELLIPSIS
    airan-market ...
    0
    """
    try:
        status = get_command(app)(args=list(arguments), prog_name=NAME, standalone_mode=False)
    except (Exception, KeyboardInterrupt) as error:
        return end_of(error, debug="--debug" in arguments)
    if status == 130:  # how typer reports Ctrl-C
        return end_of(KeyboardInterrupt())
    return status or DONE


def main() -> None:
    """Entry point of the console script."""
    sys.exit(invoke(sys.argv[1:]))
