"""What a task costs society at an operator, by the load it feels: the planner's building block.

Prices and refunds pass between users and operators and drop out of welfare. What is left of a
type-n task under an agreement L at load λ is its value α_1 q − κ less

    β_n L + (C̄ − R̄) p(L; λ),

the waiting that is agreed and the part of the violation cost that leaves the market. The least of
it over L is a function of the load alone, g_n(λ): no constraint between items is in the way.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from airan_market.agents.belief.belief import operator_belief
from airan_market.agents.primitives.primitives import Primitives
from airan_market.sim.arrays import FloatArray

#: Beliefs in which p_n depends on the load λ_n alone; others have no g_n.
OWN_LOAD = ("chernoff", "chernoff-optimised", "fifo")
STEP = 1e-6  # of the largest capacity: half the width of a difference quotient


@dataclass(frozen=True, eq=False)
class LoadCost:
    """Least cost of a task and the agreement that has it, arrays (..., M, N).

    Attributes
    ----------
    cost_usd : array
        g_n(λ), USD per task.
    latency_s : array
        Its L.
    """

    cost_usd: FloatArray
    latency_s: FloatArray


def task_value(primitives: Primitives) -> FloatArray:
    """α_1 q_m − κ, what a task is worth before latency and violations, (M,), USD."""
    return primitives.service_value_usd - primitives.running_cost_usd


def load_cost(primitives: Primitives, load_per_s: FloatArray) -> LoadCost:
    """Least cost of a task of every type at given loads.

    Compared are the minimum of the expression that a design differentiates and L_min. The latter
    is better where promises are not worth keeping: past saturation p = 1 whatever L, and a short
    agreement that is always broken may beat a long one.

    Parameters
    ----------
    primitives : Primitives
        Of all operators.
    load_per_s : array (..., M, N)
        λ_{m,n}.

    Raises
    ------
    ValueError
        When the belief depends on more than a type's own load (`OWN_LOAD`), or C̄ < R̄: users
        would then gain from violations what operators do not lose.

    Examples
    --------
    >>> from airan_market.scenarios import load_scenario
    >>> market = Primitives.from_scenario(load_scenario("teleoperation"))
    >>> cost = load_cost(market, np.full((3, 8), 900.0)).cost_usd
    >>> bool((np.diff(cost, axis=1) < 0).all())  # the patient are served at less cost
    True
    """
    settings = primitives.mechanism
    if settings.belief not in OWN_LOAD:
        raise ValueError(f"belief = {settings.belief!r}: a planner takes {', '.join(OWN_LOAD)}")
    outside = primitives.net_violation_cost_usd
    if outside < 0:
        raise ValueError(
            f"violation_cost_usd = {primitives.violation_cost_usd:g}: a planner takes at least "
            f"refund_usd = {primitives.refund_usd:g}"
        )
    sensitivity = primitives.latency_sensitivity_usd_per_s
    belief = operator_belief(primitives, load_per_s)
    lower, upper = settings.latency_min_s, settings.latency_max_s
    slope = np.broadcast_to(sensitivity, load_per_s.shape)
    weight = np.broadcast_to(outside, load_per_s.shape)
    kept = np.clip(belief.pieces(slope, weight, lower, upper).maximisers(), lower, upper)
    shortest = np.full(load_per_s.shape, lower)
    costs = [sensitivity * L + outside * belief.probability(L) for L in (kept, shortest)]
    keeps = costs[0] <= costs[1]
    return LoadCost(np.where(keeps, *costs), np.where(keeps, kept, shortest))


def load_cost_slope(primitives: Primitives, load_per_s: FloatArray) -> tuple[LoadCost, FloatArray]:
    """`load_cost` with its derivative by the load, USD/(task · tasks/s), by a difference quotient.

    All in one call of the belief.
    """
    loads, width_per_s = around(primitives, load_per_s)
    three = load_cost(primitives, loads)
    slope = (three.cost_usd[2] - three.cost_usd[1]) / width_per_s
    return LoadCost(three.cost_usd[0], three.latency_s[0]), slope


def around(primitives: Primitives, load_per_s: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Loads (3, ...): these, a step less (at least 0) and a step more; distance of the last two.

    What a difference quotient takes: central, or forward where the load is next to 0.
    """
    step = STEP * float(primitives.effective_capacity_per_s.max())
    below, above = np.maximum(load_per_s - step, 0.0), load_per_s + step
    return np.stack([load_per_s, below, above]), above - below
