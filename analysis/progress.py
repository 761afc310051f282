"""What the user sees while something long is computed: on standard error, nothing if quiet."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Protocol, Self

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


class _Counter:
    """A bar on a terminal, lines elsewhere, nothing when quiet; a context manager."""

    def __init__(self, title: str, total: int, *, quiet: bool) -> None:
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
            self._task = self._bar.add_task(title, total=total)
        self._start_s = time.monotonic()

    def _line(self, text: str) -> None:
        if not self._quiet:
            print(
                f"{text}  ({time.monotonic() - self._start_s:.1f} s)", file=sys.stderr, flush=True
            )

    def __enter__(self) -> Self:
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


class RoundProgress(_Counter):
    """Progress over rounds.

    Parameters
    ----------
    rounds : int
        Rounds planned.
    quiet : bool
        Whether to show nothing.
    """

    def __init__(self, rounds: int, *, quiet: bool = False) -> None:
        super().__init__("round 1, with the warm-up", rounds, quiet=quiet)

    def compiling(self) -> None:
        """Machine code has to be made before anything moves."""
        if not self._quiet:
            self._console.print(COMPILING)

    def started(self, market: Counted) -> None:
        """Everything is loaded, the first round begins."""
        if not self._bar:
            self._line(f"playing {market.rounds_planned} rounds")

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


class CellProgress(_Counter):
    """Progress over the cells of a reproduction.

    Parameters
    ----------
    cells : int
        Cells wanted, those already there among them.
    quiet : bool
        Whether to show nothing.
    """

    def __init__(self, cells: int, *, quiet: bool = False) -> None:
        super().__init__("cells", cells, quiet=quiet)

    def finished(self, cell: Named, done: int, of: int) -> None:
        """A cell was finished: it, how many are finished, of how many."""
        if self._bar:
            self._bar.update(self._task, completed=done, description=cell.name)
        else:
            self._line(f"cell {done} of {of}: {cell.name}")


class StepProgress(_Counter):
    """Progress over named steps whose number is known once the first is finished.

    Parameters
    ----------
    first : str
        What is done before that.
    quiet : bool
        Whether to show nothing.
    """

    def __init__(self, first: str, *, quiet: bool = False) -> None:
        super().__init__(first, 1, quiet=quiet)

    def compiling(self) -> None:
        """Machine code has to be made before anything moves."""
        if not self._quiet:
            self._console.print(COMPILING)

    def finished(self, what: str, done: int, of: int) -> None:
        """A step was finished: it, how many are, of how many."""
        if self._bar:
            self._bar.update(self._task, completed=done, total=of, description=what)
        else:
            self._line(f"{done} of {of}: {what}")

    def drawing(self) -> None:
        """All steps are finished, figures come next."""
        if self._bar:
            self._bar.update(self._task, description="figures")
        else:
            self._line("figures")


class ReadingProgress(_Counter):
    """Progress over the readings of what a paper leaves open; off a terminal a line per tenth.

    Parameters
    ----------
    readings : int
    quiet : bool
        Whether to show nothing.
    """

    def __init__(self, readings: int, *, quiet: bool = False) -> None:
        super().__init__("readings", readings, quiet=quiet)
        self._total = readings

    def finished(self, done: int) -> None:
        """So many readings are finished."""
        if self._bar:
            self._bar.update(self._task, completed=done)
        elif done % max(1, self._total // 10) == 0:
            self._line(f"reading {done} of {self._total}")
