"""From plain tables to a scenario, or to every fault that stands between them."""

from collections.abc import Collection, Mapping
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from airan_market.scenarios.fault import KeyPath
from airan_market.scenarios.keys import allowed_at, unknown_key
from airan_market.scenarios.registry import UNKNOWN
from airan_market.scenarios.schema.checks.consistency import Finding, Settings
from airan_market.scenarios.schema.market import word_or_table
from airan_market.scenarios.schema.quantity import SIZE
from airan_market.scenarios.schema.table import Described
from airan_market.scenarios.tables import value_at

Kind = TypeVar("Kind", bound=Described)


def check(
    tables: Mapping[str, Any], kind: type[Kind], context: str | None = None
) -> tuple[Kind | None, list[Finding]]:
    """Build the scenario of a kind that plain tables describe, in a context of `registry`.

    Returns
    -------
    The scenario and no findings, or None and every fault in the order of the tables.

    Examples
    --------
    >>> from airan_market.scenarios import Scenario
    >>> scenario, found = check({"name": "empty"}, Scenario)
    >>> scenario is None, found[0].path, found[0].allowed.split(",")[0]
    (True, ('users',), 'required')
    """
    try:
        return kind.model_validate(tables, context=context), []
    except ValidationError as error:
        errors = error.errors(include_url=False, include_context=False, include_input=False)
    single = [e for e in errors if e["type"] != "contradiction"]
    misspelt = _misspelt(single, tables, kind)
    faulty = {_path(e) for e in single} | misspelt
    found = [_finding(e, kind) for e in single if not _explained(e, misspelt, faulty)]
    found += kind.contradictions(Settings(_with_defaults(tables, kind), faulty))
    return None, sorted(found, key=lambda finding: _place(finding.path, tables))


def _path(error: ErrorDetails) -> KeyPath:
    path = error["loc"]
    # there, and only there, pydantic puts the name of a union's branch into the path
    for length in range(len(path)):
        if word_or_table(path[:length]):
            return path[:length] + path[length + 1 :]
    return path


def _finding(error: ErrorDetails, kind: type[Described]) -> Finding:
    path = _path(error)
    if error["type"] == "extra_forbidden":
        return Finding(path, unknown_key(path, kind)[0])
    if error["type"] == UNKNOWN:
        return Finding(path, error["msg"])
    rule = f"must be {allowed_at(path, kind)}"
    if error["type"] == SIZE:
        return Finding(path, f"{rule}, {error['msg']}")
    return Finding(path, f"required, {rule}" if error["type"] == "missing" else rule)


def _misspelt(
    errors: list[ErrorDetails], tables: Mapping[str, Any], kind: type[Described]
) -> set[KeyPath]:
    """Return the known keys that are absent because a key much like them was written."""
    unknown = [_path(e) for e in errors if e["type"] == "extra_forbidden"]
    meant = ((path[:-1], unknown_key(path, kind)[1]) for path in unknown)
    paths = {(*table, word) for table, word in meant if word is not None}
    return {path for path in paths if value_at(tables, path) is None}


def _explained(
    error: ErrorDetails, misspelt: Collection[KeyPath], faulty: Collection[KeyPath]
) -> bool:
    """Say whether another line tells of the same mistake: one mistake, one line."""
    path = _path(error)
    if error["type"] == "too_short":  # items with a fault of their own are not counted as there
        return any(other != path and other[: len(path)] == path for other in faulty)
    return error["type"] == "missing" and path in misspelt  # the misspelt key says so


def _with_defaults(tables: Mapping[str, Any], kind: type[Described]) -> Mapping[str, Any]:
    """Write out the defaults that checks between settings read."""
    answer = dict(tables)
    for word, table in kind.filled.items():
        given = tables.get(word, {})
        if isinstance(given, Mapping):
            fields = table.model_fields.items()
            defaults = {
                key: field.default
                for key, field in fields
                if not field.is_required() and field.default_factory is None
            }
            answer[word] = {**defaults, **given}
    return answer


def _place(path: KeyPath, tables: Any) -> list[int]:
    """Return where a path stands in the tables, for sorting; absent keys come after the others."""
    place: list[int] = []
    for step in path:
        if isinstance(step, int):
            place.append(step)
        elif isinstance(tables, Mapping):
            words = list(tables)
            place.append(words.index(step) if step in words else len(words))
        tables = value_at(tables, (step,))
    return place
