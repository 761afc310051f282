"""Cells: computed when missing or stale, kept whole, the same with any number of processes."""

import multiprocessing
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pytest

from airan_market.analysis.store import cell_store
from airan_market.analysis.store.cell_store import Cell, fill, growing, keep, mark_of, stored
from airan_market.scenarios import load_scenario


@dataclass(frozen=True)
class Number:
    """A cell whose answer is its square."""

    value: int

    @property
    def name(self) -> str:
        return f"number-{self.value}"


def square(cell: Number) -> dict[str, int]:
    return {"square": cell.value**2}


def refuse(cell: Cell) -> None:
    raise AssertionError(f"{cell.name} was computed")


MARKS = {Number(value): f"mark {value}" for value in (3, 1, 2)}


@pytest.mark.parametrize("workers", [1, 2])
def test_answers_come_in_the_order_asked(tmp_path: Path, workers: int) -> None:
    """Cells and function that a worker process can import: paths have a name, str an answer."""
    marks = {PurePosixPath(f"number-{value}"): f"mark {value}" for value in (3, 1, 2)}
    told: list[tuple[str, int, int]] = []
    answers = fill(
        tmp_path, marks, str, workers=workers,
        on_cell=lambda cell, done, of: told.append((cell.name, done, of)),
    )  # fmt: skip
    assert list(answers.values()) == ["number-3", "number-1", "number-2"]
    assert sorted(told, key=lambda line: line[1])[-1][1:] == (3, 3)
    again = fill(tmp_path, marks, refuse, workers=workers)
    assert again == answers


def test_a_stale_or_broken_cell_is_computed_again(tmp_path: Path) -> None:
    fill(tmp_path, MARKS, square, workers=1)
    changed = {**MARKS, Number(3): "another mark"}
    with pytest.raises(AssertionError, match="number-3"):
        fill(tmp_path, changed, refuse, workers=1)
    (tmp_path / "cells" / "number-1.json").write_text('{"mark": "mark 1", "ans')
    with pytest.raises(AssertionError, match="number-1"):
        fill(tmp_path, MARKS, refuse, workers=1)


def test_what_is_finished_is_kept(tmp_path: Path) -> None:
    def stop_at_two(cell: Number) -> dict[str, int]:
        if cell.value == 2:
            raise KeyboardInterrupt
        return square(cell)

    with pytest.raises(KeyboardInterrupt):
        fill(tmp_path, MARKS, stop_at_two, workers=1)
    assert stored(tmp_path, Number(3), "mark 3") == {"square": 9}
    assert stored(tmp_path, Number(2), "mark 2") is None
    assert not list(tmp_path.rglob("*.partial"))


def test_marks_tell_everything_apart(tmp_path: Path) -> None:
    (tmp_path / "cells").mkdir()
    keep(tmp_path, Number(5), mark_of("a", 1), [1.0])
    assert stored(tmp_path, Number(5), mark_of("a", 1)) == [1.0]
    assert stored(tmp_path, Number(5), mark_of("a", 2)) is None


def test_workers_leave_ctrl_c_to_their_parent() -> None:
    with cell_store.pool(1) as pool:
        assert pool.submit(signal.getsignal, signal.SIGINT).result() == signal.SIG_IGN


def test_workers_end_at_once_when_their_parent_stops() -> None:
    """A worker that would sleep for ten minutes does not keep an interrupted run waiting."""
    before = multiprocessing.active_children()
    workers = []

    def interrupted():
        with cell_store.pool(1) as pool:
            pool.submit(abs, -1).result()  # the worker is up
            workers.extend(set(multiprocessing.active_children()) - set(before))
            pool.submit(time.sleep, 600.0)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [worker.is_alive() for worker in workers] == [False]


DIES = """
import os, sys
from itertools import count
from pathlib import Path
from airan_market.analysis.store.cell_store import growing
from airan_market.scenarios import load_scenario

scenario, taken, step = load_scenario("bound_fails"), count(), int(sys.argv[2])

def dies(call):
    def dying(*given, **options):
        if next(taken) == step:
            os._exit(9)
        return call(*given, **options)
    return dying

for name in ("mkdir", "replace", "unlink", "fsync"):
    setattr(os, name, dies(getattr(os, name)))
with growing(Path(sys.argv[1]), "reproduction", scenario, {}):
    os._exit(0)
"""


def test_a_directory_is_ours_from_its_first_file_on(tmp_path: Path) -> None:
    """Killed before any step of its beginning, whoever comes next goes on with it."""
    scenario, ended = load_scenario("bound_fails"), []
    for step in range(12):
        directory = tmp_path / str(step)
        killed = [sys.executable, "-c", DIES, str(directory), str(step)]
        ended.append(subprocess.run(killed, check=False).returncode)
        with growing(directory, "reproduction", scenario, {}):
            assert (directory / "cells").is_dir()
        left = sorted(path.name for path in directory.iterdir())
        assert left == ["cells", "manifest.json", "scenario.toml"]
    assert ended[:8] == [9] * 8
    assert ended[-1] == 0
