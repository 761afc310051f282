import os

import pandas as pd
import pytest

from airan_market.analysis.store.directory import default_directory
from airan_market.analysis.store.manifest import RunError
from airan_market.analysis.validation.session import validate_into
from airan_market.analysis.validation.stored import load_validation


@pytest.fixture
def into(found, monkeypatch):
    """Writes the findings at hand instead of making new ones."""
    monkeypatch.setattr("airan_market.analysis.validation.session.draw", lambda directory: None)

    def write(out, status="complete", **options):
        object.__setattr__(found, "status", status)
        try:
            return validate_into(found.scenario, 1, out, find=lambda *a, **k: found, **options)
        finally:
            object.__setattr__(found, "status", "complete")

    return write


def test_a_directory_reads_back_as_it_was_written(into, found, tmp_path):
    done = into(tmp_path / "v")
    opened = load_validation(done.path, verify=True)
    assert opened.manifest.status == done.status == "complete"
    assert opened.scenario == found.scenario
    assert opened.summary == found.summary == done.summary
    both = (opened.approximations, found.approximations)
    read, written = (table.fillna({"simulation": ""}) for table in both)
    pd.testing.assert_frame_equal(read, written, check_dtype=False)
    assert set(opened.manifest.tables) == {
        "approximations.parquet", "verdicts.parquet", "verdicts.csv",
    }  # fmt: skip
    assert {path.name for path in done.path.iterdir()} == {
        *opened.manifest.tables, "verdicts.md", "summary.json", "scenario.toml", "manifest.json",
    }  # fmt: skip
    table = pd.read_csv(done.path / "verdicts.csv")
    assert table["verdict"].tolist() == found.verdicts["verdict"].tolist()
    assert [entry.name for entry in tmp_path.iterdir()] == ["v"]


def test_equal_findings_give_equal_bytes(into, tmp_path):
    one, two = into(tmp_path / "a").path, into(tmp_path / "b").path
    names = [path.name for path in one.iterdir() if path.name != "manifest.json"]
    assert all((one / name).read_bytes() == (two / name).read_bytes() for name in names)


def test_a_complete_one_needs_force(into, tmp_path):
    into(tmp_path / "v")
    before = (tmp_path / "v" / "manifest.json").stat()
    with pytest.raises(RunError, match="a complete validation is there; allowed with --force"):
        into(tmp_path / "v")
    assert os.path.samestat((tmp_path / "v" / "manifest.json").stat(), before)
    into(tmp_path / "v", force=True)
    assert not os.path.samestat((tmp_path / "v" / "manifest.json").stat(), before)


def test_an_interrupted_one_gives_way_to_a_complete_one_and_never_replaces_it(into, tmp_path):
    assert into(tmp_path / "v", "interrupted").path == tmp_path / "v"
    assert into(tmp_path / "v").path == tmp_path / "v"
    assert load_validation(tmp_path / "v").manifest.status == "complete"
    aside = into(tmp_path / "v", "interrupted", force=True).path
    assert aside == tmp_path / "v.interrupted"
    assert load_validation(tmp_path / "v").manifest.status == "complete"


@pytest.mark.parametrize("what", ["notes.txt", "manifest.json"])
def test_what_is_no_validation_is_never_touched(into, tmp_path, what):
    (tmp_path / "v").mkdir()
    (tmp_path / "v" / what).write_text('{"status": "complete"}')
    with pytest.raises(RunError, match="nothing there is replaced"):
        into(tmp_path / "v", force=True)
    assert (tmp_path / "v" / what).read_text() == '{"status": "complete"}'


def test_nothing_is_left_when_nothing_was_finished(edge, tmp_path):
    def stop(*arguments, **options):
        raise KeyboardInterrupt

    def stop_in_machine_code(*arguments, **options):
        inner = SystemError("returned a result with an exception set")
        inner.__cause__ = KeyboardInterrupt()
        raise SystemError("returned a result with an exception set") from inner

    def fail(*arguments, **options):
        raise ZeroDivisionError("no")

    for stopping in (stop, stop_in_machine_code):
        done = validate_into(edge, 1, tmp_path / "v", find=stopping)
        assert (done.status, done.path) == ("interrupted", None)
    with pytest.raises(ZeroDivisionError):
        validate_into(edge, 1, tmp_path / "v", find=fail)
    assert list(tmp_path.iterdir()) == []


def test_interrupted_while_drawing_keeps_the_complete_tables(found, tmp_path, monkeypatch):
    def stop(directory):
        raise KeyboardInterrupt

    monkeypatch.setattr("airan_market.analysis.validation.session.draw", stop)
    done = validate_into(found.scenario, 1, tmp_path / "v", find=lambda *a, **k: found)
    assert done.undrawn
    assert load_validation(done.path, verify=True).manifest.status == "complete"


def test_a_changed_file_is_noticed(into, tmp_path):
    path = into(tmp_path / "v").path
    with (path / "verdicts.csv").open("a") as file:
        file.write("\n")
    with pytest.raises(RunError, match=r"verdicts.csv: SHA-256 differs"):
        load_validation(path, verify=True)
    (path / "verdicts.csv").unlink()
    with pytest.raises(RunError, match=r"verdicts.csv: missing"):
        load_validation(path, verify=True)
    assert load_validation(path).map.empty  # not asked for
    (path / "approximations.parquet").unlink()
    with pytest.raises(RunError, match=r"approximations\.parquet"):
        _ = load_validation(path).approximations


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"kind": "validation", "schema_version": 9}'])
def test_what_cannot_be_read_is_refused(tmp_path, content):
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(RunError):
        load_validation(tmp_path)


def test_what_else_was_asked_for_has_a_directory_of_its_own(found):
    def asked(trace):
        return default_directory(found.scenario, 1, prefix="validate", settings={"trace": trace})

    usual = default_directory(found.scenario, 1, prefix="validate")
    with_trace = asked("requests.csv")
    assert usual != with_trace != asked("other.csv")
    assert with_trace == asked("requests.csv")
    assert usual.name.startswith(f"validate-{found.scenario.name}-1-")
