"""Ctrl-C, the signal to terminate, a hang-up: answered within two seconds, wherever they come.

A signal raises KeyboardInterrupt when the main thread is next in Python. It may be elsewhere for
long: in an import, in the compiler, in machine code, in a write to a terminal that was stopped. So
the operating system tells a second thread as well (`signal.set_wakeup_fd`), and that ends the
process when the main thread has not. Whatever is kept is written so that it may be cut off.

One place must not be cut in two: llvmlite, which owns what the compiler makes. An exception between
a call of LLVM that hands something over and the line that notes who frees it from then on makes
both free it, and the process dies of that. A signal that comes there is asked for again a moment
later.

Nothing is imported here that takes time: this is the first that the program does.
"""

from __future__ import annotations

import _thread
import os
import select
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from types import FrameType, TracebackType
from typing import NoReturn

INTERRUPTED = 3
#: Those that this system knows.
SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
GRACE_S = 1.5
#: A terminal that goes away, or a program around this one, may send a signal twice at once.
TWICE_S = 0.2
#: When a signal that came in the compiler's bookkeeping is asked for again.
AGAIN_S = 0.02

NOTHING_KEPT = "interrupted"
KEPT = (
    "interrupted: what was finished is kept where it was written; the same command goes on from it"
)
SHOW_CURSOR = "\r\x1b[2K\x1b[?25h"


def heard() -> list[signal.Signals]:
    """Signals that are answered: all of `SIGNALS`, but no hang-up after `nohup`."""
    return [
        number
        for number in SIGNALS
        if number == signal.SIGINT
        or number == signal.SIGTERM
        or signal.getsignal(number) is not signal.SIG_IGN
    ]


def in_compiler(frame: FrameType | None) -> bool:
    """Whether llvmlite is on the stack that ends in `frame`: nothing may be raised there."""
    while frame is not None:
        if str(frame.f_globals.get("__name__")).startswith("llvmlite."):
            return True
        frame = frame.f_back
    return False


class Watchdog:
    """Of a program that `guarded` runs; anywhere else it is off and lets every signal raise.

    Attributes
    ----------
    line : str
        What is said at the end: what is kept, and how to go on.
    bar : bool
        Whether a progress bar hides the terminal's cursor.
    """

    def __init__(self) -> None:
        self.line, self.bar = NOTHING_KEPT, False
        self._on = self._raised = self._told = False
        self._echoes = 0  # signals that were asked for again, and have not been heard yet
        self._telling = threading.Lock()

    def begin(self) -> None:
        """Hear signals from now on."""
        ear, mouth = os.pipe()
        os.set_blocking(mouth, False)
        threading.Thread(target=self._watch, args=(ear,), name="watchdog", daemon=True).start()
        signal.set_wakeup_fd(mouth, warn_on_full_buffer=False)
        self._on = True
        sys.unraisablehook = _unraisable
        sys.excepthook = _printed
        for number in heard():
            signal.signal(number, self._receive)

    def may_raise(self) -> bool:
        """Whether a signal that came may raise KeyboardInterrupt.

        With the watchdog on, the first one only: the others must not cut short what the first has
        begun to tidy up, and this ends soon in any case.
        """
        raised, self._raised = self._raised, self._on
        if self._on:  # a library that is cut off may be astonished
            warnings.simplefilter("ignore")
        return not raised

    def ask_again(self, number: int) -> None:
        """Deliver a signal, which may not raise where it came, once more in a moment."""
        self._echoes += 1
        timer = threading.Timer(AGAIN_S, _send_to_main, (signal.Signals(number),))
        timer.daemon = True
        timer.start()

    def tell(self, line: str | None = None) -> None:
        """Say on standard error that the program was interrupted: this line, or its own."""
        with self._telling, suppress(OSError):
            self._told = True
            print(self.line if line is None else line, file=sys.stderr, flush=True)

    def end(self, status: int) -> NoReturn:
        """End the program, whose work is done or was given up."""
        for number in heard():
            signal.signal(number, signal.SIG_IGN)
        if status == INTERRUPTED:  # threads may be at work that nobody waits for
            for stream in (sys.stdout, sys.stderr):
                with suppress(OSError, ValueError, AttributeError):
                    stream.flush()
            os._exit(status)
        sys.exit(status)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if in_compiler(frame):
            self.ask_again(number)
        elif self.may_raise():
            raise KeyboardInterrupt

    def _watch(self, ear: int) -> None:
        first_s: float | None = None
        while True:
            if os.read(ear, 1)[0] not in SIGNALS:
                continue
            if self._echoes:
                self._echoes -= 1
                continue
            now_s = time.monotonic()
            if first_s is None:
                first_s = now_s
                timer = threading.Timer(GRACE_S, self._give_up)
                timer.daemon = True
                timer.start()
            elif now_s > first_s + TWICE_S:
                self._give_up()

    def _give_up(self) -> NoReturn:
        if self._telling.acquire(timeout=TWICE_S) and not self._told:
            _write((SHOW_CURSOR if self.bar else "") + self.line + "\n")
        os._exit(INTERRUPTED)


WATCHDOG = Watchdog()


def guarded(run: Callable[[], int]) -> NoReturn:
    """Run the program to its end, with whatever status it has, and answer signals meanwhile."""
    try:
        WATCHDOG.begin()
        status = run()
    except KeyboardInterrupt:
        WATCHDOG.tell()
        status = INTERRUPTED
    WATCHDOG.end(status)


def _send_to_main(number: signal.Signals) -> None:
    """Send a signal to the main thread, which it wakes too where the system can do that."""
    main = threading.main_thread().ident
    if hasattr(signal, "pthread_kill") and main is not None:
        signal.pthread_kill(main, number)
    else:
        _thread.interrupt_main(number)


def _write(text: str) -> None:
    """Write to standard error, unless one would have to wait for it."""
    encoding = getattr(sys.stderr, "encoding", None) or "utf-8"
    with suppress(OSError):
        if os.name == "nt" or select.select([], [2], [], TWICE_S)[1]:
            os.write(2, text.encode(encoding, "backslashreplace"))


def _unraisable(raised: sys.UnraisableHookArgs) -> None:
    """Leave Ctrl-C that came where nothing can be raised (a finaliser) to the watchdog."""
    if not issubclass(raised.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(raised)


def _printed(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Say nothing of Ctrl-C that a library has no way to raise, and prints."""
    if not issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
