"""How a market moves: settling, overshoot, cycles, concentration, and what is lost on the way."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import comb

import numpy as np
import pandas as pd

from airan_market.agents.contract.utility import Accounts
from airan_market.agents.primitives.primitives import Primitives
from airan_market.agents.solution.solver import arrive
from airan_market.agents.world.conditions import Conditions
from airan_market.agents.world.timeline import Timeline
from airan_market.scenarios import Scenario
from airan_market.sim.arrays import FloatArray

BAND = 0.02  # of the level that is arrived at: inside of it a market has settled
FALSE_ALARM = 0.01  # of the test for a cycle
LEAST_ROUNDS = 12  # that a cycle is looked for in


@dataclass(frozen=True)
class Shock:
    """What followed a change of the conditions.

    Attributes
    ----------
    round : int
        From which the conditions held.
    events : tuple of str
    settled_after : int or None
        Rounds until expected welfare stayed within `BAND` of the level before the next change (the
        mean of its last third); None when it did not.
    overshoot : float
        How far it went beyond that level at most, as a part of the step from the level before; 0
        when it did not, NaN without a step.
    """

    round: int
    events: tuple[str, ...]
    settled_after: int | None
    overshoot: float


def shocks(series: FloatArray, changes: list[tuple[int, tuple[str, ...]]]) -> list[Shock]:
    """Settling and overshoot after every change.

    Parameters
    ----------
    series : array (rounds,)
        Of round 1 and on.
    changes : list of (round, events)
        In order.

    Examples
    --------
    >>> path = np.array([1.0, 1.0, 2.2, 2.1, 2.0, 2.0, 2.0])
    >>> shock = shocks(path, [(3, ("demand 36",))])[0]
    >>> shock.settled_after, round(shock.overshoot, 6)
    (2, 0.2)
    """
    found = []
    edges = [round_ for round_, _ in changes] + [len(series) + 1]
    for (first, end), (_, events) in zip(pairwise(edges), changes, strict=True):
        path = series[first - 1 : end - 1]
        level = float(path[-max(1, len(path) // 3) :].mean())
        inside = np.abs(path - level) <= BAND * abs(level)
        outside = np.flatnonzero(~inside)
        after = 0 if not outside.size else int(outside[-1]) + 1
        before = float(series[first - 2]) if first > 1 else np.nan
        step = level - before
        beyond = float(np.max((path - level) * np.sign(step))) if step else 0.0
        over = max(beyond, 0.0) / abs(step) if step else np.nan
        found.append(Shock(first, events, after if after < len(path) else None, over))
    return found


def cycle(series: FloatArray, false_alarm: float = FALSE_ALARM) -> float | None:
    """Period of a cycle in rounds, None where the series looks like noise around a line.

    Fisher's test: of the periodogram of what a line leaves, the largest ordinate over their sum,
    among the periods of at most a third of the rounds: a slower one is a drift, or the way to rest,
    as likely as a cycle. Under white noise its law is exact, so
    `false_alarm` is the probability of a cycle where there is none; where noise is autocorrelated
    there are more.

    References
    ----------
    R. A. Fisher, "Tests of significance in harmonic analysis", Proc. R. Soc. A 125 (1929) 54-59.

    Examples
    --------
    >>> rounds = np.arange(40)
    >>> cycle(np.sin(2 * np.pi * rounds / 8)), cycle(1.0 * rounds)
    (8.0, None)
    """
    n = len(series)
    if n < LEAST_ROUNDS:
        return None
    time = np.arange(n)
    rest = series - np.polyval(np.polyfit(time, series, 1), time)
    if np.abs(rest).max() <= 1e-9 * max(np.abs(series).max(), 1e-300):
        return None
    power = np.abs(np.fft.rfft(rest))[3 : (n + 1) // 2] ** 2  # whole periods, from n/3 down
    share = power.max() / power.sum()
    if fisher_tail(share, power.size) > false_alarm:
        return None
    return float(n / (3 + int(power.argmax())))


def fisher_tail(share: float, ordinates: int) -> float:
    """P(largest of `ordinates` exponential ordinates > `share` of their sum).

    Examples
    --------
    >>> round(fisher_tail(0.5, 2), 12), round(fisher_tail(0.9, 2), 12)
    (1.0, 0.2)
    """
    terms = range(1, int(1 / share) + 1)
    total = sum(
        (-1) ** (j - 1) * comb(ordinates, j) * max(1 - j * share, 0.0) ** (ordinates - 1)
        for j in terms
    )
    return float(min(max(total, 0.0), 1.0))


def concentration(users: FloatArray) -> FloatArray:
    """Herfindahl index of users by operator, the last axis; NaN where there are none.

    Examples
    --------
    >>> concentration(np.array([[10.0, 10.0], [20.0, 0.0]])).tolist()
    [0.5, 1.0]
    """
    total = users.sum(axis=-1, keepdims=True)
    part = np.divide(users, total, out=np.full(users.shape, np.nan), where=total > 0)
    return (part**2).sum(axis=-1)


def static_welfare(scenario: Scenario, timeline: Timeline) -> FloatArray:
    """Welfare in every round if Algorithm 1 had settled under its conditions, USD/s, (rounds,)."""
    known: dict[int, float] = {}
    found = []
    for round_ in range(1, scenario.simulation.rounds + 1):
        conditions = timeline.conditions(round_)
        if id(conditions) not in known:
            known[id(conditions)] = _settled_welfare(conditions)
        found.append(known[id(conditions)])
    return np.array(found)


def _settled_welfare(conditions: Conditions) -> float:
    if not conditions.open.any():
        return 0.0
    market: Primitives = conditions.primitives.of_operator(np.flatnonzero(conditions.open))
    return float(Accounts.of(market, arrive(market)).social_welfare_usd_per_s)


def borne_by_type(rounds: pd.DataFrame, first: int) -> pd.DataFrame:
    """Users' realised utility and violated part by type, before a round and from it on."""
    after = rounds["round"] >= first
    grouped = rounds.assign(after=after).groupby(["type", "after", "round"])
    sums = grouped[["user_utility_realised_usd_per_s", "tasks", "violations"]].sum()
    table = sums.groupby(["type", "after"]).agg(
        utility_usd_per_s=("user_utility_realised_usd_per_s", "mean"),
        tasks=("tasks", "sum"),
        violations=("violations", "sum"),
    )
    table["violated"] = table["violations"] / table["tasks"].where(table["tasks"] > 0)
    return table.reset_index()
