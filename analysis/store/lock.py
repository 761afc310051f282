"""Who writes a directory: one process at a time."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from airan_market.analysis.store.manifest import RunError


def claim(directory: Path, messages: list[str]) -> int:
    """Make a directory and lock it; the kernel frees the lock however the process ends.

    Parameters
    ----------
    directory : Path
    messages : list of str
        Takes a sentence where the file system has no locks.

    Returns
    -------
    int
        A handle; closing it frees the lock.

    Raises
    ------
    RunError
        When another process holds it, or it is a symbolic link.
    """
    while True:
        require_no_link(directory)
        directory.mkdir(exist_ok=True)
        try:
            lock = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except FileNotFoundError:  # published by its owner a moment ago
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                os.close(lock)
                raise RunError(f"{directory}: another process is writing it") from error
            # some network file systems offer no locks: better an unguarded run than none
            messages.append(f"no locks on this file system ({error.strerror}): start no twin run")
        if directory.exists() and os.path.samestat(os.fstat(lock), directory.stat()):
            return lock
        os.close(lock)


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Be the only one who writes a directory that is there.

    Raises
    ------
    RunError
        As `claim`, and when it is not there.
    """
    if not directory.is_dir():
        raise RunError(f"{directory}: no such directory")
    lock = claim(directory, [])
    try:
        yield
    finally:
        os.close(lock)


def require_no_link(path: Path) -> None:
    """Refuse a symbolic link: what is written or renamed there would land somewhere else.

    Raises
    ------
    RunError
        When it is one.
    """
    if path.is_symlink():
        raise RunError(f"{path}: a symbolic link; allowed a directory itself, or a name not taken")
