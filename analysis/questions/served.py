"""Serving only users who value quality more: whether it pays alone, and among rivals.

Two quality types α_1 < α_2. An operator whose prices leave α_2 just taking part, in place of α_1,
earns (α_2 − α_1) q more of each task and loses the users of α_1, but for patient ones whom their
information rent keeps.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
import pandas as pd

from airan_market.agents.contract.participation import at_loads, best_offer, uniform_offer
from airan_market.agents.contract.utility import Accounts
from airan_market.agents.primitives.primitives import Primitives
from airan_market.agents.solution.solver import arrive
from airan_market.scenarios import Scenario, load_scenario
from airan_market.sim.arrays import FloatArray


def two_qualities(base: Scenario | str, ratio: float, share: float, total: int) -> Primitives:
    """Market of α_2 = ratio · α_1 and a share of users with α_2; service values are α_1 q_m.

    Users are fractional, so that shares are exact.

    Examples
    --------
    >>> market = two_qualities("teleoperation", 1.5, 0.25, 80)
    >>> market.quality_share[:, 0].tolist(), round(float(market.users.sum()))
    ([0.75, 0.25], 80)
    """
    return Primitives.from_scenario(
        load_scenario(
            base,
            [
                f"users.total={total}",
                "users.whole_users=false",
                f"users.quality_sensitivity_usd=[1.0, {ratio!r}]",
                f"users.quality_shares=[[{1 - share!r}, {share!r}]]",
            ],
        )
    )


def payoffs(primitives: Primitives) -> FloatArray:
    """Operators' utilities, USD/s, by the lowest quality type that each serves, (X, …, X, M).

    Examples
    --------
    >>> found = payoffs(two_qualities("teleoperation", 1.3, 0.4, 150))
    >>> found.shape, bool(found[0, 0, 0].sum() > found[1, 1, 1].sum())
    ((2, 2, 2, 3), True)
    """
    operators = primitives.operators
    result = np.empty((primitives.qualities,) * operators + (operators,))
    for lowest in product(range(primitives.qualities), repeat=operators):
        market = primitives.serving_from(np.array(lowest))
        result[lowest] = Accounts.of(market, arrive(market)).operator_utility_usd_per_s
    return result


def stable(payoffs: FloatArray) -> list[tuple[int, ...]]:
    """Profiles of a game (A, …, A, M) that no player leaves: its pure Nash equilibria.

    Examples
    --------
    >>> dilemma = np.array([[[3, 3], [0, 4]], [[4, 0], [1, 1]]])
    >>> stable(dilemma)
    [(1, 1)]
    """
    players = payoffs.shape[-1]
    best = np.stack(
        [payoffs[..., m] >= payoffs[..., m].max(axis=m, keepdims=True) for m in range(players)]
    ).all(axis=0)
    return [tuple(int(a) for a in place) for place in np.argwhere(best)]


def served_table(
    base: Scenario | str,
    ratios: Sequence[float],
    shares: Sequence[float],
    *,
    alone: int = 60,
    together: int = 150,
    general: bool = False,
) -> pd.DataFrame:
    """One row for every α_2 / α_1 and share of α_2: what serving only α_2 earns.

    Parameters
    ----------
    base : Scenario or str
    ratios, shares : sequence of float
    alone, together : int
        Users of the first operator as a monopoly, and of all operators.
    general : bool
        Whether also to look for the best menu of all for the monopoly, which takes seconds a row.

    Returns
    -------
    DataFrame
        `monopoly_all_usd_per_s`, `monopoly_some_usd_per_s`: everybody served, α_2 served;
        `monopoly_best_usd_per_s` with `general`. `rivals_all_usd_per_s`, `rivals_some_usd_per_s`:
        all operators together when all of them do; `first_leaves_usd_per_s`,
        `first_returns_usd_per_s`: what the best of the operators gains by alone serving only α_2
        where all serve everybody, and by alone serving everybody where none does; `equilibria`: how
        many operators serve only α_2 in each pure equilibrium.

    Examples
    --------
    >>> row = served_table("teleoperation", [2.0], [0.8]).iloc[0]
    >>> bool(row["monopoly_some_usd_per_s"] > row["monopoly_all_usd_per_s"])
    True
    """
    rows = []
    for ratio, share in product(ratios, shares):
        own = two_qualities(base, ratio, share, alone).of_operator(0)
        everybody, some = (uniform_offer(own, x).profit_usd_per_s for x in (0, 1))
        row = {
            "ratio": ratio,
            "share": share,
            "monopoly_all_usd_per_s": everybody,
            "monopoly_some_usd_per_s": some,
        }
        if general:
            row["monopoly_best_usd_per_s"] = best_offer(own, at_loads(own)).profit_usd_per_s
        game = payoffs(two_qualities(base, ratio, share, together))
        operators = game.shape[-1]
        start, end = (game[(x,) * operators] for x in (0, 1))
        alone_in = [tuple(int(k == m) for k in range(operators)) for m in range(operators)]
        alone_out = [tuple(int(k != m) for k in range(operators)) for m in range(operators)]
        rows.append(
            row
            | {
                "rivals_all_usd_per_s": float(start.sum()),
                "rivals_some_usd_per_s": float(end.sum()),
                "first_leaves_usd_per_s": max(
                    float(game[place][m] - start[m]) for m, place in enumerate(alone_in)
                ),
                "first_returns_usd_per_s": max(
                    float(game[place][m] - end[m]) for m, place in enumerate(alone_out)
                ),
                "equilibria": " ".join(str(sum(place)) for place in stable(game)),
            }
        )
    return pd.DataFrame(rows)
