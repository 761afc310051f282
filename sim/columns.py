"""Tables of equal-length columns: frozen dataclasses whose fields are checked NumPy arrays."""

from dataclasses import dataclass, fields
from functools import cache
from typing import Annotated, Any, Self

import numpy as np
import numpy.typing as npt

from airan_market.sim.arrays import BoolArray, FloatArray, IntArray


@dataclass(frozen=True)
class Column:
    """What a column of a table holds, said in the annotation of its field.

    Attributes
    ----------
    dtype : type
        NumPy type of its values.
    width : int or None
        Numbers a row: None for a one-dimensional column, k for an (n, k) one.
    finite, non_negative : bool
        Whether values have to be finite, and at least 0.
    """

    dtype: type[np.generic]
    width: int | None = None
    finite: bool = False
    non_negative: bool = False


Numbers = Annotated[IntArray, Column(np.int64, non_negative=True)]
Flags = Annotated[BoolArray, Column(np.bool_)]
Amounts = Annotated[FloatArray, Column(np.float64, finite=True, non_negative=True)]
MaybeAmounts = Annotated[FloatArray, Column(np.float64)]  # NaN: does not apply


def _as_column(name: str, values: npt.ArrayLike, dtype: type, width: int | None) -> npt.NDArray:
    """Return a read-only array of the type and shape that the column asks for."""
    array = np.asarray(values)
    if np.issubdtype(dtype, np.integer) and array.size and array.dtype.kind not in "iu":
        raise ValueError(f"{name}: whole numbers are needed, got {array.dtype}")
    array = array.astype(dtype, copy=False).view()
    if width is not None and array.size == 0:
        array = array.reshape(0, width)
    shape = (len(array),) if width is None else (len(array), width)
    if array.shape != shape:
        raise ValueError(f"{name}: shape {array.shape}, allowed {shape}")
    array.setflags(write=False)
    return array


def values_at(values: npt.NDArray, rows: Any) -> npt.NDArray:
    """Return the values at a mask, indices or a slice: `values[rows]`, several times as fast.

    Examples
    --------
    >>> values_at(np.array([[1, 2], [3, 4]]), np.array([False, True]))
    array([[3, 4]])
    """
    if isinstance(rows, slice):
        return values[rows]
    rows = np.asarray(rows)
    if not rows.size:
        rows = rows.astype(np.intp)  # a list without rows has no type of its own
    return values.take(np.flatnonzero(rows) if rows.dtype == bool else rows, axis=0)


def _check_domain(name: str, array: npt.NDArray, rule: Column) -> None:
    if not array.size or not (rule.finite or rule.non_negative):
        return
    least, most = array.min(), array.max()  # NaN where there is one; no masks of a million rows
    if rule.finite and not (np.isfinite(least) and np.isfinite(most)):
        _refuse(name, array, ~np.isfinite(array), "a finite number")
    if rule.non_negative and not least >= 0 and (array < 0).any():
        _refuse(name, array, array < 0, "at least 0")


def _refuse(name: str, array: npt.NDArray, bad: BoolArray, allowed: str) -> None:
    where = tuple(int(i) for i in np.argwhere(bad)[0])
    raise ValueError(f"{name}{list(where)} = {array[where]}: allowed {allowed}")


@dataclass(frozen=True, eq=False)
class Columns:
    """A table: every field annotated with a `Column` is an array with one row a task.

    Construction converts each column to its type, checks shape and domain, and makes it read-only;
    it raises ValueError naming the column, the row and the value.
    """

    def __post_init__(self) -> None:
        for name, rule in self.rules().items():
            array = _as_column(name, getattr(self, name), rule.dtype, rule.width)
            _check_domain(name, array, rule)
            object.__setattr__(self, name, array)
        lengths = {name: len(getattr(self, name)) for name in self.rules()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"columns differ in length: {lengths}")

    @classmethod
    def checked(cls, **values: Any) -> Self:
        """Return the table of columns that were checked before, as parts of tables or by an engine.

        Looking at every number once more would take a sixth of the time that serving it takes.
        """
        table = object.__new__(cls)
        for name, value in values.items():
            if name in cls.rules():
                value.setflags(write=False)
            object.__setattr__(table, name, value)
        return table

    @classmethod
    @cache
    def rules(cls) -> dict[str, Column]:
        """Return {name: what it holds} of the columns, in order."""
        return {
            item.name: mark
            for item in fields(cls)
            for mark in getattr(item.type, "__metadata__", ())
            if isinstance(mark, Column)
        }

    def __len__(self) -> int:
        return len(getattr(self, next(iter(self.rules()))))

    def columns(self, rows: Any = slice(None)) -> dict[str, npt.NDArray]:
        """Return {name: values} of all columns, at the given rows (mask, indices or slice)."""
        return {name: values_at(getattr(self, name), rows) for name in self.rules()}

    def _others(self) -> dict[str, Any]:
        names = {item.name for item in fields(self)} - set(self.rules())
        return {name: getattr(self, name) for name in names}

    def select(self, rows: Any) -> Self:
        """Return the table of the given rows (a mask, indices or a slice)."""
        return type(self)(**self.columns(rows), **self._others())

    def equals(self, other: Self) -> bool:
        """Say whether both tables are equal to the last bit (a NaN equals a NaN)."""
        return type(self) is type(other) and all(
            np.array_equal(a, b, equal_nan=np.asarray(a).dtype.kind == "f")
            for a, b in (
                (getattr(self, item.name), getattr(other, item.name)) for item in fields(self)
            )
        )
