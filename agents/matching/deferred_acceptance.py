"""Stable matching of users, or of whole types, with operators: deferred acceptance and its check.

What moves is a user, or a type as a whole (`Game.whole`).

- Users: an operator keeps the best as long as it has places; a type that fills it is split.
- Whole types: an operator keeps a type as long as the types that it ranks higher leave it a place,
  so the last one kept may overfill it. With "as long as all of it fits" a stable matching need not
  exist (McDermid and Manlove 2010, Journal of Combinatorial Optimization 19, 279: the
  hospitals/residents problem with sizes); with this rule those kept alone explain every refusal,
  which is what deferred acceptance needs to end in a stable matching.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from airan_market.agents.matching.assignment import OUT
from airan_market.sim.arrays import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Game:
    """Users and operators before they are matched; N types, M operators.

    Attributes
    ----------
    units : array (N,) of int
        Users of each type that need a place.
    quota : array (M,) of int
        Places of each operator.
    utility_usd : array (N, M)
        What an operator's posted item gives a user.
    profit_usd : array (N, M)
        What that item leaves the operator.
    order : array (M,) of int
        Operators in the order in which users decide ties.
    opt_out_utility_usd, tie_usd : float
        u_0, and the largest difference that is rounding.
    whole : bool
        Whether the users of a type move together or not at all.
    """

    units: IntArray
    quota: IntArray
    utility_usd: FloatArray
    profit_usd: FloatArray
    order: IntArray
    opt_out_utility_usd: float
    tie_usd: float
    whole: bool = False

    def preferences(self, type_: int) -> list[int]:
        """Operators that a user of a type accepts, best first."""
        utility = self.utility_usd[type_]
        return [
            int(m)
            for m in _ranked(utility, self.order, self.tie_usd)
            if utility[m] >= self.opt_out_utility_usd - self.tie_usd
        ]

    def ranking(self, operator: int) -> list[int]:
        """Types as an operator ranks them, best first."""
        types = np.arange(self.units.size)
        return [int(n) for n in _ranked(self.profit_usd[:, operator], types, self.tie_usd)]


def _ranked(value: FloatArray, order: IntArray, tie: float) -> list[int]:
    """Indices by falling value; those within a tie of the best one left, by their place in order.

    Taking the best away first makes a strict ranking even of chains of near ties.
    """
    left, ranked = [int(i) for i in order], []
    while left:
        best = max(value[i] for i in left)
        first = next(i for i in left if value[i] >= best - tie)
        ranked.append(first)
        left.remove(first)
    return ranked


def match(game: Game) -> IntArray:
    """User-optimal stable matching: users of each type at each operator, (N, M) of int.

    Examples
    --------
    >>> both = np.array([[2.0, 1.0], [2.0, 1.0]])  # everyone would rather have operator 1
    >>> pays = np.array([[1.0, 1.0], [3.0, 1.0]])  # and operator 1 rather has type 2
    >>> game = Game(np.array([2, 2]), np.array([3, 5]), both, pays, np.array([0, 1]), 0.0, 1e-12)
    >>> match(game).tolist()
    [[1, 1], [2, 0]]
    >>> from dataclasses import replace
    >>> match(replace(game, whole=True)).tolist()  # type 2 leaves operator 1 a place
    [[2, 0], [2, 0]]
    """
    return match_whole_types(game) if game.whole else match_types(game)


def match_whole_types(game: Game) -> IntArray:
    """`match` of whole types: a type proposes down its list, an operator keeps whom it may.

    It keeps, in its ranking, each type that finds a place left by those ranked higher.
    """
    types, operators = game.utility_usd.shape
    wishes = [game.preferences(n) if game.units[n] else [] for n in range(types)]
    rankings = [game.ranking(m) for m in range(operators)]
    held: list[set[int]] = [set() for _ in range(operators)]
    free = list(range(types))
    while free:
        n = free.pop()
        if not wishes[n]:
            continue
        m = wishes[n].pop(0)
        places = int(game.quota[m])
        for type_ in [k for k in rankings[m] if k in held[m] | {n}]:
            if places > 0:
                held[m].add(type_)
                places -= int(game.units[type_])
            else:
                held[m].discard(type_)
                free.append(type_)
    matched = np.zeros((types, operators), dtype=np.int64)
    for m, kept in enumerate(held):
        matched[sorted(kept), m] = game.units[sorted(kept)]
    return matched


def match_types(game: Game) -> IntArray:
    """`match` with the users of a type moving together: deferred acceptance of whole numbers.

    The free users of a type propose to the best operator that has not refused the type yet; the
    operator keeps the best of those it holds and of those who propose, as many as it has places
    for, and refuses the rest. A type refused in part is refused for good.
    """
    types, operators = game.utility_usd.shape
    wishes = [game.preferences(n) for n in range(types)]
    rankings = [game.ranking(m) for m in range(operators)]
    held = np.zeros((types, operators), dtype=np.int64)
    free = game.units.copy()
    next_wish = [0] * types
    while True:
        n = next((n for n in range(types) if free[n] and next_wish[n] < len(wishes[n])), None)
        if n is None:
            return held
        m = wishes[n][next_wish[n]]
        held[n, m] += free[n]
        free[n] = 0
        excess = int(held[:, m].sum() - game.quota[m])
        for worst in reversed(rankings[m]):
            refused = min(excess, int(held[worst, m]))
            if refused > 0:
                held[worst, m] -= refused
                free[worst] += refused
                excess -= refused
                next_wish[worst] = max(next_wish[worst], wishes[worst].index(m) + 1)


@dataclass(frozen=True)
class BlockingPair:
    """A user, or a whole type, and an operator that would both rather have each other.

    Attributes
    ----------
    type, operator, better : int
        0-based type, its operator (−1 for none) and the one of the pair.
    displaced : int
        Type that the operator would let a user of go, or all of which, −1 when it has room.
    gain_usd : float
        What the user would gain per task.
    """

    type: int
    operator: int
    better: int
    displaced: int
    gain_usd: float


def blocking_pair(game: Game, matched: IntArray) -> BlockingPair | None:
    """Blocking pair with the largest gain of the user, or None for a stable matching.

    A user and an operator block when the user is better off there, and the operator has room or
    would earn more with it than with a user that it has; ties block nothing. A whole type blocks
    when it is better off there and the types that earn the operator no less leave a place.

    Parameters
    ----------
    game : Game
    matched : array (N, M) of int

    Examples
    --------
    >>> both = np.array([[2.0, 1.0], [2.0, 1.0]])
    >>> pays = np.array([[1.0, 1.0], [3.0, 1.0]])
    >>> game = Game(np.array([2, 2]), np.array([3, 5]), both, pays, np.array([0, 1]), 0.0, 1e-12)
    >>> blocking_pair(game, np.array([[1, 1], [2, 0]])) is None
    True
    >>> blocking_pair(game, np.array([[2, 0], [1, 1]]))
    BlockingPair(type=1, operator=1, better=0, displaced=0, gain_usd=1.0)
    """
    types, operators = game.utility_usd.shape
    out = game.units - matched.sum(axis=1)
    found: BlockingPair | None = None
    for n in range(types):
        for current in (OUT, *range(operators)):
            if not (out[n] if current == OUT else matched[n, current]):
                continue
            now = game.opt_out_utility_usd if current == OUT else game.utility_usd[n, current]
            for m in range(operators):
                # who is out takes an operator on equal terms, who has one does not change it
                gain = float(game.utility_usd[n, m] - now)
                wanted = gain >= -game.tie_usd if current == OUT else gain > game.tie_usd
                displaced = _displaced(game, matched, n, m)
                if m == current or not wanted or displaced is None:
                    continue
                if found is None or gain > found.gain_usd:
                    found = BlockingPair(n, current, m, displaced, gain)
    return found


def _displaced(game: Game, matched: IntArray, type_: int, operator: int) -> int | None:
    """Whom an operator would let go for a user: OUT when it has room, None when nobody."""
    if matched[:, operator].sum() < game.quota[operator]:
        return OUT
    profit = np.where(matched[:, operator] > 0, game.profit_usd[:, operator], np.inf)
    poorest = int(profit.argmin())
    poorer = game.profit_usd[type_, operator] > profit + game.tie_usd
    if game.whole:
        # letting go of only a part of the poorer ones may leave no place
        rest = int(matched[~poorer, operator].sum())
        return poorest if poorer[poorest] and rest < game.quota[operator] else None
    return poorest if poorer[poorest] else None
