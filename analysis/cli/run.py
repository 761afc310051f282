"""`airan-market run`, and `resume`, which goes on with one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from airan_market.analysis.cli import asking as ask
from airan_market.analysis.cli.telling import GO_ON, ending

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from airan_market.agents.rounds.model import RoundModel
    from airan_market.analysis.ended import Ended
    from airan_market.scenarios import PactScenario, Scenario


def run(
    scenario: ask.ScenarioArgument,
    seed: ask.Seed = 1,
    seeds: ask.Seeds = 1,
    out: Annotated[Path | None, ask.out_option("default runs/<scenario>-<seed>-<hash>")] = None,
    force: ask.Force = False,
    settings: ask.Set = None,
    reading: ask.Reading = None,
    engine: ask.Engine = None,
    rounds: ask.Rounds = None,
    horizon: ask.Horizon = None,
    mechanism: ask.Mechanism = None,
    belief: ask.Belief = None,
    use: ask.Use = None,
    figures: ask.Figures = True,
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
    loaded = ask.load_any(scenario, settings, short, reading, quiet=quiet)
    raise typer.Exit(
        play_seeds(
            [(loaded, number) for number in range(seed, seed + seeds)],
            scenario, out, force=force, figures=figures, quiet=quiet, as_json=as_json, debug=debug,
        )
    )  # fmt: skip


def play_seeds(
    asked: Sequence[tuple[Scenario | PactScenario, int]],
    source: str,
    out: Path | None,
    *,
    force: bool,
    figures: bool,
    quiet: bool,
    as_json: bool,
    debug: bool,
) -> int:
    """Play scenarios, each with its seed, one after another; the first that does not end ends all.

    Several have directories of their own, below `out` if that is given.
    """
    from airan_market.analysis.play import play
    from airan_market.analysis.store.directory import default_directory

    for loaded, seed in asked:
        place = out
        if out is not None and len(asked) > 1:
            place = out / default_directory(loaded, seed).name

        def played(
            loaded: Any = loaded, seed: int = seed, place: Path | None = place, **told: Any
        ) -> Ended:
            with ask.faults_of(source, loaded.name):
                return play(loaded, seed, place, force=force, figures=figures, **told)

        status = _status(loaded, played, quiet=quiet, as_json=as_json, debug=debug)
        if status:
            return status
    return 0


def resume(
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="What a run that was stopped has left.")
    ],
    use: ask.Use = None,
    quiet: ask.Quiet = False,
    as_json: ask.Json = False,
    debug: ask.Debug = False,
) -> None:
    """Go on with a run that was stopped, after its last finished round.

    It ends with the same bytes as if it had never been stopped. So does the command that began it.
    """
    from airan_market.analysis.resume import resume as resumed
    from airan_market.analysis.resume import stopped

    directory = directory if directory.name else directory.resolve()
    loaded = stopped(directory).scenario

    def played(**told: Any) -> Ended:
        return resumed(directory, **told)

    raise typer.Exit(_status(loaded, played, quiet=quiet, as_json=as_json, debug=debug))


def _status(
    loaded: Scenario | PactScenario,
    play: Callable[..., Ended],
    *,
    quiet: bool,
    as_json: bool,
    debug: bool,
) -> int:
    """Play with progress, tell how it ended, return the exit status."""
    from airan_market.analysis.expectation import Expectation
    from airan_market.analysis.play import headline
    from airan_market.analysis.process.watchdog import KEPT, WATCHDOG
    from airan_market.analysis.progress import COMPILING, Progress

    def finished(market: RoundModel) -> None:
        progress.round(market)
        WATCHDOG.line = f"interrupted; finished rounds: {market.round}; {GO_ON}"

    WATCHDOG.line, first = KEPT, "round 1, with the warm-up"
    with Progress(first, loaded.simulation.rounds, quiet=quiet) as progress:
        if ask.has_to_compile(loaded, traffic=True):
            progress.note(COMPILING)
        ended = play(
            on_start=lambda market: progress.begun(market, Expectation.of(market)),
            on_round=finished,
            on_draw=lambda: progress.now("figures and report"),
        )
    told = headline(ended.summary) if ended.summary else []
    return ending(ended, "round", told, quiet=quiet, as_json=as_json, debug=debug)
