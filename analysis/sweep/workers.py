"""Worker processes that may die, hang, or be killed, one cell each at a time.

Unlike a pool of `concurrent.futures`, which breaks as a whole when a process dies, a cell that
kills its process costs that cell alone: it is tried once more, in a new process, and then failed.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any, NamedTuple, Self

from airan_market.analysis.process.worker import WorkerContext
from airan_market.analysis.sweep.cells import Cell, do
from airan_market.scenarios.registry import use, used

TRIES = 2  # of a cell whose process dies
START_S = 300.0  # that a new process may take to its first cell, on the busiest machine


class Finished(NamedTuple):
    """What became of a cell, and how long it took."""

    cell: Cell
    fault: str
    seconds: float


@dataclass(eq=False)
class _Hand:
    """One process and what it works on."""

    process: Any
    pipe: Connection
    cell: Cell | None = None
    since_s: float = 0.0
    allowed_s: float | None = START_S


def _serve(pipe: Connection, directory: str, modules: list[str]) -> None:
    for module in modules:
        use(module)
    while True:
        try:
            cell = pipe.recv()
        except EOFError:
            return
        if cell is None:
            return
        pipe.send(("begun", "", 0.0))
        began_s = time.monotonic()
        try:
            _, fault = do(cell, directory)
        except OSError as error:  # the disk: nothing that another cell could do better
            pipe.send(("disk", f"{error.strerror or error}", 0.0))
            return
        pipe.send(("cell", fault, time.monotonic() - began_s))


class Processes:
    """Processes that go on from one set of cells to the next; a context manager.

    Parameters
    ----------
    directory : str
        Of the sweep; the processes write the answers.
    workers : int
        At most.
    time_limit_s : float, optional
        Of one cell; its process is killed then.
    """

    def __init__(self, directory: str, workers: int, time_limit_s: float | None = None) -> None:
        self._directory, self._workers, self._limit_s = directory, workers, time_limit_s
        self._context, self._modules = WorkerContext(), list(used())
        self._hands: list[_Hand] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *fault: object) -> None:
        for hand in self._hands:
            if hand.cell is None:
                try:
                    hand.pipe.send(None)
                except OSError:
                    hand.process.kill()
            else:
                hand.process.kill()  # a cell half computed is of no use
        for hand in self._hands:
            hand.process.join()
        self._hands = []

    def _hire(self) -> _Hand:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(
            target=_serve, args=(theirs, self._directory, self._modules), daemon=True
        )
        process.start()
        theirs.close()
        return _Hand(process, ours)

    def run(
        self, cells: Iterable[Cell], on_start: Callable[[Cell], None] = lambda cell: None
    ) -> Iterator[Finished]:
        """Compute cells; yields each as it ends, in whatever order.

        Parameters
        ----------
        cells : iterable of Cell
        on_start : function
            Called with every cell as it begins.

        Raises
        ------
        OSError
            When an answer cannot be written.
        """
        waiting = deque((cell, 1) for cell in cells)
        tries: dict[str, int] = {}
        hands = self._hands
        hands += [self._hire() for _ in range(min(self._workers, len(waiting)) - len(hands))]

        def give() -> None:
            for hand in hands:
                if hand.cell is None and waiting:
                    cell, attempt = waiting.popleft()
                    tries[cell.key] = attempt
                    hand.cell, hand.since_s, hand.allowed_s = cell, time.monotonic(), START_S
                    on_start(cell)
                    hand.pipe.send(cell)

        give()
        while any(hand.cell is not None for hand in hands):
            ready = wait([hand.pipe for hand in hands if hand.cell], timeout=0.2)
            for place, hand in enumerate(hands):
                cell, passed_s = hand.cell, time.monotonic() - hand.since_s
                if cell is None:
                    continue
                if hand.pipe in ready:
                    try:
                        kind, fault, seconds = hand.pipe.recv()
                    except (EOFError, OSError):
                        hand.process.join()
                        died = f"its process ended with {hand.process.exitcode}"
                        hands[place] = self._hire()
                        if tries[cell.key] < TRIES:
                            waiting.appendleft((cell, tries[cell.key] + 1))
                        else:
                            yield Finished(cell, f"{died}, {TRIES} times", passed_s)
                        continue
                    if kind == "disk":
                        raise OSError(fault)
                    if kind == "begun":
                        hand.since_s, hand.allowed_s = time.monotonic(), self._limit_s
                        continue
                    hand.cell = None
                    yield Finished(cell, fault, seconds)
                elif hand.allowed_s is not None and passed_s > hand.allowed_s:
                    hand.process.kill()
                    hands[place] = self._hire()
                    yield Finished(cell, f"took longer than {hand.allowed_s:g} s", passed_s)
            give()


def by_processes(
    cells: Iterable[Cell],
    directory: str,
    workers: int,
    time_limit_s: float | None,
    on_start: Callable[[Cell], None] = lambda cell: None,
) -> Iterator[Finished]:
    """`Processes` for one set of cells."""
    with Processes(directory, workers, time_limit_s) as processes:
        yield from processes.run(cells, on_start)
