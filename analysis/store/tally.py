"""Counting tasks: how many were decided, violated and paid for, by round, operator and type."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from airan_market.sim.arrays import IntArray
from airan_market.sim.processors import processors
from airan_market.sim.threads import threads

KEYS = ["round", "batch", "operator", "type"]
#: Shorter latencies at which lateness is counted too, as shares of the agreed one (1/√2 to 1/64):
#: they say how bursty lateness is where violations are too few to tell.
SHORTER = {f"later_{k}": 2.0 ** (-k / 2) for k in range(1, 13)}
COUNTS = ["tasks", "decided", "violations", "price_usd", "refund_usd", *SHORTER]
_READ = [
    "round", "operator", "type", "arrival_s", "latency_s", "agreed_latency_s", "violated",
    "price_usd", "refund_usd",
]  # fmt: skip


def tally(tasks: pd.DataFrame, *, by_second: bool = False) -> pd.DataFrame:
    """Count the tasks of a frame by round, batch, operator and type.

    Parameters
    ----------
    tasks : DataFrame
        Columns of `tasks.parquet` (`round, operator, type, arrival_s, latency_s, agreed_latency_s,
        violated, price_usd, refund_usd` are used).
    by_second : bool
        Whether a batch is a second of arrivals; otherwise the whole round is batch 0.

    Returns
    -------
    DataFrame
        `round, batch, operator, type` and the sums `tasks`, `decided` (violated known),
        `violations`, `price_usd`, `refund_usd` (USD), and `later_1` to `later_12`: decided tasks
        later than the share 2^(-k/2) of their agreed latency. Round 0 is the warm-up.

    Examples
    --------
    >>> frame = pd.DataFrame({"round": [1, 1], "operator": [1, 1], "type": [2, 2],
    ...     "arrival_s": [0.2, 1.3], "violated": pd.array([True, None], dtype="boolean"),
    ...     "latency_s": [0.3, None], "agreed_latency_s": [0.2, 0.2],
    ...     "price_usd": [0.5, 0.5], "refund_usd": [0.1, None]})
    >>> counted = tally(frame)
    >>> int(counted["later_1"].iloc[0])
    1
    >>> counted[KEYS + COUNTS[:5]].to_dict("records")  # doctest: +NORMALIZE_WHITESPACE
    [{'round': 1, 'batch': 0, 'operator': 1, 'type': 2, 'tasks': 2, 'decided': 1,
      'violations': 1, 'price_usd': 1.0, 'refund_usd': 0.1}]
    """
    violated = tasks["violated"].astype("boolean")
    decided = violated.notna().to_numpy()
    agreed_s = tasks["agreed_latency_s"].to_numpy(dtype=float, na_value=np.nan)
    # decided without an end: late already, so later than every latency that is shorter
    latency_s = tasks["latency_s"].fillna(np.inf).to_numpy(dtype=float)
    second = np.floor(tasks["arrival_s"].to_numpy(dtype=float)).astype(np.int64)
    own = {key: tasks[key].to_numpy() for key in KEYS if key != "batch"}
    own["batch"] = second if by_second else np.zeros(len(tasks), dtype=np.int64)
    counts = pd.DataFrame(
        {
            "tasks": 1,
            "decided": decided.astype(np.int64),
            "violations": violated.fillna(False).to_numpy().astype(np.int64),
            "price_usd": tasks["price_usd"].fillna(0.0).to_numpy(dtype=float),
            "refund_usd": tasks["refund_usd"].fillna(0.0).to_numpy(dtype=float),
            **{
                name: (decided & (latency_s > share * agreed_s)).astype(np.int64)
                for name, share in SHORTER.items()
            },
        }
    )
    return _summed(counts, [own[key] for key in KEYS])


def _summed(counts: pd.DataFrame, keys: Sequence[IntArray]) -> pd.DataFrame:
    """Sums by four keys, grouped by one number that stands for all of them: half the time."""
    if not len(counts):
        return pd.DataFrame(columns=[*KEYS, *COUNTS])
    least = [int(key.min()) for key in keys]
    shape = [int(key.max()) - low + 1 for key, low in zip(keys, least, strict=True)]
    place = np.ravel_multi_index([key - low for key, low in zip(keys, least, strict=True)], shape)
    sums = counts.groupby(place)[COUNTS].sum()
    places = np.unravel_index(sums.index.to_numpy(), shape)
    named = {
        name: (each + low).astype(key.dtype)
        for name, each, low, key in zip(KEYS, places, least, keys, strict=True)
    }
    return pd.concat([pd.DataFrame(named), sums.reset_index(drop=True)], axis=1)


def tally_tasks(path: Path, *, by_second: bool = False) -> pd.DataFrame:
    """`tally` of a `tasks.parquet`, row group by row group, so that memory stays small."""
    groups = range(pq.read_metadata(path).num_row_groups)
    with threads(min(2, processors())) as pool:
        parts = list(pool.map(partial(_tally_group, path, by_second), groups))
    if not parts:
        return pd.DataFrame(columns=[*KEYS, *COUNTS])
    return pd.concat(parts).groupby(KEYS, as_index=False)[COUNTS].sum()


def _tally_group(path: Path, by_second: bool, group: int) -> pd.DataFrame:
    with pq.ParquetFile(path) as file:
        return tally(file.read_row_group(group, columns=_READ).to_pandas(), by_second=by_second)
