"""Demand that follows days and weeks."""

from __future__ import annotations

import numpy as np

from airan_market.scenarios.schema.dynamics import Rhythm
from airan_market.sim.arrays import FloatArray
from airan_market.sim.streams import autoregression, stream
from airan_market.sim.traffic.rate_trace import RateTrace, read_rates
from airan_market.sim.traffic.trace_file import TraceError

DAYS, WEEKEND = 7, 5  # a week begins on Monday
SAMPLES = 24  # moments of a round at which a trace is read


def demand_factors(rhythm: Rhythm | None, starts_s: FloatArray, seed: int) -> FloatArray:
    """Demand of the warm-up and of every round over its long-run mean, (rounds + 1,).

    f(t) = 1 + s cos 2π(h − h₁)/24 + s₂ cos 4π(h − h₂)/24 at the middle of the round, h the hour of
    the day, times the factor of a weekend over its mean in a week, times lognormal noise of mean 1
    with an exponential memory from `stream(seed, "rhythm")`; or the mean rate of a trace in the
    round, over its mean. Never below 0: both swings together may ask for that, and a demand has to
    be a demand.

    Raises
    ------
    airan_market.sim.traffic.trace_file.TraceError
        When the trace cannot be read.

    Examples
    --------
    >>> day = Rhythm(day_s=4.0, swing=0.5, peak_hour=12.0)
    >>> demand_factors(day, np.array([0.0, 1.0, 3.0, 5.0]), 1).round(3).tolist()
    [0.646, 1.5, 0.5]
    """
    rounds = len(starts_s) - 1
    if rhythm is None:
        return np.ones(rounds)
    if rhythm.trace is not None:
        trace = _read(rhythm)
        part = (np.arange(SAMPLES) + 0.5) / SAMPLES
        moments = starts_s[:-1, np.newaxis] + np.diff(starts_s)[:, np.newaxis] * part
        level = trace.at(moments * rhythm.speed_up).mean(axis=1)
        return level / trace.rate.mean()
    middle_s = (starts_s[:-1] + starts_s[1:]) / 2
    hour = 2 * np.pi * middle_s / rhythm.day_s
    wave = 1 + rhythm.swing * np.cos(hour - 2 * np.pi * rhythm.peak_hour / 24)
    wave += rhythm.second_swing * np.cos(2 * hour - 4 * np.pi * rhythm.second_peak_hour / 24)
    weekend = (middle_s / rhythm.day_s) % DAYS >= WEEKEND
    mean = (WEEKEND + (DAYS - WEEKEND) * rhythm.weekend) / DAYS
    round_s = float(np.diff(middle_s)[-1]) if rounds > 1 else 1.0
    path = autoregression(stream(seed, "rhythm"), rounds, round_s / rhythm.noise_memory_s)
    noise = np.exp(rhythm.noise * path - rhythm.noise**2 / 2)
    return np.maximum(wave, 0.0) * np.where(weekend, rhythm.weekend, 1.0) / mean * noise


def _read(rhythm: Rhythm) -> RateTrace:
    assert rhythm.trace is not None
    if rhythm.format == "columns":
        return read_rates(rhythm.trace, rhythm.column, time=rhythm.time)
    try:
        start_s, rate = np.loadtxt(rhythm.trace, delimiter=",", usecols=(0, 1), unpack=True)
        kept = np.isfinite(rate) & (rate > 0)  # a window without requests has no rate
        return RateTrace(start_s[kept] - start_s[kept][0], rate[kept], int((~kept).sum()))
    except (OSError, ValueError, IndexError) as error:
        raise TraceError([f"{rhythm.trace}: not windows of start, rate, ...: {error}"]) from None
