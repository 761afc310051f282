"""Scenarios from files, from the ones that ship and from plain mappings."""

import difflib
import re
import tomllib
import warnings
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import BaseModel

from airan_market.scenarios.fault import (
    Fault,
    KeyPath,
    ScenarioError,
    ScenarioWarning,
    key_text,
    value_text,
)
from airan_market.scenarios.override import SOURCE, Overridden
from airan_market.scenarios.reading import Reading, load_reading
from airan_market.scenarios.registry import PLAYED
from airan_market.scenarios.schema.checks.consistency import Settings
from airan_market.scenarios.schema.checks.doubts import doubts
from airan_market.scenarios.schema.market import Scenario
from airan_market.scenarios.tables import laid_over, plain, value_at
from airan_market.scenarios.validation import Kind, check

if TYPE_CHECKING:
    from airan_market.scenarios.schema.pact import PactScenario

MOST_BYTES: Final = 10_000_000
"""Bytes of a scenario file: more than any that a person or a program means."""


def load_scenario(
    source: str | Path | Mapping[str, Any] | Scenario,
    overrides: Sequence[str] = (),
    *,
    reading: str | Path | Reading | None = None,
    played: bool = False,
) -> Scenario:
    """Load a scenario, settle its defaults and check all of it.

    Parameters
    ----------
    source
        The name of a scenario that ships (a text without a directory and without ``.toml``), the
        path of a TOML file (its key ``base`` may name one that ships, over which its tables are
        laid, ``[operators.3.gpu]`` over those of the third operator), the same content as a mapping
        (NumPy arrays and scalars are taken as plain numbers), or a scenario to be changed.
    overrides
        ``dotted.key=value`` each, as after ``--set`` on the command line: applied in order before
        anything is checked; see `scenarios.override.Overridden` for what they may say.
    reading
        A named set of settings, or the path of one, laid over the scenario before the overrides;
        see `scenarios.reading`.
    played
        Read to know what was played: mechanisms, beliefs and disciplines may have any names.

    Raises
    ------
    ScenarioError
        With every fault found, in the order of the file.

    Warns
    -----
    ScenarioWarning
        Of units that were probably mixed up, and of rounds with very many tasks.

    Examples
    --------
    >>> load_scenario("teleoperation").users.total
    150
    >>> load_scenario("teleoperation", ["operators[2].gpu.servers=3"]).operators[1].gpu.servers
    3
    >>> load_scenario("teleoperation", ["users.total=0"])
    Traceback (most recent call last):
        ...
    airan_market.scenarios.fault.ScenarioError: --set: users.total = 0: must be a whole number \
from 1 to 10000000
    """
    name, tables = _read(source)
    if _kind_of(tables) == "pact":
        use = "is a PACT scenario, for `airan-market pact` and `run`, and describes no operators"
        raise ScenarioError([Fault(name, "", "", use)])
    if isinstance(reading, str | Path):
        reading = load_reading(reading)
    return _settle(name, tables, overrides, Scenario, played, reading)


def load_pact(
    source: "str | Path | Mapping[str, Any] | PactScenario",
    overrides: Sequence[str] = (),
    *,
    played: bool = False,
) -> "PactScenario":
    """Load the scenario of a PACT market, as `load_scenario` does that of an AI-RAN market.

    Examples
    --------
    >>> load_pact("pact", ["pact.tokens_per_kb=4"]).pact.tokens_per_kb
    4.0
    >>> service = {"name": "fast", "quality": 1.5, "cost_usd": 0.1}
    >>> load_pact({"name": "mine", "pact": {"types": [1, 2], "services": [service]}})
    Traceback (most recent call last):
        ...
    airan_market.scenarios.fault.ScenarioError: mapping: pact.services[1].quality = 1.5: must be \
a finite number from 0 to 1
    """
    from airan_market.scenarios.schema.pact import PactScenario

    name, tables = _read(source)
    if "pact" not in tables and {"users", "operators"} & tables.keys():
        use = "is an AI-RAN scenario, without a [pact] table, for `airan-market run` and `solve`"
        raise ScenarioError([Fault(name, "", "", use)])
    return _settle(name, tables, overrides, PactScenario, played)


def scenario_kind(source: str | Path | Mapping[str, Any]) -> Literal["market", "pact"]:
    """Tell which kind of scenario a source describes, without checking it.

    Examples
    --------
    >>> scenario_kind("teleoperation"), scenario_kind("pact")
    ('market', 'pact')
    """
    return _kind_of(_read(source)[1])


def _kind_of(tables: Mapping[str, Any]) -> Literal["market", "pact"]:
    # a file with both is a market with a table too many, and one with neither is told so
    return "pact" if "pact" in tables and "operators" not in tables else "market"


