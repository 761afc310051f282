"""Ctrl-C, the signal to terminate and a hang-up: one exception, which can be held back."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CodeType, FrameType, TracebackType
from typing import Any

from airan_market.analysis.process.watchdog import WATCHDOG, heard, in_compiler


class Interruption:
    """While it is entered, signals to end raise KeyboardInterrupt, but not inside `shield`.

    What must not be cut in two (settling and committing a round, giving a run its final name)
    runs under the shield; a signal that comes meanwhile raises when the shield is left. Outside
    the main thread, where Python delivers no signals, it does nothing.

    Examples
    --------
    >>> import os
    >>> with Interruption() as interruption:
    ...     try:
    ...         with interruption.shield():
    ...             os.kill(os.getpid(), signal.SIGTERM)
    ...             print("written")
    ...     except KeyboardInterrupt:
    ...         print("interrupted")
    written
    interrupted
    """

    def __init__(self) -> None:
        self._shields: list[CodeType | None] = []  # of each shield entered, its opening
        self._pending = False
        self._old: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():
            self._old = {number: signal.signal(number, self._receive) for number in heard()}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._old.items():
            signal.signal(number, handler)

    @contextmanager
    def shield(
        self, *, swallow: bool = False, open_in: Callable[..., Any] | None = None
    ) -> Iterator[None]:
        """Hold signals back.

        Parameters
        ----------
        swallow : bool
            Drop them instead of raising at the end (the run is ending anyway).
        open_in : function, optional
            Raise at once while this function runs: it may be cut off anywhere, and takes so long
            that nobody should have to wait for it.
        """
        self._shields.append(None if open_in is None else open_in.__code__)
        try:
            yield
        finally:
            self._shields.pop()
        if self._pending and not self._shields:
            self._pending = False
            if not swallow and WATCHDOG.may_raise():
                raise KeyboardInterrupt

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if not all(_runs(opening, frame) for opening in self._shields):
            self._pending = True
        elif in_compiler(frame):
            WATCHDOG.ask_again(number)
        elif WATCHDOG.may_raise():
            raise KeyboardInterrupt


def _runs(code: CodeType | None, frame: FrameType | None) -> bool:
    """Whether a function's code is on the stack that ends in `frame`."""
    while code is not None and frame is not None:
        if frame.f_code is code:
            return True
        frame = frame.f_back
    return False
