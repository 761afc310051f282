"""The price of anarchy: welfare of a mechanism's outcome against a central planner's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from airan_market.agents.contract.utility import Accounts, Agreed
from airan_market.agents.planner.classes import class_split
from airan_market.agents.planner.planner import first_best_welfare, plan_market
from airan_market.agents.primitives.primitives import Primitives
from airan_market.agents.solution.solver import arrive
from airan_market.scenarios.registry import MECHANISMS
from airan_market.sim.arrays import FloatArray


def price_of_anarchy(planned_usd_per_s: float, outcome_usd_per_s: float) -> float:
    """Welfare of the planner over that of an outcome; NaN where the outcome's is not positive.

    A ratio to nothing, or to a loss, says nothing; the difference in USD/s always does.

    Examples
    --------
    >>> price_of_anarchy(3.0, 2.0), price_of_anarchy(3.0, -1.0)
    (1.5, nan)
    """
    return planned_usd_per_s / outcome_usd_per_s if outcome_usd_per_s > 0 else float("nan")


def anarchy_table(
    primitives: Primitives,
    mechanisms: Sequence[str] = tuple(MECHANISMS.ours),
    *,
    seed: int = 0,
    bound: bool = True,
) -> pd.DataFrame:
    """What each mechanism loses against the planner, a row per mechanism.

    Parameters
    ----------
    primitives : Primitives
    mechanisms : sequence of str
    seed : int
        Of the planner's random starts.
    bound : bool
        Whether to compute the planner's upper bound.

    Returns
    -------
    DataFrame
        mechanism; in USD/s operator_utility, social_welfare, best_menus (welfare of the same
        matching under the planner's menus), planner (a plan found: a lower bound of the best),
        planner_incentive_compatible, upper_bound; and the price of anarchy, of the plan found and
        at the upper bound: the truth lies between.

    Examples
    --------
    >>> from airan_market.scenarios import load_scenario
    >>> market = Primitives.from_scenario(load_scenario("teleoperation"))
    >>> table = anarchy_table(market, ["mixed"], bound=False)
    >>> bool(table["price_of_anarchy"].iloc[0] > 1)
    True
    """
    outcomes = {}
    for mechanism in mechanisms:
        own = replace(
            primitives, mechanism=primitives.mechanism.model_copy(update={"name": mechanism})
        )
        outcomes[mechanism] = Accounts.of(own, arrive(own))
    known = [_split(outcome) for outcome in outcomes.values()]
    planned = plan_market(primitives, known, seed=seed, bound=bound)
    worth = first_best_welfare(primitives)
    rows = []
    for mechanism, outcome in outcomes.items():
        welfare = float(outcome.social_welfare_usd_per_s)
        rows.append(
            {
                "mechanism": mechanism,
                "operator_utility_usd_per_s": float(outcome.operator_utility_usd_per_s.sum()),
                "social_welfare_usd_per_s": welfare,
                "best_menus_usd_per_s": worth(class_split(primitives, _split(outcome)))[0],
                "planner_usd_per_s": planned.first_best_usd_per_s,
                "planner_incentive_compatible_usd_per_s": planned.welfare_usd_per_s,
                "upper_bound_usd_per_s": planned.upper_bound_usd_per_s,
                "price_of_anarchy": price_of_anarchy(planned.first_best_usd_per_s, welfare),
                "price_of_anarchy_at_most": price_of_anarchy(
                    planned.upper_bound_usd_per_s, welfare
                ),
            }
        )
    return pd.DataFrame(rows)


def _split(found: Agreed) -> FloatArray:
    """Where types are, (M, N), or classes, (M, X, N)."""
    return found.match_probability if found.by_quality is None else found.by_quality


def split_table(primitives: Primitives, *, seed: int = 0) -> pd.DataFrame:
    """Where Algorithm 1 and the planner send users, and what they agree: a row per operator, type.

    Returns
    -------
    DataFrame
        who ("mixed" or "planner"), operator, type, match_probability, latency_s,
        load_over_capacity (load of all types up to this one, over the operator's bottleneck).
    """
    mixed = arrive(
        replace(primitives, mechanism=primitives.mechanism.model_copy(update={"name": "mixed"}))
    )
    menu, matching = mixed.menu, mixed.match_probability
    planned = plan_market(primitives, [_split(mixed)], seed=seed, bound=False)
    rows = []
    for who, split, latency in (
        ("mixed", matching, menu.latency_s),
        ("planner", planned.match_probability, planned.menu.latency_s),
    ):
        load = np.cumsum(split * primitives.demand_per_s, axis=-1)
        load /= primitives.capacity_per_s[:, np.newaxis]
        rows += [
            {
                "who": who,
                "operator": m + 1,
                "type": n + 1,
                "match_probability": float(split[m, n]),
                "latency_s": float(latency[m, n]),
                "load_over_capacity": float(load[m, n]),
            }
            for m, n in np.ndindex(split.shape)
        ]
    return pd.DataFrame(rows)
