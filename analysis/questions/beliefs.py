"""What a better belief is worth: the same market under each, as expected and as it turns out.

Operators design menus, and users choose, by what they believe of violations. Here Algorithm 1 is
played under every belief, and the traffic of the outcome is simulated at exactly the solved loads
(`realised`). Realised utility puts the simulated probability in the place of the believed one and
changes nothing else: a user's disutility stays that of the agreed latency, as in the paper's (15).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from airan_market.agents.contract.menu import Menu
from airan_market.agents.contract.utility import ROUNDING, Accounts
from airan_market.agents.primitives.primitives import Primitives
from airan_market.agents.solution.solver import arrive
from airan_market.analysis.questions.realised import Span, violation_rates
from airan_market.analysis.verdict import UNDECIDED, Verdict, of_value
from airan_market.scenarios.registry import BELIEFS
from airan_market.sim.arrays import FloatArray
from airan_market.sim.estimation.intervals import mean_interval
from airan_market.sim.estimation.proportions import clopper_pearson

REFERENCE = "chernoff"  # the paper's, against which the others are held
NAMES = tuple(BELIEFS.ours)
LEVEL = 0.95
MARKET, OPERATOR, TYPE = "market", "operator", "type"
#: Quantities of which less is better.
LESS_IS_BETTER = ("violation probability",)
NEVER_NEGATIVE = LESS_IS_BETTER


@dataclass(frozen=True, eq=False)
class Play:
    """A market under one belief: its terms, and how its agreements fared.

    Attributes
    ----------
    belief : str
    menu : Menu
        Arrays (M, N), with the probabilities believed at the loads of the matching.
    match_probability : array (M, N)
    violation_rates : array (R, M, N)
        As `realised.violation_rates` returns them.
    by_quality : array (M, X, N), optional
        Matching of every class, where users value quality differently.
    """

    belief: str
    menu: Menu
    match_probability: FloatArray
    violation_rates: FloatArray
    by_quality: FloatArray | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain lists; without classes where there are none."""
        arrays = {**vars(self.menu), **vars(self)}
        return {
            name: held.tolist() if isinstance(held, np.ndarray) else held
            for name, held in arrays.items()
            if name != "menu" and held is not None
        }

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Play:
        """Play of what `to_json` returned."""
        held = {name: np.array(value) for name, value in fields.items() if name != "belief"}
        menu = Menu(held["latency_s"], held["price_usd"], held["violation_probability"])
        return cls(
            fields["belief"],
            menu,
            held["match_probability"],
            held["violation_rates"],
            held.get("by_quality"),
        )


def play_belief(
    primitives: Primitives, belief: str, *, seed: int, replications: int, span: Span
) -> Play:
    """Solve a market under a belief and simulate what it agrees on.

    Plays of one market under one seed face the same tasks, whatever the belief.

    Raises
    ------
    airan_market.scenarios.registry.RegistryError
    """
    own = replace(primitives, mechanism=primitives.mechanism.model_copy(update={"belief": belief}))
    found = arrive(own)
    menu, matching = found.menu, found.match_probability
    rates = violation_rates(
        own, matching, menu.latency_s, seed=seed, replications=replications, span=span
    )
    return Play(belief, menu, matching, rates, found.by_quality)


def quantities(
    primitives: Primitives, play: Play, violation_probability: FloatArray
) -> dict[tuple[str, int, str], FloatArray]:
    """Figures of a play at violation probabilities (..., M, N), each an array (...).

    Returns
    -------
    dict
        By scope ("market", "operator", "type"), its 1-based number (0 for the market) and the
        quantity: utilities in USD/s, a user's utility in USD per task served.
    """
    p = violation_probability
    menu = replace(play.menu, violation_probability=p)
    accounts = Accounts(primitives, menu, play.match_probability, play.by_quality)
    rate = accounts.tasks_per_s
    profit = rate * accounts.operator_profit_usd
    utility = rate * accounts.user_utility_usd
    both = (-2, -1)
    served = rate.sum()
    found = {
        (MARKET, 0, "operator utility"): profit.sum(axis=both),
        (MARKET, 0, "user utility"): utility.sum(axis=both),
        (MARKET, 0, "social welfare"): (profit + utility).sum(axis=both),
        (MARKET, 0, "violation probability"): _per(rate * p, served, both),
    }
    for m in range(primitives.operators):
        found[OPERATOR, m + 1, "operator utility"] = profit[..., m, :].sum(axis=-1)
        found[OPERATOR, m + 1, "violation probability"] = _per(
            rate[m] * p[..., m, :], rate[m].sum(), -1
        )
    for n in range(primitives.types):
        users = rate[:, n].sum()
        found[TYPE, n + 1, "user utility per task"] = _per(utility[..., n], users, -1)
        found[TYPE, n + 1, "violation probability"] = _per(rate[:, n] * p[..., n], users, -1)
    return found


