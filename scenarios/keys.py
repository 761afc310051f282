"""The keys of a scenario, read off the schema: what each allows, means and defaults to."""

import difflib
import types
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from airan_market.scenarios.fault import KeyPath, value_text
from airan_market.scenarios.schema.market import Scenario
from airan_market.scenarios.schema.quantity import Says


class KeyDescription(NamedTuple):
    """One key of a scenario file, as people read about it."""

    key: str
    type: str
    unit: str
    allowed: str
    default: str
    meaning: str


def describe_keys(root: type[BaseModel] = Scenario) -> Iterator[KeyDescription]:
    """Yield every key of a kind of scenario file, in the order of the schema.

    Operators stand as ``operators[m]``. A default of ``required`` means that there is none.

    Examples
    --------
    >>> key = next(k for k in describe_keys() if k.key == "mechanism.damping")
    >>> key.type, key.unit, key.allowed, key.default
    ('number', '1', 'a finite number > 0 and <= 1', '0.35')
    """
    yield from _describe_table(root, "")


def keys_markdown(root: type[BaseModel] = Scenario) -> str:
    """Return the keys as a Markdown table, one line each.

    Examples
    --------
    >>> print(*keys_markdown().splitlines()[:3], sep=chr(10))
    | key | type | unit | allowed | default | meaning |
    | --- | --- | --- | --- | --- | --- |
    | `schema_version` | whole number | - | 1 | 1 | version of these keys |
    """
    head = ["| key | type | unit | allowed | default | meaning |", "| --- " * 6 + "|"]
    rows = (k._replace(key=f"`{k.key}`") for k in describe_keys(root))
    return "\n".join([*head, *(f"| {' | '.join(row)} |" for row in rows)]) + "\n"


def allowed_at(path: KeyPath, root: type[BaseModel] = Scenario) -> str:
    """Say in words what may stand at a path of the schema.

    Examples
    --------
    >>> allowed_at(("users", "shares", 3)), allowed_at(("simulation", "engine"))
    ('a finite number from 0 to 1', 'one of "simpy", "compiled"')
    """
    annotation, metadata = _kind_at(path, root)
    return _allowed(annotation, metadata)


def table_at(path: KeyPath, root: type[BaseModel] = Scenario) -> type[BaseModel]:
    """Return the table of the schema that stands at a path, the first where there are several.

    Examples
    --------
    >>> table_at(("operators", 0, "gpu")).__name__
    'GpuStage'
    """
    tables = _tables_in(_kind_at(path, root)[0])
    if not tables:
        raise KeyError(path)
    return tables[0]


def unknown_key(path: KeyPath, root: type[BaseModel] = Scenario) -> tuple[str, str | None]:
    """Say what an unknown key may have been meant to be.

    Returns
    -------
    The words of the fault, and the key of the same table that it resembles, if one does.

    Examples
    --------
    >>> unknown_key(("users", "totl"))
    ('unknown key, did you mean total?', 'total')
    >>> unknown_key(("horizon_s",))
    ('unknown key here, did you mean simulation.horizon_s?', None)
    >>> unknown_key(("task", "colour"))
    ('unknown key, allowed here are: input_bits, work_flop, output_bits, law', None)
    >>> unknown_key(("simulation", "arrivals", "burst_ratio"))
    ('must not be given together with trace', None)
    """
    word = str(path[-1])
    tables = _tables_in(_kind_at(path[:-1], root)[0])
    if any(word in table.model_fields for table in tables):
        # known in a table that may stand here, but not in the one that the other keys chose
        others = [next(iter(t.model_fields)) for t in tables if word not in t.model_fields]
        return f"must not be given together with {' or '.join(others)}", None
    elsewhere = [k.key for k in describe_keys(root) if k.key.rpartition(".")[2] == word]
    if elsewhere:
        return f"unknown key here, did you mean {' or '.join(elsewhere)}?", None
    known = [key for table in tables for key in table.model_fields]
    near = difflib.get_close_matches(word, known, n=1)
    if near:
        return f"unknown key, did you mean {near[0]}?", near[0]
    return f"unknown key, allowed here are: {', '.join(known)}", None


def _kind_at(path: KeyPath, root: type[BaseModel]) -> tuple[Any, Sequence[Any]]:
    annotation: Any = root
    metadata: Sequence[Any] = ()
    for step in path:
        if isinstance(step, int):
            annotation, metadata = _item_kind(annotation)
            continue
        fields = [t.model_fields[step] for t in _tables_in(annotation) if step in t.model_fields]
        if not fields:
            raise KeyError(path)
        field = fields[0]
        annotation, metadata = field.annotation, field.metadata
    return annotation, metadata


