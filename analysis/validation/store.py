"""The directory of a validation: written under another name, renamed when it has ended.

As with runs (`analysis.store.writer`): a complete validation is replaced only with `force`; one that
was interrupted takes the final name when that is free and `NAME.interrupted` when it is not; what
is no validation is never touched. What a killed process left under the hidden name is removed by
the next one that asks for the same result.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from airan_market.analysis.store.manifest import (
    FILE_NAME,
    RunError,
    package_versions,
    sha256,
    write_json,
)
from airan_market.scenarios import Scenario, dump_toml, load_scenario, scenario_hash

KIND = "validation"
SCHEMA_VERSION = 1
APPROXIMATIONS, VERDICTS, BEYOND, MAP, MARKETS = (
    "approximations",
    "verdicts",
    "beyond",
    "map",
    "markets",
)


def default_directory(
    scenario: Scenario, seed: int, settings: Mapping[str, Any] | None = None
) -> Path:
    """`runs/validate-<scenario>-<seed>-<hash>`, the hash cut to ten digits.

    The hash is that of the scenario, and of what else was asked for where that is not the usual.
    """
    mark = scenario_hash(scenario)
    if settings:
        text = mark + json.dumps(settings, sort_keys=True, default=str)
        mark = hashlib.sha256(text.encode()).hexdigest()
    return Path("runs") / f"validate-{scenario.name}-{seed}-{mark[:10]}"


class ValidationWriter:
    """A directory being written.

    Parameters
    ----------
    target : Path
        Final name.
    scenario : Scenario
    seed : int
    settings : mapping
        What else the result depends on; kept in the manifest.
    force : bool
        Whether a complete validation there may be replaced.

    Attributes
    ----------
    partial : Path
        Where files are written until `publish`.

    Raises
    ------
    RunError
        When the name is taken.
    """

    def __init__(
        self,
        target: Path,
        scenario: Scenario,
        seed: int,
        settings: Mapping[str, Any],
        *,
        force: bool = False,
    ) -> None:
        self.target = Path(target)
        if not self.target.name or self.target.name == "..":
            raise RunError(f"{target}: a directory needs a name of its own")
        self.partial = self.target.with_name(f".{self.target.name}.partial-{os.getpid()}")
        self._force = force
        self._clock_s = time.monotonic()
        self._manifest: dict[str, Any] = {
            "kind": KIND,
            "schema_version": SCHEMA_VERSION,
            "status": "running",
            "scenario": scenario.name,
            "scenario_hash": scenario_hash(scenario),
            "seed": seed,
            "settings": dict(settings),
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
            "versions": package_versions(),
        }
        self._check_target()
        self.partial.parent.mkdir(parents=True, exist_ok=True)
        _clear_dead(self.target)
        shutil.rmtree(self.partial, ignore_errors=True)
        self.partial.mkdir()
        (self.partial / "scenario.toml").write_text(dump_toml(scenario), encoding="utf-8")
        write_json(self.partial / FILE_NAME, self._manifest)

    def table(self, name: str, frame: pd.DataFrame) -> None:
        """Write a frame as `name.parquet`; equal frames give equal bytes."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
        pq.write_table(table, self.partial / f"{name}.parquet")

    def finish(self, status: str, notes: Sequence[str] = (), error: str | None = None) -> None:
        """Write the final manifest, with the hash of every file there is."""
        self._manifest |= {
            "status": status,
            "wall_s": round(time.monotonic() - self._clock_s, 3),
            "notes": list(notes),
            "error": error,
            "files": {
                str(path.relative_to(self.partial)): {
                    "bytes": path.stat().st_size,
                    "sha256": sha256(path),
                }
                for path in sorted(self.partial.rglob("*"))
                if path.is_file() and path.name != FILE_NAME
            },
        }
        write_json(self.partial / FILE_NAME, self._manifest)

    def publish(self) -> Path:
        """Give the directory its final name and return it."""
        place = self.target
        if self._manifest["status"] == "complete":
            self._check_target()
        elif _occupied(self.target):
            place = self.target.with_name(f"{self.target.name}.{self._manifest['status']}")
            if _occupied(place):
                read_validation_manifest(place)  # nothing but a validation is replaced
        aside = self.target.with_name(f".{self.target.name}.replaced-{os.getpid()}")
        if place.exists():
            os.rename(place, aside)
        os.rename(self.partial, place)
        shutil.rmtree(aside, ignore_errors=True)
        return place

    def discard(self) -> None:
        """Remove everything written."""
        shutil.rmtree(self.partial, ignore_errors=True)

    def _check_target(self) -> None:
        if not _occupied(self.target):
            return
        try:
            old = read_validation_manifest(self.target)
        except RunError as error:
            raise RunError(f"{error}; nothing there is replaced, name another --out") from error
        if self._force or old["status"] != "complete":
            return
        raise RunError(
            f"{self.target}: a complete validation is there; allowed with --force, or another --out"
        )


