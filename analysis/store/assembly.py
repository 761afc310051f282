"""The final table of tasks, written from the parts beside the rounds that are still played."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, ParamSpec, TypeVar

import pyarrow as pa

from airan_market.analysis.store.tables import TableWriter

T = TypeVar("T")
P = ParamSpec("P")


class Assembly:
    """A thread that writes: parts first of all, and between them a table that parts make up.

    What is asked for is done in order, so the table has the rows of the parts as they came, and
    what waits is no more than a round.

    Parameters
    ----------
    open_table : callable
        Returns the writer of the table; called when the first rows are there.
    """

    def __init__(self, open_table: Callable[[], TableWriter]) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="writer")
        self._open_table = open_table
        self._table: TableWriter | None = None
        self._added: list[Future[None]] = []

    def do(self, work: Callable[P, T], *args: P.args, **settings: P.kwargs) -> Future[T]:
        """Do something in the thread, after all that was asked for before."""
        return self._thread.submit(work, *args, **settings)

    def add(self, read: Callable[[], Iterable[pa.Table]]) -> None:
        """Add rows to the table, read when it is their turn."""
        self._added.append(self.do(self._write, read))

    def finish(self) -> None:
        """Wait for the table, and close it.

        Raises
        ------
        Exception
            Whatever kept it from being written; it is no table then.
        """
        self.do(self._finish).result()

    def stop(self) -> None:
        """Drop what has not begun, and leave the table as it is; nothing can be asked for again."""
        self._thread.shutdown(wait=True, cancel_futures=True)
        if self._table is not None:
            with suppress(OSError):  # on a full disk: it is written anew, or not wanted
                self._table.close()

    def _write(self, read: Callable[[], Iterable[pa.Table]]) -> None:
        for table in read():
            if self._table is None:
                self._table = self._open_table()
            self._table.write_table(table)

    def _finish(self) -> None:
        for added in self._added:
            added.result()
        table, self._table = self._table or self._open_table(), None
        table.close()


def done(futures: Iterable[Future[Any]]) -> list[Any]:
    """Results of all, once there.

    Raises
    ------
    Exception
        The first that one of them ended in; the others have ended too.
    """
    futures = list(futures)
    for future in futures:
        future.exception()
    return [future.result() for future in futures]
