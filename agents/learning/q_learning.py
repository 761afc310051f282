"""Q-learners that play one another for ever, with a memory of one period."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit

from airan_market.sim.arrays import FloatArray, IntArray


@dataclass(frozen=True)
class QLearning:
    """Settings of learners; the defaults are those of Calvano and others (2020), section III.

    Attributes
    ----------
    step : float
        α, weight of what is new.
    decay : float
        β: in period t a learner tries any action with probability exp(-β t).
    discount : float
        δ.
    patience : int
        Periods without a change of any best action after which a session is over.
    periods : int
        After which it is broken off.
    """

    step: float = 0.15
    decay: float = 4e-6
    discount: float = 0.95
    patience: int = 100_000
    periods: int = 10_000_000


@dataclass(frozen=True, eq=False)
class Session:
    """Where learners came to.

    Attributes
    ----------
    profit : array (n,)
        Mean over the cycle that their strategies end in.
    profiles : array (length of the cycle, n)
        Actions of that cycle.
    periods : int
    settled : bool
        Whether no best action changed for as long as asked.
    """

    profit: FloatArray
    profiles: IntArray
    periods: int
    settled: bool


def learn(
    payoff: FloatArray, actions: int, seed: int, settings: QLearning | None = None
) -> Session:
    """Have learners play a game until none changes its mind.

    Q_i(s, a) moves by α towards π_i + δ max_b Q_i(s', b), where s is what all played last; it
    begins at the discounted profit of a against rivals who play anything.

    Parameters
    ----------
    payoff : array (A^n, n)
        Of every profile; the action of player 1 varies fastest.
    actions : int
        A.
    seed : int
    settings : QLearning, optional

    Examples
    --------
    >>> prisoners = np.array([[3.0, 3], [4, 0], [0, 4], [1, 1]])  # 1: defect
    >>> quick = QLearning(decay=1e-3, patience=2_000, discount=0.0)
    >>> learn(prisoners, 2, 1, quick).profiles.tolist()
    [[1, 1]]
    """
    settings = settings or QLearning()
    players = payoff.shape[1]
    if payoff.shape[0] != actions**players:
        raise ValueError(f"payoff {payoff.shape}: must have {actions}^{players} rows")
    place = np.arange(actions**players)
    value = np.empty((players, place.size, actions))
    for i in range(players):
        own = place // actions**i % actions
        mean = [payoff[own == a, i].mean() / (1 - settings.discount) for a in range(actions)]
        value[i] = mean
    last, periods, quiet = _play(
        np.ascontiguousarray(payoff), actions, value, np.random.default_rng(seed), settings.step,
        settings.decay, settings.discount, settings.patience, settings.periods,
    )  # fmt: skip
    best, powers = value.argmax(axis=2), actions ** np.arange(players)
    seen: dict[int, int] = {}
    states: list[int] = []
    state = int(last)
    while state not in seen:
        seen[state] = len(states)
        states.append(state)
        state = int((best[:, state] * powers).sum())
    cycle = np.array(states[seen[state] :])
    profiles = cycle[:, np.newaxis] // powers % actions
    return Session(payoff[cycle].mean(axis=0), profiles, periods, quiet >= settings.patience)


@njit(cache=True)
def _play(
    payoff: Any, actions: Any, value: Any, rng: Any, step: Any, decay: Any, discount: Any,
    patience: Any, most: Any,
) -> Any:  # fmt: skip
    """Play on; the table `value` (n, A^n, A) is left as learned."""
    players = payoff.shape[1]
    state = rng.integers(0, payoff.shape[0])
    quiet = period = 0
    chosen = np.empty(players, np.int64)
    while quiet < patience and period < most:
        explore = np.exp(-decay * period)
        to, power = 0, 1
        for i in range(players):
            if rng.random() < explore:
                chosen[i] = rng.integers(0, actions)
            else:
                chosen[i] = np.argmax(value[i, state])
            to += chosen[i] * power
            power *= actions
        quiet += 1
        for i in range(players):
            own = value[i, state]
            before = np.argmax(own)
            target = payoff[to, i] + discount * value[i, to].max()
            own[chosen[i]] = (1 - step) * own[chosen[i]] + step * target
            if np.argmax(own) != before:
                quiet = 0
        state = to
        period += 1
    return state, period, quiet
