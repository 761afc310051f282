"""Worker processes: signals are their parent's business, and they end when it ends, in any way.

Of two ways to learn that the parent is gone, the one that every system has is its sentinel, for
which a thread waits; but that thread needs Python's lock, which machine code may hold for long. On
Linux the kernel ends the worker as well.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from multiprocessing.connection import wait
from multiprocessing.context import SpawnContext, SpawnProcess

from airan_market.analysis.process.interruption import Interruption
from airan_market.analysis.process.watchdog import SIGNALS

PR_SET_PDEATHSIG = 1  # of Linux's prctl(2)
NO_LEAKS = "ignore:resource_tracker:UserWarning"


class Worker(SpawnProcess):
    """A process that no signal to a terminal or to a process group reaches."""

    def start(self) -> None:
        """Begin the process with all signals blocked, until it can ignore them.

        A signal waits meanwhile: a worker half begun would tell of it at length.
        """
        with Interruption() as interruption, interruption.shield(), _blocked():
            super().start()

    def run(self) -> None:
        """Do the work of the process."""
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        end_with_parent()
        super().run()


class WorkerContext(SpawnContext):
    """What a pool makes its processes with."""

    Process = Worker

    def __init__(self) -> None:
        # should this process be killed, a tracker frees what is shared, and need not say so; no
        # signal to all processes of a terminal is to end it before
        if NO_LEAKS not in sys.warnoptions:
            sys.warnoptions.append(NO_LEAKS)
        with _blocked():
            resource_tracker.ensure_running()


def end_with_parent() -> None:
    """End this process, from now on, as soon as its parent has ended."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    # begun last: it sees a parent that ended before the kernel was asked, too
    threading.Thread(target=_follow, args=(parent.sentinel,), daemon=True).start()


@contextmanager
def _blocked() -> Iterator[None]:
    """Begin processes with all signals blocked."""
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _follow(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)
