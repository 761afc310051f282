"""Standard output and standard error such that neither ends a run.

Of progress, notes and faults, on standard error, is dropped what cannot be written: into a closed
pipe, to a terminal that is gone. What an encoding cannot show, Greek letters in ASCII say, is
written with escapes, on standard output too.
"""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Buffer

ESCAPES = "backslashreplace"


class Forgiving(io.FileIO):
    """A file that takes everything and drops what it cannot write.

    Examples
    --------
    >>> reader, writer = os.pipe()
    >>> os.close(reader)
    >>> with Forgiving(writer, "w") as file:
    ...     file.write(b"is anybody there?")
    17
    """

    def write(self, data: Buffer) -> int:
        """Write bytes, or drop them; how many they are."""
        try:
            written = super().write(data)
        except OSError:
            written = None
        return memoryview(data).nbytes if written is None else written


def settle() -> None:
    """Put streams that do not fail in the place of those that Python has opened."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:  # was closed: no file of ours must get the number
            os.open(os.devnull, os.O_RDONLY)
    if sys.stdout is None:
        sys.stdout = io.TextIOWrapper(io.FileIO(1, "w", closefd=False), encoding="utf-8")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors=ESCAPES)
    os.set_blocking(1, True)  # a program around this one may want that otherwise for itself
    sys.stderr = io.TextIOWrapper(
        io.BufferedWriter(Forgiving(2, "w", closefd=False)),
        encoding=getattr(sys.stderr, "encoding", "utf-8"),
        errors=ESCAPES,
        line_buffering=True,
    )
