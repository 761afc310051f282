import json
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airan_market.analysis.store.manifest import RunError, sha256
from airan_market.analysis.store.reader import load_run


@pytest.fixture
def copy(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "copy")


def edit_manifest(directory, **changes):
    path = directory / "manifest.json"
    content = json.loads(path.read_text()) | changes
    path.write_text(json.dumps(content))


def test_a_run_verifies(copy):
    load_run(copy, verify=True).verify()


@pytest.mark.parametrize("name", ["tasks", "rounds", "market", "operators"])
def test_negative_control_a_flipped_bit_is_caught(copy, name):
    path = copy / f"{name}.parquet"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(RunError, match=rf"{name}.parquet: SHA-256 differs"):
        load_run(copy, verify=True)


def test_a_run_of_the_version_before_is_read(copy):
    """Its manifest did not say of which market it was, nor what its scenario's file was."""
    content = json.loads((copy / "manifest.json").read_text())
    for name in ("kind", "settings", "files", "scenario_sha256"):
        content.pop(name)
    (copy / "manifest.json").write_text(json.dumps(content | {"schema_version": 1}))
    old = load_run(copy, verify=True)
    assert (old.manifest.kind, old.manifest.rounds) == ("market", 4)


def test_a_run_whose_manifest_records_tables_alone_is_read(copy):
    content = json.loads((copy / "manifest.json").read_text())
    content.pop("files")
    (copy / "manifest.json").write_text(json.dumps(content | {"schema_version": 2}))
    assert load_run(copy, verify=True).manifest.files == {}


@pytest.mark.parametrize("name", ["summary.json", "figures/menus.png", "report.html"])
def test_a_changed_page_is_caught_too(copy, name):
    (copy / name).write_bytes(b"")
    with pytest.raises(RunError, match=rf"{name}: SHA-256 differs"):
        load_run(copy, verify=True)


def test_a_symbolic_link_in_a_directory_is_refused(copy, tmp_path):
    (copy / "report.html").unlink()
    (copy / "report.html").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RunError, match=r"report\.html: a symbolic link"):
        load_run(copy, verify=True)


def test_another_scenario_is_caught(copy):
    path = copy / "scenario.toml"
    path.write_text(path.read_text().replace("total = 24", "total = 25"))
    with pytest.raises(RunError, match="not the scenario that was played"):
        load_run(copy, verify=True)


def test_a_missing_table_is_named(copy):
    (copy / "tasks.parquet").unlink()
    with pytest.raises(RunError, match=r"tasks\.parquet: missing"):
        load_run(copy, verify=True)
    with pytest.raises(RunError, match=r"tasks\.parquet"):
        load_run(copy).read_tasks()


def test_a_broken_table_is_one_line(copy):
    (copy / "rounds.parquet").write_bytes(b"no parquet")
    with pytest.raises(RunError, match=r"rounds\.parquet") as caught:
        _ = load_run(copy).rounds
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda d: (d / "manifest.json").unlink(), "not a directory of ours"),
        (lambda d: (d / "manifest.json").write_text("{"), "cannot be read as JSON"),
        (lambda d: (d / "manifest.json").write_text("[]"), "not a manifest"),
        (lambda d: edit_manifest(d, schema_version=9), "schema_version = 9: allowed 1 to 3"),
        (lambda d: edit_manifest(d, colour="red"), "not a manifest of schema version 3"),
        (
            lambda d: edit_manifest(d, status="odd"),
            'status = "odd": allowed one of running, complete',
        ),
        (lambda d: edit_manifest(d, kind=["market"]), "kind = .*: allowed one of market, pact"),
        (lambda d: edit_manifest(d, seed="1"), 'seed = "1": allowed a whole number below 2'),
        (lambda d: edit_manifest(d, rounds=True), "rounds = true: allowed a whole number"),
        (lambda d: edit_manifest(d, wall_s=float("nan")), "wall_s = nan: allowed a number"),
        (lambda d: edit_manifest(d, notes="none"), 'notes = "none": allowed a list of texts'),
        (lambda d: edit_manifest(d, versions=[]), "versions = .*: allowed a table of texts"),
        (lambda d: edit_manifest(d, tables={"../x": {}}), "tables = .*: allowed a table of files"),
        (lambda d: (d / "manifest.json").write_text("[" * 10**5), "cannot be read as JSON"),
        (lambda d: edit_manifest(d, status="running"), "still being written"),
    ],
)
def test_what_is_not_a_run_is_told_in_one_line(copy, break_it, message):
    break_it(copy)
    with pytest.raises(RunError, match=message) as caught:
        load_run(copy)
    assert "\n" not in str(caught.value)


def test_a_run_without_summary_says_how_to_get_one(copy):
    (copy / "summary.json").unlink()
    with pytest.raises(RunError, match="`airan-market report` writes it"):
        _ = load_run(copy).summary


def test_a_broken_scenario_is_one_line(copy):
    (copy / "scenario.toml").write_text("name = 3\nusers = 4\n")
    with pytest.raises(RunError, match=r"scenario.toml") as caught:
        _ = load_run(copy).scenario
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("table", "change", "told"), [
    ("rounds", lambda t: t.slice(1), "has 23 rows, not the 24 of the manifest"),
    ("rounds", lambda t: t.drop_columns("price_usd"), "price_usd: allowed one column of double"),
    ("market", lambda t: t.set_column(0, "round", pa.array(["1"] * len(t))), "round: allowed one"),
    ("operators", lambda t: counted(t, "operator", 3), "operator: numbers from 3 to 3, allowed 0"),
    ("rounds", lambda t: counted(t, "round", 9), "round: numbers from 9 to 9, allowed 0 to 4"),
    ("rounds", lambda t: counted(t, "type", -1), "type: numbers from -1 to -1, allowed 0 to 3"),
])  # fmt: skip
def test_a_table_that_contradicts_the_manifest_is_one_line(copy, table, change, told):
    """Whoever edits a table may write its new hash, too."""
    path = copy / f"{table}.parquet"
    pq.write_table(change(pq.read_table(path)), path)
    tables = json.loads((copy / "manifest.json").read_text())["tables"]
    tables[path.name] |= {"bytes": path.stat().st_size, "sha256": sha256(path)}
    edit_manifest(copy, tables=tables)
    with pytest.raises(RunError, match=told) as caught:
        load_run(copy, verify=True)
    assert "\n" not in str(caught.value)


def counted(table: pa.Table, column: str, number: int) -> pa.Table:
    """The table with one number all along a column that counts."""
    place = table.schema.get_field_index(column)
    return table.set_column(place, column, pa.array([number] * len(table), pa.int32()))
