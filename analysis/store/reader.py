"""Run directories: reading one back and checking that it is what was written."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from airan_market.analysis.store.layout import Layout, kind_of_run, layout_of
from airan_market.analysis.store.manifest import Manifest, RunError, read_manifest, sha256
from airan_market.analysis.store.tables import read_table
from airan_market.analysis.store.tally import tally_tasks
from airan_market.scenarios import (
    PactScenario,
    Scenario,
    ScenarioError,
    load_pact,
    load_scenario,
    scenario_hash,
)

__all__ = ["PactRun", "Run", "RunError", "load_run"]


@dataclass(frozen=True)
class Run:
    """A run directory opened for reading; every table is read when it is first asked for.

    Attributes
    ----------
    path : Path
        The directory.
    manifest : Manifest
        Status, seed, hashes, versions.
    """

    path: Path
    manifest: Manifest

    @cached_property
    def layout(self) -> Layout:
        """The tables of this kind of run."""
        return layout_of("market")

    @cached_property
    def scenario(self) -> Scenario:
        """The scenario that was played, every default written out."""
        try:
            return load_scenario(self.path / "scenario.toml")
        except (ScenarioError, OSError) as error:
            first = (str(error).splitlines() or ["unreadable"])[0]
            raise RunError(f"{self.path / 'scenario.toml'}: {first}") from error

    @cached_property
    def rounds(self) -> pd.DataFrame:
        """One row per round, operator and type (columns of `rounds.parquet`)."""
        return self._read("rounds")

    @cached_property
    def market(self) -> pd.DataFrame:
        """One row per round (columns of `market.parquet`)."""
        return self._read("market")

    @cached_property
    def operators(self) -> pd.DataFrame:
        """One row per round and operator (columns of `operators.parquet`)."""
        return self._read("operators")

    @cached_property
    def tasks(self) -> pd.DataFrame:
        """One row per task; the large table. `read_tasks` reads some of its columns."""
        return self.read_tasks()

    @cached_property
    def tally(self) -> pd.DataFrame:
        """Tasks counted by round, batch, operator and type; see `analysis.store.tally`."""
        return tally_tasks(self._file("tasks"), by_second=self.manifest.rounds == 1)

    @cached_property
    def summary(self) -> dict[str, Any]:
        """Content of `summary.json`."""
        path = self.path / "summary.json"
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RunError(f"{path}: cannot be read; `airan-market report` writes it") from error

    def read_tasks(self, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Read `tasks.parquet`, or some of its columns, afresh."""
        return self._read("tasks", columns)

    def verify(self) -> None:
        """Compare every table and the scenario with what the manifest says of them.

        Raises
        ------
        RunError
            Naming the first file that is missing, of another size or hash than recorded, or
            not recorded at all.
        """
        for name in self.layout.schemas:
            path = self._file(name)
            recorded = self.manifest.tables.get(path.name)
            if recorded is None:
                raise RunError(f"{path}: the manifest does not record it")
            if not path.is_file():
                raise RunError(f"{path}: missing")
            if sha256(path) != recorded["sha256"]:
                raise RunError(f"{path}: SHA-256 differs from the manifest: the file was changed")
        if scenario_hash(self.scenario) != self.manifest.scenario_hash:
            raise RunError(f"{self.path / 'scenario.toml'}: not the scenario that was played")

    def _file(self, name: str) -> Path:
        return self.path / f"{name}.parquet"

    def _read(self, name: str, columns: Sequence[str] | None = None) -> pd.DataFrame:
        try:
            return read_table(self._file(name), columns)
        except (OSError, ValueError, KeyError) as error:  # Arrow's faults are of these kinds
            reason = (str(error).splitlines() or ["unreadable"])[0]
            raise RunError(f"{self._file(name)}: {reason}") from error


@dataclass(frozen=True)
class PactRun(Run):
    """The directory of a PACT run; what follows here it has in place of operators and tally."""

    @cached_property
    def layout(self) -> Layout:
        """The tables of this kind of run."""
        return layout_of("pact")

    @cached_property
    def scenario(self) -> PactScenario:  # type: ignore[override]  # the other kind of market
        """The scenario that was played, every default written out."""
        try:
            return load_pact(self.path / "scenario.toml")
        except (ScenarioError, OSError) as error:
            first = (str(error).splitlines() or ["unreadable"])[0]
            raise RunError(f"{self.path / 'scenario.toml'}: {first}") from error

    @cached_property
    def items(self) -> pd.DataFrame:
        """One row per round and service (columns of `items.parquet`)."""
        return self._read("items")

    @cached_property
    def capacity(self) -> pd.DataFrame:
        """One row per service (columns of `capacity.parquet`)."""
        return self._read("capacity")

    @cached_property
    def capacity_curve(self) -> pd.DataFrame:
        """Quality along numbers of users (columns of `capacity_curve.parquet`)."""
        return self._read("capacity_curve")


def load_run(directory: str | Path, *, verify: bool = False) -> Run:
    """Open a run directory, that of a PACT run as a `PactRun`.

    Parameters
    ----------
    directory : str or Path
        What `airan-market run` printed.
    verify : bool
        Whether to compare the hash of every table with the manifest (reads all of them).

    Raises
    ------
    RunError
        When it is not a run directory, is still being written, has another schema version, or
        (with `verify`) was changed since it was written.

    Examples
    --------
    >>> load_run("no-such-run")
    Traceback (most recent call last):
    ...
    airan_market.analysis.store.manifest.RunError: no-such-run: no such run directory
    """
    path = Path(directory)
    manifest = read_manifest(path)
    run = (PactRun if kind_of_run(path) == "pact" else Run)(path, manifest)
    if run.manifest.status == "running":
        raise RunError(f"{path}: still being written, or left behind by a killed run")
    if verify:
        run.verify()
    return run
