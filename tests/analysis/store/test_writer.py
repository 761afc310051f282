import errno
import fcntl
import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from airan_market.analysis.play import play
from airan_market.analysis.store.directory import default_directory
from airan_market.analysis.store.manifest import RunError, read_manifest
from airan_market.analysis.store.reader import load_run
from airan_market.analysis.store.writer import RunWriter

ROOT = Path(__file__).parents[3]


def child(script: str, cwd: Path) -> subprocess.Popen:
    """A Python process that can import the fake market."""
    head = f"import sys; sys.path[:0] = [{str(ROOT)!r}, {str(Path(__file__).parents[1])!r}]\n"
    head += "import os, signal\nfrom conftest import FakeMarket, toy_scenario\n"
    head += "from airan_market.analysis.play import play\nfrom functools import partial\n"
    return subprocess.Popen(
        [sys.executable, "-c", head + textwrap.dedent(script)],
        cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def killed(cwd: Path) -> None:
    """Leave behind what a process killed in round 3 leaves."""
    process = child(
        """
        def kill(number):
            if number == 3:
                os.kill(os.getpid(), signal.SIGKILL)
        play(toy_scenario(), 1, "run", make_market=partial(FakeMarket, before_round=kill))
        """,
        cwd,
    )
    _, errors = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, errors


def files(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def test_default_name(scenario):
    name = default_directory(scenario, 7)
    assert str(name).startswith("runs/toy-7-")
    assert len(name.name) == len("toy-7-") + 10


@pytest.mark.usefixtures("undrawn")
def test_a_killed_run_has_no_final_name_and_the_next_one_goes_on(
    tmp_path, scenario, fake_market, finished
):
    killed(tmp_path)
    assert not (tmp_path / "run").exists()
    partial = tmp_path / ".run.partial"
    assert read_manifest(partial).status == "running"
    with pytest.raises(RunError, match="still being written, or left behind"):
        load_run(partial)
    begun = []
    played = play(
        scenario, out=tmp_path / "run", make_market=fake_market,
        on_start=lambda market: begun.append(market.round),
    )  # fmt: skip
    assert begun == [2]
    assert played.messages == ()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]
    assert not (tmp_path / "run" / "parts").exists()
    for name in ("tasks", "rounds", "market", "operators"):
        again = (tmp_path / "run" / f"{name}.parquet").read_bytes()
        assert again == (finished / f"{name}.parquet").read_bytes()


@pytest.mark.usefixtures("undrawn")
def test_what_a_killed_run_of_another_seed_left_is_moved_aside(tmp_path, scenario, fake_market):
    writer = RunWriter(tmp_path / "run", scenario, 2)
    writer.release()  # as the kernel does when a process dies
    played = play(scenario, seed=1, out=tmp_path / "run", make_market=fake_market)
    (aside,) = tmp_path.glob(".run.partial-2-*")
    assert read_manifest(aside).seed == 2
    assert any(str(aside) in message for message in played.messages)
    assert played.status == "complete"


@pytest.mark.usefixtures("undrawn")
def test_a_complete_run_is_not_replaced(tmp_path, scenario, fake_market):
    play(scenario, out=tmp_path / "run", make_market=fake_market)
    before = files(tmp_path)
    with pytest.raises(RunError, match="a complete run is there; allowed with --force"):
        play(scenario, out=tmp_path / "run", make_market=fake_market)
    assert files(tmp_path) == before


@pytest.mark.usefixtures("undrawn")
def test_force_replaces_only_when_the_new_run_is_complete(tmp_path, toy, fake_market):
    target = tmp_path / "run"
    play(toy(), seed=1, out=target, make_market=fake_market)
    before = files(target)

    class Interrupted(fake_market):
        def step(self):
            assert files(target) == before  # untouched while the new one is played
            if self.round == 2:
                raise KeyboardInterrupt
            super().step()

    played = play(toy(), seed=2, out=target, force=True, make_market=Interrupted)
    assert (played.status, played.path) == ("interrupted", tmp_path / "run.interrupted")
    assert files(target) == before
    played = play(toy(), seed=2, out=target, force=True, make_market=fake_market)
    assert played.path == target
    assert load_run(target, verify=True).manifest.seed == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "run.interrupted"]


