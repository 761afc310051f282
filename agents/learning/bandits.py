"""Bandits: learners that choose one of several arms and see what that one paid."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from airan_market.sim.arrays import FloatArray


class Bandit(Protocol):
    """One that chooses an arm, and learns what it paid: a number from 0 to 1."""

    def choose(self, uniform: float) -> int:
        """Arm to play; what is left to chance is decided by a number from [0, 1)."""
        ...

    def learn(self, arm: int, reward: float) -> None:
        """Take note of a reward."""
        ...


class Exp3:
    """Exponential weights for exploration and exploitation, also against adversaries.

    p_i = (1 - γ) w_i / Σ w + γ / K, and w_i grows by the factor exp(γ x / (p_i K)) when arm i paid
    x. (Auer, Cesa-Bianchi, Freund and Schapire 2002, figure 1.)

    Parameters
    ----------
    arms : int
        K.
    gamma : float
        In (0, 1].

    Examples
    --------
    >>> learner = Exp3(2, 0.5)
    >>> learner.choose(0.6)
    1
    >>> learner.learn(1, 1.0)
    >>> learner.probability.round(4).tolist()  # 1/4 + 1/2 e^(1/2) / (1 + e^(1/2))
    [0.4388, 0.5612]
    """

    def __init__(self, arms: int, gamma: float) -> None:
        if not 0 < gamma <= 1:
            raise ValueError(f"gamma = {gamma}: must be above 0 and at most 1")
        self.gamma = gamma
        self._log_weight = np.zeros(arms)

    @property
    def probability(self) -> FloatArray:
        """p, (K,)."""
        weight = np.exp(self._log_weight - self._log_weight.max())
        mixed: FloatArray = (1 - self.gamma) * weight / weight.sum() + self.gamma / weight.size
        return mixed

    def choose(self, uniform: float) -> int:
        """Draw from p."""
        edges = np.cumsum(self.probability)
        return int(np.searchsorted(edges, uniform * edges[-1], side="right"))

    def learn(self, arm: int, reward: float) -> None:
        """Raise the weight of the arm."""
        _within_one(reward)
        kept = self.probability[arm] * self._log_weight.size
        self._log_weight[arm] += self.gamma * reward / kept


class Ucb1:
    """Upper confidence bounds: the arm with the largest mean + sqrt(2 ln t / n_i), each once first.

    (Auer, Cesa-Bianchi and Fischer 2002, figure 1.) Nothing is left to chance.

    Examples
    --------
    >>> learner = Ucb1(2)
    >>> for reward in (0.2, 0.9, 0.9):
    ...     arm = learner.choose(0.0)
    ...     learner.learn(arm, reward)
    >>> learner.pulls.tolist()
    [1, 2]
    """

    def __init__(self, arms: int) -> None:
        self.pulls = np.zeros(arms, dtype=np.int64)
        self._paid = np.zeros(arms)

    def choose(self, uniform: float = 0.0) -> int:
        """The arm with the largest bound, the first of several."""
        if (self.pulls == 0).any():
            return int(np.argmin(self.pulls))
        width = np.sqrt(2 * np.log(self.pulls.sum()) / self.pulls)
        return int(np.argmax(self._paid / self.pulls + width))

    def learn(self, arm: int, reward: float) -> None:
        """Count the pull and what it paid."""
        _within_one(reward)
        self.pulls[arm] += 1
        self._paid[arm] += reward


def _within_one(reward: float) -> None:
    if not 0 <= reward <= 1:
        raise ValueError(f"reward = {reward}: must be from 0 to 1")
