"""What the books of all played markets are kept with: sums by index, rounds, columns by station."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from airan_market.sim.arrays import FloatArray, IntArray


def add_at(sums: NDArray, where: Sequence[IntArray], amounts: NDArray | None = None) -> None:
    """Add amounts, 1 each unless told, to the sums at their indices; an index may come up often.

    Raises
    ------
    ValueError
        On an index outside the sums.

    Examples
    --------
    >>> sums = np.zeros((2, 2))
    >>> add_at(sums, ([0, 0, 1], [1, 1, 0]), np.array([0.5, 0.25, 1.0]))
    >>> sums.tolist()
    [[0.0, 0.75], [1.0, 0.0]]
    """
    flat = np.ravel_multi_index(tuple(where), sums.shape)
    added = np.bincount(flat, weights=amounts, minlength=sums.size)
    sums += added.reshape(sums.shape).astype(sums.dtype)


def round_of(starts_s: FloatArray, arrival_s: FloatArray) -> IntArray:
    """Round that each task arrived in, 0 for the warm-up; `starts_s` as `ClearingHouse` has it.

    Examples
    --------
    >>> round_of(np.array([0.0, 0.5, 1.5]), np.array([0.2, 0.5, 1.4])).tolist()
    [0, 1, 1]
    """
    return np.searchsorted(starts_s, arrival_s, side="right") - 1


def by_stage(stages: Sequence[str], **values: NDArray) -> dict[str, NDArray]:
    """Columns `stage_name` of arrays (n, 3), name after name.

    Examples
    --------
    >>> by_stage(["gpu", "link"], end_s=np.array([[1.0, 2.0]]))
    {'gpu_end_s': array([1.]), 'link_end_s': array([2.])}
    """
    return {
        f"{stage}_{name}": columns[:, s]
        for name, columns in values.items()
        for s, stage in enumerate(stages)
    }