@pytest.mark.usefixtures("undrawn")
def test_an_unfinished_run_is_replaced_by_its_own_complete_one_only(tmp_path, toy, fake_market):
    target = tmp_path / "run"

    class Interrupted(fake_market):
        def step(self):
            if self.round == 2:
                raise KeyboardInterrupt
            super().step()

    assert play(toy(), out=target, make_market=Interrupted).path == target
    with pytest.raises(RunError, match="interrupted run of another scenario, seed or settings"):
        play(toy(), seed=2, out=target, make_market=fake_market)
    assert play(toy(), out=target, make_market=fake_market).path == target
    assert load_run(target).manifest.status == "complete"


@pytest.mark.parametrize("force", [False, True])
def test_a_directory_that_is_no_run_is_never_touched(tmp_path, scenario, fake_market, force):
    (tmp_path / "thesis.txt").write_text("three years")
    with pytest.raises(RunError, match=r"not a directory of ours.*nothing there is replaced"):
        play(scenario, out=tmp_path, force=force, make_market=fake_market)
    assert list(tmp_path.iterdir()) == [tmp_path / "thesis.txt"]


def test_an_empty_directory_is_filled(tmp_path, scenario):
    target = tmp_path / "run"
    target.mkdir()
    writer = RunWriter(target, scenario, 1)
    writer.discard()
    assert target.is_dir()


@pytest.mark.parametrize("name", [".", "..", "/"])
def test_a_run_needs_a_name(scenario, name):
    with pytest.raises(RunError, match="needs a name of its own"):
        RunWriter(Path(name), scenario, 1)


def test_two_processes_do_not_write_the_same_run(tmp_path, scenario):
    writer = RunWriter(tmp_path / "run", scenario, 1)
    with pytest.raises(RunError, match="another process is writing it"):
        RunWriter(tmp_path / "run", scenario, 1)
    writer.discard()
    RunWriter(tmp_path / "run", scenario, 1).discard()


def test_a_file_system_without_locks_is_said(tmp_path, scenario, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOTSUP, "not supported")

    monkeypatch.setattr(fcntl, "flock", refuse)
    writer = RunWriter(tmp_path / "run", scenario, 1)
    assert "no locks on this file system" in writer.messages[0]
    writer.discard()


@pytest.mark.usefixtures("undrawn")
def test_a_replacement_cut_in_two_is_put_back(tmp_path, scenario, fake_market):
    play(scenario, out=tmp_path / "run", make_market=fake_market)
    before = files(tmp_path / "run")
    os.rename(tmp_path / "run", tmp_path / ".run.replaced")  # killed between the two renames
    with pytest.raises(RunError, match="a complete run is there"):
        RunWriter(tmp_path / "run", scenario, 1)
    assert files(tmp_path / "run") == before


def test_manifest_says_what_the_tables_are(finished):
    manifest = json.loads((finished / "manifest.json").read_text())
    assert manifest["status"] == "complete"
    assert set(manifest["tables"]) == {path.name for path in finished.glob("*.parquet")}
    for name, record in manifest["tables"].items():
        path = finished / name
        digest = subprocess.run(["sha256sum", path], capture_output=True, text=True, check=True)
        assert record["sha256"] == digest.stdout.split()[0]
        assert record["bytes"] == path.stat().st_size
    run = load_run(finished)
    for name in ("rounds", "market", "operators", "tasks"):
        assert manifest["tables"][f"{name}.parquet"]["rows"] == len(getattr(run, name))
    assert set(manifest["versions"]) >= {"python", "numpy", "pyarrow", "airan-market"}


def test_same_seed_same_bytes_other_seed_other_bytes(tmp_path, scenario, fake_market, finished):
    """Every file but the manifest, which holds the start and the wall time."""
    play(scenario, seed=1, out=tmp_path / "again", make_market=fake_market)
    first, again = files(finished), files(tmp_path / "again")
    assert first.pop("manifest.json") != again.pop("manifest.json")
    assert first == again
    play(scenario, seed=2, out=tmp_path / "other", make_market=fake_market)
    other = files(tmp_path / "other")
    assert other["tasks.parquet"] != first["tasks.parquet"]
    assert other["rounds.parquet"] != first["rounds.parquet"]


@pytest.mark.usefixtures("undrawn")
def test_the_stored_scenario_plays_the_same_run(tmp_path, fake_market, finished):
    from airan_market.scenarios import load_scenario

    stored = load_scenario(finished / "scenario.toml")
    play(stored, seed=1, out=tmp_path / "again", make_market=fake_market)
    again = (tmp_path / "again" / "tasks.parquet").read_bytes()
    assert again == (finished / "tasks.parquet").read_bytes()
