"""Directories that have ended: reading one back and checking that it is what was written."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import pandas as pd

from airan_market.analysis.store.columns import declared
from airan_market.analysis.store.lock import require_no_link
from airan_market.analysis.store.manifest import KINDS, Manifest, RunError, read_manifest, sha256
from airan_market.analysis.store.tables import read_table, table_faults
from airan_market.analysis.store.tally import tally_tasks
from airan_market.scenarios import (
    PactScenario,
    Scenario,
    ScenarioError,
    load_pact,
    load_scenario,
)

__all__ = ["PactRun", "Run", "RunError", "Stored", "Table", "load_run", "opened"]


class Table(cached_property[pd.DataFrame]):
    """A Parquet table of a directory, under the name of the attribute; read when first asked for.

    Parameters
    ----------
    about : str
        What a row is.
    optional : bool
        Whether it is empty when the manifest has no such table.
    """

    def __init__(self, about: str, *, optional: bool = False) -> None:
        super().__init__(self._read)
        self.__doc__, self._optional = about, optional

    def _read(self, stored: Stored) -> pd.DataFrame:
        if self._optional and f"{self.attrname}.parquet" not in stored.manifest.tables:
            return pd.DataFrame()
        return stored.read(str(self.attrname))


@dataclass(frozen=True)
class Stored:
    """A directory opened for reading.

    Attributes
    ----------
    path : Path
    manifest : Manifest
        Status, seed, settings, hashes, versions.
    """

    path: Path
    manifest: Manifest

    @cached_property
    def scenario(self) -> Scenario:
        """The scenario behind it, every default written out."""
        file = self.path / "scenario.toml"
        try:
            load = load_pact if self.manifest.kind in ("pact", "menu") else load_scenario
            return cast("Scenario", load(file, played=True))
        except (ScenarioError, OSError) as error:
            raise RunError(f"{file}: {_first_line(error)}") from error

    @cached_property
    def summary(self) -> dict[str, Any]:
        """Content of `summary.json`."""
        path = self.path / "summary.json"
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RunError(f"{path}: cannot be read; `airan-market report` writes it") from error

    def read(self, name: str, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Read the table `name.parquet`, or some of its columns, afresh."""
        path = self.path / f"{name}.parquet"
        try:
            return read_table(path, columns)
        except (OSError, ValueError, KeyError) as error:  # Arrow's faults are of these kinds
            raise RunError(f"{path}: {_first_line(error)}") from error

    def verify(self, *, tables_only: bool = False) -> None:
        """Compare every file with what the manifest says of it.

        Parameters
        ----------
        tables_only : bool
            Leave out what is made from tables: pages, figures, summaries.

        Raises
        ------
        RunError
            Naming the first file that is missing or of another hash than recorded, or a symbolic
            link: what is in a directory of ours is in it.
        """
        for path in sorted(self.path.rglob("*")):
            require_no_link(path)
        files = {} if tables_only else self.manifest.files
        for name, record in {**self.manifest.tables, **files}.items():
            path = self.path / name
            if not path.is_file():
                raise RunError(f"{path}: missing")
            if sha256(path) != record["sha256"]:
                raise RunError(f"{path}: SHA-256 differs from the manifest: the file was changed")
        file, recorded = self.path / "scenario.toml", self.manifest.scenario_sha256
        if recorded and (not file.is_file() or sha256(file) != recorded):
            raise RunError(f"{file}: not the scenario that was played")


