"""What the user sees while something long is computed: on standard error, nothing if quiet."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.progress import TimeElapsedColumn as Elapsed

COMPILING = "compiling for this machine, once: this takes some ten seconds"


class Counted(Protocol):
    """A market as far as progress looks at it."""

    round: int
    rounds_planned: int


class Named(Protocol):
    """A cell as far as progress looks at it."""

    @property
    def name(self) -> str:
        """What it is called."""
        ...


class RoundProgress:
    """A bar over rounds on a terminal, a line per round elsewhere; a context manager.

    Parameters
    ----------
    rounds : int
        Rounds planned.
    quiet : bool
        Whether to show nothing.
    """

    def __init__(self, rounds: int, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._console = Console(stderr=True, highlight=False, markup=False)
        self._bar: Progress | None = None
        if not quiet and self._console.is_terminal:
            self._bar = Progress(
                SpinnerColumn(),
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                MofNCompleteColumn(),
                Elapsed(),
                console=self._console,
                transient=True,
            )
            self._task = self._bar.add_task("round 1, with the warm-up", total=rounds)
        self._start_s = time.monotonic()

    def compiling(self) -> None:
        """Machine code has to be made before anything moves."""
        if not self._quiet:
            self._console.print(COMPILING)

    def finished(self, market: Counted) -> None:
        """A round was finished."""
        if self._bar:
            upcoming = min(market.round + 1, market.rounds_planned)
            self._bar.update(
                self._task,
                completed=market.round,
                total=market.rounds_planned,
                description=f"round {upcoming}",
            )
        else:
            self._line(f"round {market.round} of {market.rounds_planned}")

    def drawing(self) -> None:
        """All rounds are finished, figures and report come next."""
        if self._bar:
            self._bar.update(self._task, description="figures and report")
        else:
            self._line("figures and report")

    def _line(self, text: str) -> None:
        if not self._quiet:
            print(
                f"{text}  ({time.monotonic() - self._start_s:.1f} s)", file=sys.stderr, flush=True
            )

    def __enter__(self) -> RoundProgress:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar:
            self._bar.stop()


class CellProgress:
    """A line for each finished cell of a reproduction; a context manager.

    Parameters
    ----------
    cells : int
        Cells wanted, those already there among them.
    quiet : bool
        Whether to show nothing.
    """

    def __init__(self, cells: int, *, quiet: bool = False) -> None:
        self._console = Console(stderr=True, highlight=False, markup=False, quiet=quiet)
        self._cells, self._start_s = cells, time.monotonic()
        self._bar: Progress | None = None
        self._quiet = quiet

    def finished(self, cell: Named, done: int, of: int) -> None:
        """A cell was finished: it, how many are finished, of how many."""
        if self._bar:
            self._bar.update(self._task, completed=done, description=cell.name)
        elif not self._quiet:
            elapsed_s = time.monotonic() - self._start_s
            print(
                f"cell {done} of {of}: {cell.name}  ({elapsed_s:.1f} s)",
                file=sys.stderr,
                flush=True,
            )

    def __enter__(self) -> CellProgress:
        if not self._quiet and self._console.is_terminal:
            self._bar = Progress(
                SpinnerColumn(),
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                MofNCompleteColumn(),
                Elapsed(),
                console=self._console,
                transient=True,
            )
            self._task = self._bar.add_task("cells", total=self._cells)
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar:
            self._bar.stop()
