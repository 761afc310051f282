"""A future left as the run directory that `airan-market run` or `fork` would leave."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

from airan_market.analysis import play, redraw
from airan_market.analysis.dashboard.future import Future
from airan_market.analysis.store.directory import default_directory
from airan_market.analysis.store.writer import RunWriter, frames_of
from airan_market.scenarios import Fault, ScenarioError


def export(future: Future, runs: Path, name: str, turn: AbstractContextManager) -> Path:
    """Play the rounds of a future once more, task by task onto the disk, and draw them.

    All of a run follows from its scenario and its seed, so the page keeps no tasks. With rounds
    left the directory is one of an interrupted run: `airan-market resume` goes on with it.

    Parameters
    ----------
    future : Future
        With a round played at least.
    runs : Path
        Where the directory stands.
    name : str
        Its name; that of `airan-market run` unless given.
    turn : context manager
        Held while a round is played or drawn.

    Returns
    -------
    Path
        The directory.

    Raises
    ------
    ScenarioError
        Before the first round, or for a name that leads elsewhere.
    RunError
        When another run is there.
    """
    scenario, seed = future.scenario, future.seed
    if future.round == 0:
        raise ScenarioError([Fault("export", "", "", "play a round first")])
    name = name.strip() or default_directory(scenario, seed).name
    if Path(name).name != name or name.startswith("."):
        raise ScenarioError([Fault("export", "directory", name, "must be a plain name")])
    writer = RunWriter(runs / name, scenario, seed)
    try:
        make = partial(play.market_at_boundary, writer, play.market_of(scenario), scenario, seed)
        market = make()
        while market.round < future.round:
            with turn:
                market.step()
                writer.commit(market)
        if market.round < market.rounds_planned:
            place, _ = play.seal(writer, "interrupted", make)
        else:
            market.close()
            writer.finish("complete", frames_of(market, writer.tables), market.notes)
            place = writer.publish()
    finally:
        writer.release()
    with turn:
        redraw.redraw(place)
    return place
