"""One replication of a tandem: its tasks followed to their ends, and counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from airan_market.sim.arrays import FloatArray, IntArray
from airan_market.sim.engines.engine import simulate
from airan_market.sim.estimation.tandem import TandemModel
from airan_market.sim.estimation.warm_up import WarmUp
from airan_market.sim.trace import State

#: A run goes on for the last measured tasks, but beyond the horizon and the greatest latency no
#: longer than this many times the horizon; what is left then is named unfinished.
GREATEST_RUN_OUT = 1.0
FIRST_STEP = 1 / 40  # of the horizon; every further step beyond it is twice as long
MEASURED, PILOT = "replication", "warm-up pilot"  # purposes: pilots share no chance with the rest


@dataclass(frozen=True)
class MeasuredTasks:
    """Measured tasks of one replication in order of arrival, and how many were played in all."""

    type: IntArray
    arrival_s: FloatArray
    latency_s: FloatArray  # infinity: never seen to end
    played: int

    def of(self, type_: int) -> tuple[FloatArray, FloatArray]:
        """Arrivals and latencies of a type."""
        rows = self.type == type_
        return self.arrival_s[rows], self.latency_s[rows]


@dataclass(frozen=True, eq=False)
class Experiment:
    """Everything that a replication depends on but its number: N types, T latencies each.

    Attributes
    ----------
    model : TandemModel
    latency_s : (N, T) float
    seed : int
    horizon_s : float
    engine : str
    keep_latencies : bool
    warm_up : WarmUp
        Its `notes` belong in front of whoever reads the result.
    reference_s : (N, K) float
        Latencies that many tasks exceed; they say how bursty lateness is.
    """

    model: TandemModel
    latency_s: FloatArray
    seed: int
    horizon_s: float
    engine: str
    keep_latencies: bool
    warm_up: WarmUp
    reference_s: FloatArray

    @property
    def types(self) -> int:
        """N."""
        return len(self.model.arrival_rates_per_s)

    def play(self, purpose: str, replication: int) -> MeasuredTasks:
        """Play one replication until its measured tasks of unsaturated types are done."""
        model, servers = self.model, self.model.servers[np.newaxis]
        begin_s, end_s = self.warm_up.warm_up_s, self.horizon_s
        stream = model.arrivals(self.seed, replication, purpose)
        # by then a task is done, or later than every latency
        decided_s = end_s + float(self.latency_s.max(initial=0.0))
        last_s = decided_s + GREATEST_RUN_OUT * end_s
        until_s, step_s = end_s, FIRST_STEP * end_s
        state, traces, played = State.start(servers), [], 0
        while True:
            work = stream.until(until_s)
            played += len(work)
            trace, state = simulate(work, servers, until_s=until_s, state=state, engine=self.engine)
            traces.append(trace)
            measured = (state.arrival_s >= begin_s) & (state.arrival_s < end_s)
            hopeful = (measured & ~model.saturated[state.type]).any()
            if not measured.any() or until_s >= (last_s if hopeful else decided_s):
                break
            until_s, step_s = min(until_s + step_s, last_s), 2 * step_s
        left = state.select(measured)
        task, type_, arrival_s = (
            np.concatenate([getattr(part, name) for part in (*traces, left)])
            for name in ("task", "type", "arrival_s")
        )
        ended_s = [trace.latency_s for trace in traces]
        latency_s = np.concatenate([*ended_s, np.full(len(left), np.inf)])
        inside = np.flatnonzero((arrival_s >= begin_s) & (arrival_s < end_s))
        rows = inside[np.argsort(task[inside])]
        return MeasuredTasks(type_[rows], arrival_s[rows], latency_s[rows], played)

    def measure(self, replication: int) -> dict[str, Any]:
        """Play one replication and count; the row that it adds to each array of `Replications`."""
        tasks = self.play(MEASURED, replication)
        latencies = [np.sort(tasks.of(n)[1]) for n in range(self.types)]
        sums_s = np.array([part.sum() for part in latencies])
        return {
            "exceedances": _later(latencies, self.latency_s),
            "reference_exceedances": _later(latencies, self.reference_s),
            "tasks": np.array([part.size for part in latencies]),
            "unfinished": np.array([np.isinf(part).sum() for part in latencies]),
            "latency_sum_s": np.where(np.isfinite(sums_s), sums_s, np.nan),
            "played_tasks": tasks.played,
            "latencies_s": latencies if self.keep_latencies else None,
        }


def _later(latencies: list[FloatArray], limits_s: FloatArray) -> IntArray:
    """How many of the sorted latencies of each type are above each limit, (N, L)."""
    return np.array(
        [
            part.size - np.searchsorted(part, limit_s, side="right")
            for part, limit_s in zip(latencies, limits_s, strict=True)
        ]
    )