@dataclass(frozen=True)
class Run(Stored):
    """A run directory opened for reading; every table is read when it is first asked for."""

    rounds = Table("One row per round, operator and type (columns of `rounds.parquet`).")
    market = Table("One row per round (columns of `market.parquet`).")
    operators = Table("One row per round and operator (columns of `operators.parquet`).")
    tasks = Table("One row per task; the large table. `read_tasks` reads some of its columns.")

    @cached_property
    def tally(self) -> pd.DataFrame:
        """Tasks counted by round, batch, operator and type; see `analysis.store.tally`."""
        return tally_tasks(self.path / "tasks.parquet", by_second=self.manifest.rounds == 1)

    def read_tasks(self, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Read `tasks.parquet`, or some of its columns, afresh."""
        return self.read("tasks", columns)

    def verify(self, *, tables_only: bool = False) -> None:
        """Compare every file with what the manifest says of it; every table has to be there."""
        for name in declared()[self.manifest.kind]:
            if f"{name}.parquet" not in self.manifest.tables:
                raise RunError(f"{self.path / name}.parquet: the manifest does not record it")
        super().verify(tables_only=tables_only)
        for name in declared()[self.manifest.kind]:
            self._agrees(name)

    def _agrees(self, name: str) -> None:
        """Compare a table with what is declared of it, with the manifest and with the scenario."""
        path = self.path / f"{name}.parquet"
        rows = self.manifest.tables[path.name].get("rows")
        most = {"round": self.manifest.rounds} | self._counts()
        try:
            fault = next(table_faults(path, self.manifest.kind, name, rows, most), "")
        except (OSError, ValueError) as error:
            fault = _first_line(error)
        if fault:
            raise RunError(f"{path}: {fault}")

    def _counts(self) -> dict[str, int]:
        """Numbers of what the scenario has several of, by the column that counts them."""
        market = self.scenario
        types = len(market.users.latency_sensitivity_usd_per_s)
        # users who come by events have numbers of their own
        come = [e.value for e in market.events or () if e.what == "users"]
        most = market.users.total + sum(int(number or 0) for number in come)
        return {"operator": len(market.operators), "type": types, "user": most}


@dataclass(frozen=True)
class PactRun(Run):
    """The directory of a PACT run; what follows here it has in place of operators and tally."""

    @property
    def scenario(self) -> PactScenario:  # type: ignore[override]  # the other kind of market
        """The scenario that was played, every default written out."""
        return cast("PactScenario", super().scenario)

    def _counts(self) -> dict[str, int]:
        pact, users = self.scenario.pact, self.scenario.traffic.users
        return {"market": len(pact.tasks or [pact]), "service": len(pact.services), "user": users}

    items = Table("One row per round and service (columns of `items.parquet`).")
    capacity = Table("One row per service (columns of `capacity.parquet`).")
    capacity_curve = Table("Quality along numbers of users (columns of `capacity_curve.parquet`).")


def market_of_run(directory: str | Path) -> tuple[Scenario, int]:
    """Scenario and seed of a run of a market, whether it has ended, was stopped or was killed.

    Raises
    ------
    RunError
        When it is none.
    """
    path = Path(directory)
    manifest = read_manifest(path)
    if manifest.kind != "market":
        raise RunError(f"{path}: holds no run of a market")
    assert manifest.seed is not None  # every run has one
    return Stored(path, manifest).scenario, manifest.seed


def opened(directory: str | Path, kind: str = "") -> Manifest:
    """Manifest of a directory that has ended, of one kind if that is given.

    Raises
    ------
    RunError
        When it is none of ours, of another kind, of another schema version, or still being
        written.
    """
    path = Path(directory)
    manifest = read_manifest(path)
    if kind and KINDS[manifest.kind] != KINDS[kind]:
        raise RunError(f"{path}: holds a {KINDS[manifest.kind]}, not a {KINDS[kind]}")
    if manifest.status == "running":
        raise RunError(
            f"{path}: still being written, or left behind by a killed process; allowed is its name "
            "without the dot and .partial"
        )
    return manifest


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
    airan_market.analysis.store.manifest.RunError: no-such-run: no such directory
    """
    manifest = opened(directory, "market")
    run = (PactRun if manifest.kind == "pact" else Run)(Path(directory), manifest)
    if verify:
        run.verify()
    return run


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or ["unreadable"])[0]
