"""The manifest of a run: what was played, on what, how it ended, and the hash of every table."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from airan_market.scenarios import InputError

FILE_NAME = "manifest.json"
#: Version of the run directory's layout; raised whenever a reader of the old one would be misled.
SCHEMA_VERSION = 1
STATUSES = ("running", "complete", "failed", "interrupted")
#: Packages whose version can change what a run computes or how its files look.
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


class RunError(InputError):
    """Something is wrong with a run directory; its text is one line a user can act on."""


@dataclass(frozen=True)
class Manifest:
    """What `manifest.json` holds.

    Start and wall time live here and in no other file of a run, which is why two runs of one
    scenario and seed have equal tables. `tables` maps a file name to its rows, bytes and
    SHA-256; `rounds` counts the rounds finished.
    """

    scenario: str
    scenario_hash: str
    seed: int
    engine: str
    rounds_planned: int
    started: str
    status: str = "running"
    rounds: int = 0
    wall_s: float = 0.0
    versions: Mapping[str, str] = field(default_factory=dict)
    tables: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    error: str | None = None
    schema_version: int = SCHEMA_VERSION


def package_versions() -> dict[str, str]:
    """Versions of Python and of the packages a run's numbers depend on.

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


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON in one step: a reader sees the old file or the new one, never half of it."""
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def write_text(path: Path, content: str) -> None:
    """Write a text file in one step (under another name first, then renamed)."""
    part = path.with_name(f".{path.name}.part")
    part.write_text(content, encoding="utf-8")
    os.replace(part, path)


def write_manifest(directory: Path, manifest: Manifest) -> None:
    """Write `manifest.json` into a run directory."""
    write_json(directory / FILE_NAME, asdict(manifest))


def read_manifest(directory: Path) -> Manifest:
    """Read and check `manifest.json`.

    Raises
    ------
    RunError
        When the directory is not a run, or one that this version cannot read.
    """
    path = directory / FILE_NAME
    if not directory.exists():
        raise RunError(f"{directory}: no such run directory")
    if not path.is_file():
        raise RunError(f"{directory}: not a run directory (it has no {FILE_NAME})")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise RunError(f"{path}: cannot be read as JSON: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise RunError(f"{path}: not a manifest")
    if content.get("schema_version") != SCHEMA_VERSION:
        raise RunError(
            f"{path}: schema_version = {content.get('schema_version')!r}: allowed {SCHEMA_VERSION}"
        )
    names = {entry.name for entry in fields(Manifest)}
    if set(content) != names or content["status"] not in STATUSES:
        raise RunError(f"{path}: not a manifest of schema version {SCHEMA_VERSION}")
    return Manifest(**{**content, "notes": tuple(content["notes"])})
