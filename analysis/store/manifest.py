"""The manifest of a directory: what is in it, on what it was computed, how it ended, and hashes."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from math import inf
from pathlib import Path
from typing import Any

from airan_market.analysis.store.durable import sync_file, write_json, write_text
from airan_market.scenarios import (
    InputError,
    PactScenario,
    Scenario,
    ScenarioError,
    dump_toml,
    scenario_hash,
    scenario_kind,
)
from airan_market.scenarios.fault import value_text
from airan_market.scenarios.seed import SEED_LIMIT

FILE_NAME = "manifest.json"
#: Version of a directory's layout; raised whenever a reader of the old one would be misled.
SCHEMA_VERSION = 3
STATUSES = ("running", "complete", "failed", "interrupted")
#: Kinds of directories, and what one is called: runs of the two kinds of market, then the rest.
KINDS = {
    "market": "run",
    "pact": "run",
    "validation": "validation",
    "menu": "PACT menu",
    "reproduction": "reproduction",
    "identification": "identification",
    "questions": "set of answers",
    "equilibrium": "search for equilibria",
    "calibration": "calibration",
    "sweep": "sweep",
}
#: Packages whose version can change what is computed or how files look.
PACKAGES = (
    "airan-market",
    "numpy",
    "scipy",
    "pandas",
    "pyarrow",
    "simpy",
    "numba",
    "mesa",
    "pydantic",
)


_TEXT = ("text", lambda value: isinstance(value, str))
_COUNT = ("a whole number from 0 on", lambda value: _is_whole(value, 2**63))
#: What a field of a manifest may hold, in words and as a check.
_FIELDS: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "kind": (f"one of {', '.join(KINDS)}", lambda value: value in tuple(KINDS)),
    "status": (f"one of {', '.join(STATUSES)}", lambda value: value in STATUSES),
    "scenario": _TEXT,
    "scenario_hash": _TEXT,
    "scenario_sha256": _TEXT,
    "started": _TEXT,
    "engine": _TEXT,
    "error": ("text or null", lambda value: value is None or isinstance(value, str)),
    "seed": (
        "a whole number below 2**128 or null",
        lambda value: value is None or _is_whole(value, SEED_LIMIT),
    ),
    "rounds_planned": _COUNT,
    "rounds": _COUNT,
    "wall_s": ("a number from 0 on", lambda value: _is_number(value) and 0 <= value < inf),
    "settings": ("a table", lambda value: isinstance(value, dict)),
    "versions": ("a table of texts", lambda value: _is_table_of(value, str)),
    "tables": ("a table of files, each with bytes and sha256", lambda value: _is_files(value)),
    "files": ("a table of files, each with bytes and sha256", lambda value: _is_files(value)),
    "notes": ("a list of texts", lambda value: _is_list(value, str)),
}


def _is_whole(value: Any, below: int) -> bool:
    return type(value) is int and 0 <= value < below


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)


def _is_list(value: Any, of: type) -> bool:
    return isinstance(value, list) and all(isinstance(item, of) for item in value)


def _is_table_of(value: Any, of: type) -> bool:
    return isinstance(value, dict) and _is_list(list(value.values()), of)


def _is_files(value: Any) -> bool:
    return _is_table_of(value, dict) and all(
        _is_whole(record.get("bytes"), 2**63)
        and isinstance(record.get("sha256"), str)
        and _is_whole(record.get("rows", 0), 2**63)
        and not Path(name).is_absolute()
        and ".." not in Path(name).parts
        for name, record in value.items()
    )


class RunError(InputError):
    """Something is wrong with a directory; its text is one line a user can act on."""


@dataclass(frozen=True)
class Manifest:
    """What `manifest.json` holds.

    Start and wall time live here and in no other file, which is why two runs of one scenario and
    seed have equal tables. `settings` is what else the result depends on, `tables` maps a file
    name to its bytes and SHA-256 (and rows, of Parquet), `files` those of every other file to
    theirs; `scenario_sha256` is that of scenario.toml, `scenario_hash` that of what it says.
    `engine`, `rounds_planned` and `rounds`, those finished, are of runs.
    """

    kind: str
    scenario: str
    scenario_hash: str
    seed: int | None
    started: str
    status: str = "running"
    settings: Mapping[str, Any] = field(default_factory=dict)
    engine: str = ""
    rounds_planned: int = 0
    rounds: int = 0
    wall_s: float = 0.0
    versions: Mapping[str, str] = field(default_factory=dict)
    tables: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    files: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    scenario_sha256: str = ""
    notes: tuple[str, ...] = ()
    error: str | None = None
    schema_version: int = SCHEMA_VERSION

    @classmethod
    def begun(
        cls, kind: str, scenario: Scenario | PactScenario, seed: int | None = None, **more: Any
    ) -> Manifest:
        """Manifest of what is begun now, on the packages installed."""
        return cls(
            kind,
            scenario.name,
            scenario_hash(scenario),
            seed,
            datetime.now(UTC).isoformat(timespec="seconds"),
            versions=package_versions(),
            **more,
        )

    @property
    def identity(self) -> tuple[object, ...]:
        """Equal for directories that would hold the same numbers."""
        settings = json.dumps(self.settings, sort_keys=True, default=str)
        return self.kind, self.scenario_hash, self.seed, settings


def package_versions() -> dict[str, str]:
    """Versions of Python and of the packages that numbers depend on.

    A package that is not installed as a distribution (a checkout on the path) is "unknown".
    """
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "unknown"
    return versions


def sha256(path: Path) -> str:
    """SHA-256 of a file, 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_manifest(directory: Path, manifest: Manifest) -> None:
    """Write `manifest.json` into a directory."""
    write_json(directory / FILE_NAME, asdict(manifest), sync=True)


