"""The RAN's own need of GPU instances, and the orchestrator that divides them (Section III).

Baseband processing comes first. Once a control period the RIC reports the load of the period that
has ended, and the orchestrator decides how many instances the RAN has in the next; the AI stage has
the rest, and loses instances in the middle of a service. Load is exogenous, so all decisions of a
run are known before it begins.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from airan_market.scenarios.schema.dynamics import Ran, RanPolicy
from airan_market.sim.arrays import FloatArray, IntArray
from airan_market.sim.streams import autoregression, stream
from airan_market.sim.traffic.rate_trace import RateTrace, read_rates


@dataclass(frozen=True, eq=False)
class RanControl:
    """Loads and decisions of one operator.

    Attributes
    ----------
    time_s : array (K,)
        Begin of each control period.
    need : array (K,) of float
        Instances that the RAN's load asks for in the period, at most the peak.
    given : array (K,) of int
        Instances that it has.
    """

    time_s: FloatArray
    need: FloatArray
    given: IntArray

    def between(self, start_s: float, end_s: float) -> tuple[float, float]:
        """Mean of the instances given, and part of the time in which the RAN had too few."""
        edges = np.append(self.time_s, np.inf)
        part_s = np.clip(np.minimum(edges[1:], end_s) - np.maximum(edges[:-1], start_s), 0, None)
        short = self.need > self.given
        total_s = part_s.sum()
        return float((part_s * self.given).sum() / total_s), float(part_s[short].sum() / total_s)


def controls(ran: Ran, operators: int, end_s: float, seed: int) -> list[RanControl]:
    """Loads and decisions of all operators until `end_s`, each from `stream(seed, "ran", m)`.

    Raises
    ------
    airan_market.sim.traffic.trace_file.TraceError
        When a trace of loads cannot be read.
    """
    periods = int(np.ceil(end_s / ran.control_period_s))
    time_s: FloatArray = ran.control_period_s * np.arange(periods, dtype=np.float64)
    trace = read_rates(ran.trace, ran.column, time=ran.time) if ran.trace else None
    found = []
    for m in range(operators):
        need = ran.peak_gpus * ran_load(ran, time_s, stream(seed, "ran", m), trace)
        found.append(RanControl(time_s, need, decided(ran.policy, need, ran.peak_gpus)))
    return found


def ran_load(
    ran: Ran, time_s: FloatArray, rng: np.random.Generator, trace: RateTrace | None = None
) -> FloatArray:
    """Load in every control period, as a part of the peak: never more than 1.

    A daily rhythm times lognormal noise, ρ(t) = ρ̄ (1 + s sin 2πt/T) exp(x − σ²/2), x a stationary
    first-order autoregression with standard deviation σ that forgets with its memory; or a trace
    over its peak. A load beyond the peak is the peak: what the RAN cannot use it does not ask for.

    Examples
    --------
    >>> calm = Ran(peak_gpus=4, noise=0.0, mean_load=0.4, swing=0.5, day_s=4.0)
    >>> ran_load(calm, np.arange(4.0), np.random.default_rng(1)).round(3).tolist()
    [0.4, 0.6, 0.4, 0.2]
    """
    if trace is not None:
        return np.minimum(trace.at(time_s) / ran.trace_peak, 1.0)
    rhythm = ran.mean_load * (1 + ran.swing * np.sin(2 * np.pi * time_s / ran.day_s))
    noise = autoregression(rng, time_s.size, ran.control_period_s / ran.noise_memory_s)
    return np.minimum(rhythm * np.exp(ran.noise * noise - ran.noise**2 / 2), 1.0)


def decided(policy: RanPolicy, need: FloatArray, peak: int) -> IntArray:
    """Instances of the RAN in every period, from the needs of the periods before it.

    In the first period it has what it needs.

    Parameters
    ----------
    policy : RanPolicy
    need : array (K,)
    peak : int

    Examples
    --------
    >>> need = np.array([1.0, 1.9, 1.9, 0.4, 0.4])
    >>> decided(RanPolicy(kind="fixed", reserve=0.5), need, 4).tolist()
    [2, 2, 2, 2, 2]
    >>> decided(RanPolicy(kind="threshold"), need, 4).tolist()  # one period late, one step at once
    [1, 2, 3, 3, 2]
    """
    if policy.kind == "fixed":
        return np.full(need.size, int(np.ceil(policy.reserve * peak)), dtype=np.int64)
    given = np.empty(need.size, dtype=np.int64)
    level, trend, now = float(need[0]) if need.size else 0.0, 0.0, 0
    for k in range(need.size):
        if k == 0:
            now = max(1, int(np.ceil(need[0])))
        elif policy.kind == "threshold":
            seen = need[k - 1]
            if seen > policy.high * now:
                now = min(now + 1, peak)
            elif seen < policy.low * now:
                now = max(now - 1, 1)
        else:
            before = level
            level = policy.memory * (level + trend) + (1 - policy.memory) * need[k - 1]
            trend = policy.memory * trend + (1 - policy.memory) * (level - before)
            now = int(np.clip(np.ceil(level + trend + policy.margin * peak), 1, peak))
        given[k] = now
    return given
