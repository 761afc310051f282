"""Demand that follows days and weeks."""

from __future__ import annotations

import numpy as np

from airan_market.scenarios.schema.dynamics import Rhythm
from airan_market.sim.arrays import FloatArray
from airan_market.sim.traffic.rate_trace import read_rates

DAYS, WEEKEND = 7, 5  # a week begins on Monday
SAMPLES = 24  # moments of a round at which a trace is read


def demand_factors(rhythm: Rhythm | None, starts_s: FloatArray) -> FloatArray:
    """Demand of the warm-up and of every round over its long-run mean, (rounds + 1,).

    f(t) = 1 + s cos 2π(h − h₀)/24 + s₂ cos 4π(h − h₀)/24 at the middle of the round, h the hour of
    the day, times the factor of a weekend, over the mean of a week; or the mean rate of a trace in
    the round, over its mean. Never below 0: a swing of both harmonics may ask for that, and a
    demand has to be a demand.

    Examples
    --------
    >>> day = Rhythm(day_s=4.0, swing=0.5, peak_hour=12.0)
    >>> demand_factors(day, np.array([0.0, 1.0, 3.0, 5.0])).round(3).tolist()
    [0.646, 1.5, 0.5]
    """
    rounds = len(starts_s) - 1
    if rhythm is None:
        return np.ones(rounds)
    if rhythm.trace is not None:
        trace = read_rates(rhythm.trace, rhythm.column, time=rhythm.time)
        part = (np.arange(SAMPLES) + 0.5) / SAMPLES
        moments = starts_s[:-1, np.newaxis] + np.diff(starts_s)[:, np.newaxis] * part
        level = trace.at(moments * rhythm.speed_up).mean(axis=1)
        return level / trace.rate.mean()
    middle_s = (starts_s[:-1] + starts_s[1:]) / 2
    hour = 24 * middle_s / rhythm.day_s
    angle = 2 * np.pi * (hour - rhythm.peak_hour) / 24
    wave = 1 + rhythm.swing * np.cos(angle) + rhythm.second_swing * np.cos(2 * angle)
    weekend = (middle_s / rhythm.day_s) % DAYS >= WEEKEND
    mean = (WEEKEND + (DAYS - WEEKEND) * rhythm.weekend) / DAYS
    return np.maximum(wave, 0.0) * np.where(weekend, rhythm.weekend, 1.0) / mean
