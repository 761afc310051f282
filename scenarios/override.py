"""Settings changed from outside the file: ``dotted.key=value``, typed like the file."""

import copy
import re
import tomllib
from collections.abc import Sequence
from typing import Any

from airan_market.scenarios.fault import Fault, KeyPath, key_text, value_text
from airan_market.scenarios.schema.market import word_or_table
from airan_market.scenarios.tables import value_at

SOURCE = "--set"

_STEP = re.compile(r"([A-Za-z0-9_-]+)((?:\[\d{1,9}\])*)")
_PLACE = re.compile(r"\d{1,9}")
# Setting one of these means choosing it: the other one, if the file has it, is dropped.
_ALTERNATIVE: dict[KeyPath, KeyPath] = {
    ("users", "shares"): ("users", "dirichlet_alpha"),
    ("users", "dirichlet_alpha"): ("users", "shares"),
}


class _OverrideError(Exception):
    """An override that cannot be carried out; the argument says what is allowed."""


class Overridden:
    """Plain tables after overrides, and which parts the overrides decided.

    Parameters
    ----------
    tables
        The scenario as plain tables; left as it is.
    overrides
        ``dotted.key=value`` each, applied in this order; the last one wins. The value is a TOML
        value, and plain text if it is none. Places in lists count from 1: ``operators[2].name`` or
        ``operators.2.name``. Setting ``users.dirichlet_alpha`` drops ``users.shares`` and the other
        way round, unless both are set; setting a key of ``simulation.arrivals`` or ``task.law``
        replaces a word that stands there by a table, and so it is with a rate.
    source
        Where the overrides come from, for their faults.

    Attributes
    ----------
    tables
        The changed tables.
    faults
        Overrides that could not be applied.

    Examples
    --------
    >>> changed = Overridden({"users": {"shares": [1.0]}}, ["users.dirichlet_alpha=10", "name=a"])
    >>> changed.tables
    {'users': {'dirichlet_alpha': 10}, 'name': 'a'}
    >>> print(*Overridden({}, ["users.total"]).faults)
    --set: users.total: must be written dotted.key=value
    """

    tables: dict[str, Any]
    faults: list[Fault]

    def __init__(
        self, tables: dict[str, Any], overrides: Sequence[str], source: str = SOURCE
    ) -> None:
        self._before, self._source = tables, source
        self._decided: list[KeyPath] = []
        self.tables = copy.deepcopy(tables)
        self.faults = []
        for override in overrides:
            self._apply(override)

    def decided(self, path: KeyPath) -> bool:
        """Tell whether an override, not the file, decided what stands at a path."""
        if any(path[: len(made)] == made for made in self._decided):
            return True
        # a list compares its items by identity first, so that NaN equals itself
        return [value_at(self._before, path)] != [value_at(self.tables, path)]

    def _apply(self, override: str) -> None:
        key, equals, text = override.partition("=")
        steps = _steps(key)
        if not equals or steps is None:
            allowed = "must be written dotted.key=value"
            self.faults.append(Fault(SOURCE, key.strip() or '""', "", allowed))
            return
        self.put(steps, _value(text), key.strip())

    def put(self, steps: Sequence[str | int], value: Any, key: str) -> None:
        """Put a value in its place, or keep the fault, told by `key`, why that cannot be."""
        trial = copy.deepcopy(self.tables)  # an override that fails leaves nothing behind
        try:
            made = _put(trial, list(steps), value)
        except _OverrideError as error:
            self.faults.append(Fault(self._source, key, value_text(value), str(error)))
            return
        self.tables = trial
        self._decided += made
        self._drop_alternative(made[-1])

    def _drop_alternative(self, path: KeyPath) -> None:
        other = _ALTERNATIVE.get(path)
        if other is not None and other not in self._decided:
            value_at(self.tables, other[:-1]).pop(other[-1], None)


def _put(tables: Any, steps: list[str | int], value: Any) -> list[KeyPath]:
    """Put a value in its place and return the paths that this decides, its own the last."""
    place = tables
    path: KeyPath = ()
    made: list[KeyPath] = []
    for step in steps[:-1]:
        step = _step_in(place, step, path)
        path = (*path, step)
        if isinstance(place, dict) and step not in place:
            place[step] = {}
            made += [path] if word_or_table(path) else []
        if word_or_table(path) and isinstance(place[step], str | int | float):
            # setting a key of the table chooses the table in place of the word
            place[step] = {}
            made.append(path)
        place = place[step]
    last = _step_in(place, steps[-1], path)
    place[last] = value
    return [*made, (*path, last)]


def _steps(key: str) -> list[str | int] | None:
    """Split a dotted key; places in brackets become 0-based numbers. None if it is no key."""
    steps: list[str | int] = []
    for part in key.split("."):
        match = _STEP.fullmatch(part.strip())
        if match is None:
            return None
        steps.append(match[1])
        steps.extend(int(place) - 1 for place in re.findall(r"\d+", match[2]))
    return steps


def _value(text: str) -> Any:
    try:
        parsed = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text.strip()  # not a TOML value: plain text, such as a path or a word
    # more than one key means that the text broke out of its line: no value either
    return parsed["value"] if list(parsed) == ["value"] else text.strip()


def _step_in(place: Any, step: str | int, path: KeyPath) -> str | int:
    """Return the step as the table or list at hand needs it."""
    if isinstance(place, list):
        number = int(step) - 1 if isinstance(step, str) and _PLACE.fullmatch(step) else step
        if not isinstance(number, int):
            raise _OverrideError(f"{key_text(path)} is a list: name a place, {key_text(path)}[1]")
        if not 0 <= number < len(place):
            raise _OverrideError(f"{key_text(path)} has places 1 to {len(place)}")
        return number
    if not isinstance(place, dict):
        raise _OverrideError(f"{key_text(path)} is a single value, not a table")
    if isinstance(step, int):
        raise _OverrideError(f"{key_text(path) or 'the scenario'} is not a list")
    return step
