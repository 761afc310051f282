"""The roll of agents: what many of them hold, attribute by attribute, kept in bulk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_ARRAYS = {float: np.float64, bool: np.bool_, int: np.int64}
_LARGEST = np.iinfo(np.int64).max

Held = NDArray[Any] | list[Any]


@dataclass(frozen=True)
class Roll:
    """Agents of one class with attributes of the same names.

    Attributes
    ----------
    numbers : list of int
        Mesa's `unique_id` of each.
    held : mapping of str to array or list
        Attribute → what each holds: plain floats, truth values and whole numbers as an array.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> agents = [SimpleNamespace(unique_id=n, wealth=0.5, met={n}) for n in (3, 4)]
    >>> (roll,) = rolls_of(agents)
    >>> roll.held["wealth"], list(roll)[1]
    (array([0.5, 0.5]), (4, {'unique_id': 4, 'wealth': 0.5, 'met': {4}}))
    """

    numbers: list[int]
    held: dict[str, Held]

    def __iter__(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Every agent's number, with its attributes as it had them."""
        columns = [held if isinstance(held, list) else held.tolist() for held in self.held.values()]
        for number, *own in zip(self.numbers, *columns, strict=True):
            yield number, dict(zip(self.held, own, strict=True))


def rolls_of(agents: Iterable[Any]) -> list[Roll]:
    """What agents hold, those with the same attributes together."""
    alike: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for agent in agents:
        own = vars(agent)
        alike.setdefault((type(agent), *own), []).append(own)
    return [_roll(names, held) for (_, *names), held in alike.items()]


def _roll(names: Sequence[str], agents: Sequence[dict[str, Any]]) -> Roll:
    held = {name: _held([own[name] for own in agents]) for name in names}
    return Roll([own["unique_id"] for own in agents], held)


def _held(values: list[Any]) -> Held:
    kinds = set(map(type, values))
    dtype = _ARRAYS.get(kinds.pop()) if len(kinds) == 1 else None
    if dtype is None or (dtype is np.int64 and max(map(abs, values)) > _LARGEST):
        return values
    return np.array(values, dtype=dtype)
