"""From a scenario to a run directory: the market, its tables, summary, figures and report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airan_market.analysis.exits import is_interruption
from airan_market.analysis.runs.summary import summarise
from airan_market.analysis.store.directory import default_directory
from airan_market.analysis.store.ended import Ended, drawn
from airan_market.analysis.store.interruption import Interruption
from airan_market.analysis.store.manifest import write_json
from airan_market.analysis.store.reader import PactRun, load_run
from airan_market.analysis.store.writer import RunWriter
from airan_market.scenarios import Fault, PactScenario, Scenario, ScenarioError

if TYPE_CHECKING:
    from airan_market.agents.rounds.model import RoundModel

NO_UNDER_WAY = "Tasks under way when the run failed are missing from tasks.parquet."


def play(
    scenario: Scenario | PactScenario,
    seed: int = 1,
    out: Path | None = None,
    *,
    force: bool = False,
    on_start: Callable[[RoundModel], None] = lambda market: None,
    on_round: Callable[[RoundModel], None] = lambda market: None,
    on_draw: Callable[[], None] = lambda: None,
    make_market: Callable[..., RoundModel] | None = None,
    interruptible: Callable[..., Any] | None = None,
) -> Ended:
    """Play a scenario and leave a run directory with tables, summary, figures and report.

    Ctrl-C and the signal to terminate end it early: the finished rounds are kept, with their
    tables readable and the status `interrupted`. So are the finished rounds of a market that
    fails, with the status `failed`. When no round was finished nothing is left.

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
    on_start : function
        Called with the market before the first round.
    on_round : function
        Called with the market after every round.
    on_draw : function
        Called once, before figures and report are made.
    make_market : callable, optional
        Called with the scenario, `seed=` and `task_sink=`; that of the kind of scenario unless
        told: `agents.market.model.Market` or `agents.pact.run.model.PactSimulation`.
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
        session = _Session(
            writer, interruption, interruptible or simulate, on_start, on_round, on_draw
        )
        return session.play(make_market or _market_of(scenario), scenario, seed)


def _market_of(scenario: Scenario | PactScenario) -> Callable[..., RoundModel]:
    """What plays a scenario, imported only now: Mesa and SciPy are not for those who read runs."""
    if isinstance(scenario, Scenario):
        from airan_market.agents.market.model import Market

        return Market
    from airan_market.agents.pact.run.model import PactSimulation

    return PactSimulation


@dataclass
class _Session:
    """One run from the market's first round to the directory's final name."""

    writer: RunWriter
    interruption: Interruption
    interruptible: Callable[..., Any]
    on_start: Callable[[RoundModel], None]
    on_round: Callable[[RoundModel], None]
    on_draw: Callable[[], None]
    market: RoundModel | None = None

    def play(
        self, make: Callable[..., RoundModel], scenario: Scenario | PactScenario, seed: int
    ) -> Ended:
        status, error = self._play_rounds(make, scenario, seed)
        if status == "complete":
            return self._end_complete()
        with self.interruption.shield(swallow=True):
            return self._end_early(status, error)

    def _play_rounds(
        self, make: Callable[..., RoundModel], scenario: Scenario | PactScenario, seed: int
    ) -> tuple[str, Exception | None]:
        try:
            market = self.market = make(scenario, seed=seed, task_sink=self.writer.take)
            self.on_start(market)
            while market.round < market.rounds_planned:
                with self.interruption.shield(open_in=self.interruptible):
                    market.step()
                    self.writer.commit(market.round)
                self.on_round(market)
            with self.interruption.shield():
                market.close()
                self.writer.commit(market.round)
                self._write_tables("complete")
        except KeyboardInterrupt:
            return "interrupted", None
        except Exception as error:
            return ("interrupted", None) if is_interruption(error) else ("failed", error)
        return "complete", None

    def _end_complete(self) -> Ended:
        summary: dict[str, Any] = {}
        place = self.writer.partial

        def summed_up() -> None:
            with self.interruption.shield():
                summary.update(write_summary(place))

        error, undrawn = drawn(summed_up, self.on_draw, lambda: draw(place))
        with self.interruption.shield(swallow=True):
            path = self.writer.publish()
        told = tuple(self.writer.messages)
        rounds = self.writer.rounds
        return Ended("complete", rounds, path, summary or None, told, error, undrawn)

    def _end_early(self, status: str, error: Exception | None) -> Ended:
        writer, market = self.writer, self.market
        writer.drop_pending()  # of the round that was cut off
        if market is None or writer.rounds == 0:
            writer.discard()
            if error:
                raise error
            return Ended(status, messages=tuple(writer.messages))
        notes = []
        try:
            market.close()
            writer.commit(writer.rounds)
        except Exception:  # a market that failed may be unable to say what is under way
            writer.drop_pending()
            notes.append(NO_UNDER_WAY)
        text = None if error is None else f"{type(error).__name__}: {error}"
        self._write_tables(status, notes, text)
        summary = write_summary(writer.partial)
        path = writer.publish()
        return Ended(status, writer.rounds, path, summary, tuple(writer.messages), error)

    def _write_tables(
        self, status: str, notes: list[str] | None = None, error: str | None = None
    ) -> None:
        assert self.market is not None
        tables, frames = self.market.tables(), {}
        for name in self.writer.tables[:-1]:  # tasks were written on the way
            frame = getattr(tables, name)
            finished = frame["round"] <= self.writer.rounds if "round" in frame else slice(None)
            frames[name] = frame[finished]
        self.writer.finish(status, frames, [*self.market.notes, *(notes or [])], error)


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


def draw(directory: Path) -> None:
    """Write figures and report of a run directory; Matplotlib takes a second to import."""
    run = load_run(directory)
    if isinstance(run, PactRun):
        from airan_market.analysis.pact_run import report as pact_report

        pact_report.write_report(run)
    else:
        from airan_market.analysis.runs import report

        report.write_report(run)


def headline(summary: dict[str, Any]) -> list[str]:
    """What a run's summary says, in a few sentences, and its notes."""
    if summary.get("kind") == "pact":
        from airan_market.analysis.pact_run.headline import headline as sentences
    else:
        from airan_market.analysis.runs.headline import headline as sentences

    return [*sentences(summary), *summary["notes"]]
