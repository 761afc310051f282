"""Whatever is asked, the answer is a scenario or its faults, one line each: never a traceback."""

import tomllib
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airan_market.scenarios import Fault, ScenarioError, load_scenario

SOUND = tomllib.loads(
    resources.files("airan_market.scenarios")
    .joinpath("llm_replay.toml")
    .read_text(encoding="utf-8")
)


def paths(tables: Any) -> list[tuple[Any, ...]]:
    """Return the path of every table, list and value."""
    items: Any = ()
    if isinstance(tables, Mapping):
        items = tables.items()
    elif isinstance(tables, list):
        items = enumerate(tables)
    return [(), *((key, *path) for key, item in items for path in paths(item))]


PATHS = [path for path in paths(SOUND) if path]
keys = st.text(max_size=8) | st.sampled_from([str(path[-1]) for path in PATHS])
anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**30, -(10**400)])
    | st.floats()
    | st.text(max_size=8)
    | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=6,
)


def replaced(tables: Any, path: Sequence[Any], value: Any) -> Any:
    """Return a copy in which something else stands at a path."""
    if not path:
        return value
    copy = tables.copy()
    copy[path[0]] = replaced(tables[path[0]], path[1:], value)
    return copy


def faults(source: Any, overrides: Sequence[str] = ()) -> Sequence[Fault]:
    try:
        load_scenario(source, overrides)
    except ScenarioError as error:
        return error.faults or pytest.fail("refused without a reason")
    return ()


def assert_answered(source: Any, overrides: Sequence[str] = ()) -> None:
    for fault in faults(source, overrides):
        assert str(fault).isprintable()
        assert len(fault.value) <= 60


@pytest.mark.filterwarnings("ignore::airan_market.scenarios.fault.ScenarioWarning")  # answered too
@given(st.sampled_from(PATHS), anything)
def test_anything_in_place_of_a_setting(path: tuple[Any, ...], value: Any) -> None:
    assert_answered(replaced(SOUND, path, value))


@given(st.dictionaries(keys, anything, max_size=4))
def test_anything_in_place_of_a_scenario(tables: dict[str, Any]) -> None:
    assert_answered(tables)


words = st.sampled_from(
    [str(path[-1]) for path in PATHS] + ["operators[1]", "users.shares", "2", "[1]", "x"]
)
dotted = st.lists(words, min_size=1, max_size=4).map(".".join)


@given(st.lists(st.builds("{}={}".format, dotted, st.text(max_size=6) | st.floats()), max_size=3))
def test_anything_after_set(overrides: list[str]) -> None:
    assert_answered("llm_replay", overrides)


def test_an_integer_that_python_does_not_write_out() -> None:
    digits = 10**5000
    (total,) = faults(replaced(SOUND, ("users", "total"), digits))
    assert total.value.startswith("0x")
    (work,) = faults(replaced(SOUND, ("task", "work_flop"), -digits))
    assert work.value.startswith("-0x")
