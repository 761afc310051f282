"""How much a small rent recovers: the participation margin, for all operators or for one alone.

The prices (25) leave type 1 exactly nothing, so it is as well off outside, and a part of it stays
there. A margin lowers all prices of an operator by as much (`mechanism.participation_margin_usd`).
Asked here, with Algorithm 1 played again at every margin: what do all operators together gain, what
does society, and would one operator do it alone?
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from airan_market.agents.contract.utility import Accounts
from airan_market.agents.matching.response import opt_out_probability
from airan_market.agents.primitives.primitives import Primitives
from airan_market.agents.solution.solver import arrive
from airan_market.sim.arrays import FloatArray

POINTS = 49  # of the grid on which an optimum is bracketed
ROUNDS = 80  # in which operators answer each other's margins, at most
SETTLED = 1e-4  # of the largest margin: operators that move by less have come to rest
EVALUATIONS = 1_500  # of DIRECT, when every operator has a margin of its own
OPERATORS, WELFARE = "operator utility", "social welfare"
GOALS = (OPERATORS, WELFARE)


@dataclass(frozen=True)
class BestMargin:
    """A margin, and what it brings, USD/s, against none."""

    margin_usd: float
    value_usd_per_s: float
    without_usd_per_s: float

    @property
    def gain_usd_per_s(self) -> float:
        """What the margin adds; at least 0, because no margin is one of the choices."""
        return self.value_usd_per_s - self.without_usd_per_s


def accounts(primitives: Primitives, margins_usd: FloatArray | None = None) -> Accounts:
    """What a market comes to, with margins (M,) of its operators in place of its own.

    Examples
    --------
    >>> from airan_market.scenarios import load_scenario
    >>> market = Primitives.from_scenario(load_scenario("teleoperation"))
    >>> one, other = accounts(market), accounts(market, np.full(3, 2e-6))
    >>> bool(other.match_probability[:, 0].sum() > one.match_probability[:, 0].sum())
    True
    """
    if margins_usd is not None:
        primitives = replace(primitives, own_margin_usd=np.asarray(margins_usd, dtype=float))
    return Accounts.of(primitives, arrive(primitives))


def total_of(found: Accounts, goal: str) -> float:
    """Total operator utility, or social welfare, USD/s."""
    if goal == OPERATORS:
        return float(found.operator_utility_usd_per_s.sum())
    return float(found.social_welfare_usd_per_s)


def out_of_type_1(found: Accounts) -> float:
    """Part of type 1 that stays out."""
    return float(opt_out_probability(found.match_probability)[0])


def rent_curve(primitives: Primitives, margins_usd: Sequence[float] | FloatArray) -> pd.DataFrame:
    """Totals over margins, for all operators together and for each alone, a row per point.

    Parameters
    ----------
    primitives : Primitives
        Its own margins are left aside.
    margins_usd : (K,) array_like
        USD per task.

    Returns
    -------
    DataFrame
        who (0 for all operators, else the number of the one that has the margin alone), margin_usd,
        operator_utility_usd_per_s and social_welfare_usd_per_s of the market,
        own_utility_usd_per_s of the one alone (NaN for all), opt_out_type_1, and
        utility_1_usd_per_s … of every operator.
    """
    rows = []
    for who in range(primitives.operators + 1):
        for margin in margins_usd:
            found = accounts(primitives, _margins(primitives, who, float(margin)))
            own = found.operator_utility_usd_per_s[who - 1] if who else np.nan
            rows.append(
                {
                    "who": who,
                    "margin_usd": float(margin),
                    "operator_utility_usd_per_s": total_of(found, OPERATORS),
                    "social_welfare_usd_per_s": total_of(found, WELFARE),
                    "own_utility_usd_per_s": float(own),
                    "opt_out_type_1": out_of_type_1(found),
                    **{
                        f"utility_{m}_usd_per_s": float(value)
                        for m, value in enumerate(found.operator_utility_usd_per_s, start=1)
                    },
                }
            )
    return pd.DataFrame(rows)


def best_common_margin(primitives: Primitives, upper_usd: float, goal: str) -> BestMargin:
    """Margin of all operators that is best for their total utility, or for welfare."""
    return best_margin(
        lambda margin: total_of(accounts(primitives, _margins(primitives, 0, margin)), goal),
        upper_usd,
        POINTS,
    )


def best_own_margin(
    primitives: Primitives, operator: int, margins_usd: FloatArray, upper_usd: float
) -> BestMargin:
    """Margin that is best for one operator (0-based) when the others keep theirs (M,).

    `without_usd_per_s` is its utility at the margins as they are, if that is not better.
    """

    def own(margin: float) -> float:
        tried = margins_usd.copy()
        tried[operator] = margin
        return float(accounts(primitives, tried).operator_utility_usd_per_s[operator])

    here = own(float(margins_usd[operator]))
    found = best_margin(own, upper_usd, POINTS)
    if found.value_usd_per_s <= here:
        return BestMargin(float(margins_usd[operator]), here, here)
    return BestMargin(found.margin_usd, found.value_usd_per_s, here)


def best_margin(
    objective: Callable[[float], float], upper_usd: float, points: int = POINTS
) -> BestMargin:
    """Largest value of an objective on [0, upper]: a grid, then Brent's bounded method around it.

    The grid is 0 and then geometric, from a thousandth of the upper end on. The objective may have
    several humps and jump, where an operator saturates: the grid decides on which hump the
    refinement takes place, and a refinement that is no better is not taken.

    Examples
    --------
    >>> found = best_margin(lambda margin: 1 - (margin - 0.3) ** 2, 1.0)
    >>> round(found.margin_usd, 6), round(found.gain_usd_per_s, 6)
    (0.3, 0.09)
    """
    from scipy.optimize import minimize_scalar

    grid = np.concatenate([[0.0], np.geomspace(1e-3 * upper_usd, upper_usd, points - 1)])
    values = np.array([objective(float(margin)) for margin in grid])
    best = int(values.argmax())
    around = grid[max(best - 1, 0)], grid[min(best + 1, points - 1)]
    refined = minimize_scalar(
        lambda margin: -objective(float(margin)),
        bounds=around,
        method="bounded",
        options={"xatol": 1e-4 * around[1]},
    )
    if -refined.fun > values[best]:
        return BestMargin(float(refined.x), float(-refined.fun), float(values[0]))
    return BestMargin(float(grid[best]), float(values[best]), float(values[0]))


def best_margins(
    primitives: Primitives, upper_usd: float, goal: str, evaluations: int = EVALUATIONS
) -> tuple[FloatArray, float]:
    """Margins (M,), one an operator, that are best for all together, and the goal there, USD/s.

    DIRECT (Jones, Perttunen and Stuckman 1993; deterministic, global, bounded), then Nelder and
    Mead's method. What is found is a lower bound of the optimum.
    """
    from scipy.optimize import direct, minimize

    def loss(share: FloatArray) -> float:
        return -total_of(accounts(primitives, np.asarray(share) * upper_usd), goal)

    box = [(0.0, 1.0)] * primitives.operators
    found = direct(loss, box, maxfun=evaluations, maxiter=evaluations, locally_biased=True)
    refined = minimize(
        loss, found.x, method="Nelder-Mead", bounds=box,
        options={"xatol": 1e-5, "fatol": 1e-9, "maxfev": evaluations // 2},
    )  # fmt: skip
    best = min((found, refined), key=lambda result: float(result.fun))
    return np.asarray(best.x) * upper_usd, -float(best.fun)


def margin_play(
    primitives: Primitives, upper_usd: float, rounds: int = ROUNDS
) -> tuple[pd.DataFrame, bool]:
    """Operators choose margins for themselves, one after another, round by round, from none.

    Returns
    -------
    DataFrame
        round (0: no margins), operator, margin_usd, utility_usd_per_s, gain_usd_per_s of its last
        change, social_welfare_usd_per_s: a row per round and operator, at the end of the round.
    settled : bool
        Whether a round ended without a move: then no operator gains by another margin alone, up
        to `SETTLED` and the search.
    """
    margins = np.zeros(primitives.operators)
    gains = np.zeros(primitives.operators)
    rows = _play_rows(0, primitives, margins, gains)
    settled = False
    for round_ in range(1, rounds + 1):
        before = margins.copy()
        for m in range(primitives.operators):
            found = best_own_margin(primitives, m, margins, upper_usd)
            margins[m], gains[m] = found.margin_usd, found.gain_usd_per_s
        rows += _play_rows(round_, primitives, margins, gains)
        settled = bool(np.abs(margins - before).max() <= SETTLED * upper_usd)
        if settled:
            break
    return pd.DataFrame(rows), settled


def _play_rows(
    round_: int, primitives: Primitives, margins: FloatArray, gains: FloatArray
) -> list[dict[str, float]]:
    found = accounts(primitives, margins)
    return [
        {
            "round": round_,
            "operator": m + 1,
            "margin_usd": float(margins[m]),
            "utility_usd_per_s": float(found.operator_utility_usd_per_s[m]),
            "gain_usd_per_s": float(gains[m]),
            "social_welfare_usd_per_s": total_of(found, WELFARE),
        }
        for m in range(primitives.operators)
    ]


def _margins(primitives: Primitives, who: int, margin_usd: float) -> FloatArray:
    """The margin for all operators (0), or for one number alone."""
    numbers = np.arange(1, primitives.operators + 1)
    return np.where((who == 0) | (numbers == who), margin_usd, 0.0)
