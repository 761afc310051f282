"""Pure selection (30d) on small markets: every profile of a grid of menus, and all its equilibria.

Users are types (classes, where they value quality differently), each goes whole to one operator or
stays out, and chooses again after every change (`mechanism.pure.reselect`). Operators play menus of
a grid of latencies in order of the types, with the prices (25) at the loads of their choice. All
profiles are looked at, so the answer is known: a profile from which no operator gains by another
menu of the grid, or that there is none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement, product

import numpy as np

from airan_market.agents.belief.belief import operator_belief
from airan_market.agents.contract.price import binding_utility, priced_menu
from airan_market.agents.contract.utility import Accounts, tie_usd
from airan_market.agents.matching.load import cumulative_load
from airan_market.agents.mechanism.pure import choose, in_turn, nobody, parts, tie_order
from airan_market.agents.primitives.primitives import Primitives
from airan_market.sim.arrays import FloatArray, IntArray

MOST = 100_000  # profiles; more would take too long


@dataclass(frozen=True, eq=False)
class WholeTypes:
    """All profiles of a grid, and which of them are equilibria.

    Attributes
    ----------
    menus : array (K, N)
        The grid, the same for every operator.
    utility_usd_per_s : array (K, …, K, M)
        Of every operator at every profile.
    equilibria : list of tuple of int
        Profiles, as rows of `menus`, from which nobody gains.
    cycle : list of tuple of int
        A round of best answers in turn from the first profile, where they come to no rest.
    """

    menus: FloatArray
    utility_usd_per_s: FloatArray
    equilibria: list[tuple[int, ...]]
    cycle: list[tuple[int, ...]]


def enumerate_profiles(primitives: Primitives, latencies_s: Sequence[float]) -> WholeTypes:
    """Look at every profile of menus made of these latencies.

    Under the prices (25) what a type is left depends on the latencies alone, so types choose at
    once, with the rules of ties of the mechanisms.

    Raises
    ------
    ValueError
        When there are more than `MOST` profiles.

    Examples
    --------
    >>> from airan_market.scenarios import load_scenario
    >>> small = ["users.latency_sensitivity_usd_per_s=[8e-4, 1e-4]", "users.shares=[0.5, 0.5]"]
    >>> market = Primitives.from_scenario(load_scenario("teleoperation", small))
    >>> found = enumerate_profiles(market, [0.1, 1.0])
    >>> found.utility_usd_per_s.shape
    (3, 3, 3, 3)
    """
    menus = np.array(
        list(combinations_with_replacement(sorted(latencies_s), primitives.types)), dtype=float
    )
    operators = primitives.operators
    if len(menus) ** operators > MOST:
        raise ValueError(
            f"{len(menus)} menus and {operators} operators: at most {MOST} profiles are looked at"
        )
    shape = (len(menus),) * operators
    utility = np.empty((*shape, operators))
    order = tie_order(primitives)
    for played in product(range(len(menus)), repeat=operators):
        utility[played] = _utility(primitives, menus[list(played)], order)
    scale = 1e-12 * max(float(np.abs(utility).max()), 1e-300)
    best = np.stack([utility[..., m] >= utility[..., m].max(axis=m, keepdims=True) - scale
                     for m in range(operators)], axis=-1)  # fmt: skip
    equilibria = [tuple(int(k) for k in place) for place in np.argwhere(best.all(axis=-1))]
    return WholeTypes(menus, utility, equilibria, [] if equilibria else _cycle(utility))


def _utility(primitives: Primitives, latency_s: FloatArray, order: IntArray) -> FloatArray:
    rent = binding_utility(primitives, latency_s)
    matching, tie = nobody(primitives), tie_usd(primitives, rent)
    for n, place, gain_usd in in_turn(primitives):
        worth = rent[:, n] + gain_usd
        matching[place] = choose(worth, primitives.opt_out_utility_usd, order, tie)
    matched = parts(primitives, matching)
    belief = operator_belief(primitives, cumulative_load(matched, primitives.demand_per_s))
    menu = priced_menu(primitives, belief, latency_s)
    return Accounts(primitives, menu, matched).operator_utility_usd_per_s


def _cycle(utility: FloatArray) -> list[tuple[int, ...]]:
    """Profiles that best answers in turn go through again and again."""
    operators = utility.shape[-1]
    played, path = [0] * operators, [(0,) * operators]
    seen: dict[tuple[int, ...], int] = {path[0]: 0}
    while True:
        for m in range(operators):
            place = tuple(slice(None) if k == m else played[k] for k in range(operators))
            values = utility[(*place, m)]
            if values.max() > values[played[m]]:
                played[m] = int(values.argmax())
        now = tuple(played)
        if now in seen:
            return path[seen[now] :]
        seen[now] = len(path)
        path.append(now)