def _settle(
    name: str,
    tables: dict[str, Any],
    overrides: Sequence[str],
    kind: type[Kind],
    played: bool,
    reading: Reading | None = None,
) -> Kind:
    read = Overridden(tables, ()) if reading is None else reading.over(tables)
    changed = Overridden(read.tables, overrides)
    scenario, found = check(changed.tables, kind, PLAYED if played else None)

    def told(path: KeyPath, allowed: str) -> Fault:
        origin = SOURCE if changed.decided(path) else name
        if reading is not None and origin == name and read.decided(path):
            origin = f"reading {reading.name}"
        value = value_at(changed.tables, path)
        shown = "" if value is None else value_text(value)
        return Fault(origin, key_text(path), shown, allowed)

    faults = [*read.faults, *changed.faults, *(told(*finding) for finding in found)]
    if faults or scenario is None:
        raise ScenarioError(faults)
    if not played:
        for finding in doubts(Settings(scenario.model_dump())):
            warnings.warn(str(told(*finding)), ScenarioWarning, stacklevel=3)
    return scenario


def shipped_scenarios() -> dict[str, str]:
    """Return the name and the one-line description of every scenario that ships.

    The description is the first comment line of the file.

    Examples
    --------
    >>> [name for name in shipped_scenarios() if "_" not in name]
    ['batching', 'overpromise', 'pact', 'teleoperation']
    """
    files = {name: _shipped_text(name) for name in _shipped_names()}
    return {name: _first_comment(text) for name, text in files.items()}


def _shipped_names() -> list[str]:
    files = (file.name for file in resources.files("airan_market.scenarios").iterdir())
    return sorted(name.removesuffix(".toml") for name in files if name.endswith(".toml"))


def _shipped_text(name: str) -> str:
    return (
        resources.files("airan_market.scenarios")
        .joinpath(f"{name}.toml")
        .read_text(encoding="utf-8")
    )


def _first_comment(text: str) -> str:
    comments = (line.lstrip("# ").rstrip() for line in text.splitlines() if line.startswith("#"))
    return next(comments, "")


def _read(source: str | Path | Mapping[str, Any] | BaseModel) -> tuple[str, dict[str, Any]]:
    if isinstance(source, BaseModel):
        return "scenario", plain(source.model_dump())
    if isinstance(source, Mapping):
        return "mapping", _completed("mapping", plain(source))
    if isinstance(source, str) and source in _shipped_names():
        return source, _completed(source, _parse(_shipped_text(source), source))
    return str(source), _completed(str(source), _parse(_file_text(Path(source)), str(source)))


def _completed(name: str, tables: dict[str, Any]) -> dict[str, Any]:
    """Lay tables over those of the scenario that their key `base` names, which ships."""
    if "base" not in tables:
        return tables
    base = tables.pop("base")
    if base not in _shipped_names():
        allowed = f"must be a scenario that ships: {', '.join(_shipped_names())}"
        raise ScenarioError([Fault(name, "base", value_text(base), allowed)])
    try:
        return laid_over(_read(base)[1], tables)
    except KeyError as error:
        place = str(error.args[0])
        raise ScenarioError([Fault(name, place, "", f"no such place in {base}")]) from None


def _file_text(path: Path) -> str:
    try:
        with path.open("rb") as file:  # a pipe or a device may have no end
            content = file.read(MOST_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise _refused(str(path), _no_such_file(path)) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL character in the path
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise _refused(str(path), f"cannot be read: {reason}") from None
    if len(content) > MOST_BYTES:
        raise _refused(str(path), f"is longer than {MOST_BYTES} bytes")
    try:
        return content.decode("utf-8-sig")  # some editors put a byte order mark in front
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise _refused(str(path), "must be UTF-8 text", f"line {line}") from None


def _no_such_file(path: Path) -> str:
    names = _shipped_names()
    near = difflib.get_close_matches(path.stem, names, n=1)
    hint = f", did you mean {near[0]}?" if near else ""
    return f"no such file{hint} (scenarios that ship: {', '.join(names)})"


def _parse(text: str, source: str) -> dict[str, Any]:
    try:
        return plain(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        reason, where = _located(str(error), text)
        raise _refused(source, f"not TOML: {reason}", where) from None
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, deep nesting
        raise _refused(source, f"cannot be read as TOML: {error}") from None


def _located(message: str, text: str) -> tuple[str, str]:
    """Split the parser's message into its reason and the place, by line and column."""
    match = re.fullmatch(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", message, re.S)
    if match is None:
        return message, ""
    if match[2]:
        return match[1], f"line {match[2]}, column {match[3]}"
    last = text.rpartition("\n")[2]
    return match[1], f"line {text.count(chr(10)) + 1}, column {len(last) + 1}"


def _refused(source: str, reason: str, key: str = "") -> ScenarioError:
    return ScenarioError([Fault(source, key, "", reason)])
