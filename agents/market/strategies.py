"""The mixed strategies of many users: users who are alike share one, and act in bulk."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from airan_market.agents.matching.assignment import OUT
from airan_market.sim.arrays import BoolArray, FloatArray, IntArray

BLOCK = 1 << 15  # numbers added up at a time: they stay in the cache


@dataclass(frozen=True, eq=False)
class Strategies:
    """The strategies that users have, each once, and who has which.

    Attributes
    ----------
    different : array (K, M)
        Probability of each operator.
    which : array (U,) of int
        Row of every user.

    Examples
    --------
    >>> both, none = np.array([0.5, 0.25]), np.zeros(2)
    >>> three = Strategies.of([both, none, both])
    >>> three.different.shape, three.which.tolist(), three.mean(slice(0, 2)).tolist()
    ((2, 2), [0, 1, 0], [0.25, 0.125])
    >>> three.draw(np.array([0.6, 0.6, 0.8])).tolist()
    [1, -1, -1]
    """

    different: FloatArray
    which: IntArray

    @classmethod
    def of(cls, given: Sequence[FloatArray]) -> Strategies:
        """Those of all users, in their order; arrays that are one object count as one."""
        row_of: dict[int, int] = {}
        which = [row_of.setdefault(id(strategy), len(row_of)) for strategy in given]
        by_id = {id(strategy): strategy for strategy in given}
        different = np.array([by_id[number] for number in row_of], dtype=float)
        return cls(different, np.array(which, dtype=np.int64))

    def mean(self, users: slice | BoolArray | IntArray) -> FloatArray:
        """Mean strategy of some users, (M,), added up user by user."""
        which = self.which[users]
        rows = max(1, BLOCK // self.different.shape[1])
        total = self.different[which[:rows]].sum(axis=0)
        for first in range(rows, len(which), rows):
            block = self.different[which[first : first + rows]]
            total = np.concatenate([total[np.newaxis], block]).sum(axis=0)
        return total / len(which)

    def draw(self, uniforms: FloatArray) -> IntArray:
        """Operator that each user draws, `OUT` if it stays out: `assignment.draw` for all.

        Parameters
        ----------
        uniforms : array (U,)
            Numbers in [0, 1).
        """
        chosen = np.empty(len(self.which), dtype=np.int64)
        order = np.argsort(self.which, kind="stable")
        ends = np.cumsum(np.bincount(self.which, minlength=len(self.different)))
        for edges, users in zip(
            np.cumsum(self.different, axis=1), np.split(order, ends[:-1]), strict=True
        ):
            chosen[users] = np.searchsorted(edges, uniforms[users], side="right")
        return np.where(chosen < self.different.shape[1], chosen, OUT)


@lru_cache(maxsize=64)
def undecided(operators: int) -> FloatArray:
    """The strategy that everybody begins with: each operator, and none, as likely; read-only.

    Examples
    --------
    >>> undecided(3).tolist()
    [0.25, 0.25, 0.25]
    """
    return shared(np.full(operators, 1 / (operators + 1)))


@lru_cache(maxsize=4096)
def decided(operators: int, operator: int) -> FloatArray:
    """The strategy of taking one operator, `OUT` for none; read-only.

    Examples
    --------
    >>> decided(3, 1).tolist(), decided(3, OUT).tolist()
    ([0.0, 1.0, 0.0], [0.0, 0.0, 0.0])
    """
    return shared((np.arange(operators) == operator).astype(float))


def shared(strategy: FloatArray) -> FloatArray:
    """The strategy, read-only, so that many users can have it."""
    strategy.setflags(write=False)
    return strategy


def without(users: Iterable[Any], open_: BoolArray) -> None:
    """Take operators that are closed out of the strategies of all users."""
    after: dict[int, FloatArray] = {}
    before: Collection[tuple[Any, FloatArray]] = [(user, user.strategy) for user in users]
    for user, strategy in before:
        left = after.get(id(strategy))
        if left is None:
            left = after[id(strategy)] = shared(np.where(open_, strategy, 0.0))
        user.strategy = left
