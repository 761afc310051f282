"""Bandits that play a game against one another, again and again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from airan_market.agents.learning.bandits import Bandit
from airan_market.sim.arrays import FloatArray, IntArray
from airan_market.sim.streams import stream


def repeat(
    payoff: FloatArray, actions: int, players: Sequence[Bandit], rounds: int, seed: int
) -> IntArray:
    """Actions (rounds, n) of bandits, each of which sees what its own action paid.

    Rewards are payoffs laid over [0, 1], from the least to the largest of the game.

    Parameters
    ----------
    payoff : array (A^n, n)
        The action of player 1 varies fastest.
    actions : int
        A.
    players : sequence of Bandit
    rounds : int
    seed : int
        Player i draws from `stream(seed, "bandit", i)`.

    Examples
    --------
    >>> from airan_market.agents.learning.bandits import Ucb1
    >>> prisoners = np.array([[3.0, 3], [4, 0], [0, 4], [1, 1]])  # 1: defect
    >>> played = repeat(prisoners, 2, [Ucb1(2), Ucb1(2)], 2000, 1)
    >>> bool((played[:, 0] == played[:, 1]).all()), bool(played.mean() < 0.2)  # alike: no traitor
    (True, True)
    """
    least, most = payoff.min(), payoff.max()
    powers = actions ** np.arange(len(players))
    uniforms = [stream(seed, "bandit", i).random(rounds) for i in range(len(players))]
    played = np.empty((rounds, len(players)), dtype=np.int64)
    for t in range(rounds):
        chosen = [p.choose(float(u[t])) for p, u in zip(players, uniforms, strict=True)]
        played[t] = chosen
        paid = (payoff[int((played[t] * powers).sum())] - least) / (most - least)
        for player, arm, reward in zip(players, chosen, paid, strict=True):
            player.learn(arm, float(reward))
    return played
