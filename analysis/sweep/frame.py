"""The answers of a sweep as one tidy frame."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from airan_market.analysis.store.durable import written
from airan_market.analysis.store.manifest import RunError
from airan_market.analysis.sweep.cells import PARTS

RESULTS = "results.parquet"


def load_sweep(directory: str | Path) -> pd.DataFrame:
    """All answers of a sweep, in the order of its design.

    The columns of the design come first: `cell`, `seed`, `mechanism`, `reading`, and every dotted
    key; then what the command answers. One row a cell for `solve` and `pact`, several for the
    others. Of a sweep under way, or stopped, what is finished.

    Raises
    ------
    RunError
        When there is no sweep.
    """
    place = Path(directory)
    compact = place / RESULTS
    if compact.is_file():
        return pd.read_parquet(compact)
    return _gathered(place, None)


def _gathered(directory: Path, keys: set[str] | None) -> pd.DataFrame:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not (directory / PARTS).is_dir():
        raise RunError(f"{directory}: not a sweep (it has no {PARTS})")
    paths = sorted((directory / PARTS).glob("*/*.parquet"))
    found = [pq.read_table(path) for path in paths if keys is None or path.stem in keys]
    if not found:
        return pd.DataFrame({"cell": []})
    table = pa.concat_tables(found, promote_options="permissive")
    frame = table.to_pandas()
    return frame.sort_values("cell", kind="stable", ignore_index=True)


def compact(directory: Path, keys: set[str]) -> pd.DataFrame:
    """Gather the answers of these cells into one file: the same bytes wherever they ran."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    frame = _gathered(directory, keys)
    table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
    with written(directory / RESULTS, sync=True) as file:
        pq.write_table(table, file, compression="zstd")
    return frame
