"""Columns of numbers from files that others wrote: CSV or Parquet, every fault with its row."""

import csv
import gzip
import re
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from airan_market.scenarios import InputError
from airan_market.sim.arrays import BoolArray, FloatArray, IntArray

FAULTS_SHOWN = 20
_NUMBER = re.compile(r"\s*\+?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*")
_WHOLE = re.compile(r"[0-9]{1,15}")


class TraceError(InputError, ValueError):
    """A trace that cannot be read; `faults` has a line for each bad row, the message all of them.

    Of more than 20 faults the message lists 20 and says how many more there are.
    """

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        shown = list(faults[:FAULTS_SHOWN])
        if len(faults) > FAULTS_SHOWN:
            shown.append(f"... and {len(faults) - FAULTS_SHOWN} more")
        super().__init__("\n".join(shown))


@dataclass(frozen=True)
class Field:
    """What a column may hold.

    Attributes
    ----------
    allowed : str
        In words.
    values : callable
        Makes an array of texts; ValueError if one of them is not allowed.
    rising : bool
        Whether a value may not be below the one above it.
    """

    allowed: str
    values: Callable[[Sequence[str]], npt.NDArray[Any]]
    rising: bool = False


def read_columns(
    path: str | Path,
    fields: Mapping[str, Field],
    *,
    optional: Mapping[str, Field] | None = None,
    header: Sequence[str] | None = None,
) -> dict[str, npt.NDArray[Any]]:
    r"""Read columns of a file: Parquet if its name ends so, else CSV with a header, `.gz` or not.

    Parameters
    ----------
    path : str or Path
        The file. A line of it may end in CR LF, and the last one need not end at all.
    fields : mapping of str to Field
        Which columns; others are left alone.
    optional : mapping of str to Field, optional
        Columns that are read if they are there.
    header : sequence of str, optional
        All columns in their order, for a format that has no others.

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
    try:
        names, table, first = _parquet(path) if Path(path).suffix == ".parquet" else _csv(path)
    except (OSError, EOFError, csv.Error, zlib.error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise TraceError([f"{path}: {reason}"]) from None
    place = f"{path}:1" if first else f"{path}"
    if header is not None and names != list(header):
        found = ",".join(names)[:80]
        raise TraceError([f"{place}: header = {found!r}: allowed {','.join(header)}"])
    fields = {**fields, **{k: v for k, v in (optional or {}).items() if k in names}}
    missing = [name for name in fields if names.count(name) != 1]
    if missing:
        found = ",".join(names)[:80]
        raise TraceError([f"{place}: header = {found!r}: must have {', '.join(missing)} once"])
    if not table:
        raise TraceError([f"{path}: no row: allowed at least one after the header"])
    try:
        columns = list(zip(*table, strict=True))
        read = {name: field.values(columns[names.index(name)]) for name, field in fields.items()}
        rising = (read[name] for name, field in fields.items() if field.rising)
        if len(columns) == len(names) and all((np.diff(values) >= 0).all() for values in rising):
            return read
    except (ValueError, IndexError):
        pass  # which rows are bad is found out one by one
    raise TraceError(list(_faults(path, names, table, fields, first)))


def _csv(path: str | Path) -> tuple[list[str], list[list[str]], int]:
    """Names, rows, and the line of the first row."""
    opener: Any = gzip.open if Path(path).suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8-sig", errors="replace", newline="") as file:
        rows = [row or [""] for row in csv.reader(file)]
    return (rows[0], rows[1:], 2) if rows else ([""], [], 2)


def _parquet(path: str | Path) -> tuple[list[str], list[tuple[str, ...]], int]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except pa.ArrowInvalid as error:
        raise TraceError([f"{path}: not Parquet: {str(error).splitlines()[0]}"]) from None
    columns = (map(str, column.to_pylist()) for column in table.columns)
    return table.column_names, list(zip(*columns, strict=True)), 0


def _faults(
    path: str | Path,
    names: Sequence[str],
    table: Sequence[Sequence[str]],
    fields: Mapping[str, Field],
    first: int,
) -> Iterator[str]:
    """Yield the fault of each bad row; a value is held against the last one that could be read."""
    above: dict[str, tuple[Any, str]] = {}
    for number, row in enumerate(table):
        place = f"{path}:{number + first}" if first else f"{path}: row {number + 1}"
        if len(row) != len(names):
            text = ",".join(row)[:80]
            yield f"{place}: row = {text!r}: allowed {len(names)} fields, got {len(row)}"
            continue
        texts = {name: row[names.index(name)] for name in fields}
        fault = next((f for f in map(_fault, fields.items(), texts.values()) if f), None)
        for name in (name for name, field in fields.items() if field.rising and fault is None):
            (value,) = fields[name].values([texts[name]])
            if name in above and value < above[name][0]:
                fault = f"{name} = {texts[name]}: allowed no earlier than {above[name][1]} above"
            above[name] = value, texts[name]
        if fault is not None:
            yield f"{place}: {fault}"


def _fault(item: tuple[str, Field], text: str) -> str | None:
    name, field = item
    try:
        field.values([text])
    except ValueError:
        return f"{name} = {text}: allowed {field.allowed}"
    return None


def amounts(texts: Sequence[str]) -> FloatArray:
    """Make finite numbers of at least 0 of texts."""
    if not all(map(_NUMBER.fullmatch, texts)):
        raise ValueError
    values = np.array(texts, dtype=np.float64)
    if not np.isfinite(values).all():
        raise ValueError
    return values


def whole(allowed: str, fits: Callable[[IntArray], BoolArray]) -> Field:
    """A column of whole numbers that fit."""

    def values(texts: Sequence[str]) -> IntArray:
        if not all(map(_WHOLE.fullmatch, texts)):
            raise ValueError
        numbers = np.array(list(map(int, texts)), dtype=np.int64)
        if not fits(numbers).all():
            raise ValueError
        return numbers

    return Field(allowed, values)


AMOUNT = Field("a finite number, at least 0", amounts)
COUNT = whole("a whole number, 0 to 999999999999999", lambda numbers: numbers >= 0)
