"""Which of k settings is best, under noise: the procedure of Kim and Nelson, seeds in common.

Every candidate meets seed 1, 2, …; after each seed those are dropped that have fallen too far
behind another. With normal answers, one independent draw a seed, the one that is left is the best
with the confidence asked for, if the best is better than every other by the difference asked for
(the indifference zone); otherwise it is one within that difference, with nearly the same
confidence. Common seeds are allowed, and help: variances are those of paired differences.

Written here because the maintained libraries that have the procedure (sim-tools) add the variances
of two candidates in place of taking that of their difference, and lose what common seeds bring.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from airan_market.analysis.process.interruption import Interruption
from airan_market.analysis.store.manifest import Manifest, RunError, sealed
from airan_market.analysis.sweep.cells import Cell, base_of, cells
from airan_market.analysis.sweep.frame import RESULTS, compact
from airan_market.analysis.sweep.sweeping import opened_store
from airan_market.analysis.sweep.workers import Processes
from airan_market.scenarios import InputError
from airan_market.scenarios.sweep import Sweep
from airan_market.sim.arrays import FloatArray
from airan_market.sim.processors import processors

FIRST, MOST = 10, 1000  # seeds that every candidate gets, and that one may get at most

#: Answers (R, C) of candidates (C,) at seeds first … first + R − 1, counted from 0.
Observe = Callable[[Sequence[int], int, int], FloatArray]


@dataclass(frozen=True, eq=False)
class Choice:
    """What was chosen.

    Attributes
    ----------
    best : int
        The candidate that is left, or the one with the best mean where several are.
    decided : bool
        Whether one alone is left.
    mean : array (k,)
        Over the seeds that a candidate got.
    seeds : array (k,) of int
        How many these are.
    """

    best: int
    decided: bool
    mean: FloatArray
    seeds: FloatArray


def kim_nelson(
    observe: Observe, candidates: int, difference: float, *, confidence: float = 0.95,
    first: int = FIRST, most: int = MOST, batch: int = 1,
) -> Choice:  # fmt: skip
    """Choose the candidate with the largest mean.

    Parameters
    ----------
    observe : callable
        Makes answers.
    candidates : int
        k ≥ 2.
    difference : float
        δ > 0, the least difference worth finding.
    confidence : float
        1 − α, in (1/k, 1).
    first : int
        n_0 ≥ 2.
    most : int
        Seeds after which it ends undecided.
    batch : int
        Seeds asked for at once; it changes the speed and not the choice.

    References
    ----------
    S.-H. Kim, B. L. Nelson, "A fully sequential procedure for indifference-zone selection in
    simulation", ACM TOMACS 11 (2001) 251-273, with c = 1: η = ((2α/(k−1))^(−2/(n_0−1)) − 1)/2,
    h² = 2 η (n_0 − 1), W_ij(r) = max(0, δ (h² S²_ij/δ² − r)/2); i is dropped when its sum falls
    behind that of a j by more than W_ij(r).

    Examples
    --------
    >>> worth = np.array([1.0, 3.0, 2.0])
    >>> noise = np.random.default_rng(1)
    >>> def observe(who, start, count):
    ...     return worth[list(who)] + noise.normal(size=(count, len(who)))
    >>> kim_nelson(observe, 3, 0.5).best
    1
    """
    if candidates < 2 or not difference > 0 or not 1 / candidates < confidence < 1 or first < 2:
        raise ValueError(
            f"candidates = {candidates}, difference = {difference}, confidence = {confidence}, "
            f"first = {first}: allowed at least 2, above 0, between 1/k and 1, at least 2"
        )
    alpha = 1 - confidence
    eta = 0.5 * ((2 * alpha / (candidates - 1)) ** (-2 / (first - 1)) - 1)
    left = list(range(candidates))
    seen = observe(left, 0, first)
    apart = seen[:, :, np.newaxis] - seen[:, np.newaxis, :]
    reach = 2 * eta * (first - 1) * apart.var(axis=0, ddof=1) / difference**2
    total, seeds = seen.sum(axis=0), np.full(candidates, first)
    r, ahead = first, np.empty((0, candidates))
    while True:
        allowed = np.maximum(0.0, 0.5 * difference * (reach - r))
        here = np.array(left)
        behind = total[here, np.newaxis] < total[here] - allowed[np.ix_(here, here)]
        kept = [i for i, dropped in zip(left, behind.any(axis=1), strict=True) if not dropped]
        left = kept or [int(here[total[here].argmax()])]
        if len(left) == 1 or r >= most:
            break
        if not len(ahead):
            ahead = np.full((min(batch, most - r), candidates), np.nan)
            ahead[:, left] = observe(left, r, len(ahead))
        total[left] += ahead[0, left]
        seeds[left] += 1
        ahead, r = ahead[1:], r + 1
    mean = total / seeds
    best = max(left, key=lambda i: mean[i])
    return Choice(best, len(left) == 1, mean, seeds)


def choose_into(
    directory: Path,
    sweep: Sweep,
    measure: str,
    difference: float,
    *,
    smallest: bool = False,
    confidence: float = 0.95,
    first: int = FIRST,
    most: int = MOST,
    workers: int | None = None,
    on_stage: Callable[[int, int], None] = lambda seeds, left: None,
) -> dict[str, Any]:
    """Choose among the points, mechanisms and readings of a sweep; what `choose --json` prints.

    Cells are kept as those of a sweep are, and used again.

    Raises
    ------
    InputError
        When there are fewer than two candidates, or the command does not answer the measure.
    RunError
        When the directory is taken, or a cell fails.
    """
    workers = workers or processors()
    wanted = sweep.model_copy(update={"seeds": list(range(1, most + 1))})
    every = cells(wanted)
    count = len(every) // most
    if count < 2:
        raise InputError(f"{sweep.name}: a choice needs two candidates, points or mechanisms")
    base, sign = base_of(sweep), -1.0 if smallest else 1.0
    asked = {"measure": measure, "difference": difference, "smallest": smallest,
             "confidence": confidence, "first": first, "most": most}  # fmt: skip
    settings = sweep.model_dump(mode="json", by_alias=True)
    used: set[str] = set()

    def observe(who: Sequence[int], start: int, size: int) -> FloatArray:
        rows = [[every[i * most + start + r] for i in who] for r in range(size)]
        flat = [cell for row in rows for cell in row]
        used.update(cell.key for cell in flat)
        fill([cell for cell in flat if not cell.path(directory).is_file()], directory, processes)
        on_stage(start + size, len(who))
        return sign * np.array([[answer(cell, directory, measure) for cell in r] for r in rows])

    with (
        opened_store(directory, Manifest.begun("sweep", base, settings=settings), base) as begun,
        Processes(str(directory.resolve()), workers, sweep.time_limit_s) as processes,
    ):
        status = "interrupted"
        try:
            found = kim_nelson(observe, count, difference, confidence=confidence, first=first,
                               most=most, batch=workers)  # fmt: skip
            status = "complete"
        finally:
            with Interruption() as interruption, interruption.shield(swallow=True):
                done = {c.key for c in every if c.key in used and c.path(directory).is_file()}
                if done:
                    compact(directory, done)
                sealed(directory, begun, [RESULTS] if done else [], status=status)
    return {"directory": str(directory)} | asked | _told(every, most, found, sign)


def fill(missing: list[Cell], directory: Path, processes: Processes) -> None:
    """Compute cells, all of them.

    Raises
    ------
    RunError
        When one fails.
    """
    for one in processes.run(missing):
        if one.fault:
            raise RunError(f"{directory}: cell {one.cell.number} failed: {one.fault}")


def answer(cell: Cell, directory: Path, measure: str) -> float:
    """Mean of a measure over the rows of a cell.

    Raises
    ------
    InputError
        When the command does not answer it.
    """
    frame = pd.read_parquet(cell.path(directory))
    numbers = frame.select_dtypes("number")
    if measure not in numbers:
        known = ", ".join(numbers.columns.difference(["cell", "seed"]))
        raise InputError(f"--by = {measure}: allowed are {known}")
    return float(frame[measure].mean())


def _told(every: list[Cell], most: int, found: Choice, sign: float) -> dict[str, Any]:
    import json

    names = [json.loads(every[i * most].design) for i in range(len(every) // most)]
    points = [{k: v for k, v in one.items() if k not in ("cell", "seed") and v != ""}
              for one in names]  # fmt: skip
    return {
        "best": points[found.best],
        "decided": found.decided,
        "candidates": [
            point | {"mean": sign * float(mean), "seeds": int(seeds)}
            for point, mean, seeds in zip(points, found.mean, found.seeds, strict=True)
        ],
    }
