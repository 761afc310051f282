"""From a scenario to a run directory: the market, its tables, summary, figures and report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airan_market.analysis.ended import Ended, drawn
from airan_market.analysis.exits import is_interruption
from airan_market.analysis.expectation import Expectation, require_room
from airan_market.analysis.process.interruption import Interruption
from airan_market.analysis.runs.summary import summarise
from airan_market.analysis.store.directory import default_directory
from airan_market.analysis.store.durable import write_json
from airan_market.analysis.store.reader import PactRun, load_run
from airan_market.analysis.store.writer import RunWriter, fault_of, frames_of
from airan_market.scenarios import Fault, PactScenario, Scenario, ScenarioError

if TYPE_CHECKING:
    from airan_market.agents.rounds.model import RoundModel

NO_UNDER_WAY = "Tasks under way after the last finished round are missing from tasks.parquet."


def play(
    scenario: Scenario | PactScenario,
    seed: int = 1,
    out: Path | None = None,
    *,
    force: bool = False,
    figures: bool = True,
    on_start: Callable[[RoundModel], None] = lambda market: None,
    on_round: Callable[[RoundModel], None] = lambda market: None,
    on_draw: Callable[[], None] = lambda: None,
    make_market: Callable[..., RoundModel] | None = None,
    interruptible: Callable[..., Any] | None = None,
) -> Ended:
    """Play a scenario and leave a run directory with tables, summary, figures and report.

    Every finished round is on the disk before the next begins. Ctrl-C and the signals to terminate
    and to hang up end a run early: the finished rounds are kept, with their tables readable and the
    status `interrupted`. So are the finished rounds of a market that fails, with the status
    `failed`. When no round was finished nothing is left. After a full disk, or a killed process,
    they are parts in `.NAME.partial` beside the directory. The same call goes on from there, to the
    bytes of a run that was never stopped.

    Parameters
    ----------
    scenario : Scenario or PactScenario
        Whole users only (`users.whole_users`).
    seed : int
        Root of every random stream of the run.
    out : Path, optional
        The run directory; `runs/<scenario>-<seed>-<hash>` unless told.
    force : bool
        Whether a complete run there may be replaced.
    figures : bool
        Whether figures and report are made; `redraw.redraw` makes them later.
    on_start : function
        Called with the market before the first round.
    on_round : function
        Called with the market after every round.
    on_draw : function
        Called once, before figures and report are made.
    make_market : callable, optional
        Called with the scenario, `seed=` and `task_sink=`, perhaps again at the end; that of the
        kind of scenario unless told: `agents.market.model.Market` or
        `agents.pact.run.model.PactSimulation`.
    interruptible : function, optional
        What a signal may cut off inside a round, because the market is as it was before the round
        until this returns; `sim.engines.engine.simulate` unless told. Elsewhere a signal waits.

    Raises
    ------
    ScenarioError
        When the scenario has fractional users.
    RunError
        When the directory is taken.
    Exception
        Whatever the market raises before its first round is finished.
    """
    if isinstance(scenario, Scenario) and not scenario.users.whole_users:
        allowed = "must be true: traffic comes from whole users (`solve` takes fractional ones)"
        raise ScenarioError([Fault(scenario.name, "users.whole_users", "false", allowed)])
    from airan_market.sim.engines.engine import simulate

    with Interruption() as interruption:
        with interruption.shield():
            place = out or default_directory(scenario, seed)
            writer = RunWriter(place, scenario, seed, force=force)
        make = partial(
            market_at_boundary, writer, make_market or market_of(scenario), scenario, seed
        )
        session = _Session(
            writer, interruption, interruptible or simulate, make, on_start, on_round, on_draw
        )
        try:
            return session.play(figures=figures)
        finally:
            writer.release()


def market_of(scenario: Scenario | PactScenario) -> Callable[..., RoundModel]:
    """What plays a scenario, imported only now: Mesa and SciPy are not for those who read runs."""
    if isinstance(scenario, Scenario):
        from airan_market.agents.market.model import Market

        return Market
    from airan_market.agents.pact.run.model import PactSimulation

    return PactSimulation


def market_at_boundary(
    writer: RunWriter, make_market: Callable[..., RoundModel], scenario: Any, seed: int
) -> RoundModel:
    """A market as it stands after the rounds that are on the disk."""
    market, state = make_market(scenario, seed=seed, task_sink=writer.take), writer.parts.state
    if state is not None:
        market.restore(state)
    return market


@dataclass
class _Session:
    """One run from the market's first round to the directory's final name."""

    writer: RunWriter
    interruption: Interruption
    interruptible: Callable[..., Any]
    make: Callable[[], RoundModel]
    on_start: Callable[[RoundModel], None]
    on_round: Callable[[RoundModel], None]
    on_draw: Callable[[], None]

    def play(self, *, figures: bool) -> Ended:
        status, error = self._play_rounds()
        if status == "complete":
            return self._end_complete(figures=figures)
        with self.interruption.shield(swallow=True):
            return self._end_early(status, error)

    def _play_rounds(self) -> tuple[str, Exception | None]:
        writer = self.writer
        try:
            market = self.make()
            expected = Expectation.of(market)
            horizon_s = market.scenario.simulation.horizon_s
            require_room(expected, market.scenario.name, horizon_s, writer.partial)
            self.on_start(market)
            while market.round < market.rounds_planned:
                with self.interruption.shield(open_in=self.interruptible):
                    market.step()
                    writer.commit(market)
                self.on_round(market)
            with self.interruption.shield():
                market.close()
                frames = frames_of(market, writer.tables)
                writer.finish("complete", frames, [*market.notes, *writer.notes])
        except KeyboardInterrupt:
            return "interrupted", None
        except Exception as error:
            return ("interrupted", None) if is_interruption(error) else ("failed", error)
        return "complete", None

    def _end_complete(self, *, figures: bool) -> Ended:
        summary: dict[str, Any] = {}
        place = self.writer.partial

        def summed_up() -> None:
            with self.interruption.shield():
                summary.update(write_summary(place))

        drawing = (self.on_draw, lambda: draw(place, summary)) if figures else ()
        error, undrawn = drawn(summed_up, *drawing)
        with self.interruption.shield(swallow=True):
            path = self.writer.publish()
        told = tuple(self.writer.messages)
        rounds = self.writer.rounds
        return Ended("complete", rounds, path, summary or None, told, error, undrawn)

    def _end_early(self, status: str, error: Exception | None) -> Ended:
        writer = self.writer
        writer.drop_pending()  # of the round that was cut off
        if writer.rounds == 0:
            writer.discard()
            if error:
                raise error
            return Ended(status, messages=tuple(writer.messages))
        try:
            path, summary = seal(writer, status, self.make, error)
        except OSError as fault:  # the disk is full: what is there is what was finished
            told = tuple(writer.messages)
            return Ended(status, writer.rounds, writer.partial, None, told, error or fault)
        return Ended(status, writer.rounds, path, summary, tuple(writer.messages), error)


def seal(
    writer: RunWriter, status: str, make: Callable[[], RoundModel], error: Exception | None = None
) -> tuple[Path, dict[str, Any]]:
    """Make a readable run of the rounds that are on the disk; parts stay, to go on from.

    Parameters
    ----------
    writer : RunWriter
        With a round at least.
    status : str
        `interrupted` or `failed`.
    make : function
        The market as it stands after those rounds: it settles what was under way by then.
    error : Exception, optional
        What made the run fail.

    Returns
    -------
    tuple
        The directory, and what is in its `summary.json`.
    """
    frames, notes = None, list(writer.notes)
    try:
        if fault_of(writer.partial, writer.manifest.kind, writer.code, check=False):
            raise ValueError("no state to settle from")
        market = make()
        market.close()
        frames = frames_of(market, writer.tables)
        notes = [*market.notes, *notes]
    except Exception:  # of an agent of one's own that failed, perhaps, and fails again
        writer.drop_pending()
        notes.append(NO_UNDER_WAY)
    text = None if error is None else f"{type(error).__name__}: {error}"
    writer.finish(status, frames, notes, text)
    summary = write_summary(writer.partial)
    return writer.publish(), summary


def write_summary(directory: Path) -> dict[str, Any]:
    """Write `summary.json` of a run directory and return its content."""
    run = load_run(directory)
    if isinstance(run, PactRun):
        from airan_market.analysis.pact_run.summary import summarise as summarise_pact

        summary = summarise_pact(run)
    else:
        summary = summarise(run)
    write_json(directory / "summary.json", summary)
    return summary


def draw(directory: Path, summary: dict[str, Any]) -> None:
    """Write figures and report of a run directory from its tables and summary.

    Matplotlib is imported only now: it takes half a second.
    """
    run = load_run(directory)
    if isinstance(run, PactRun):
        from airan_market.analysis.pact_run import report as pact_report

        pact_report.write_report(run, summary)
    else:
        from airan_market.analysis.runs import report

        report.write_report(run, summary)


def headline(summary: dict[str, Any]) -> list[str]:
    """What a run's summary says, in a few sentences, and its notes."""
    if summary.get("kind") == "pact":
        from airan_market.analysis.pact_run.headline import headline as sentences
    else:
        from airan_market.analysis.runs.headline import headline as sentences

    return [*sentences(summary), *summary["notes"]]
