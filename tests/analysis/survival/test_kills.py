"""Processes that end in mid-work, or stand in each other's way: what they leave goes on, whole."""

import shutil
import signal
import subprocess
import time
from itertools import count

import numpy as np
import pytest
from controls.commands import COMMANDS, command, files, finished, process, unpictured

from airan_market.analysis.cli.program import invoke
from airan_market.analysis.store.reader import load_run

BOUNDARY = ".out.partial/parts/boundary.json"
LATEST_S = 4.0  # a small run is over by then, on most machines


def killed(name, folder, *, after_s=None, at_round=None) -> int:
    """Begin a command and kill it; its status."""
    with process([*COMMANDS[name], "--out", "out", "--quiet"], cwd=folder) as begun:
        if after_s is not None:
            time.sleep(after_s)
        while at_round and begun.poll() is None:
            file = folder / BOUNDARY
            if file.exists() and f'"round": {at_round},' in file.read_text("utf-8"):
                break
            time.sleep(0.002)
        begun.kill()
        begun.communicate()
    return begun.returncode


@pytest.mark.usefixtures("undrawn")
def test_a_killed_run_is_read_and_goes_on(tmp_path, undisturbed, capsys):
    whole = unpictured(undisturbed("run"))
    assert killed("run", tmp_path, at_round=2) == -signal.SIGKILL
    assert not (tmp_path / "out").exists()
    shutil.copytree(tmp_path / ".out.partial", tmp_path / ".twin.partial")

    assert invoke(["resume", str(tmp_path / "twin")]) == 0
    assert "going on after round 2 of 3" in capsys.readouterr().err
    assert files(tmp_path / "twin") == whole

    out = tmp_path / "out"
    assert invoke(["report", str(out), "--quiet"]) == 0
    run = load_run(out, verify=True)
    assert (run.manifest.status, run.manifest.rounds) == ("interrupted", 2)
    assert set(run.tasks["round"]) == {0, 1, 2}
    assert command(COMMANDS["run"], out) == 0
    assert files(out) == whole
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "twin"]


def twins(name, folder, number) -> list[tuple[int, str]]:
    """The same command in several processes at once: status and faults of each."""
    begun = [process([*COMMANDS[name], "--out", "out"], cwd=folder) for _ in range(number)]
    ended = [one.communicate() for one in begun]
    return [(one.returncode, said[1]) for one, said in zip(begun, ended, strict=True)]


def assert_one_won(found, folder, whole) -> None:
    """The others say why not, and what is there is whole."""
    statuses = sorted(status for status, _ in found)
    assert statuses[0] == 0
    for status, said in found:
        assert status in (0, 2), said
        assert "Traceback" not in said
        refused = ("another process is writing it", "is there; allowed with --force")
        assert status == 0 or any(line in said for line in refused), said
    assert files(folder / "out") == whole
    assert sorted(path.name for path in folder.iterdir()) == ["out"]


def test_two_processes_on_one_directory(tmp_path, undisturbed):
    assert_one_won(twins("run", tmp_path, 2), tmp_path, undisturbed("run"))


@pytest.mark.long
@pytest.mark.parametrize("name", COMMANDS)
def test_pairs_and_threes_of_processes(name, tmp_path, undisturbed):
    """20 pairs in all, and 6 threes."""
    for number, processes in enumerate([2, 2, 2, 3] if name != "run" else [2, 2, 2, 2, 2, 3]):
        folder = tmp_path / str(number)
        folder.mkdir()
        assert_one_won(twins(name, folder, processes), folder, undisturbed(name))


@pytest.mark.long
@pytest.mark.parametrize("name", COMMANDS)
def test_kills_at_any_moment_lose_nothing(name, tmp_path, undisturbed):
    """34 kills of each command: again and again until it ends, then its bytes are compared.

    The seed is fixed, the moment in the work is not: machines differ.
    """
    rng = np.random.default_rng(list(name.encode()))
    kills = 0
    for attempt in count():
        folder = tmp_path / str(attempt)
        folder.mkdir()
        for again in range(4):
            kills += killed(name, folder, after_s=rng.uniform(0.3, LATEST_S)) < 0
            if (folder / "out" / "manifest.json").exists() and again:
                break
        assert finished(COMMANDS[name], folder / "out") == 0
        assert files(folder / "out") == undisturbed(name)
        assert sorted(path.name for path in folder.iterdir()) == ["out"]
        if kills >= 34:
            break


@pytest.fixture
def small_disk(tmp_path):
    """Mounts a file system of a size, in MB; skips where that is not allowed."""
    mounted = []

    def mount(kilobytes):
        folder = tmp_path / f"disk{len(mounted)}"
        folder.mkdir()
        tmpfs = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "none", str(folder)]
        if subprocess.run(tmpfs, capture_output=True, check=False).returncode:
            pytest.skip("a file system cannot be mounted here")
        mounted.append(folder)
        return folder

    def grow(folder):
        bigger = ["mount", "-o", "remount,size=200m", str(folder)]
        subprocess.run(bigger, check=True)

    mount.grow = grow
    yield mount
    for folder in mounted:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fills_up(name, kilobytes, small_disk, whole) -> int:
    """Play where there is not enough room, then where there is; the status of the first."""
    folder = small_disk(kilobytes)
    with process([*COMMANDS[name], "--out", "out", "--quiet"], cwd=folder) as begun:
        said = begun.communicate()[1]
    assert "Traceback" not in said
    assert said.strip().count("\n") <= 1, said
    assert begun.returncode == 0 or "No space left" in said or "of disk" in said, said
    small_disk.grow(folder)
    if begun.returncode != 0:
        assert finished(COMMANDS[name], folder / "out") == 0
    assert files(folder / "out") == whole
    assert sorted(path.name for path in folder.iterdir()) == ["out"]
    return begun.returncode


@pytest.mark.usefixtures("undrawn")
def test_a_disk_that_fills_up(small_disk, undisturbed):
    assert fills_up("run", 150, small_disk, unpictured(undisturbed("run"))) != 0


@pytest.mark.long
@pytest.mark.parametrize("name", COMMANDS)
def test_disks_that_fill_up(name, small_disk, undisturbed):
    """9 sizes for each command, from nearly nothing to nearly enough."""
    size = sum(map(len, undisturbed(name).values())) // 1024
    failed = [
        fills_up(name, max(16, int(size * part)), small_disk, undisturbed(name)) != 0
        for part in (0.02, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95, 1.1)
    ]
    assert sum(failed) >= 5