@dataclass(frozen=True)
class Validation:
    """A validation directory opened for reading; tables are read when they are first asked for.

    Attributes
    ----------
    path : Path
    manifest : dict
        Status, seed, settings, hashes, versions.
    """

    path: Path
    manifest: dict[str, Any]

    @cached_property
    def scenario(self) -> Scenario:
        """The scenario validated, every default written out."""
        return load_scenario(self.path / "scenario.toml")

    @cached_property
    def approximations(self) -> pd.DataFrame:
        """Every method at every latency; see `analysis.validation.tables.approximations`."""
        return self._table(APPROXIMATIONS)

    @cached_property
    def verdicts(self) -> pd.DataFrame:
        """The verdicts; see `analysis.validation.tables.verdict_table`."""
        return self._table(VERDICTS)

    @cached_property
    def beyond(self) -> pd.DataFrame:
        """Other laws of work and arrivals; see `analysis.validation.beyond.beyond_table`."""
        return self._table(BEYOND)

    @cached_property
    def map(self) -> pd.DataFrame:
        """The map; see `analysis.validation.bound_map.bound_map`."""
        return self._table(MAP)

    @cached_property
    def markets(self) -> pd.DataFrame:
        """Variants of the scenario; see `analysis.validation.bound_markets.market_table`."""
        return self._table(MARKETS)

    @cached_property
    def summary(self) -> dict[str, Any]:
        """Content of `summary.json`."""
        return json.loads((self.path / "summary.json").read_text(encoding="utf-8"))

    def verify(self) -> None:
        """Compare every file with the manifest.

        Raises
        ------
        RunError
            Naming the first file that is missing or was changed.
        """
        for name, recorded in self.manifest["files"].items():
            path = self.path / name
            if not path.is_file():
                raise RunError(f"{path}: missing")
            if sha256(path) != recorded["sha256"]:
                raise RunError(f"{path}: SHA-256 differs from the manifest: the file was changed")

    def _table(self, name: str) -> pd.DataFrame:
        path = self.path / f"{name}.parquet"
        try:
            return pd.read_parquet(path)
        except (OSError, ValueError) as error:
            reason = (str(error).splitlines() or ["unreadable"])[0]
            raise RunError(f"{path}: {reason}") from error


def load_validation(directory: str | Path, *, verify: bool = False) -> Validation:
    """Open a validation directory.

    Parameters
    ----------
    directory : str or Path
    verify : bool
        Whether to compare every file with the manifest.

    Raises
    ------
    RunError
        When it is no validation, or was changed.
    """
    path = Path(directory)
    opened = Validation(path, read_validation_manifest(path))
    if verify:
        opened.verify()
    return opened


def read_validation_manifest(directory: Path) -> dict[str, Any]:
    """Manifest of a validation directory.

    Raises
    ------
    RunError
        When there is none, or it is that of something else.
    """
    path = directory / FILE_NAME
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{directory}: not a validation directory (no readable {FILE_NAME})") from (
            error
        )
    if not isinstance(content, dict) or content.get("kind") != KIND:
        raise RunError(f"{directory}: not a validation directory")
    if content.get("schema_version") != SCHEMA_VERSION:
        raise RunError(
            f"{path}: schema_version = {content.get('schema_version')!r}: allowed {SCHEMA_VERSION}"
        )
    return content


def _occupied(path: Path) -> bool:
    return any(path.iterdir()) if path.is_dir() else path.exists()


def _clear_dead(target: Path) -> None:
    """Remove what killed processes left of the same target; put back what they had moved aside."""
    for kind in ("partial", "replaced"):
        for left in target.parent.glob(f".{target.name}.{kind}-*"):
            if _alive(left.name.rpartition("-")[2]):
                continue
            if kind == "replaced" and not _occupied(target):
                os.rename(left, target)
            else:
                shutil.rmtree(left, ignore_errors=True)


def _alive(process: str) -> bool:
    if not process.isdigit():
        return True  # not a name of ours: leave it alone
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return int(process) != os.getpid()
