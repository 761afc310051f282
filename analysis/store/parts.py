"""A run on disk round by round: its parts, and the last boundary that all of them reach.

    parts/tasks-0003-1.arrow     tasks that ended in round 3, one file a frame, as they came
    parts/rounds-0003.parquet    every other table, of all rounds up to 3
    parts/state-0003.bin         what the market holds between rounds 3 and 4
    parts/boundary.json          the last round that is all there, hashes, on what it was computed

Everything else is on the disk before `boundary.json` is replaced, in one step; what that does not
name is not there. So whatever ends a process, it leaves the boundary before or the new one.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa

from airan_market.analysis.store.durable import (
    sync_directory,
    sync_file,
    write_bytes,
    write_json,
    written,
)
from airan_market.analysis.store.manifest import sha256
from airan_market.analysis.store.tables import TableWriter, to_arrow, write_table

PARTS, BOUNDARY = "parts", "boundary.json"


@dataclass(frozen=True)
class Boundary:
    """The last boundary of a run whose parts are all there.

    Attributes
    ----------
    round : int
        Rounds finished.
    code : str
        What it was computed with: only the same goes on to the same bytes.
    files : mapping of str to str
        SHA-256 of every part, tasks in their order first.
    resumable : bool
        Whether the state is among them.
    """

    round: int
    code: str
    files: Mapping[str, str]
    resumable: bool


class Parts:
    """The parts of one run, below its directory.

    Parameters
    ----------
    directory : Path
    kind : str
        Of run.
    """

    def __init__(self, directory: Path, kind: str) -> None:
        self.path, self._kind = directory / PARTS, kind
        self.boundary: Boundary | None = None

    def commit(
        self,
        round_: int,
        tasks: Mapping[str, str],
        tables: Mapping[str, pd.DataFrame],
        state: bytes | None,
        code: str,
    ) -> None:
        """Put a finished round on the disk.

        Parameters
        ----------
        round_ : int
        tasks : mapping of str to str
            Parts with those that ended since the last boundary, and their SHA-256 (`hold`).
        tables : mapping of str to DataFrame
            Of all rounds so far.
        state : bytes or None
            None when it cannot be kept.
        code : str
        """
        self.path.mkdir(exist_ok=True)
        before = {} if self.boundary is None else self.boundary.files
        mark, files = f"{round_:04}", {n: h for n, h in before.items() if n.startswith("tasks-")}
        files |= tasks
        for table, frame in tables.items():
            name = f"{table}-{mark}.parquet"
            write_table(self.path / name, self._kind, table, frame)
            sync_file(self.path / name)
            files[name] = sha256(self.path / name)
        if state is not None:
            name = f"state-{mark}.bin"
            write_bytes(self.path / name, state, sync=True)
            files[name] = hashlib.sha256(state).hexdigest()
        sync_directory(self.path)
        self.boundary = Boundary(round_, code, files, state is not None)
        write_json(self.path / BOUNDARY, asdict(self.boundary), sync=True)
        sync_directory(self.path)
        self._sweep()

    def open(self, *, check: bool = True) -> str:
        """Find the last boundary; what is wrong with it, or nothing.

        Parameters
        ----------
        check : bool
            Whether to compare every part with its hash, which reads all of them.
        """
        self.boundary = None
        try:
            content = json.loads((self.path / BOUNDARY).read_text(encoding="utf-8"))
            found = Boundary(**content)
            sound = (
                isinstance(found.round, int)
                and isinstance(found.files, dict)
                and all(Path(name).name == name for name in found.files)
            )
            if not sound:
                return f"{self.path / BOUNDARY}: not one of ours"
            for name, recorded in found.files.items() if check else ():
                if sha256(self.path / name) != recorded:
                    return f"{self.path / name}: was changed"
        except OSError as error:
            return f"{error.filename}: {error.strerror}"
        except (ValueError, TypeError):
            return f"{self.path / BOUNDARY}: not one of ours"
        self.boundary = found
        self._sweep()
        return ""

    @property
    def state(self) -> bytes | None:
        """What the market holds at the boundary."""
        if self.boundary is None or not self.boundary.resumable:
            return None
        return (self.path / f"state-{self.boundary.round:04}.bin").read_bytes()

    def hold(self, round_: int, number: int, frame: pd.DataFrame) -> tuple[str, str]:
        """Write tasks that ended in a round that is not finished; returns name and SHA-256."""
        self.path.mkdir(exist_ok=True)
        name = f"tasks-{round_:04}-{number}.arrow"
        table = to_arrow(frame, self._kind, "tasks")
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        with (
            written(self.path / name, sync=True) as file,
            pa.ipc.new_file(file, table.schema, options=options) as writer,
        ):
            writer.write_table(table)
        return name, sha256(self.path / name)

    def table_at(self, directory: Path) -> TableWriter:
        """Begin the `tasks.parquet` of a directory."""
        return TableWriter(directory / "tasks.parquet", self._kind, "tasks")

    def assemble(self, directory: Path, rest: Sequence[str] = ()) -> None:
        """Write `tasks.parquet` from the parts, one row group a frame, and what is left after them.

        The bytes are those of the same frames written one after another.
        """
        with self.table_at(directory) as writer:
            for table in self.read([*self.tasks, *rest]):
                writer.write_table(table)

    @property
    def tasks(self) -> list[str]:
        """Parts with tasks, up to the boundary."""
        files = {} if self.boundary is None else self.boundary.files
        return [name for name in files if name.startswith("tasks-")]

    def read(self, names: Sequence[str]) -> Iterator[pa.Table]:
        """Tasks of some parts."""
        for name in names:
            with pa.OSFile(str(self.path / name), "rb") as source:
                yield pa.ipc.open_file(source).read_all()

    def tables_into(self, directory: Path, names: Sequence[str]) -> None:
        """Copy the tables of the boundary to where finished ones stand."""
        assert self.boundary is not None
        for name in names:
            part = self.path / f"{name}-{self.boundary.round:04}.parquet"
            shutil.copyfile(part, directory / f"{name}.parquet")

    def remove(self) -> None:
        """Remove all parts."""
        shutil.rmtree(self.path, ignore_errors=True)

    def _sweep(self) -> None:
        """Remove what the boundary does not name: of the one before it, or never finished."""
        assert self.boundary is not None
        for entry in os.scandir(self.path):
            if entry.name not in self.boundary.files and entry.name != BOUNDARY:
                with suppress(OSError):
                    os.unlink(entry.path)
