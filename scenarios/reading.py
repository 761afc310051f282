"""Readings: named ways to settle what a paper leaves open, each a set of settings in a file."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, Field, ValidationError
from pydantic_core import ErrorDetails

from airan_market.scenarios.fault import Fault, KeyPath, ScenarioError, key_text, value_text
from airan_market.scenarios.override import Overridden

_SIGNS: Final = "/\\."  # of a path, not of a name


class _Fitted(BaseModel, extra="forbid"):
    users: tuple[Annotated[int, Field(strict=True, ge=0)], ...] = ()
    used: tuple[str, ...] = ()


class _File(BaseModel, extra="forbid"):
    used: tuple[str, ...] = ()
    settings: dict[str, Any] = {}
    each_operator: dict[str, Any] = {}
    fitted: _Fitted = _Fitted()


@dataclass(frozen=True)
class Reading:
    """A named set of settings that can be laid over any scenario of a market.

    Attributes
    ----------
    name : str
        Of the file, without its ending.
    description : str
        First comment line of the file.
    settings : mapping
        Tables like those of a scenario, with the keys that the reading decides.
    each_operator : mapping
        The same for every operator.
    users : tuple of int
        Users of each type in the one market that the reading is fitted to; empty for the scenario's
        own.
    used : tuple of str
        Sweeps of the claims that were looked at to find the settings.
    used_for_users : tuple of str
        The same for `users`.

    Examples
    --------
    >>> load_reading("as_published").settings["mechanism"]["design"]
    'local'
    """

    name: str
    description: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    each_operator: Mapping[str, Any] = field(default_factory=dict)
    users: tuple[int, ...] = ()
    used: tuple[str, ...] = ()
    used_for_users: tuple[str, ...] = ()

    def over(self, tables: dict[str, Any]) -> Overridden:
        """Tables of a scenario with the settings in their places.

        Examples
        --------
        >>> reading = Reading("mine", settings={"users": {"total": 3}})
        >>> reading.over({"name": "market"}).tables
        {'name': 'market', 'users': {'total': 3}}
        """
        changed = Overridden(tables, (), f"reading {self.name}")
        wanted, operators = _leaves(self.settings), tables.get("operators")
        for m in range(len(operators) if isinstance(operators, list) else 0):
            wanted += [
                (("operators", m, *path), value) for path, value in _leaves(self.each_operator)
            ]
        for path, value in wanted:
            changed.put(path, value, key_text(path))
        return changed


def _leaves(table: Mapping[str, Any], path: KeyPath = ()) -> list[tuple[KeyPath, Any]]:
    found: list[tuple[KeyPath, Any]] = []
    for key, value in table.items():
        if isinstance(value, Mapping):
            found += _leaves(value, (*path, key))
        else:
            found.append(((*path, key), value))
    return found


def shipped_readings() -> dict[str, str]:
    """Name and description of every reading that ships.

    Examples
    --------
    >>> list(shipped_readings())
    ['as_published', 'exact', 'ours', 'whole_types']
    """
    files = resources.files("airan_market.scenarios").joinpath("readings").iterdir()
    names = sorted(file.name for file in files if file.name.endswith(".toml"))
    return {n: load_reading(n).description for n in (name.removesuffix(".toml") for name in names)}


def load_reading(source: str | Path) -> Reading:
    """Load a reading that ships, by its name, or one from a file.

    Raises
    ------
    ScenarioError
        With every fault of the file; settings are checked with the scenario that they are laid
        over.

    Examples
    --------
    >>> load_reading("ours").settings
    {}
    >>> load_reading("theirs")
    Traceback (most recent call last):
        ...
    airan_market.scenarios.fault.ScenarioError: theirs: no such reading (those that ship: \
as_published, exact, ours, whole_types; or the path of a .toml file)
    """
    text = shipped_or_file(source, "readings", "reading")
    try:
        found = _File.model_validate(tomllib.loads(text))
    except ValidationError as error:
        raise ScenarioError(_fault(str(source), one) for one in error.errors()) from None
    except (ValueError, RecursionError) as error:
        raise ScenarioError([Fault(str(source), "", "", f"not TOML: {error}")]) from None
    first = text.lstrip().partition("\n")[0]
    return Reading(
        name=Path(source).stem,
        description=first.lstrip("# ").rstrip() if first.startswith("#") else "",
        settings=found.settings,
        each_operator=found.each_operator,
        users=found.fitted.users,
        used=found.used,
        used_for_users=found.fitted.used,
    )


def _fault(source: str, error: ErrorDetails) -> Fault:
    unknown = error["type"] == "extra_forbidden"
    return Fault(
        source,
        key_text(tuple(error["loc"])),
        value_text(error["input"]),
        "unknown key" if unknown else error["msg"].replace("Input should", "must"),
    )


def shipped_or_file(source: str | Path, folder: str, noun: str) -> str:
    """Text of a file, or of what ships in a folder, which a plain word names.

    Raises
    ------
    ScenarioError
        When there is none; with the names of those that ship.

    Examples
    --------
    >>> shipped_or_file("exact", "readings", "reading")[:1]
    '#'
    """
    if isinstance(source, str) and not any(sign in source for sign in _SIGNS):
        place = resources.files("airan_market.scenarios").joinpath(folder)
        shipped = place.joinpath(f"{source}.toml")
        if shipped.is_file():
            return shipped.read_text(encoding="utf-8")
        names = sorted(file.name.removesuffix(".toml") for file in place.iterdir())
        known = f"those that ship: {', '.join(names)}; or the path of a .toml file"
        raise ScenarioError([Fault(source, "", "", f"no such {noun} ({known})")])
    try:
        return Path(source).read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ScenarioError([Fault(str(source), "", "", f"cannot be read: {reason}")]) from None
