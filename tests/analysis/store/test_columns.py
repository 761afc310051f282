"""Every column that is written is declared, with a unit that its name agrees with."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from airan_market.analysis.pact.claims import AXES, CLAIMS
from airan_market.analysis.store.columns import TITLES, declared, tables_markdown, undeclared
from airan_market.analysis.store.manifest import KINDS
from airan_market.analysis.store.tables import read_table, write_frame
from airan_market.analysis.validation.tables import COLUMNS
from airan_market.analysis.validation.verdicts import CAUSES

ROOT = Path(__file__).resolve().parents[3]
EVERY = [
    (kind, name, column)
    for kind, tables in declared().items()
    for name, table in tables.items()
    for column in table.columns
]


def agrees(name: str, unit: str) -> bool:
    """Whether a unit is one that the end of a name allows."""
    for end, allowed in (
        ("_usd_per_s", ("USD/s",)),
        ("_flop_per_s", ("FLOP/s",)),
        ("_tasks_per_s", ("tasks/s",)),
        ("_per_s", ("1/s",)),
        ("_usd", ("USD", "USD/task", "USD/request", "USD/audit")),
        ("_s", ("s", "mean service times")),
        ("_tasks", ("tasks", "-")),
    ):
        if name.endswith(end):
            return unit in allowed
    return True


def test_every_column_has_a_meaning_and_the_unit_of_its_name() -> None:
    wrong = [
        f"{kind}.{name}.{column.name}: {column.unit}"
        for kind, name, column in EVERY
        if not column.text or not column.unit or not agrees(column.name, column.unit)
    ]
    assert wrong == []
    assert len(EVERY) > 400


def test_control_another_unit_is_seen() -> None:
    assert not agrees("latency_s", "ms")
    assert not agrees("offered_tasks_per_s", "tasks")


def test_kinds_are_those_of_directories() -> None:
    assert list(declared()) == list(TITLES) == list(KINDS)


def test_no_table_has_a_column_twice() -> None:
    assert len({(kind, name, column.name) for kind, name, column in EVERY}) == len(EVERY)


def test_the_page_is_what_is_declared() -> None:
    """Written by `tables_markdown()`: write it again after a change of columns.toml."""
    assert (ROOT / "docs" / "tables.md").read_text(encoding="utf-8") == tables_markdown()


def test_names_that_stand_elsewhere_too_are_the_same() -> None:
    assert undeclared("validation", "approximations", COLUMNS) == []
    assert undeclared("validation", "verdicts", CAUSES) == []
    assert undeclared("menu", "readings", [*AXES, *CLAIMS]) == []
    claims = [c for c in declared()["menu"]["readings"].columns if "short name" in c.text]
    assert [c.name for c in claims] == list(CLAIMS)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_what_is_not_declared_is_not_written(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"anarchy{suffix}"
    with pytest.raises(ValueError, match="anarchy: unknown columns colour, margin_1_usd"):
        write_frame(path, "questions", pd.DataFrame({"colour": [1], "margin_1_usd": [0.0]}))
    assert not path.exists()


def test_parquet_carries_unit_and_meaning(tmp_path: Path, run) -> None:
    path = tmp_path / "map.parquet"
    frame = pd.DataFrame({"servers": [4], "load": [0.5], "latency_s": [1.0]})
    write_frame(path, "validation", frame)
    assert pq.read_schema(path).field("latency_s").metadata[b"unit"] == b"mean service times"
    pd.testing.assert_frame_equal(read_table(path), frame)
    tasks = pq.read_schema(run.path / "tasks.parquet")
    assert tasks.field("arrival_s").metadata[b"unit"] == b"s"
    assert b"longer than agreed" in tasks.field("violated").metadata[b"description"]


def test_violated_is_a_nullable_boolean_for_whoever_reads_it(run) -> None:
    """For our reader, for pandas without any help, and for Arrow."""
    path = run.path / "tasks.parquet"
    plain = pd.read_parquet(path)["violated"]
    assert plain.dtype == run.tasks["violated"].dtype == pd.BooleanDtype()
    assert plain.equals(run.tasks["violated"])
    assert {True, False} <= set(plain.dropna())
    assert plain.isna().any()
    column = pq.read_table(path, columns=["violated"])["violated"]
    assert column.null_count == plain.isna().sum()
    assert pd.read_parquet(path, columns=["violated", "round"])["violated"].equals(plain)


def test_what_pandas_is_told_is_the_same_in_every_file(run) -> None:
    """So that equal frames still give equal bytes."""
    told = json.loads(pq.read_schema(run.path / "tasks.parquet").metadata[b"pandas"])
    assert [column["name"] for column in told["columns"]] == ["violated"]
    assert "pandas_version" not in told
    assert "creator" not in told
    assert pq.read_schema(run.path / "rounds.parquet").metadata is None


def test_numbers_that_may_be_missing_are_read_as_numbers(run) -> None:
    market = pd.read_parquet(run.path / "market.parquet")
    assert market["temperature"].dtype == np.float64
