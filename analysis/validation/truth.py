"""What happens at an operator's loads: the tandem simulated, by the means that each latency needs.

Where plain replications are expected to see enough late tasks they are the estimate; where they
are not, rare-event simulation is (`sim.rare.rare_event`). Which of the two a latency gets is
decided by theory before anything is simulated, so that no estimate is picked for its outcome.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from airan_market.analysis.validation.offered import Offered
from airan_market.scenarios import InputError
from airan_market.sim.arrays import BoolArray, FloatArray
from airan_market.sim.estimation.estimates import Replications

REPLICATIONS, SPLITTING = "replications", "splitting"
#: With fewer late tasks to be expected than this in the first look, replications are not asked.
ENOUGH_LATE = 500.0
#: Tasks of all replications of an operator that may be asked for.
MOST_TASKS = 1e10
#: Replications of the first look of the stopping rule are to take this part of the budget.
FIRST_LOOK = 0.25
#: The agreed latency gets so many times the paths of the others.
PATHS_AT_AGREED = 4
#: Tasks that all paths of a run may meet before they get fewer, and how few they may get.
MOST_MET, LEAST_PATHS = 1e8, 640
#: One batch of a rare-event run carrying more than this of the sum means that its standard error
#: cannot be trusted: the estimate is dropped, and counted.
GREATEST_SHARE = 0.5


@dataclass(frozen=True)
class Effort:
    """How much to simulate at each operator.

    Attributes
    ----------
    replications : int
        At the first look of the stopping rule, at least 2; it goes on from there.
    relative : float
        Wanted half-width over estimate of what replications are to estimate at agreed latencies.
    budget_tasks : float
        Tasks of all replications of an operator at the most.
    paths : int
        Tagged tasks of each rare-event run.
    points : int
        Latencies of each type besides the agreed one.
    warmup_s : float, optional
        Beginning of each replication that is not measured, s; found by MSER-5 unless given.
    """

    replications: int = 40
    relative: float = 0.05
    budget_tasks: float = 6e6
    paths: int = 6000
    points: int = 20
    warmup_s: float | None = None

    def __post_init__(self) -> None:
        for name, least in (("replications", 2), ("paths", 64), ("points", 1)):
            if getattr(self, name) < least:
                raise InputError(f"{name} = {getattr(self, name)}: must be at least {least}")
        if not (np.isfinite(self.relative) and self.relative > 0):
            raise InputError(f"precision = {self.relative}: must be a finite number above 0")
        if not 1000 <= self.budget_tasks <= MOST_TASKS:
            allowed = f"must be at least 1000, at most {MOST_TASKS:g}"
            raise InputError(f"tasks = {self.budget_tasks:g}: {allowed}")
        if self.warmup_s is not None and not (np.isfinite(self.warmup_s) and self.warmup_s >= 0):
            raise InputError(f"warmup = {self.warmup_s}: must be a finite number, at least 0")


@dataclass(frozen=True, eq=False)
class Truth:
    """Simulated tails of an operator's types, with intervals at any level.

    Attributes
    ----------
    latency_s : array (N, T)
    rare : array (N, T) of bool
        Where the estimate comes from rare-event simulation.
    rare_probability, rare_error : array (N, T)
        Estimate and standard error; NaN elsewhere and where no trustworthy estimate was had.
    rare_paths : array (N, T)
        Tagged tasks behind each.
    batches : int
        Independent parts of a rare-event run.
    plain : Replications or None
        None when there is nothing to play.
    looked_at : array (N,) of bool
        Types that were simulated.
    """

    latency_s: FloatArray
    rare: BoolArray
    rare_probability: FloatArray
    rare_error: FloatArray
    rare_paths: NDArray[np.int64]
    batches: int
    plain: Replications | None
    looked_at: BoolArray

    def interval(self, level: float) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Estimate and limits of each probability, (N, T) each; NaN where nothing is known.

        Replications: as `analysis.replication` gives them. Rare events: p exp(± t s/p) with the
        Student quantile t of the batches, which is p ± t s to first order and never negative.
        """
        from airan_market.sim.estimation.intervals import student

        unknown = np.full(self.latency_s.shape, np.nan)
        p, low, high = unknown.copy(), unknown.copy(), unknown.copy()
        if self.plain is not None:
            seen = self.plain.interval(level)
            for mine, theirs in zip((p, low, high), seen, strict=True):
                mine[:] = theirs
        with np.errstate(invalid="ignore", divide="ignore"):
            width = student(self.batches - 1, level) * self.rare_error
            spread = np.exp(width / self.rare_probability)
        found = np.isfinite(spread)
        for mine, theirs in (
            (p, self.rare_probability),
            (low, self.rare_probability / spread),
            (high, np.minimum(self.rare_probability * spread, 1.0)),
        ):
            mine[self.rare] = np.where(found, theirs, np.nan)[self.rare]
            mine[~self.looked_at] = np.nan
        return p, low, high

    def untrusted(self) -> int:
        """Latencies without an estimate, though their type was simulated."""
        return int(
            (self.rare & ~np.isfinite(self.rare_error) & self.looked_at[:, np.newaxis]).sum()
        )

    def notes(self) -> list[str]:
        """What the replications have to say of types that were simulated."""
        left_out = tuple(f"Type {n + 1}:" for n in np.flatnonzero(~self.looked_at))
        notes = () if self.plain is None else self.plain.notes
        return [note for note in notes if not (left_out and note.startswith(left_out))]

    def spent(self) -> dict[str, float | int | str]:
        """What the replications took; empty when there were none."""
        if self.plain is None:
            return {}
        return {
            "replications": len(self.plain),
            "tasks": int(self.plain.played_tasks.sum()),
            "horizon_s": self.plain.horizon_s,
            "warmup_s": self.plain.warm_up.warm_up_s,
            "stopped": self.plain.stopped,
        }

    def how(self) -> NDArray[np.object_]:
        """How each estimate was had, (N, T)."""
        return np.where(self.rare, SPLITTING, REPLICATIONS).astype(object)

    def effort(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Replications (batches of a rare-event run) and tasks behind each estimate, (N, T)."""
        shape = self.latency_s.shape
        replications, tasks = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
        if self.plain is not None:
            replications[:] = len(self.plain.tasks)
            tasks[:] = self.plain.tasks.sum(axis=0)[:, np.newaxis]
        replications[self.rare], tasks[self.rare] = self.batches, self.rare_paths[self.rare]
        return replications, tasks


def observe(
    site: Offered,
    latency_s: FloatArray,
    expected: FloatArray,
    effort: Effort,
    *,
    seed: int,
    on_step: Callable[[str], None] = lambda what: None,
) -> Truth:
    """Simulate an operator at its solved loads: Poisson arrivals, exponential work, whole tandem.

    Types that saturate the operator are left out: they change nothing for those above them.

    Parameters
    ----------
    site : Offered
    latency_s : array (N, T)
        The first is the agreed one.
    expected : array (N, T)
        Probabilities that theory expects (`priority_exact`), by which the means are chosen.
    effort : Effort
    seed : int
    on_step : function
        Told what was finished.

    Raises
    ------
    KeyboardInterrupt
        After Ctrl-C.
    """
    from airan_market.sim.estimation.experiment import until_precise
    from airan_market.sim.estimation.tandem import TandemModel

    looked_at = np.isin(np.arange(site.types), site.looked_at)
    rates = np.where(looked_at, site.own_rate_per_s, 0.0)
    rare = _rare(rates, expected, effort)
    shape = latency_s.shape
    p, error = np.full(shape, np.nan), np.full(shape, np.nan)
    paths = np.zeros(shape, dtype=np.int64)
    plain, batches = None, 2
    if looked_at.any():
        wanted = np.zeros(shape, dtype=bool)
        wanted[:, 0] = looked_at & ~rare[:, 0]
        horizon_s = FIRST_LOOK * effort.budget_tasks / effort.replications / float(rates.sum())
        if effort.warmup_s is not None and effort.warmup_s >= horizon_s:
            raise InputError(
                f"warmup = {effort.warmup_s}: must be below {horizon_s:.4g} s, the length of a "
                f"replication of {site.name}; more tasks or fewer replications make it longer"
            )
        plain = until_precise(
            TandemModel(site.servers, site.service_rate_per_s, rates),
            latency_s,
            seed=seed,
            horizon_s=horizon_s,
            relative=effort.relative,
            budget_tasks=effort.budget_tasks,
            wanted=wanted,
            first=effort.replications,
            warmup="mser5" if effort.warmup_s is None else effort.warmup_s,
            keep_interrupted=False,
        )
        on_step(f"{site.name}: {plain.played_tasks.sum():,} tasks in {len(plain)} replications")
    for n in np.flatnonzero(looked_at).tolist():
        for chosen, times in ((rare[n] & _first(shape[1]), PATHS_AT_AGREED), (rare[n], 1)):
            chosen = chosen & (paths[n] == 0)
            if chosen.any():
                number = _paths(site, n, latency_s[n, chosen].max(), times * effort.paths)
                batches = _add_rare(
                    site, rates, n, chosen, latency_s, number, seed, p, error, paths
                )
        on_step(f"{site.name}: rare violations of type {n + 1}")
    return Truth(latency_s, rare, p, error, paths, batches, plain, looked_at)


def _rare(rates: FloatArray, expected: FloatArray, effort: Effort) -> BoolArray:
    """Where the replications of the first look would see too few late tasks."""
    tasks = FIRST_LOOK * effort.budget_tasks * rates / max(rates.sum(), np.finfo(float).tiny)
    return expected * tasks[:, np.newaxis] < ENOUGH_LATE


def _paths(site: Offered, n: int, latency_s: float, wanted: int) -> int:
    """Paths of a rare-event run: fewer where each of them meets very many tasks."""
    met = float(site.load_per_s[n] * latency_s)
    return int(max(min(wanted, MOST_MET / max(met, 1.0)), min(wanted, LEAST_PATHS)))


def _first(points: int) -> BoolArray:
    return np.arange(points) == 0


def _add_rare(
    site: Offered,
    rates: FloatArray,
    n: int,
    chosen: BoolArray,
    latency_s: FloatArray,
    paths: int,
    seed: int,
    p: FloatArray,
    error: FloatArray,
    used: NDArray[np.int64],
) -> int:
    """Estimate chosen latencies of type n, write them into the arrays, return the batches."""
    from airan_market.sim.rare.rare_event import BATCHES, rare_tail

    found = rare_tail(
        latency_s[n, chosen], site.servers, site.service_rate_per_s, rates, n, seed=seed,
        paths=paths,
    )  # fmt: skip
    trusted = (found.probability > 0) & (found.largest_share <= GREATEST_SHARE)
    p[n, chosen] = np.where(trusted, found.probability, np.nan)
    error[n, chosen] = np.where(trusted, found.standard_error, np.nan)
    used[n, chosen] = paths
    return BATCHES
