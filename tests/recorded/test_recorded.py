"""Everything that a user measures is what was recorded; the comparison sees what it should."""

import json
from pathlib import Path

import pyarrow as pa
import pytest
from recorded.record import column_digest, differences, record, taken_on

KEPT = json.loads(Path(__file__).with_name("hashes.json").read_text(encoding="utf-8"))


@pytest.mark.long
def test_what_users_measure_is_what_was_recorded() -> None:
    """Every command of `record.py` again; columns that are new since do not matter."""
    here, there = taken_on(), KEPT["taken_on"]
    other = [f"{name} {here.get(name)}" for name in there if here.get(name) != there[name]]
    if other:
        pytest.skip(f"recorded with {there}; here {', '.join(other)}")
    changed = [line for line in differences(KEPT["hashes"], record()) if not line.endswith(": new")]
    assert changed == []


def test_the_file_holds_what_it_was_taken_on_and_every_kind_of_command() -> None:
    assert set(KEPT["taken_on"]) == set(taken_on())
    hashes = KEPT["hashes"]
    kinds = {(command.split()[0], kind) for command in hashes for kind in hashes[command]}
    wanted = [
        *((what, "json") for what in ("solve", "pact", "validate")),
        ("run", "rounds.parquet"),
    ]
    assert kinds.issuperset(wanted)
    assert not any(kind == "failed" for _, kind in kinds)


def test_one_bit_one_null_and_a_column_are_seen() -> None:
    """Negative controls of the comparison."""
    plain = column_digest(pa.chunked_array([[1.0, 2.0]]))
    assert column_digest(pa.chunked_array([[1.0], [2.0]])) == plain
    assert column_digest(pa.chunked_array([[1.0, 2.0000000000000004]])) != plain
    assert column_digest(pa.chunked_array([[1.0, None]])) != plain
    old, new = {"run": {"t": {"a": "1", "b": "2"}}}, {"run": {"t": {"b": "3", "c": "4"}}}
    assert differences(old, old) == []
    assert differences(old, new) == ["run: t: a: gone", "run: t: b: differs", "run: t: c: new"]
