"""Tables of a directory as files: Parquet in the columns that are declared, and CSV."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Self

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from airan_market.analysis.store.columns import Column, declared, undeclared
from airan_market.analysis.store.durable import write_text, written

#: Rows of one row group at the most; a round with more tasks is written as several.
ROW_GROUP_ROWS = 1 << 20

# columns of tasks.parquet that repeat few values; every other one is a measurement of its own,
# for which a dictionary only costs time
_REPEATING = [
    "round", "operator", "type", "user", "agreed_latency_s", "price_usd", "violated", "refund_usd",
    "uplink_preemptions", "gpu_preemptions", "downlink_preemptions",
    "service", "satisfied", "liability_usd",
]  # fmt: skip


@cache
def schema_of(kind: str, name: str) -> pa.Schema:
    """Arrow schema of a table of a run; unit and meaning stand in the metadata of every field.

    Examples
    --------
    >>> schema_of("market", "tasks").field("arrival_s").metadata[b"unit"]
    b's'
    """
    columns = declared()[kind][name].columns
    return pa.schema([_field(column) for column in columns], metadata=_for_pandas(columns))


def _field(column: Column) -> pa.Field:
    type_ = pa.type_for_alias(column.type)
    return pa.field(column.name, type_, column.nullable, _meaning(column))


def _meaning(column: Column) -> dict[str, str]:
    return {"unit": column.unit, "description": column.text}


def _for_pandas(columns: Sequence[Column]) -> dict[str, str] | None:
    """What makes pandas read true, false and missing as its type for that, not as objects."""
    flags = [
        {"name": c.name, "field_name": c.name, "pandas_type": "bool", "numpy_type": "boolean"}
        for c in columns
        if c.type == "bool" and c.nullable
    ]
    told = {"index_columns": [], "column_indexes": [], "columns": flags}
    return {"pandas": json.dumps(told)} if flags else None


def to_arrow(frame: pd.DataFrame, kind: str, name: str) -> pa.Table:
    """Frame as an Arrow table with exactly the columns and types that are declared.

    NaN, None and NA become null where the column may be missing. No index is kept, so equal values
    give equal bytes.

    Raises
    ------
    ValueError
        When a column is missing or unknown, holds a null where none is allowed, or a value
        that is infinite or that its type cannot hold.

    Examples
    --------
    >>> to_arrow(pd.DataFrame({"round": [1]}), "market", "market")
    Traceback (most recent call last):
    ...
    ValueError: market: missing columns temperature, residual, opted_out_users, ...
    """
    schema = schema_of(kind, name)
    missing = [column for column in schema.names if column not in frame.columns]
    unknown = undeclared(kind, name, frame.columns)
    for fault, columns in (("missing", missing), ("unknown", unknown)):
        if columns:
            raise ValueError(f"{name}: {fault} columns {', '.join(columns)}")
    arrays = [_array(frame[field.name], field, name) for field in schema]
    return pa.Table.from_arrays(arrays, schema=schema)


def _array(column: pd.Series, field: pa.Field, name: str) -> pa.Array:
    try:
        array = pa.Array.from_pandas(column, type=field.type)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise ValueError(f"{name}.{field.name}: {error}") from error
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    if array.null_count and not field.nullable:
        raise ValueError(f"{name}.{field.name}: {array.null_count} values are missing")
    if pa.types.is_floating(field.type) and pc.any(pc.is_inf(array)).as_py():
        raise ValueError(f"{name}.{field.name}: infinite values")
    return array


def read_table(path: Path, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Read a Parquet table, or some of its columns, into a frame."""
    return pq.read_table(path, columns=None if columns is None else list(columns)).to_pandas()


def table_faults(
    path: Path, kind: str, name: str, rows: int | None, most: Mapping[str, int]
) -> Iterator[str]:
    """Yield what a Parquet table of a run cannot be: other columns, other rows, counts too high.

    Parameters
    ----------
    path : Path
    kind, name : str
        Of run, and of the table.
    rows : int, optional
        Rows that it is said to have.
    most : mapping of str to int
        Column → the highest number it may hold; the lowest is 0.
    """
    with pq.ParquetFile(path) as file:
        found, count = file.schema_arrow, file.metadata.num_rows
        if rows not in (None, count):
            yield f"has {count} rows, not the {rows} of the manifest"
        for field in schema_of(kind, name):
            place = found.get_field_index(field.name)
            if place < 0 or found.field(place).type != field.type:
                yield f"{field.name}: allowed one column of {field.type}"
                return
        counted = [column for column in most if column in found.names]
        for column, values in zip(counted, file.read(counted).columns, strict=True):
            ends = pc.min_max(values)
            low, high = ends["min"].as_py(), ends["max"].as_py()
            if low is not None and not 0 <= low <= high <= most[column]:
                yield f"{column}: numbers from {low} to {high}, allowed 0 to {most[column]}"


class TableWriter:
    """Writes one table of a run, one row group per frame.

    Format 2.6 with Zstandard at level 1 and nothing in the file that varies from run to run, so
    the same frames give the same bytes (on the same version of pyarrow).

    Parameters
    ----------
    path : Path
        File to write.
    kind, name : str
        Of run, and of the table.

    Attributes
    ----------
    rows : int
        Rows written so far.
    """

    def __init__(self, path: Path, kind: str, name: str) -> None:
        self._table = kind, name
        schema = schema_of(kind, name)
        repeating = [column for column in _REPEATING if column in schema.names]
        self.rows = 0
        self._file = path.open("wb")  # not Arrow's own: faults of the disk are Python's then
        try:
            self._writer = pq.ParquetWriter(
                self._file,
                schema,
                version="2.6",
                compression="zstd",
                compression_level=1,
                use_dictionary=repeating if name == "tasks" else True,
            )
        except BaseException:
            self._file.close()
            raise

    def write(self, frame: pd.DataFrame) -> None:
        """Append the rows of a frame; a frame without rows adds nothing."""
        self.write_table(to_arrow(frame, *self._table))

    def write_table(self, table: pa.Table) -> None:
        """Append the rows of an Arrow table in the columns that are declared."""
        if table.num_rows:
            self._writer.write_table(table, row_group_size=ROW_GROUP_ROWS)
            self.rows += table.num_rows

    def close(self) -> None:
        """Write the footer; without it nobody can read the file."""
        try:
            self._writer.close()
        finally:
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *fault: object) -> None:
        self.close()


def write_table(path: Path, kind: str, name: str, frame: pd.DataFrame) -> int:
    """Write a whole table of a run; returns its number of rows."""
    with TableWriter(path, kind, name) as writer:
        writer.write(frame)
    return writer.rows


def write_frame(path: Path, kind: str, frame: pd.DataFrame, name: str | None = None) -> None:
    """Write a table that is no run's as CSV or Parquet, by the name of the file.

    Parameters
    ----------
    path : Path
    kind : str
        Of directory.
    frame : DataFrame
    name : str, optional
        Of the table, where the file is called otherwise.

    Raises
    ------
    ValueError
        When a column is not declared.
    """
    name = name or path.stem
    if unknown := undeclared(kind, name, map(str, frame.columns)):
        raise ValueError(f"{name}: unknown columns {', '.join(unknown)}")
    if path.suffix == ".csv":
        write_text(path, frame.to_csv(index=False))
        return
    told = {column.name: column for column in declared()[kind][name].columns}
    table = pa.Table.from_pandas(frame, preserve_index=False)
    schema = pa.schema([field.with_metadata(_meaning(told[field.name])) for field in table.schema])
    with written(path) as file:
        pq.write_table(table.cast(schema), file)
