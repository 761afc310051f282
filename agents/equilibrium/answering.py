"""Operators answer one another in turn until none has a better answer, or it goes round.

Best responses one after the other (Gauss and Seidel). The first rounds go all the way to the
answer, later ones half of it: chosen by experiment on the default market, where whole steps drift
for ever, steps halved again and again stop before they arrive, and half steps arrive from every
start, one after the other or all at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from airan_market.agents.equilibrium.answer import Rules, best_answer
from airan_market.agents.equilibrium.profile import Profile, accounts_of
from airan_market.agents.mechanism.mixed import iterate
from airan_market.agents.primitives.primitives import Primitives
from airan_market.sim.arrays import FloatArray
from airan_market.sim.streams import stream

WHOLE = 8  # rounds of whole steps; with margins, that are undercut by little, so many times more
WHOLE_WITH_MARGINS = 40
ROUNDS = 120  # at most
REST = 1e-7  # of all profits: a round in which nobody gains more is the last
AGAIN, APART = 0.01, 0.03  # distances of a profile that comes again, and of one that moved


@dataclass(frozen=True, eq=False)
class Play:
    """Where operators that answer one another arrive.

    Attributes
    ----------
    profile : Profile
        The last one.
    gains_usd_per_s : array (R, M)
        What each answer gained when it was given, by round.
    profit_usd_per_s : array (R, M)
        Of all operators after every round.
    settled : bool
        Whether nobody gained any more.
    cycle_rounds : int
        Rounds after which whole answers bring the same profile again; 0 where they do not, or
        where it settled.
    """

    profile: Profile
    gains_usd_per_s: FloatArray
    profit_usd_per_s: FloatArray
    settled: bool
    cycle_rounds: int = 0


def play(
    primitives: Primitives, start: Profile, rules: Rules | None = None, rounds: int = ROUNDS
) -> Play:
    """Answer in turn from a start.

    Examples
    --------
    >>> from airan_market.scenarios import load_scenario
    >>> two = ["users.latency_sensitivity_usd_per_s=[8e-4, 1e-4]", "users.shares=[0.5, 0.5]"]
    >>> market = Primitives.from_scenario(load_scenario("teleoperation", two))
    >>> play(market, Profile(np.full((3, 2), 0.5), np.zeros(3)), rounds=1).settled
    False
    """
    rules = rules or Rules()
    whole = WHOLE_WITH_MARGINS if rules.margins else WHOLE
    profile, gains, profits, settled = start, [], [], False
    for number in range(rounds):
        profile, gain = answer_round(primitives, profile, rules, 1.0 if number < whole else 0.5)
        gains.append(gain)
        profits.append(accounts_of(primitives, profile).operator_utility_usd_per_s)
        settled = bool(gain.max() <= REST * np.abs(profits[-1]).sum())
        if settled:
            break
    cycle = 0 if settled else cycle_of(primitives, profile, rules, rounds // 2)
    return Play(profile, np.array(gains), np.array(profits), settled, cycle)


def answer_round(
    primitives: Primitives, profile: Profile, rules: Rules, part: float
) -> tuple[Profile, FloatArray]:
    """One answer of every operator in turn, and what each gained by it."""
    gains = np.zeros(primitives.operators)
    for m in range(primitives.operators):
        found = best_answer(primitives, profile, m, rules)
        gains[m] = found.gain_usd_per_s
        profile = profile.towards(profile.of(m, found.latency_s, found.margin_usd), part)
    return profile, gains


def cycle_of(primitives: Primitives, profile: Profile, rules: Rules, rounds: int) -> int:
    """Rounds after which whole answers come to the same profile again, having left it; or 0."""
    seen = [profile]
    for _ in range(rounds):
        profile, _ = answer_round(primitives, profile, rules, 1.0)
        for back in range(2, len(seen) + 1):
            moved = max(apart(primitives, profile, one) for one in seen[-back + 1 :])
            if apart(primitives, profile, seen[-back]) <= AGAIN and moved >= APART:
                return back
        seen.append(profile)
    return 0


def apart(primitives: Primitives, one: Profile, other: Profile) -> float:
    """Distance of two profiles, in units of L_max and of the largest service value."""
    value = float(primitives.service_value_usd.max())
    return one.distance(other, primitives.mechanism.latency_max_s, value)


def starts(primitives: Primitives, count: int, seed: int, rules: Rules) -> Iterator[Profile]:
    """Yield profiles to begin from: Algorithm 1's menus, then random ones in order of the types.

    Latencies are uniform between the bounds, or so in the logarithm, every other time; margins,
    where free, uniform up to the service value.
    """
    settings, shape = primitives.mechanism, (primitives.operators, primitives.types)
    states = list(iterate(primitives))
    yield Profile(states[-1].menu.latency_s, np.zeros(shape[0]))
    low, high = settings.latency_min_s, settings.latency_max_s
    for number in range(1, count):
        chance = stream(seed, "equilibrium", number)
        latency_s = chance.uniform(low, high, shape)
        if number % 2 == 0:
            latency_s = np.exp(chance.uniform(np.log(low), np.log(high), shape))
        margin = chance.uniform(0.0, primitives.service_value_usd) * rules.margins
        yield Profile(np.sort(latency_s, axis=1), margin)


def returns(
    primitives: Primitives, rest: Profile, rules: Rules, *, size: float, part: float, rounds: int,
    seed: int = 0,
) -> float:  # fmt: skip
    """Distance from a profile after some rounds, over that of a random push of it: its stability.

    Below 1 play comes back, above 1 it leaves. `size` is in units of L_max, `part` the step.
    """
    chance = stream(seed, "push")
    settings = primitives.mechanism
    push = size * settings.latency_max_s * chance.uniform(-1.0, 1.0, rest.latency_s.shape)
    latency_s = np.clip(rest.latency_s + push, settings.latency_min_s, settings.latency_max_s)
    profile = Profile(np.maximum.accumulate(latency_s, axis=1), rest.margin_usd)
    before = apart(primitives, profile, rest)
    for _ in range(rounds):
        profile, _ = answer_round(primitives, profile, rules, part)
    return apart(primitives, profile, rest) / before
