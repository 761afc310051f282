"""Writing a run directory so that it is never half-written under its final name.

A run is written into the hidden sibling `.NAME.partial` and renamed to `NAME` when it has ended.
What is decided where two things could be wanted:

- A complete run is replaced only with `force`, and only by a run that is itself complete.
- An unfinished run (interrupted or failed) takes the final name when that is free; otherwise it
  becomes `NAME.interrupted` or `NAME.failed`. A complete run replaces an unfinished one of the
  same scenario and seed unasked: it holds the same rounds, and the rest.
- What a killed process left in `.NAME.partial` cannot be read (a Parquet file without its footer),
  and the same scenario and seed give the same bytes again; so it is removed, and said. What
  another scenario or seed left there is moved aside, so that its scenario and seed stay known.
- A directory that is not a run is never touched, with `force` or without.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from airan_market.analysis.store.layout import layout_of
from airan_market.analysis.store.manifest import (
    Manifest,
    RunError,
    package_versions,
    read_manifest,
    sha256,
    write_manifest,
)
from airan_market.analysis.store.tables import TableWriter, write_table
from airan_market.scenarios import PactScenario, Scenario, dump_toml, scenario_hash


def default_directory(scenario: Scenario | PactScenario, seed: int) -> Path:
    """`runs/<scenario>-<seed>-<hash>`, the hash cut to ten digits."""
    return Path("runs") / f"{scenario.name}-{seed}-{scenario_hash(scenario)[:10]}"


class RunWriter:
    """One run directory being written.

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
    partial : Path
        Where files are written until `publish`.
    layout : Layout
        The tables of this kind of run.
    rounds : int
        Rounds committed.
    messages : list of str
        What was found and done about it, in sentences for the user.

    Raises
    ------
    RunError
        When the name is taken, or another process writes the same run.
    """

    def __init__(
        self,
        target: Path,
        scenario: Scenario | PactScenario,
        seed: int,
        *,
        force: bool = False,
    ) -> None:
        self.layout = layout_of("market" if isinstance(scenario, Scenario) else "pact")
        self.target = Path(target)
        if not self.target.name or self.target.name == "..":
            raise RunError(f"{target}: a run directory needs a name of its own")
        self.partial = self.target.with_name(f".{self.target.name}.partial")
        self.rounds = 0
        self.messages: list[str] = []
        self._force = force
        self._pending: list[pd.DataFrame] = []
        self._clock_s = time.monotonic()
        self._manifest = Manifest(
            scenario=scenario.name,
            scenario_hash=scenario_hash(scenario),
            seed=seed,
            engine=scenario.simulation.engine,
            rounds_planned=scenario.simulation.rounds,
            started=datetime.now(UTC).isoformat(timespec="seconds"),
            versions=package_versions(),
        )
        self._check_target()
        self.partial.parent.mkdir(parents=True, exist_ok=True)
        self._lock = _claim(self.partial, self.messages)
        try:
            self._restore_replaced()
            self._clear_leftovers()
        except BaseException:
            os.close(self._lock)
            raise
        (self.partial / "scenario.toml").write_text(dump_toml(scenario), encoding="utf-8")
        write_manifest(self.partial, self._manifest)
        self._tasks = TableWriter(self.partial / "tasks.parquet", "tasks", self.layout.schemas)

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
            The tables of the layout but `tasks`.
        notes : sequence of str
            Sentences a reader of the run should know.
        error : str, optional
            What made the run fail.
        """
        self._tasks.close()
        rows = {"tasks": self._tasks.rows}
        for name, frame in frames.items():
            rows[name] = write_table(
                self.partial / f"{name}.parquet", name, frame, self.layout.schemas
            )
        self._manifest = replace(
            self._manifest,
            status=status,
            rounds=self.rounds,
            wall_s=round(time.monotonic() - self._clock_s, 3),
            tables={
                f"{name}.parquet": self._record(name, rows[name]) for name in self.layout.schemas
            },
            notes=tuple(notes),
            error=error,
        )
        write_manifest(self.partial, self._manifest)
        return self._manifest

    def publish(self) -> Path:
        """Give the finished run its final name and return that directory."""
        if self._manifest.status == "complete":
            self._check_target()
            place = self.target
        else:
            place = self._unfinished_name(self._manifest.status)
        aside = _replaced_name(self.target)
        if place.exists():
            os.rename(place, aside)
        os.rename(self.partial, place)
        shutil.rmtree(aside, ignore_errors=True)
        os.close(self._lock)
        return place

    def discard(self) -> None:
        """Remove everything written; nothing is left under any name."""
        self._tasks.close()
        shutil.rmtree(self.partial)
        os.close(self._lock)

    def _record(self, name: str, rows: int) -> dict[str, int | str]:
        path = self.partial / f"{name}.parquet"
        return {"rows": rows, "bytes": path.stat().st_size, "sha256": sha256(path)}

    def _unfinished_name(self, status: str) -> Path:
        if not _occupied(self.target):
            return self.target
        place = self.target.with_name(f"{self.target.name}.{status}")
        if _occupied(place) and read_manifest(place).status != status:
            raise RunError(f"{place}: is in the way; the run is kept in {self.partial}")
        return place

    def _check_target(self) -> None:
        if not _occupied(self.target):
            return
        try:
            old = read_manifest(self.target)
        except RunError as error:
            raise RunError(f"{error}; nothing there is replaced, name another --out") from error
        if self._force:
            return
        if old.status == "complete":
            what = "a complete run"
        elif _identity(old) != _identity(self._manifest):
            what = f"the {old.status} run of another scenario or seed"
        else:
            return
        raise RunError(f"{self.target}: {what} is there; allowed with --force, or another --out")

    def _restore_replaced(self) -> None:
        """Undo or finish a replacement that a killed process left half done."""
        aside = _replaced_name(self.target)
        if not aside.exists():
            return
        if _occupied(self.target):
            shutil.rmtree(aside)
            return
        os.rename(aside, self.target)
        self.messages.append(f"{self.target} was being replaced by a killed process: put back")
        self._check_target()

    def _clear_leftovers(self) -> None:
        leftovers = list(self.partial.iterdir())
        if not leftovers:
            return
        try:
            old = read_manifest(self.partial)
        except RunError:  # killed before it wrote its manifest
            old = self._manifest
        if _identity(old) == _identity(self._manifest):
            for entry in leftovers:
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
            self.messages.append(
                "a killed process left this run unfinished and unreadable: it starts afresh"
            )
            return
        aside = self.partial.with_name(f"{self.partial.name}-{old.seed}-{old.scenario_hash[:10]}")
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir()
        for entry in leftovers:
            os.rename(entry, aside / entry.name)
        self.messages.append(f"a killed process left another run unfinished here: moved to {aside}")


def _identity(manifest: Manifest) -> tuple[str, int]:
    return manifest.scenario_hash, manifest.seed


def _occupied(path: Path) -> bool:
    if path.is_dir():
        return any(path.iterdir())
    return path.exists()


def _replaced_name(target: Path) -> Path:
    return target.with_name(f".{target.name}.replaced")


def _claim(partial: Path, messages: list[str]) -> int:
    """Make the directory and lock it; the kernel frees the lock however the process ends."""
    while True:
        partial.mkdir(exist_ok=True)
        try:
            lock = os.open(partial, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:  # published by its owner a moment ago
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                os.close(lock)
                raise RunError(f"{partial}: another process is writing this run") from error
            # some network file systems offer no locks: better an unguarded run than none
            messages.append(f"no locks on this file system ({error.strerror}): start no twin run")
        if partial.exists() and os.path.samestat(os.fstat(lock), partial.stat()):
            return lock
        os.close(lock)
