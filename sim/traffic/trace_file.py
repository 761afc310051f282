"""Columns of numbers from files that others wrote: CSV, Parquet or JSON lines, faults by row."""

import csv
import gzip
import json
import re
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from airan_market.scenarios import InputError
from airan_market.scenarios.fault import capped, one_line

#: Faulty rows that are kept, the others are counted; characters of a line, and of a text shown.
FAULTS_KEPT, LONGEST_LINE, LONGEST_SHOWN = 1000, 1_000_000, 80
_WHOLE = re.compile(r"[0-9]{1,15}")


class TraceError(InputError, ValueError):
    """A trace that cannot be read; `faults` has a line for each of the first 1000 bad rows.

    `others` is the number of bad rows after these. Of more than 20 faults the message lists 20 and
    says how many more there are.
    """

    def __init__(self, faults: Sequence[str], others: int = 0) -> None:
        self.faults = tuple(one_line(fault) for fault in faults)
        self.others = others
        super().__init__("\n".join(capped(self.faults, others)))


@dataclass(frozen=True)
class Field:
    """What a column may hold, in words; the number that a text of it is, or ValueError.

    With `rising` a number may not be below the one above it.
    """

    allowed: str
    number: Callable[[str], float]
    rising: bool = False


def amount(text: str) -> float:
    """Read a finite number of at least 0."""
    value = float(text)
    if not 0 <= value < np.inf or "_" in text:
        raise ValueError
    return value


def whole(text: str) -> int:
    """Read a whole number of at most 15 digits."""
    if not _WHOLE.fullmatch(text):
        raise ValueError
    return int(text)


def stamp(path: str | Path) -> int:
    """When a file was last changed, ns; 0 where it cannot be told: reading it says why."""
    try:
        return Path(path).stat().st_mtime_ns
    except OSError:
        return 0


AMOUNT = Field("a finite number, at least 0", amount)
COUNT = Field("a whole number, 0 to 999999999999999", whole)


def read_columns(
    path: str | Path,
    fields: Mapping[str, Field],
    optional: Mapping[str, Field] | None = None,
    header: str = "",
) -> dict[str, npt.NDArray[Any]]:
    r"""Read columns of a file: `.parquet`, `.jsonl`, or else CSV with a header, `.gz` or not.

    Parameters
    ----------
    path : str or Path
    fields, optional : mapping of str to Field
        Columns that must be there, and columns that are read if they are; others are left alone.
    header : str, optional
        The whole header, for a format that has no other columns.

    Raises
    ------
    TraceError
        With a line for every bad row (file, line or row, column, value, what is allowed), or a
        single one if there is no such file, no row, or a column is missing.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "two.csv")
    ...     _ = file.write_text("a,b\n1,2\n3,-4\n")
    ...     read_columns(file, {"a": AMOUNT})
    {'a': array([1., 3.])}
    """
    lines = _KINDS.get(Path(path).suffix, _csv)(path)
    try:
        _, names = next(lines)
        fields = {**fields, **{name: f for name, f in (optional or {}).items() if name in names}}
        lacking = [name for name in fields if names.count(name) != 1]
        found = ",".join(names)
        if lacking or found != (header or found):
            wanted = f"allowed {header}" if header else f"must have {', '.join(lacking)} once"
            raise TraceError([f"{path}:1: header = {_shown(found)!r}: {wanted}"])
        columns: dict[str, list[float]] = {name: [] for name in fields}
        bad = _filled(columns, fields, names, lines)
        faults = list(islice(bad, FAULTS_KEPT))
        others = sum(1 for _ in bad)
    except (OSError, EOFError, csv.Error, zlib.error) as error:
        raise TraceError([f"{path}: {getattr(error, 'strerror', None) or error}"]) from None
    if not faults and not all(columns.values()):
        faults = [": no row: allowed at least one after the header"]
    if faults:
        raise TraceError([f"{path}{fault}" for fault in faults], others)
    return {name: np.array(values) for name, values in columns.items()}


def _csv(path: str | Path) -> Iterator[tuple[str, list[str]]]:
    """Yield the place and the texts of every line."""
    opener: Any = gzip.open if Path(path).suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8-sig", errors="replace", newline="") as file:
        number = 0
        for number, row in enumerate(csv.reader(_lines(file)), start=1):
            yield f":{number}: ", row or [""]
    if not number:
        yield ":1: ", [""]


def _lines(file: IO[str]) -> Iterator[str]:
    """Yield the lines of a file, which need not end: a device, or a bomb that was compressed."""
    while line := file.readline(LONGEST_LINE):
        if len(line) == LONGEST_LINE:
            raise csv.Error(f"a line is longer than {LONGEST_LINE} characters")
        yield line


def _shown(text: str) -> str:
    return text if len(text) <= LONGEST_SHOWN else f"{text[: LONGEST_SHOWN - 3]}..."


def _parquet(path: str | Path) -> Iterator[tuple[str, list[str]]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except pa.ArrowInvalid as error:
        raise TraceError([f"{path}: not Parquet: {str(error).splitlines()[0]}"]) from None
    yield "", table.column_names
    columns = (column.to_pylist() for column in table.columns)
    for number, row in enumerate(zip(*columns, strict=True), start=1):
        yield f": row {number}: ", [str(value) for value in row]


def _json_lines(path: str | Path) -> Iterator[tuple[str, list[str]]]:
    """Yield the names of the first line, then the values of every line in their order."""
    names: list[str] = []
    with open(path, encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(_lines(file), start=1):
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                row = None
            if not isinstance(row, dict):
                row = {}
            if number == 1:
                names = list(row) or [line.rstrip()]
                yield ":1: ", names
            known = all(name in row for name in names)
            yield f":{number}: ", [str(row[n]) for n in names] if known else [line.rstrip()]


_KINDS = {".parquet": _parquet, ".jsonl": _json_lines}


def _filled(
    columns: Mapping[str, list[float]],
    fields: Mapping[str, Field],
    names: Sequence[str],
    rows: Iterator[tuple[str, list[str]]],
) -> Iterator[str]:
    """Fill the columns from the rows; yield the fault of each row that has one instead."""
    places = [(name, field, names.index(name)) for name, field in fields.items()]
    above: dict[str, str] = {}
    for where, row in rows:
        if len(row) != len(names):
            text = _shown(",".join(row))
            yield f"{where}row = {text!r}: allowed {len(names)} fields, got {len(row)}"
            continue
        read, fault = {}, ""
        for name, field, place in places:
            try:
                read[name] = field.number(row[place])
            except ValueError:
                fault = fault or f"{name} = {_shown(row[place])}: allowed {field.allowed}"
        for name, field, place in places if not fault else ():
            values = columns[name]
            if field.rising and values and read[name] < values[-1]:
                fault = (
                    f"{name} = {_shown(row[place])}: allowed no earlier than {above[name]} above"
                )
            above[name] = row[place]
            values.append(read[name])
        if fault:
            yield where + fault