def _per(values: FloatArray, total: float, axis: int | tuple[int, int]) -> FloatArray:
    """Sum over a total; 0 where there is none."""
    summed = np.asarray(values.sum(axis=axis))
    return summed / total if total > 0 else np.zeros_like(summed)


def belief_table(primitives: Primitives, plays: Sequence[Play], horizon_s: float) -> pd.DataFrame:
    """Expected and realised figures of every belief, a row per belief, scope and quantity.

    Parameters
    ----------
    primitives : Primitives
    plays : sequence of Play
        Of one seed, one span and as many replications each.
    horizon_s : float
        Of a replication: tells from how many tasks the rates are.

    Returns
    -------
    DataFrame
        belief, scope, number, quantity, expected, realised, low, high (95 % t interval over
        replications; where no violation was seen, from 0 to the limit of Clopper and Pearson for
        as many tasks), verdict ("as believed", "better" or "worse": beyond an interval so wide
        that of the whole table, were all as believed, 5 % would have one such row: Bonferroni);
        over_chernoff, over_low, over_high: realised less that of the reference, replication by
        replication, NaN for the reference itself and where it is not there.
    """
    realised = {play.belief: quantities(primitives, play, play.violation_rates) for play in plays}
    rows = []
    family = 1 - (1 - LEVEL) / sum(len(figures) for figures in realised.values())
    for play in plays:
        expected = quantities(primitives, play, play.menu.violation_probability)
        limits, far = (_unseen(primitives, play, horizon_s, level) for level in (LEVEL, family))
        for key, values in realised[play.belief].items():
            interval = mean_interval(values, LEVEL)
            low, high = limits.get(key, (interval.low, interval.high))
            if key[2] in NEVER_NEGATIVE:  # a t interval does not know: what it has below 0 is cut
                low = max(low, 0.0)
            wide = mean_interval(values, family)
            widest = far.get(key, (wide.low, wide.high))
            other = realised.get(REFERENCE, {}).get(key)
            paired = (np.nan,) * 3
            if other is not None and play.belief != REFERENCE:
                over = mean_interval(values - other, LEVEL)
                paired = over.mean, over.low, over.high
            believed = float(expected[key])
            rows.append(
                {
                    "belief": play.belief,
                    "scope": key[0],
                    "number": key[1],
                    "quantity": key[2],
                    "expected": believed,
                    "realised": interval.mean,
                    "low": low,
                    "high": high,
                    "verdict": verdict(key[2], believed, *widest),
                    "over_chernoff": paired[0],
                    "over_low": paired[1],
                    "over_high": paired[2],
                }
            )
    return pd.DataFrame(rows)


def _unseen(
    primitives: Primitives, play: Play, horizon_s: float, level: float
) -> dict[tuple[str, int, str], tuple[float, float]]:
    """Intervals of the figures of a scope in which no violation was seen.

    Replications that all say 0 have no spread, and a t interval of no width. Every figure is linear
    in the violation probability, so its interval is its values at 0 and at the upper limit.
    """
    never, always = (
        quantities(primitives, play, np.full(play.match_probability.shape, p)) for p in (0.0, 1.0)
    )
    seen = quantities(primitives, play, play.violation_rates.mean(axis=0))
    rate = play.match_probability * primitives.demand_per_s
    found = {}
    for key in never:
        scope, number, _ = key
        if seen[scope, number, "violation probability"] > 0:
            continue
        rows = slice(None) if scope != OPERATOR else number - 1
        columns = slice(None) if scope != TYPE else number - 1
        tasks = float(rate[rows, columns].sum()) * horizon_s * len(play.violation_rates)
        limit = clopper_pearson(0, tasks, level)[1] if tasks > 0 else 1.0
        at_limit = float(never[key] + limit * (always[key] - never[key]))
        low, high = sorted((float(never[key]), at_limit))
        found[key] = low, high
    return found


def verdict(quantity: str, believed: float, low: float, high: float) -> str:
    """Whether what happened is better or worse than what was believed, beyond its interval.

    Examples
    --------
    >>> verdict("social welfare", 1.0, 1.2, 1.4), verdict("violation probability", 0.1, 0.2, 0.3)
    ('better', 'worse')
    >>> verdict("social welfare", 1.0, 0.9, 1.1)
    'as believed'
    """
    near = ROUNDING * max(abs(believed), abs(low), abs(high))
    found = of_value(believed, low, high, near)
    if found is Verdict.HOLDS:
        return "as believed"
    if found is Verdict.UNDECIDED:
        return UNDECIDED
    return "better" if (found is Verdict.ABOVE) != (quantity in LESS_IS_BETTER) else "worse"
