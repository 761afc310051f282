"""The four Parquet tables of a run: their columns and types, and how frames become files.

A run of another kind of market has tables of its own (`analysis.store.layout`), written in the
same way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

#: Rows of one row group at the most; a round with more tasks is written as several.
ROW_GROUP_ROWS = 1 << 20

# name:type, a question mark where the value may be missing
_COLUMNS = {
    "rounds": """
        round:int32 operator:int32 type:int32
        latency_s:double price_usd:double violation_belief:double match_probability:double
        users:int32 offered_tasks_per_s:double
        tasks:int64 violations:int64 violation_rate:double?
        revenue_usd:double refunds_usd:double violation_cost_usd:double running_cost_usd:double
        operator_utility_expected_usd_per_s:double operator_utility_realised_usd_per_s:double
        user_utility_expected_usd_per_s:double user_utility_realised_usd_per_s:double""",
    "market": """
        round:int32 temperature:double? residual:double? opted_out_users:int32
        operator_utility_expected_usd_per_s:double operator_utility_realised_usd_per_s:double
        social_welfare_expected_usd_per_s:double social_welfare_realised_usd_per_s:double""",
    "operators": """
        round:int32 operator:int32 shadow_price_usd:double? capacity_tasks_per_s:double
        load_expected_tasks_per_s:double offered_tasks_per_s:double under_way_tasks:int64
        uplink_utilisation:double? gpu_utilisation:double? downlink_utilisation:double?
        uplink_waiting_tasks:double gpu_waiting_tasks:double downlink_waiting_tasks:double
        operator_utility_expected_usd_per_s:double operator_utility_realised_usd_per_s:double""",
    "tasks": """
        task:int64 round:int32 operator:int32 type:int32 user:int32 arrival_s:double
        uplink_service_s:double gpu_service_s:double downlink_service_s:double
        uplink_end_s:double? gpu_end_s:double? downlink_end_s:double?
        uplink_preemptions:int32 gpu_preemptions:int32 downlink_preemptions:int32
        latency_s:double? agreed_latency_s:double? price_usd:double?
        violated:bool? refund_usd:double?""",
}


def _schema(columns: str) -> pa.Schema:
    fields = []
    for column in columns.split():
        name, kind = column.split(":")
        fields.append(
            pa.field(name, pa.type_for_alias(kind.rstrip("?")), nullable=kind.endswith("?"))
        )
    return pa.schema(fields)


def schemas_of(columns: Mapping[str, str]) -> dict[str, pa.Schema]:
    """Arrow schemas of tables written as above.

    Examples
    --------
    >>> schemas_of({"rounds": "round:int32 price_usd:double?"})["rounds"].names
    ['round', 'price_usd']
    """
    return {name: _schema(text) for name, text in columns.items()}


#: Arrow schema of each table by name, in the order of the manifest.
SCHEMAS = schemas_of(_COLUMNS)

# columns of tasks.parquet that repeat few values; every other one is a measurement of its own,
# for which a dictionary only costs time
_REPEATING = [
    "round", "operator", "type", "user", "agreed_latency_s", "price_usd", "violated", "refund_usd",
    "uplink_preemptions", "gpu_preemptions", "downlink_preemptions",
    "service", "satisfied", "liability_usd",
]  # fmt: skip


def to_arrow(
    frame: pd.DataFrame, name: str, schemas: Mapping[str, pa.Schema] = SCHEMAS
) -> pa.Table:
    """Frame as an Arrow table with exactly the columns and types of the table `name`.

    NaN, None and NA become null where the column may be missing. No index and no pandas
    metadata are kept, so equal values give equal bytes.

    Raises
    ------
    ValueError
        When a column is missing or unknown, holds a null where none is allowed, or a value
        that is infinite or that its type cannot hold.

    Examples
    --------
    >>> to_arrow(pd.DataFrame({"round": [1]}), "market")
    Traceback (most recent call last):
    ...
    ValueError: market: missing columns temperature, residual, opted_out_users, ...
    """
    schema = schemas[name]
    missing = [column for column in schema.names if column not in frame.columns]
    unknown = [str(column) for column in frame.columns if column not in schema.names]
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


def to_pandas(table: pa.Table) -> pd.DataFrame:
    """Arrow table as a frame; `violated` keeps true, false and missing apart (BooleanDtype)."""
    return table.to_pandas(types_mapper={pa.bool_(): pd.BooleanDtype()}.get)


def read_table(path: Path, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Read a Parquet table, or some of its columns, into a frame."""
    return to_pandas(pq.read_table(path, columns=None if columns is None else list(columns)))


class TableWriter:
    """Writes one table of a run, one row group per frame; a context manager.

    Format 2.6 with Zstandard at level 1 and nothing in the file that varies from run to run, so
    the same frames give the same bytes (on the same version of pyarrow).

    Parameters
    ----------
    path : Path
        File to write.
    name : str
        Name of the table, a key of the schemas.
    schemas : mapping of str to Schema
        Of the kind of run.

    Attributes
    ----------
    rows : int
        Rows written so far.
    """

    def __init__(self, path: Path, name: str, schemas: Mapping[str, pa.Schema] = SCHEMAS) -> None:
        self.name = name
        self._schemas = schemas
        schema = schemas[name]
        repeating = [column for column in _REPEATING if column in schema.names]
        self.rows = 0
        self._writer = pq.ParquetWriter(
            path,
            schema,
            version="2.6",
            compression="zstd",
            compression_level=1,
            use_dictionary=repeating if name == "tasks" else True,
        )

    def write(self, frame: pd.DataFrame) -> None:
        """Append the rows of a frame; a frame without rows adds nothing."""
        table = to_arrow(frame, self.name, self._schemas)
        if table.num_rows:
            self._writer.write_table(table, row_group_size=ROW_GROUP_ROWS)
            self.rows += table.num_rows

    def close(self) -> None:
        """Write the footer; without it nobody can read the file."""
        self._writer.close()

    def __enter__(self) -> TableWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def write_table(
    path: Path,
    name: str,
    frame: pd.DataFrame,
    schemas: Mapping[str, pa.Schema] = SCHEMAS,
) -> int:
    """Write a whole table; returns its number of rows."""
    with TableWriter(path, name, schemas) as writer:
        writer.write(frame)
    return writer.rows
