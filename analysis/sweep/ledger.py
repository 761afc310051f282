"""The ledger of a sweep: what is pending, running, done or failed, with the fault.

An SQLite file, so that whatever ends the process leaves it whole. It is a record for people: what
is done is decided by the files of the cells, which have their final names only when they are whole.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from airan_market.analysis.sweep.cells import PARTS, Cell

PENDING, RUNNING, DONE, FAILED = "pending", "running", "done", "failed"
NAME = "ledger.sqlite"


class Ledger:
    """States of cells by key.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as directory:
    ...     ledger = Ledger(Path(directory))
    ...     ledger.plan([Cell(0, "a", "solve", "", 1, False, "{}")], done=[])
    ...     ledger.mark("a", FAILED, "ValueError: no", 0.5)
    ...     print(ledger.counts())
    ...     ledger.close()
    {'failed': 1}
    """

    def __init__(self, directory: Path) -> None:
        place = directory / PARTS
        place.mkdir(parents=True, exist_ok=True)
        self._file = sqlite3.connect(place / NAME)
        self._file.execute("pragma journal_mode=truncate")
        self._file.execute("pragma synchronous=off")  # files of cells decide, not this one
        self._file.execute(
            "create table if not exists cells (number integer, key text primary key, status text, "
            "fault text, seconds real)"
        )

    def plan(self, cells: Iterable[Cell], done: Iterable[str]) -> None:
        """Begin with these cells: done or pending; those of another design are forgotten."""
        finished = set(done)
        rows = [(c.number, c.key, DONE if c.key in finished else PENDING) for c in cells]
        with self._file:
            self._file.execute("create temp table if not exists before as select * from cells")
            self._file.execute("delete from cells")
            self._file.executemany(
                "insert into cells select ?1, ?2, ?3, '', "
                "(select seconds from before where key = ?2 and ?3 = 'done')",
                rows,
            )
            self._file.execute("drop table before")

    def mark(self, key: str, status: str, fault: str = "", seconds: float | None = None) -> None:
        """Note what became of a cell."""
        with self._file:
            self._file.execute(
                "update cells set status = ?, fault = ?, seconds = ? where key = ?",
                (status, fault, seconds, key),
            )

    def counts(self) -> dict[str, int]:
        """How many cells are in each state."""
        rows = self._file.execute("select status, count(*) from cells group by status")
        return dict(Counter(dict(rows.fetchall())))

    def close(self) -> None:
        """Give up the file."""
        self._file.close()


def read_ledger(directory: str | Path) -> pd.DataFrame:
    """The ledger of a sweep: number, key, status, fault, seconds, a row a cell."""
    place = Path(directory, PARTS, NAME).resolve()
    with sqlite3.connect(f"{place.as_uri()}?mode=ro", uri=True) as file:
        frame = pd.read_sql_query("select * from cells order by number", file)
    file.close()
    return frame
