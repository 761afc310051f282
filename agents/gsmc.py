"""GSMC, the benchmark of Gale and Shapley: deferred acceptance with quotas, menus follow once.

Users are individuals here: a type that fills an operator is split. What is decided where the
benchmark's description leaves it open:

- A user ranks the operators whose posted item gives it at least u_0; equal utilities in the order
  of `pure.by_capacity`.
- An operator ranks users by the profit R − C̄ p − κ of their item as posted, equal profits to the
  lower type, users of one type by their number. It may refuse nobody while it has room, not even
  a user on whom it loses: a menu is an offer to all.
- An operator has room for ⌊λ̄_m / δ⌋ users. Fractional users come as units: a type has ⌈I_n⌉ of
  them, the last one is the fraction and takes a whole place.
- A type without users is nowhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agents.assignment import OUT
from agents.ct import assumed_menus
from agents.mc import announced_utility, redesigned
from agents.primitives import Primitives
from agents.pure import Agreement, by_capacity, tie_usd
from agents.utility import operator_profit

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# Largest game, in pairs of a user and an operator, that is played user by user by the library,
# whose time grows nearly with the cube of the users. Larger ones are played type by type.
PAIRS = 1_500
# The library copies its players along their preferences, operator after operator, and meets
# Python's limit of recursion between 80 and 100 operators, earlier when called from deep within.
PLAYED_OPERATORS = 20


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
    """

    units: IntArray
    quota: IntArray
    utility_usd: FloatArray
    profit_usd: FloatArray
    order: IntArray
    opt_out_utility_usd: float
    tie_usd: float

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


def posted_game(primitives: Primitives) -> Game:
    """Game at the menus of CT.

    Examples
    --------
    >>> from scenarios import load_scenario
    >>> game = posted_game(Primitives.from_scenario(load_scenario("teleoperation")))
    >>> game.quota.tolist(), int(game.units.sum()), game.preferences(0)
    ([105, 70, 52], 150, [0, 1, 2])
    """
    _, menu = assumed_menus(primitives)
    utility = announced_utility(primitives, menu)
    profit = operator_profit(
        menu.price_usd,
        menu.violation_probability,
        primitives.violation_cost_usd,
        primitives.running_cost_usd,
    ).T
    return Game(
        units=np.ceil(primitives.users).astype(np.int64),
        quota=quotas(primitives),
        utility_usd=utility,
        profit_usd=profit,
        order=by_capacity(primitives),
        opt_out_utility_usd=primitives.opt_out_utility_usd,
        tie_usd=tie_usd(primitives, np.concatenate([utility, profit])),
    )


def quotas(primitives: Primitives) -> IntArray:
    """Whole users that fit into the effective capacity, ⌊λ̄_m / δ⌋, (M,).

    A quotient that rounding left just below a whole number is that number.
    """
    places = primitives.effective_capacity_per_s / primitives.task_rate_per_user_per_s
    return np.floor(places * (1 + 1e-12)).astype(np.int64)


def match(game: Game) -> IntArray:
    """User-optimal stable matching: users of each type at each operator, (N, M) of int.

    Played by the library `matching` up to `PAIRS` pairs and `PLAYED_OPERATORS` operators, type by
    type beyond; both give the same numbers.

    Examples
    --------
    >>> both = np.array([[2.0, 1.0], [2.0, 1.0]])  # everyone would rather have operator 1
    >>> pays = np.array([[1.0, 1.0], [3.0, 1.0]])  # and operator 1 rather has type 2
    >>> game = Game(np.array([2, 2]), np.array([3, 5]), both, pays, np.array([0, 1]), 0.0, 1e-12)
    >>> match(game).tolist()
    [[1, 1], [2, 0]]
    """
    operators = game.quota.size
    if game.units.sum() * operators <= PAIRS and operators <= PLAYED_OPERATORS:
        return match_users(game)
    return match_types(game)


def match_users(game: Game) -> IntArray:
    """`match` user by user, with the library `matching` (resident-optimal hospital-resident)."""
    # here: nothing else needs it; it ships no type information
    from matching.games import HospitalResident  # type: ignore[import-untyped]

    ranked = {n: game.preferences(n) for n in range(game.units.size) if game.units[n]}
    residents = {
        f"user {n} {i}": [f"operator {m}" for m in ranked[n] if game.quota[m]]
        for n in ranked
        for i in range(game.units[n])
    }
    # the library takes neither a user who accepts nobody nor an operator without places or users
    residents = {user: wishes for user, wishes in residents.items() if wishes}
    hospitals = {
        f"operator {m}": [
            f"user {n} {i}"
            for n in game.ranking(m)
            if m in ranked.get(n, ())
            for i in range(game.units[n])
        ]
        for m in range(game.quota.size)
        if game.quota[m]
    }
    hospitals = {operator: users for operator, users in hospitals.items() if users}
    capacities = {f"operator {m}": int(game.quota[m]) for m in range(game.quota.size)}
    matched = np.zeros(game.utility_usd.shape, dtype=np.int64)
    if not residents:
        return matched
    played = HospitalResident.create_from_dictionaries(
        residents, hospitals, {name: capacities[name] for name in hospitals}
    ).solve(optimal="resident")
    for operator, users in played.items():
        for user in users:
            matched[int(user.name.split()[1]), int(operator.name.split()[1])] += 1
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
    """A user and an operator that would both rather have each other.

    Attributes
    ----------
    type, operator, better : int
        0-based type of the user, its operator (−1 for none) and the one of the pair.
    displaced : int
        Type of the user that the operator would let go, −1 when it has room.
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
    would earn more with it than with a user that it has; ties block nothing.

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
    return poorest if game.profit_usd[type_, operator] > profit[poorest] + game.tie_usd else None


def agree(primitives: Primitives) -> Agreement:
    """Deferred acceptance at the menus of CT, one redesign under the load it brings.

    Raises
    ------
    ArithmeticError
        When the matching has a blocking pair: a fault of the program.

    Examples
    --------
    >>> from scenarios import load_scenario
    >>> agreed = agree(Primitives.from_scenario(load_scenario("teleoperation")))
    >>> bool((agreed.match_probability.sum(axis=0) <= 1 + 1e-12).all())
    True
    """
    game = posted_game(primitives)
    matched = match(game)
    pair = blocking_pair(game, matched)
    if pair is not None:
        raise ArithmeticError(f"deferred acceptance left a blocking pair: {pair}")
    return redesigned(primitives, shares(primitives, game, matched))


def shares(primitives: Primitives, game: Game, matched: IntArray) -> FloatArray:
    """Part of each type's users at each operator, (M, N), from the units matched (N, M).

    Units of a type are dealt out operator by operator in the order of its preferences, those
    without a place last; the fractional unit is the last of all.
    """
    result = np.zeros(matched.T.shape)
    for n, users in enumerate(primitives.users):
        start = 0
        for m in game.preferences(n):
            end = start + int(matched[n, m])
            if end > start:
                result[m, n] = (min(end, users) - start) / users
            start = end
    return result
