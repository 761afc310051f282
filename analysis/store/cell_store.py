"""Cells: pieces of a long computation, each kept in a file of its own, computed when missing.

A cell has a name, which is that of its file, and a mark, a hash of all that its numbers depend on.
Files are written whole or not at all, so what an interruption leaves behind is a set of finished
cells, and the same call goes on from there.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol, TypeVar

from airan_market.analysis.process.interruption import Interruption
from airan_market.analysis.process.worker import WorkerContext
from airan_market.analysis.store.directory import manifest_there
from airan_market.analysis.store.durable import json_text, write_text
from airan_market.analysis.store.lock import locked, require_no_link
from airan_market.analysis.store.manifest import FILE_NAME, Manifest, begin, sealed
from airan_market.scenarios import Scenario, ScenarioWarning
from airan_market.scenarios.registry import use, used
from airan_market.sim.processors import processors

CELLS = "cells"
#: What `warnings.simplefilter("ignore")` sets: workers are as quiet as their parent.
_ALL_IGNORED = ("ignore", None, Warning, None, 0)
FLOORS = ("scenarios", "sim", "agents")


class Cell(Protocol):
    """What the store knows of a cell; its answer must be plain data, and depend on it alone."""

    @property
    def name(self) -> str:
        """Name of its file without the ending, unique among the cells."""
        ...


C = TypeVar("C", bound=Cell)


def code_mark(modules: Sequence[str]) -> str:
    """Hash of the source of the floors below this one and of modules of this one, by full name.

    Examples
    --------
    >>> code_mark(["airan_market.analysis.store.cell_store"]) == code_mark([])
    False
    """
    packages = [Path(str(resources.files(f"airan_market.{floor}"))) for floor in FLOORS]
    files = [path for package in packages for path in sorted(package.rglob("*.py"))]
    specs = [find_spec(module) for module in modules]
    files += [Path(spec.origin) for spec in specs if spec is not None and spec.origin is not None]
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def mark_of(*parts: object) -> str:
    """Hash of plain data.

    Examples
    --------
    >>> mark_of("a", 1.0) == mark_of("a", 1.5)
    False
    """
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def stored(directory: Path, cell: Cell, mark: str | None = None) -> Any:
    """Answer of a finished cell; None when it is missing, unreadable or of another mark."""
    try:
        found = json.loads(_path(directory, cell).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(found, dict) or mark not in (None, found.get("mark")):
        return None
    return found.get("answer")


def keep(directory: Path, cell: Cell, mark: str, answer: Any) -> None:
    """Write a finished cell."""
    content = json_text({"mark": mark, "answer": answer}, indent=None)
    write_text(_path(directory, cell), content, sync=True)


def _path(directory: Path, cell: Cell) -> Path:
    return directory / CELLS / f"{cell.name}.json"


@contextmanager
def growing(
    directory: Path, kind: str, scenario: Scenario, settings: Mapping[str, Any]
) -> Iterator[None]:
    """A directory in which cells gather: it is ours or empty, and sealed however this ends.

    One process at a time writes it. Without a finished cell nothing of ours is left in it.

    Raises
    ------
    RunError
        When there is something else in it, or another process is writing it.
    """
    require_no_link(directory)
    begun, new = Manifest.begun(kind, scenario, settings=settings), not directory.exists()
    directory.mkdir(parents=True, exist_ok=True)
    with locked(directory):
        manifest_there(directory, kind)  # once nobody is about to write one
        require_no_link(directory / CELLS)
        try:
            with Interruption() as interruption, interruption.shield():
                begun = begin(directory, scenario, begun)
                (directory / CELLS).mkdir(exist_ok=True)
            yield
        except BaseException as error:
            if count(directory):
                status = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
                sealed(directory, begun, status=status)
            else:
                _remove(directory, whole=new)
            raise
        sealed(directory, begun, status="complete")


def _remove(directory: Path, *, whole: bool) -> None:
    shutil.rmtree(directory / CELLS, ignore_errors=True)
    for name in ("scenario.toml", FILE_NAME):
        (directory / name).unlink(missing_ok=True)
    if whole:
        directory.rmdir()


def count(directory: Path) -> int:
    """Number of finished cells in a directory."""
    return len(list((directory / CELLS).glob("*.json")))


def fill(
    directory: Path,
    marks: Mapping[C, str],
    compute: Callable[[C], Any],
    *,
    workers: int | None = None,
    on_cell: Callable[[C, int, int], None] = lambda cell, done, of: None,
) -> dict[C, Any]:
    """Answers of all cells, those missing computed.

    Parameters
    ----------
    directory : Path
        Holds, or will hold, the finished cells.
    marks : mapping of Cell to str
        The cells wanted, in this order, those that take long first.
    compute : function
        Answer of a cell; must be importable by a worker process.
    workers : int, optional
        Processes; by default as many as there are processors to be had.
    on_cell : function
        Told of each cell as it is finished: the cell, how many are finished, of how many.

    Raises
    ------
    KeyboardInterrupt
        After Ctrl-C; what was finished is in the directory.
    """
    (directory / CELLS).mkdir(parents=True, exist_ok=True)
    answers = {cell: stored(directory, cell, mark) for cell, mark in marks.items()}
    missing = [cell for cell, answer in answers.items() if answer is None]
    done = len(answers) - len(missing)
    for cell, answer in _computed(missing, compute, workers or processors()):
        keep(directory, cell, marks[cell], answer)
        # read back, so that a fresh answer and a kept one are the same
        answers[cell] = stored(directory, cell, marks[cell])
        done += 1
        on_cell(cell, done, len(answers))
    return answers


def _computed(
    missing: Sequence[C], compute: Callable[[C], Any], workers: int
) -> Iterator[tuple[C, Any]]:
    if workers == 1 or len(missing) < 2:
        yield from ((cell, compute(cell)) for cell in missing)
        return
    with pool(min(workers, len(missing))) as processes:
        jobs = {processes.submit(compute, cell): cell for cell in missing}
        for job in as_completed(jobs):
            yield jobs[job], job.result()


def _prepare(modules: Sequence[str], quiet: bool) -> None:
    """Know by name what the parent has imported with `--use`."""
    warnings.simplefilter("ignore", Warning if quiet else ScenarioWarning)
    for module in modules:
        use(module)


@contextmanager
def pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Worker processes that leave signals to their parent and are ended at once when it stops."""
    others = set(multiprocessing.active_children())
    processes = ProcessPoolExecutor(
        workers,
        mp_context=WorkerContext(),
        initializer=_prepare,
        initargs=(used(), _ALL_IGNORED in warnings.filters),
    )
    try:
        yield processes
    except BaseException:
        # a cell half computed is of no use, and may take many seconds more
        for worker in set(multiprocessing.active_children()) - others:
            worker.kill()
        raise
    finally:
        processes.shutdown(wait=True, cancel_futures=True)
