"""A scenario written out in full, and its fingerprint."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import tomli_w
from pydantic import BaseModel


def dump_toml(scenario: BaseModel) -> str:
    """Write a scenario as TOML with every default written out.

    Numbers are written with as many digits as they need to be read back exactly, so that the text
    loads to an equal scenario.

    Examples
    --------
    >>> from airan_market.scenarios import load_scenario
    >>> text = dump_toml(load_scenario("teleoperation"))
    >>> print(*text.splitlines()[:5], sep=chr(10))
    schema_version = 1
    name = "teleoperation"
    <BLANKLINE>
    [users]
    total = 150
    """
    content = scenario.model_dump(exclude_none=True)
    single = {key: value for key, value in content.items() if not _holds_tables(value)}
    parts = [_lines(single)]
    for key, value in content.items():
        if isinstance(value, Mapping):
            parts.extend(_table(key, value))
        elif _holds_tables(value):
            parts.extend(f"[[{key}]]\n{_lines(table)}" for table in value)
    return "\n".join(parts)


def scenario_hash(scenario: BaseModel) -> str:
    """Return the SHA-256 of a scenario's resolved content, as 64 hexadecimal digits.

    It does not depend on the order of keys, the layout of the file, which defaults were written
    out or the machine: equal scenarios have equal hashes. Hashed is the JSON text of the content
    with sorted keys, no blanks, ASCII only and the shortest digits that read back exactly.

    Examples
    --------
    >>> from airan_market.scenarios import load_scenario
    >>> as_shipped = scenario_hash(load_scenario("teleoperation"))
    >>> scenario_hash(load_scenario("teleoperation", ["users.total=150"])) == as_shipped
    True
    """
    content = scenario.model_dump(exclude_none=True)
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _holds_tables(value: Any) -> bool:
    return isinstance(value, Mapping) or _is_list_of_tables(value)


def _table(name: str, table: Mapping[str, Any]) -> list[str]:
    """Write a table of the top, lists of tables in it one table each, below it."""
    lists = {key: value for key, value in table.items() if _is_list_of_tables(value)}
    single = {key: value for key, value in table.items() if key not in lists}
    parts = [f"[{name}]\n{_lines(single)}"]
    for key, tables in lists.items():
        parts.extend(f"[[{name}.{key}]]\n{_lines(item)}" for item in tables)
    return parts


def _is_list_of_tables(value: Any) -> bool:
    return isinstance(value, tuple) and any(isinstance(item, Mapping) for item in value)


def _lines(table: Mapping[str, Any]) -> str:
    return "".join(f"{key} = {_inline(value)}\n" for key, value in table.items())


def _inline(value: Any) -> str:
    if isinstance(value, Mapping):
        pairs = ", ".join(f"{key} = {_inline(item)}" for key, item in value.items())
        return f"{{ {pairs} }}"
    if isinstance(value, tuple):
        return f"[{', '.join(_inline(item) for item in value)}]"
    return tomli_w.dumps({"value": value}).removeprefix("value = ").rstrip("\n")
