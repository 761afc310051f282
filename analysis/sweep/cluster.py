"""The same cells on a Dask cluster: cells go out, keys come back, answers stay on the shared disk.

The cluster's processes need this program, installed in the same version, and the directory of the
sweep under the same path.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from queue import Empty, Queue
from typing import Any

from airan_market.analysis.store.manifest import RunError
from airan_market.analysis.sweep.cells import Cell, do
from airan_market.analysis.sweep.workers import Finished
from airan_market.scenarios import InputError

PATIENCE_S = 20.0
GONE = "the scheduler is gone; finished cells are kept, the same command goes on"
AT_ONCE = 16  # cells under way, for each thread of the cluster: a driver that dies loses no more


def timed(cell: Cell, directory: str) -> tuple[str, str, float]:
    """`do`, and how long it took."""
    began_s = time.monotonic()
    key, fault = do(cell, directory)
    return key, fault, time.monotonic() - began_s


def by_cluster(
    cells: Iterable[Cell],
    directory: str,
    address: str,
    on_start: Callable[[Cell], None] = lambda cell: None,
) -> Iterator[Finished]:
    """Compute cells on the cluster at `address`; yields each as it ends.

    A cell whose worker dies is tried again by Dask (`distributed.scheduler.allowed-failures`), then
    failed. Dask cannot end what a thread does, so no cell has a time limit here.

    Raises
    ------
    InputError
        When Dask is not installed, or no scheduler answers.
    """
    try:
        from distributed import Client
    except ImportError:
        raise InputError("--scheduler: needs Dask: pip install 'airan-market[cluster]'") from None
    try:
        client = Client(address, timeout=10)
    except (OSError, ValueError, TimeoutError) as error:
        raise InputError(f"--scheduler = {address}: no scheduler answers ({error})") from None
    waiting = iter(cells)
    under_way: dict[Any, tuple[Cell, float]] = {}
    ended: Queue[Any] = Queue()
    with client:

        def give() -> None:
            cell = next(waiting, None)
            if cell is not None:
                on_start(cell)
                future = client.submit(timed, cell, directory, key=f"sweep-{cell.key}", pure=False)
                under_way[future] = (cell, time.monotonic())
                future.add_done_callback(ended.put)

        for _ in range(AT_ONCE * max(1, sum(client.ncores().values()))):
            give()
        while under_way:
            future = _next(ended, client)
            cell, began_s = under_way.pop(future)
            if future.status == "finished":
                _, fault, passed_s = _answer(future)
                yield Finished(cell, fault, passed_s)
            elif future.status == "error":
                reason = f"{type(future.exception()).__name__}: {future.exception()}"
                yield Finished(cell, reason.splitlines()[0], time.monotonic() - began_s)
            else:
                raise RunError(f"--scheduler: {GONE}")
            give()


def _answer(future: Any) -> tuple[str, str, float]:
    """What a finished future holds; it is fetched, so its worker or the scheduler may be gone.

    Raises
    ------
    RunError
        When it cannot be fetched. What a cell itself met is told in its answer.
    """
    try:
        answer: tuple[str, str, float] = future.result()
    except OSError:
        raise RunError(f"--scheduler: {GONE}") from None
    return answer


def _next(ended: Queue[Any], client: Any) -> Any:
    """The next future that has ended.

    Raises
    ------
    RunError
        When the scheduler has been away for `PATIENCE_S`.
    """
    away_s = 0.0
    while True:
        try:
            return ended.get(timeout=1.0)
        except Empty:
            away_s = 0.0 if client.status == "running" else away_s + 1.0
            if client.status == "closed" or away_s >= PATIENCE_S:
                raise RunError(f"--scheduler: {GONE}") from None
