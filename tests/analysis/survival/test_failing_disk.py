"""The n-th request to the disk fails: nothing is torn or claimed, the same command succeeds."""

import pytest
from controls.commands import COMMANDS, command, files, finished, unpictured
from controls.disk import Disk

from airan_market.analysis.store.manifest import read_manifest
from airan_market.analysis.store.reader import Stored


def assert_nothing_is_torn(out) -> None:
    """What has the final name is what it says it is."""
    if out.exists() and any(out.iterdir()):
        manifest = read_manifest(out)
        if manifest.status != "running":  # of cells, which gather under the final name
            Stored(out, manifest).verify(tables_only=manifest.status != "complete")


def survives(name: str, number: int, folder, whole, capsys, *, goes_on: bool = False) -> int:
    """Refuse one request, then repeat the command; how many requests there were."""
    out = folder / "out"
    with Disk(str(folder), number, goes_on=goes_on)() as disk:
        status = command(COMMANDS[name], out)
    said = capsys.readouterr().err.strip()
    assert "Traceback" not in said
    if len(disk.requests) < number:
        assert status == 0
        return 0
    assert_nothing_is_torn(out)
    if status != 0:  # what was refused was of no weight: an old file that stays, say
        assert said.count("\n") <= 1, said
        assert "No space left on device" in said
        assert finished(COMMANDS[name], out) == 0, capsys.readouterr().err
    assert files(out) == whole
    assert sorted(path.name for path in folder.iterdir()) == ["out"]
    return len(disk.requests)


def count(name: str, folder) -> int:
    with Disk(str(folder))() as disk:
        assert finished(COMMANDS[name], folder / "out") == 0
    return len(disk.requests)


@pytest.mark.parametrize("goes_on", [False, True], ids=["once", "for good"])
@pytest.mark.usefixtures("undrawn")
def test_a_run_survives_a_request_that_fails(tmp_path, undisturbed, capsys, goes_on):
    """Every 23rd; more of them, of every command, in the long test."""
    whole = unpictured(undisturbed("run"))
    (tmp_path / "count").mkdir()
    requests = count("run", tmp_path / "count")
    assert requests > 60
    for number in range(1 + 4 * goes_on, requests + 1, 23):
        folder = tmp_path / str(number)
        folder.mkdir()
        survives("run", number, folder, whole, capsys, goes_on=goes_on)


@pytest.mark.long
@pytest.mark.parametrize("goes_on", [False, True], ids=["once", "for good"])
@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_survives_requests_that_fail(name, tmp_path, undisturbed, capsys, goes_on):
    (tmp_path / "count").mkdir()
    requests = count(name, tmp_path / "count")
    assert requests > 20
    step = max(1, requests // (60 if name == "run" else 15))
    for number in range(1 + goes_on, requests + 1, step):
        folder = tmp_path / str(number)
        folder.mkdir()
        survives(name, number, folder, undisturbed(name), capsys, goes_on=goes_on)
