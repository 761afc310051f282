"""A disk that fails: the n-th opening, write, fsync, rename or new directory raises OSError."""

import builtins
import errno
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager


class _Watched:
    """A file that tells of its first write."""

    def __init__(self, file, count):
        self._file, self._count, self._written = file, count, False

    def write(self, content):
        if not self._written:  # of the writes to a file the first stands for all
            self._written = True
            self._count("write")
        return self._file.write(content)

    def __enter__(self):
        self._file.__enter__()
        return self

    def __exit__(self, *fault):
        return self._file.__exit__(*fault)

    def __getattr__(self, name):
        return getattr(self._file, name)


class Disk:
    """Counts what is asked of the disk below one directory, and refuses one of the requests.

    Parameters
    ----------
    below : str
        Other files (caches, logs) are left alone.
    fails_at : int, optional
        Number of the request that is refused, from 1.
    goes_on : bool
        Whether all later requests are refused too, as on a full disk.
    """

    def __init__(self, below: str, fails_at: int | None = None, *, goes_on: bool = False) -> None:
        self.below, self.fails_at, self.goes_on = below, fails_at, goes_on
        self.requests: list[str] = []

    def _count(self, what: str) -> None:
        self.requests.append(what)
        number, at = len(self.requests), self.fails_at
        if at is not None and (number == at or (self.goes_on and number > at)):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), what)

    @contextmanager
    def __call__(self) -> Iterator["Disk"]:
        """Put it in the place of the real one."""
        real = {name: getattr(os, name) for name in ("fsync", "replace", "rename", "mkdir")}
        opened = io.open

        def counted(name):
            def request(first, *more, **named):
                path = first if name != "fsync" else os.readlink(f"/proc/self/fd/{first}")
                if str(os.path.abspath(path)).startswith(self.below):
                    self._count(name)
                return real[name](first, *more, **named)

            return request

        def open_(file, mode="r", *more, **named):
            ours = isinstance(file, str | os.PathLike) and (
                str(os.path.abspath(file)).startswith(self.below)
            )
            if not ours or not set(mode) & set("wxa+"):
                return opened(file, mode, *more, **named)
            self._count("open")
            return _Watched(opened(file, mode, *more, **named), self._count)

        try:
            for name in real:
                setattr(os, name, counted(name))
            builtins.open = io.open = open_
            yield self
        finally:
            for name, function in real.items():
                setattr(os, name, function)
            builtins.open = io.open = opened
