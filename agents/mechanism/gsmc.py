"""GSMC, the benchmark of Gale and Shapley: deferred acceptance with quotas, menus follow once.

Who moves is a setting, `mechanism.gsmc_unit`: users one by one, so that a type that fills an
operator is split, or types as a whole, as the paper's Table I has them; `deferred_acceptance` says
what an operator then keeps. What is decided where the benchmark's description leaves it open:

- A user ranks the operators whose posted item gives it at least u_0, at the posted violation
  probability or that of an empty market (`mechanism.gsmc_belief`); equal utilities in the order of
  `pure.tie_order`.
- An operator ranks users by the profit R − C̄ p − κ of their item as posted, equal profits to the
  lower type, users of one type by their number. It may refuse nobody while it has room, not even
  a user on whom it loses: a menu is an offer to all.
- An operator has room for ⌊λ̄_m / δ⌋ users, or for all (`mechanism.gsmc_quotas`). Fractional users
  come as units: a type has ⌈I_n⌉ of them, the last one is the fraction and takes a whole place.
- A type without users is nowhere.
- Where users value quality differently a class, a quality type of a latency type, is a row of the
  game as a type is elsewhere: whether an operator is worth taking at all, and which is best, it
  sees with its own value of quality. An operator earns the same on all classes of a type, and
  would sooner refuse those who value quality least.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from airan_market.agents.contract.utility import Accounts, quality_utility, tie_usd, user_utility
from airan_market.agents.matching.deferred_acceptance import Game, blocking_pair, match
from airan_market.agents.matching.quality import over_qualities
from airan_market.agents.mechanism.agreement import Agreement
from airan_market.agents.mechanism.ct import assumed_menus
from airan_market.agents.mechanism.mc import redesigned
from airan_market.agents.mechanism.pure import at_induced_load, tie_order
from airan_market.agents.primitives.primitives import Primitives
from airan_market.sim.arrays import FloatArray, IntArray

#: Users of a class this near to a whole number are that number.
WHOLE = 1e-9


def rows(primitives: Primitives) -> tuple[IntArray, IntArray, FloatArray]:
    """Rows of the game: type after type, of a type those first who value quality most.

    Returns
    -------
    type, quality : array (C,) of int
        0-based; quality 0 where users value quality alike.
    users : array (C,)

    Examples
    --------
    >>> from airan_market.scenarios import load_scenario
    >>> two = ["users.quality_sensitivity_usd=[4e-4, 6e-4]", "users.quality_shares=[[0.5, 0.5]]"]
    >>> market = Primitives.from_scenario(load_scenario("teleoperation", two))
    >>> [part[:4].tolist() for part in rows(market)]
    [[0, 0, 1, 1], [1, 0, 1, 0], [8.0, 9.0, 10.0, 11.0]]
    """
    types, qualities = primitives.types, primitives.qualities
    type_ = np.repeat(np.arange(types), qualities)
    quality = np.tile(np.arange(qualities)[::-1], types)
    if primitives.quality_share is None:
        return type_, quality, primitives.users
    users = primitives.users[type_] * primitives.quality_share[quality, type_]
    # a number of users that a share left beside a whole one by rounding is that whole one
    whole = np.round(users)
    return type_, quality, np.where(np.abs(users - whole) < WHOLE, whole, users)


def posted_game(primitives: Primitives) -> Game:
    """Game at the menus of CT, with the rows of `rows`.

    Examples
    --------
    >>> from airan_market.scenarios import load_scenario
    >>> game = posted_game(Primitives.from_scenario(load_scenario("teleoperation")))
    >>> game.quota.tolist(), int(game.units.sum()), game.preferences(0)
    ([105, 70, 52], 150, [0, 1, 2])
    """
    type_, quality, users = rows(primitives)
    share, menu = assumed_menus(primitives)
    posted = Accounts(primitives, menu, share)
    utility, profit = posted.user_utility_usd, posted.operator_profit_usd.T[type_]
    if primitives.mechanism.gsmc_belief == "empty":
        utility = user_utility(primitives, at_induced_load(primitives, menu, np.zeros_like(share)))
    of_classes = quality_utility(primitives, utility)
    utility = (of_classes if of_classes.ndim == 2 else of_classes[:, quality, type_]).T
    units = np.ceil(users).astype(np.int64)
    everyone = np.full(primitives.operators, units.sum())
    return Game(
        units=units,
        quota=quotas(primitives) if primitives.mechanism.gsmc_quotas else everyone,
        utility_usd=utility,
        profit_usd=profit,
        order=tie_order(primitives),
        opt_out_utility_usd=primitives.opt_out_utility_usd,
        tie_usd=tie_usd(primitives, np.concatenate([utility, profit])),
        whole=primitives.mechanism.gsmc_unit == "type",
    )


def quotas(primitives: Primitives) -> IntArray:
    """Whole users that fit into the effective capacity, ⌊λ̄_m / δ⌋, (M,).

    A quotient that rounding left just below a whole number is that number.
    """
    places = primitives.effective_capacity_per_s / primitives.task_rate_per_user_per_s
    return np.floor(places * (1 + 1e-12)).astype(np.int64)


def agree(primitives: Primitives) -> Agreement:
    """Deferred acceptance at the menus of CT, one redesign under the load it brings.

    Raises
    ------
    ArithmeticError
        When the matching has a blocking pair: a fault of the program.

    Examples
    --------
    >>> from airan_market.scenarios import load_scenario
    >>> agreed = agree(Primitives.from_scenario(load_scenario("teleoperation")))
    >>> bool((agreed.match_probability.sum(axis=0) <= 1 + 1e-12).all())
    True
    """
    game = posted_game(primitives)
    matched = match(game)
    pair = blocking_pair(game, matched)
    if pair is not None:
        raise ArithmeticError(f"deferred acceptance left a blocking pair: {pair}")
    type_, quality, users = rows(primitives)
    taken = shares(users, game, matched)
    if primitives.quality_share is None:
        return redesigned(primitives, taken)
    by_quality = np.zeros((primitives.operators, *primitives.quality_share.shape))
    by_quality[:, quality, type_] = taken
    matching = over_qualities(by_quality, primitives.quality_share)
    return replace(redesigned(primitives, matching), by_quality=by_quality)


def shares(users: FloatArray, game: Game, matched: IntArray) -> FloatArray:
    """Part of each row's users at each operator, (M, C), from the units matched (C, M).

    Units of a row are dealt out operator by operator in the order of its preferences, those
    without a place last; the fractional unit is the last of all.
    """
    result = np.zeros(matched.T.shape)
    for n, present in enumerate(users):
        start = 0
        for m in game.preferences(n):
            end = start + int(matched[n, m])
            if end > start:
                result[m, n] = (min(end, present) - start) / present
            start = end
    return result
