"""Writing a run: its tasks as they end, its other tables when it has ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from airan_market.analysis.store.columns import declared
from airan_market.analysis.store.directory import DirectoryWriter
from airan_market.analysis.store.manifest import Manifest
from airan_market.analysis.store.tables import TableWriter, write_table
from airan_market.scenarios import PactScenario, Scenario


class RunWriter(DirectoryWriter):
    """A run directory being written (`analysis.store.directory`).

    Parameters
    ----------
    target : Path
        Final name of the directory.
    scenario : Scenario or PactScenario
        What is played decides which tables there are.
    seed : int
    force : bool
        Whether a complete run under that name may be replaced.

    Attributes
    ----------
    tables : tuple of str
        Names of the tables of this kind of run, `tasks` last.
    rounds : int
        Rounds committed.
    """

    def __init__(
        self,
        target: Path,
        scenario: Scenario | PactScenario,
        seed: int,
        *,
        force: bool = False,
    ) -> None:
        kind = "market" if isinstance(scenario, Scenario) else "pact"
        self.tables = tuple(declared()[kind])
        self.rounds = 0
        self._pending: list[pd.DataFrame] = []
        played = scenario.simulation
        manifest = Manifest.begun(
            kind, scenario, seed, engine=played.engine, rounds_planned=played.rounds
        )
        super().__init__(target, scenario, manifest, force=force)
        self._tasks = TableWriter(self.partial / "tasks.parquet", kind, "tasks")

    def take(self, tasks: pd.DataFrame) -> None:
        """Hold tasks until the round they ended in is committed (the market's task sink)."""
        self._pending.append(tasks)

    def commit(self, rounds: int) -> None:
        """Write the tasks taken so far, one row group per frame: `rounds` rounds are finished."""
        for frame in self._pending:
            self._tasks.write(frame)
        self._pending.clear()
        self.rounds = rounds

    def drop_pending(self) -> None:
        """Forget tasks of a round that was not finished."""
        self._pending.clear()

    def finish(
        self,
        status: str,
        frames: Mapping[str, pd.DataFrame],
        notes: Sequence[str] = (),
        error: str | None = None,
    ) -> Manifest:
        """Write the remaining tables and the final manifest; files stay in `partial`.

        Parameters
        ----------
        status : str
            `complete`, `interrupted` or `failed`.
        frames : mapping of str to DataFrame
            All but `tasks`.
        notes : sequence of str
            Sentences a reader of the run should know.
        error : str, optional
            What made the run fail.
        """
        self._tasks.close()
        for name, frame in frames.items():
            write_table(self.partial / f"{name}.parquet", self.manifest.kind, name, frame)
        tables = [f"{name}.parquet" for name in self.tables]
        return self.seal(status, tables, rounds=self.rounds, notes=tuple(notes), error=error)

    def discard(self) -> None:
        """Remove everything written; nothing is left under any name."""
        self._tasks.close()
        super().discard()
