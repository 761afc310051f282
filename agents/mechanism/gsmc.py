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
"""

from __future__ import annotations

import numpy as np

from airan_market.agents.contract.utility import Accounts, tie_usd, user_utility
from airan_market.agents.matching.deferred_acceptance import Game, blocking_pair, match
from airan_market.agents.mechanism.agreement import Agreement
from airan_market.agents.mechanism.ct import assumed_menus
from airan_market.agents.mechanism.mc import redesigned
from airan_market.agents.mechanism.pure import at_induced_load, tie_order
from airan_market.agents.primitives.primitives import Primitives, require_one_quality
from airan_market.sim.arrays import FloatArray, IntArray


def posted_game(primitives: Primitives) -> Game:
    """Game at the menus of CT.

    Examples
    --------
    >>> from airan_market.scenarios import load_scenario
    >>> game = posted_game(Primitives.from_scenario(load_scenario("teleoperation")))
    >>> game.quota.tolist(), int(game.units.sum()), game.preferences(0)
    ([105, 70, 52], 150, [0, 1, 2])
    """
    require_one_quality(primitives, 'mechanism.name = "gsmc"')
    share, menu = assumed_menus(primitives)
    posted = Accounts(primitives, menu, share)
    utility, profit = posted.user_utility_usd.T, posted.operator_profit_usd.T
    if primitives.mechanism.gsmc_belief == "empty":
        utility = user_utility(
            primitives, at_induced_load(primitives, menu, np.zeros_like(share))
        ).T
    units = np.ceil(primitives.users).astype(np.int64)
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
