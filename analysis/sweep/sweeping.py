"""From a sweep to a directory of answers: what is missing is computed, the rest is there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from airan_market.analysis.process.interruption import Interruption
from airan_market.analysis.store.directory import manifest_there
from airan_market.analysis.store.lock import locked, require_no_link
from airan_market.analysis.store.manifest import Manifest, begin, sealed
from airan_market.analysis.sweep.cells import PARTS, Cell, base_of, cells
from airan_market.analysis.sweep.cluster import by_cluster
from airan_market.analysis.sweep.frame import RESULTS, compact
from airan_market.analysis.sweep.ledger import DONE, FAILED, RUNNING, Ledger
from airan_market.analysis.sweep.workers import Finished, by_processes
from airan_market.scenarios.sweep import Sweep
from airan_market.sim.processors import processors


def sweep_into(
    directory: Path,
    sweep: Sweep,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    on_plan: Callable[[int, int], None] = lambda missing, of: None,
    on_cell: Callable[[Finished, int, int], None] = lambda finished, done, of: None,
) -> dict[str, Any]:
    """Compute what is missing of a sweep and gather everything; what `sweep --json` prints.

    Parameters
    ----------
    directory : Path
        Of a sweep, or empty. One process at a time writes it.
    sweep : Sweep
    workers : int, optional
        Processes; by default as many as there are processors.
    scheduler : str, optional
        Address of a Dask scheduler, in place of processes.
    on_plan, on_cell : function
        Called with how many cells are missing, of how many; and with each that ended, how many
        have, of how many.

    Returns
    -------
    dict
        cells, done, failed (their number), faults (cell and text of each), directory.

    Raises
    ------
    ScenarioError
        When a point of the design makes no scenario.
    RunError
        When the directory is taken.
    KeyboardInterrupt
        After Ctrl-C; what was finished is kept, and gathered.
    """
    base, wanted = base_of(sweep), cells(sweep)
    settings = sweep.model_dump(mode="json", by_alias=True)
    begun = Manifest.begun("sweep", base, settings=settings)
    with opened_store(directory, begun, base) as manifest:
        finished = {cell.key for cell in wanted if cell.path(directory).is_file()}
        ledger, faults, status = Ledger(directory), {}, "failed"
        ledger.plan(wanted, finished)
        missing = [cell for cell in wanted if cell.key not in finished]
        on_plan(len(missing), len(wanted))
        try:
            for one in _ended(missing, directory, sweep, workers, scheduler, ledger):
                ledger.mark(one.cell.key, FAILED if one.fault else DONE, one.fault, one.seconds)
                if one.fault:
                    faults[one.cell.number] = one.fault
                else:
                    finished.add(one.cell.key)
                on_cell(one, len(finished) + len(faults), len(wanted))
            status = "complete"
        except KeyboardInterrupt:
            status = "interrupted"
            raise
        finally:
            ledger.close()
            with Interruption() as interruption, interruption.shield(swallow=True):
                if finished:
                    compact(directory, finished)
                notes = tuple(f"cell {number}: {text}" for number, text in sorted(faults.items()))
                tables = [RESULTS] if finished else []
                sealed(directory, manifest, tables, status=status, notes=notes)
    return {
        "directory": str(directory),
        "cells": len(wanted),
        "done": len(finished),
        "failed": len(faults),
        "faults": [{"cell": number, "fault": fault} for number, fault in sorted(faults.items())],
    }


@contextmanager
def opened_store(directory: Path, begun: Manifest, base: Any) -> Iterator[Manifest]:
    """Be the only one who writes the store of a sweep, begun with its manifest."""
    require_no_link(directory)
    directory.mkdir(parents=True, exist_ok=True)
    with locked(directory):
        manifest_there(directory, "sweep")
        require_no_link(directory / PARTS)
        with Interruption() as interruption, interruption.shield():
            begun = begin(directory, base, begun)
        yield begun


def _ended(
    missing: list[Cell], directory: Path, sweep: Sweep, workers: int | None,
    scheduler: str | None, ledger: Ledger,
) -> Iterator[Finished]:  # fmt: skip
    place = str(directory.resolve())

    def begun(cell: Cell) -> None:
        ledger.mark(cell.key, RUNNING)

    if scheduler is not None:
        yield from by_cluster(missing, place, scheduler, begun)
    else:
        yield from by_processes(missing, place, workers or processors(), sweep.time_limit_s, begun)
