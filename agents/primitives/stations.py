"""The stations of a scenario: their servers, their rates, and how they are played."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from airan_market.scenarios import (
    FadingRate,
    MeasuredRate,
    Operator,
    PactScenario,
    RadioStage,
    Scenario,
)
from airan_market.scenarios.registry import DISCIPLINES, RegistryError
from airan_market.scenarios.schema.checks.consistency import CONTINUOUS, PREEMPTIVE
from airan_market.sim.arrays import FloatArray, IntArray
from airan_market.sim.streams import autoregression, stream
from airan_market.sim.traffic.rate_trace import RateSteps, RateTrace, read_rates
from airan_market.sim.traffic.trace_file import stamp
from airan_market.sim.workload import STAGES


def engine_of(scenario: Scenario | PactScenario) -> dict[str, Any]:
    """Engine and discipline of a scenario, as keywords of `sim.simulate`.

    Raises
    ------
    RegistryError
        When the discipline cannot be had.

    Examples
    --------
    >>> from airan_market.scenarios import load_scenario
    >>> patient = ["simulation.engine=simpy", "simulation.discipline=non-preemptive"]
    >>> engine_of(load_scenario("teleoperation", patient))["station"].__name__
    'NonPreemptive'
    """
    simulation = scenario.simulation
    if simulation.discipline == PREEMPTIVE:
        return {"engine": simulation.engine}
    from airan_market.sim.engines.station import Station  # SimPy is for those who need it

    station = DISCIPLINES.get(simulation.discipline)
    if not (isinstance(station, type) and issubclass(station, Station)):
        raise RegistryError(f"discipline {simulation.discipline!r}: must be a subclass of Station")
    asked = getattr(simulation, "batching", None)
    if asked is not None and simulation.discipline == CONTINUOUS:
        from airan_market.sim.engines.batching import Batching
        from airan_market.sim.engines.batching_counted import batching

        station = batching(Batching(**dict(asked)), _token_times(scenario, asked.bits_per_token))
    return {"engine": simulation.engine, "station": station}


def _token_times(scenario: Any, bits_per_token: float | None) -> list[tuple[float, float]]:
    """Time of a token at uplink and downlink of every operator, s; none where tokens are derived.

    The scenario is checked: where tokens are counted in bits, radio rates are numbers.
    """
    if bits_per_token is None:
        return []
    return [
        (bits_per_token / operator.uplink.rate_bps, bits_per_token / operator.downlink.rate_bps)
        for operator in scenario.operators
    ]


def discipline_notes(scenario: Scenario | PactScenario) -> list[str]:
    """Say that beliefs and theory do not reckon with another discipline."""
    discipline = scenario.simulation.discipline
    said = f"Stations serve by {discipline!r}; beliefs and theory reckon with {PREEMPTIVE!r}."
    return [] if discipline == PREEMPTIVE else [said]


def servers_of(operators: Sequence[Operator]) -> IntArray:
    """Servers by operator and stage, (M, 3)."""
    return np.array(
        [[o.uplink.servers, o.gpu.servers, o.downlink.servers] for o in operators], dtype=np.int64
    )


def rates_of(operators: Sequence[Operator]) -> FloatArray:
    """Rate of one server by operator and stage, (M, 3): bit/s, FLOP/s, bit/s.

    Of a rate that was measured over time, 1 / E[1 / rate].

    Raises
    ------
    airan_market.sim.traffic.trace_file.TraceError
        When a measured rate cannot be read.
    """
    return np.array(
        [[_mean(o.uplink), o.gpu.rate_flop_per_s, _mean(o.downlink)] for o in operators]
    )


def _mean(radio: RadioStage) -> float:
    rate = radio.rate_bps
    if isinstance(rate, FadingRate):  # 1 / E[1 / rate] of a lognormal rate
        return rate.mean_bps * math.exp(-(rate.fading**2))
    return _read(rate, stamp(rate.trace)).mean_rate if isinstance(rate, MeasuredRate) else rate


def measured_rates(operators: Sequence[Operator]) -> dict[tuple[int, int], RateTrace]:
    """Rates that were measured over time, by (operator, stage)."""
    return {
        (m, stage): _read(radio.rate_bps, stamp(radio.rate_bps.trace))
        for m, operator in enumerate(operators)
        for stage, radio in ((0, operator.uplink), (2, operator.downlink))
        if isinstance(radio.rate_bps, MeasuredRate)
    }


@lru_cache(maxsize=16)
def _read(measured: MeasuredRate, stamp: int) -> RateTrace:
    return read_rates(**dict(measured))


def fading_rates(
    operators: Sequence[Operator], end_s: float, seed: int
) -> dict[tuple[int, int], RateSteps]:
    """Rates that fade, by (operator, stage), a value a second, from `stream(seed, "fading", m, s)`.

    ln R is a stationary first-order autoregression; E[R] is the mean that was asked for.
    """
    found = {}
    for m, operator in enumerate(operators):
        for stage, radio in ((0, operator.uplink), (2, operator.downlink)):
            rate = radio.rate_bps
            if isinstance(rate, FadingRate):
                rng = stream(seed, "fading", m, stage)
                noise = autoregression(rng, int(end_s) + 2, 1 / rate.memory_s)
                spread = rate.fading
                values = rate.mean_bps * np.exp(spread * noise - spread**2 / 2)
                found[m, stage] = RateSteps(np.arange(len(values)), values)
    return found


def rate_notes(operators: Sequence[Operator]) -> list[str]:
    """Say which rates were measured, and with what operators reckon."""
    return [
        f"The rate of the {STAGES[stage]} of {operators[m].name} follows a trace of "
        f"{trace.period_s:.4g} s; operators reckon with 1 / E[1 / rate] = {trace.mean_rate:.4g} "
        f"bit/s. {trace.left_out} of its {len(trace) + trace.left_out} rows are left out."
        for (m, stage), trace in measured_rates(operators).items()
    ]
