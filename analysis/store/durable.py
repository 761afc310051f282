"""Files that are there whole or not at all, also after the power went."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO


@contextmanager
def written(path: Path, *, sync: bool = False) -> Iterator[BinaryIO]:
    """A file to write, which takes its name when all is written: readers see the old or the new.

    A symbolic link of that name is replaced, not followed.

    Parameters
    ----------
    path : Path
    sync : bool
        Whether it has to be on the disk by then, for other files will rely on it.
    """
    part = path.with_name(unfinished(path.name))
    with suppress(FileNotFoundError):
        part.unlink()  # of a process that was killed; or a link that somebody put there
    try:
        with part.open("xb") as file:
            yield file
            if sync:
                file.flush()
                os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise


def unfinished(name: str) -> str:
    """Name of a file while it is written."""
    return f".{name}.part"


def write_bytes(path: Path, content: bytes, *, sync: bool = False) -> None:
    """Write a file in one step."""
    with written(path, sync=sync) as file:
        file.write(content)


def write_text(path: Path, content: str, *, sync: bool = False) -> None:
    """Write a text file in one step, as UTF-8."""
    write_bytes(path, content.encode("utf-8"), sync=sync)


def json_text(content: Any, indent: int | None = 2) -> str:
    """Write plain data as JSON; null stands for a number that is not finite, which JSON lacks.

    Examples
    --------
    >>> json_text({"rate": float("nan"), "costs": (1.0, float("inf"))}, indent=None)
    '{"rate": null, "costs": [1.0, null]}'
    """
    try:
        return json.dumps(content, indent=indent, allow_nan=False)
    except ValueError:
        return json.dumps(_without_infinities(content), indent=indent, allow_nan=False)


def _without_infinities(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_infinities(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_infinities(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write_json(path: Path, content: Mapping[str, Any], *, sync: bool = False) -> None:
    """Write JSON in one step."""
    write_text(path, json_text(content) + "\n", sync=sync)


def sync_file(path: Path) -> None:
    """Have a file on the disk."""
    _sync(path, os.O_RDONLY)


def sync_directory(path: Path) -> None:
    """Have the names in a directory on the disk, so that a rename lasts."""
    _sync(path, os.O_RDONLY | os.O_DIRECTORY)


def _sync(path: Path, flags: int) -> None:
    handle = os.open(path, flags)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
