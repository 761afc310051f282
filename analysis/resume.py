"""Runs that were stopped: going on with them, or making what was finished readable."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from airan_market.analysis.ended import Ended
from airan_market.analysis.play import market_at_boundary, market_of, play, seal
from airan_market.analysis.store.directory import partial_name
from airan_market.analysis.store.manifest import RunError, read_manifest
from airan_market.analysis.store.parts import PARTS
from airan_market.analysis.store.reader import Stored
from airan_market.analysis.store.writer import RunWriter, fault_of, run_code


def stopped(directory: Path) -> Stored:
    """The run that is to go on under a name: the directory, or what a killed process left of it.

    Raises
    ------
    RunError
        When there is none, or what is there is no run.
    """
    killed = partial_name(directory)
    place = killed if (killed / PARTS).is_dir() else directory
    manifest = read_manifest(place)
    if manifest.kind not in ("market", "pact"):
        raise RunError(f"{directory}: not a run; the command that began it goes on with it")
    return Stored(place, manifest)


def resume(directory: Path, **told: Any) -> Ended:
    """Go on with a run that was stopped, to the bytes of one that never was.

    Parameters
    ----------
    directory : Path
        What `airan-market run` was to leave.
    **told
        `on_start`, `on_round` and `on_draw` of `analysis.play.play`.

    Raises
    ------
    RunError
        When nothing there can go on: it is complete, or was computed with another version of the
        program or of a package.
    """
    found = stopped(directory)
    _require_resumable(directory, found)
    seed = found.manifest.seed
    assert seed is not None
    return play(found.scenario, seed, directory, force=_is_complete(directory), **told)


def _require_resumable(directory: Path, found: Stored) -> None:
    manifest = found.manifest
    if manifest.status == "complete":
        raise RunError(f"{directory}: complete already; `airan-market report` draws it again")
    if fault := fault_of(found.path, manifest.kind, run_code()):
        raise RunError(
            f"{found.path}: cannot go on from there ({fault}); the same `airan-market run` begins "
            "anew"
        )


def _is_complete(directory: Path) -> bool:
    try:
        return read_manifest(directory).status == "complete"
    except RunError:
        return False


def recover(directory: Path) -> None:
    """Make a readable run of what a killed process left, if there is nothing else of that name.

    Raises
    ------
    RunError
        When a process is writing it, or what was left cannot be read.
    """
    if directory.exists() or not (partial_name(directory) / PARTS).is_dir():
        return
    found = stopped(directory)
    seed = found.manifest.seed
    assert seed is not None
    writer = RunWriter(directory, found.scenario, seed, to_go_on=False)
    if writer.rounds == 0:
        writer.release()
        raise RunError(f"{writer.partial}: nothing was finished there")
    scenario = found.scenario
    make = partial(market_at_boundary, writer, market_of(scenario), scenario, seed)
    seal(writer, "interrupted", make)