def begin(directory: Path, scenario: Scenario | PactScenario, manifest: Manifest) -> Manifest:
    """Write manifest and scenario of what is begun into a directory; the manifest.

    The manifest comes first: it says that the directory is ours, whatever a process that is killed
    leaves in it.
    """
    text = dump_toml(scenario)
    digest = hashlib.sha256(text.encode("utf-8")).hexdigest()
    manifest = replace(manifest, scenario_sha256=digest)
    write_manifest(directory, manifest)
    write_text(directory / "scenario.toml", text, sync=True)
    return manifest


def sealed(
    directory: Path, manifest: Manifest, tables: Iterable[str] | None = None, **changes: Any
) -> Manifest:
    """Write and return the manifest of a directory whose tables are all there.

    Parameters
    ----------
    directory, manifest
    tables : iterable of str, optional
        Their names, in this order; by default every Parquet and CSV file below the directory.
    **changes
        Of the manifest.
    """
    if tables is None:
        found = (path for path in directory.rglob("*") if path.suffix in (".parquet", ".csv"))
        tables = sorted(str(path.relative_to(directory)) for path in found)
    records = {}
    for name in tables:
        sync_file(directory / name)
        records[name] = _record(directory / name)
    return recorded(directory, replace(manifest, tables=records, **changes))


def recorded(directory: Path, manifest: Manifest) -> Manifest:
    """Write and return the manifest with every other file that is there now."""
    own = {FILE_NAME, "scenario.toml", *manifest.tables}
    names = (str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file())
    others = sorted(name for name in names if name not in own and not name.startswith("parts/"))
    manifest = replace(manifest, files={name: _record(directory / name) for name in others})
    write_manifest(directory, manifest)
    return manifest


def _record(path: Path) -> dict[str, Any]:
    record: dict[str, Any] = {"bytes": path.stat().st_size, "sha256": sha256(path)}
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        record = {"rows": pq.read_metadata(path).num_rows} | record
    return record


def read_manifest(directory: Path) -> Manifest:
    """Read and check `manifest.json`.

    Raises
    ------
    RunError
        When the directory is none of ours, or one that this version cannot read.
    """
    path = directory / FILE_NAME
    if not directory.exists():
        raise RunError(f"{directory}: no such directory")
    if not path.is_file():
        raise RunError(f"{directory}: not a directory of ours (it has no {FILE_NAME})")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError, RecursionError) as error:
        raise RunError(f"{path}: cannot be read as JSON: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise RunError(f"{path}: not a manifest")
    content = _of_old(directory, content)
    found = content.get("schema_version")
    if found != SCHEMA_VERSION:
        raise RunError(f"{path}: schema_version = {found!r}: allowed 1 to {SCHEMA_VERSION}")
    names = {entry.name for entry in fields(Manifest)}
    if set(content) != names:
        raise RunError(f"{path}: not a manifest of schema version {SCHEMA_VERSION}")
    for word, (allowed, holds) in _FIELDS.items():
        if not holds(content[word]):
            raise RunError(f"{path}: {word} = {value_text(content[word])}: allowed {allowed}")
    return Manifest(**{**content, "notes": tuple(content["notes"])})


def _of_old(directory: Path, content: dict[str, Any]) -> dict[str, Any]:
    """A manifest of an older version as one of today.

    Version 2 records tables alone; runs of version 1 do not say of which market they are.
    """
    if content.get("schema_version") == 2:
        return content | {"files": {}, "schema_version": SCHEMA_VERSION}
    if content.get("schema_version") != 1:
        return content
    try:
        kind = content.get("kind") or scenario_kind(directory / "scenario.toml")
    except (ScenarioError, OSError):
        kind = "market"
    tables = content.pop("files", content.get("tables", {}))
    today = {"settings": {}, "engine": "", "rounds_planned": 0, "rounds": 0, "scenario_sha256": ""}
    now = {"kind": kind, "tables": tables, "files": {}, "schema_version": SCHEMA_VERSION}
    return today | content | now
