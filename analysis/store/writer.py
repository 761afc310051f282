"""Writing a run: round by round into parts, its final tables when it has ended."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from airan_market.analysis.store.assembly import Assembly, done
from airan_market.analysis.store.cell_store import code_mark, mark_of
from airan_market.analysis.store.columns import declared
from airan_market.analysis.store.directory import DirectoryWriter
from airan_market.analysis.store.manifest import Manifest, package_versions
from airan_market.analysis.store.parts import BOUNDARY, PARTS, Parts
from airan_market.analysis.store.tables import write_table
from airan_market.scenarios import PactScenario, Scenario
from airan_market.scenarios.registry import used

STATELESS = "This run cannot go on from its last round when it is stopped, only from its first: "


class Played(Protocol):
    """What the store asks of a market."""

    round: int

    def tables(self) -> Any:
        """Every table but `tasks`, of the rounds finished."""
        ...

    def snapshot(self) -> bytes:
        """State between two rounds."""
        ...


class RunWriter(DirectoryWriter):
    """A run directory being written (`analysis.store.directory`, `analysis.store.parts`).

    Parameters
    ----------
    target : Path
        Final name of the directory.
    scenario : Scenario or PactScenario
        What is played decides which tables there are.
    seed : int
    force : bool
        Whether a complete run under that name may be replaced.
    to_go_on : bool
        Whether rounds are to be played: then what other code has left is not taken over.

    Attributes
    ----------
    tables : tuple of str
        Names of the tables of this kind of run, `tasks` last.
    notes : list of str
        What a reader should know of the writing.
    parts : Parts
        Finished rounds; those of an unfinished run of the same kind are taken over.
    """

    _kept = PARTS

    def __init__(
        self,
        target: Path,
        scenario: Scenario | PactScenario,
        seed: int,
        *,
        force: bool = False,
        to_go_on: bool = True,
    ) -> None:
        kind = "market" if isinstance(scenario, Scenario) else "pact"
        self.tables = tuple(declared()[kind])
        self.code = run_code()
        self.notes: list[str] = []
        self._pending: list[Future[tuple[str, str]]] = []
        self._kind, self._to_go_on, played = kind, to_go_on, scenario.simulation
        manifest = Manifest.begun(
            kind, scenario, seed, engine=played.engine, rounds_planned=played.rounds
        )
        super().__init__(target, scenario, manifest, force=force)
        self.parts = Parts(self.partial, kind)
        if (self.partial / PARTS).is_dir():
            self.parts.open(check=False)  # it was checked when it was taken over
        self._assembly = Assembly(partial(self.parts.table_at, self.partial))
        self._assembly.add(partial(self.parts.read, self.parts.tasks))

    @property
    def rounds(self) -> int:
        """Rounds that are on the disk."""
        return 0 if self.parts.boundary is None else self.parts.boundary.round

    def take(self, tasks: pd.DataFrame) -> None:
        """Write tasks of a round that is not finished (the market's task sink).

        It goes on beside what is played next; `commit` waits for it.
        """
        number = len(self._pending) + 1
        self._pending.append(self._assembly.do(self.parts.hold, self.rounds + 1, number, tasks))

    def commit(self, market: Played) -> None:
        """Put a finished round on the disk.

        Raises
        ------
        OSError
            When it cannot be written; the rounds before are there.
        """
        frames = frames_of(market, self.tables)
        try:
            state = market.snapshot()
        except ValueError as error:
            state, self.notes = None, [f"{STATELESS}{error}"]
        tasks = self._taken()
        self.parts.commit(market.round, tasks, frames, state, self.code)
        self._assembly.add(partial(self.parts.read, list(tasks)))

    def drop_pending(self) -> None:
        """Forget tasks of a round that was not finished."""
        with suppress(Exception):  # it would have been told at the end of the round
            self._taken()

    def finish(
        self,
        status: str,
        frames: Mapping[str, pd.DataFrame] | None = None,
        notes: Sequence[str] = (),
        error: str | None = None,
    ) -> Manifest:
        """Write the final tables, with the tasks taken since the last boundary, and the manifest.

        Files stay in `partial`, parts too.

        Parameters
        ----------
        status : str
            `complete`, `interrupted` or `failed`.
        frames : mapping of str to DataFrame, optional
            All but `tasks`; those of the last boundary unless given.
        notes : sequence of str
            Sentences a reader of the run should know.
        error : str, optional
            What made the run fail.
        """
        rest = list(self._taken())
        if status == "complete":
            self._assembly.add(partial(self.parts.read, rest))
            self._assembly.finish()
        else:
            self._assembly.stop()
            self.parts.assemble(self.partial, rest)
        if frames is None:
            self.parts.tables_into(self.partial, self.tables[:-1])
        for name, frame in (frames or {}).items():
            write_table(self.partial / f"{name}.parquet", self.manifest.kind, name, frame)
        tables = [f"{name}.parquet" for name in self.tables]
        return self.seal(status, tables, rounds=self.rounds, notes=tuple(notes), error=error)

    def publish(self) -> Path:
        """Give the directory its final name; a complete run needs its parts no more."""
        place = super().publish()
        if self.manifest.status == "complete":
            Parts(place, self._kind).remove()
        return place

    def release(self) -> None:
        """Leave everything as it is, for whoever goes on."""
        if hasattr(self, "_assembly"):  # not where the name was taken
            self._assembly.stop()
        super().release()

    def _taken(self) -> dict[str, str]:
        """Parts with the tasks taken since the last boundary, and their SHA-256, once written."""
        pending, self._pending = self._pending, []
        return dict(done(pending))

    def _holds_work(self, directory: Path) -> bool:
        return (directory / PARTS / BOUNDARY).exists()

    def _goes_on_from(self, directory: Path) -> bool:
        if self._to_go_on:
            fault = fault_of(directory, self._kind, self.code)
        else:
            fault = Parts(directory, self._kind).open()
        if fault:
            self.messages.append(f"{directory}: cannot go on from there ({fault})")
        return not fault


def fault_of(directory: Path, kind: str, code: str, *, check: bool = True) -> str:
    """Why a run cannot go on from the parts in a directory; nothing when it can."""
    parts = Parts(directory, kind)
    if fault := parts.open(check=check):
        return fault
    assert parts.boundary is not None
    if parts.boundary.code != code:
        return "computed with another version of this program or of a package"
    return "" if parts.boundary.resumable else "what its market holds could not be kept"


def frames_of(market: Played, names: Sequence[str]) -> dict[str, pd.DataFrame]:
    """Tables of a market by name, all but the last, which is that of tasks."""
    tables = market.tables()
    return {name: getattr(tables, name) for name in names[:-1]}


def run_code() -> str:
    """Mark of all that the bytes of a run depend on besides scenario and seed."""
    store = ("tables", "columns", "parts", "writer")
    modules = [*(f"airan_market.analysis.store.{name}" for name in store), *used()]
    return mark_of(code_mark(modules), json.dumps(package_versions(), sort_keys=True))
