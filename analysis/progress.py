"""What the user sees while something long is computed: on standard error, nothing if quiet."""

from __future__ import annotations

import sys
import time
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn
from rich.progress import Progress as Bar
from rich.progress import TimeElapsedColumn as Elapsed

from airan_market.analysis.process.watchdog import WATCHDOG
from airan_market.scenarios.fault import printable

COMPILING = "compiling for this machine, once: this takes some ten seconds"


class Progress:
    """A bar on a terminal, lines elsewhere, nothing when quiet; a context manager.

    Parameters
    ----------
    first : str
        What is done before anything is finished.
    total : int
        How many pieces there are, as far as that is known.
    quiet : bool
        Whether to show nothing.
    """

    def __init__(self, first: str, total: int = 1, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._console = Console(stderr=True, highlight=False, markup=False)
        self._bar: Bar | None = None
        if not quiet and self._console.is_terminal:
            self._bar = Bar(
                SpinnerColumn("dots" if self._console.encoding.startswith("utf") else "line"),
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                MofNCompleteColumn(),
                Elapsed(),
                console=self._console,
                transient=True,
            )
            self._task = self._bar.add_task(first, total=total)
        self._start_s, self._first = time.monotonic(), 0

    def __enter__(self) -> Self:
        if self._bar:
            WATCHDOG.bar = True
            self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar:
            self._bar.stop()
            WATCHDOG.bar = False

    def note(self, text: str) -> None:
        """A line that stays, on a terminal too."""
        if not self._quiet:
            self._console.print(printable(text), soft_wrap=True)

    def now(self, what: str) -> None:
        """Something begins that is no piece of its own."""
        self._show(what, what)

    def step(self, what: str, done: int, of: int) -> None:
        """A piece was finished: what it is, how many are, of how many."""
        self._show(f"{done} of {of}: {what}", what, done, of)

    def cell(self, cell: Any, done: int, of: int) -> None:
        """A cell was finished; it has a `name`."""
        self._show(f"cell {done} of {of}: {cell.name}", cell.name, done, of)

    def ended(self, done: int, of: int) -> None:
        """So many cells have ended; off a terminal each tenth, with the rate and the time left."""
        passed_s = time.monotonic() - self._start_s
        self._first = self._first or done  # the cells before it were there already
        rate = (done - self._first + 1) / max(passed_s, 1e-9)
        line = f"cell {done} of {of}, {rate:.3g}/s, {(of - done) / rate:.0f} s left"
        if self._bar or done % max(1, of // 10) == 0:
            self._show(line, f"cells, {rate:.3g}/s", done, of)

    def reading(self, done: int, of: int) -> None:
        """So many readings of what a paper leaves open are finished; off a terminal each tenth."""
        if self._bar or done % max(1, of // 10) == 0:
            self._show(f"reading {done} of {of}", "readings", done, of)

    def begun(self, market: Any, expected: object) -> None:
        """Everything is loaded, the next of `rounds_planned` rounds begins; what it will take."""
        self.note(f"{expected}")
        done, of = market.round, market.rounds_planned
        if done:
            self._show(f"going on after round {done} of {of}", f"round {done + 1}", done, of)
        else:
            self._show(f"playing {of} rounds", "round 1, with the warm-up")

    def round(self, market: Any) -> None:
        """A round was finished, the market's `round`."""
        done, of = market.round, market.rounds_planned
        self._show(f"round {done} of {of}", f"round {min(done + 1, of)}", done, of)

    def _show(self, line: str, title: str, done: int | None = None, of: int | None = None) -> None:
        line, title = printable(line), printable(title)
        if self._bar:
            self._bar.update(self._task, description=title, completed=done, total=of)
        elif not self._quiet:
            passed_s = time.monotonic() - self._start_s
            print(f"{line}  ({passed_s:.1f} s)", file=sys.stderr, flush=True)