def _unwrap(annotation: Any) -> tuple[Any, Sequence[Any]]:
    if get_origin(annotation) is Annotated:
        inner, *metadata = get_args(annotation)
        return inner, _flat(metadata)
    return annotation, ()


def _flat(metadata: Sequence[Any]) -> list[Any]:
    # a Field() inside Annotated carries its bounds in a list of its own
    flat: list[Any] = []
    for item in metadata:
        flat.extend(item.metadata if isinstance(item, FieldInfo) else [item])
    return flat


def _branches(annotation: Any) -> list[tuple[Any, Sequence[Any]]]:
    """Return the kinds a union allows, None aside; a plain kind is its own only branch."""
    inner, metadata = _unwrap(annotation)
    if get_origin(inner) not in (Union, types.UnionType):
        return [(inner, metadata)]
    return [b for arg in get_args(inner) if arg is not type(None) for b in _branches(arg)]


def _tables_in(annotation: Any) -> list[type[BaseModel]]:
    """Return the tables that may stand here; most settings allow one or none."""
    plain = (branch for branch, _ in _branches(annotation))
    return [kind for kind in plain if isinstance(kind, type) and issubclass(kind, BaseModel)]


def _item_kind(annotation: Any) -> tuple[Any, Sequence[Any]]:
    for branch, _ in _branches(annotation):
        if get_origin(branch) is tuple:
            return _unwrap(get_args(branch)[0])
    raise KeyError(annotation)


def _allowed(annotation: Any, metadata: Sequence[Any]) -> str:
    branches = _branches(annotation)
    if len(branches) == 1:
        inner, own = branches[0]
        return _allowed_kind(inner, [*metadata, *own])
    return " or ".join(_allowed_kind(inner, own) for inner, own in branches)


def _allowed_kind(kind: Any, metadata: Sequence[Any]) -> str:
    said = [item.text for item in metadata if isinstance(item, Says)]
    if said:
        return said[0]
    if get_origin(kind) is Literal:
        words = [value_text(word) for word in get_args(kind)]
        return words[0] if len(words) == 1 else f"one of {', '.join(words)}"
    if get_origin(kind) is tuple:
        return f"a list of one or more, each {_allowed(*_unwrap(get_args(kind)[0]))}"
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return f"a table of {', '.join(kind.model_fields)}"
    return _bounded(kind, metadata)


def _bounded(kind: Any, metadata: Sequence[Any]) -> str:
    if kind is bool:
        return "true or false"
    noun = "a whole number" if kind is int else "a finite number"
    low = [m.ge for m in metadata if isinstance(m, Ge)]
    high = [m.le for m in metadata if isinstance(m, Le)]
    if low and high:
        return f"{low[0]}" if low == high else f"{noun} from {low[0]} to {high[0]}"
    bounds = [_bound(item) for item in metadata if isinstance(item, Ge | Gt | Le | Lt)]
    return " ".join([noun, *bounds[:1], *(f"and {bound}" for bound in bounds[1:])])


def _bound(item: Ge | Gt | Le | Lt) -> str:
    if isinstance(item, Gt):
        return f"> {item.gt}"
    if isinstance(item, Ge):
        return f">= {item.ge}"
    return f"< {item.lt}" if isinstance(item, Lt) else f"<= {item.le}"


def _describe_table(table: type[BaseModel], prefix: str) -> Iterator[KeyDescription]:
    for word, field in table.model_fields.items():
        key, annotation = prefix + word, field.annotation
        plain = [branch for branch, _ in _branches(annotation)]
        repeated = get_origin(plain[0]) is tuple
        tables = _tables_in(_item_kind(annotation)[0] if repeated else annotation)
        if not tables or len(plain) > 1:
            yield _describe(key, field)
        for inner in tables:
            yield from _describe_table(inner, f"{key}[m]." if repeated else f"{key}.")


def _describe(key: str, field: FieldInfo) -> KeyDescription:
    extra: Any = field.json_schema_extra or {}
    default = extra.get("default_text") or _default_text(field)
    texts = [_type_text(branch) for branch, _ in _branches(field.annotation)]
    kinds = " or ".join(dict.fromkeys(texts))  # several tables are told once
    allowed = _allowed(field.annotation, field.metadata)
    return KeyDescription(key, kinds, extra["unit"], allowed, default, field.description or "")


def _default_text(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    return "none" if field.default is None else value_text(field.default)


def _type_text(kind: Any) -> str:
    if get_origin(kind) is tuple:
        one = _type_text(_unwrap(get_args(kind)[0])[0])
        many = one.replace("list", "lists", 1) if one.startswith("list ") else f"{one}s"
        return f"list of {many}"
    if get_origin(kind) is Literal:
        return "text"
    names = {bool: "true or false", int: "whole number", float: "number", str: "text"}
    return names.get(kind, "table")
