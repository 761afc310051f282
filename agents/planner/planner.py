"""The central planner: the matching and the menus that maximise social welfare.

A planner tells every user where to go, and every operator what to promise; prices only move money.
With x_{m,n} = I_n δ z_{m,n} and g of `load_cost`, welfare is

    W(x) = Σ_{m,n} x_{m,n} (α_1 q_m − κ − g_{m,n}(λ_{m,n})),   λ_{m,n} = Σ_{j≤n} x_{m,j},

to be maximised over x ≥ 0 with Σ_m x_{m,n} ≤ I_n δ. This is the *first best*: it knows the types.
When its agreements never decrease along the types, the prices (25) make every type want its own
item, and nothing is lost by not knowing them. Otherwise the *incentive-compatible* plan pools
items as `screening` does, and is worth less. Which operator a user takes is commanded in both.

Where users value quality differently, x is that of classes (α_x, β_n) and α_1 q_m is α_x q_m: loads
and agreements are still those of the latency types, as stations and menus do not see α_x.

W is not concave: loads are cumulative, so those who come first delay all others. It is climbed from
many starts (SLSQP, exact gradients by the envelope theorem): the best point found is a feasible
plan, hence a lower bound of the optimum; `bound` has an upper bound.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from airan_market.agents.belief.belief import operator_belief
from airan_market.agents.contract.menu import Menu
from airan_market.agents.contract.price import priced_menu
from airan_market.agents.matching.load import cumulative_load
from airan_market.agents.matching.quality import over_qualities
from airan_market.agents.planner.classes import class_demand, class_split
from airan_market.agents.planner.load_cost import around, load_cost, load_cost_slope, task_value
from airan_market.agents.primitives.primitives import Primitives
from airan_market.agents.screening.monotone import maximise_monotone
from airan_market.scenarios import Scenario
from airan_market.sim.arrays import FloatArray
from airan_market.sim.streams import stream

#: Split of the demand (M, N), as x / (I_n δ), to W (USD/s) and its gradient by the split. Both are
#: those of classes, (M, X, N), where users value quality differently.
Welfare = Callable[[FloatArray], tuple[float, FloatArray]]

STARTS = 12  # random ones, besides those that the caller knows
SERVED = 1e-9  # part of a type; less of it at an operator is rounding
IN_ORDER = 1e-9  # of L_max; agreements that fall by less are in order


@dataclass(frozen=True, eq=False)
class Plan:
    """What the planner found; arrays over operators m and types n, 0-based.

    Attributes
    ----------
    match_probability : array (M, N)
        z, part of each type sent to each operator; the rest stays out.
    menu : Menu
        Incentive-compatible agreements with the prices (25), one way to share the welfare.
    load_per_s : array (M, N)
    first_best_usd_per_s : float
        W at the best split found, with an agreement for every type by itself.
    welfare_usd_per_s : float
        Of the plan itself: its menus leave no type envious. A lower bound of what a planner can do.
    upper_bound_usd_per_s : float
        No split and menus do better, incentive-compatible or not; infinite when not asked for.
    local_optima_usd_per_s : array
        W where each climb ended, best first.
    by_quality : array (M, X, N), optional
        z of every class, where users value quality differently; `match_probability` is its mean.
    """

    match_probability: FloatArray
    menu: Menu
    load_per_s: FloatArray
    first_best_usd_per_s: float
    welfare_usd_per_s: float
    upper_bound_usd_per_s: float
    local_optima_usd_per_s: FloatArray
    by_quality: FloatArray | None = None

    @property
    def incentives_bind(self) -> bool:
        """Whether the first best is lost because no type may envy another's agreement."""
        scale = max(abs(self.first_best_usd_per_s), 1e-300)
        return self.first_best_usd_per_s - self.welfare_usd_per_s > 1e-9 * scale


def plan(scenario: Scenario, seed: int = 0, *, starts: int = STARTS, bound: bool = True) -> Plan:
    """Plan of a scenario: where a planner would send its users, and what it would promise them.

    Parameters
    ----------
    scenario : Scenario
        Its belief is the planner's; the other settings of the mechanism, latency bounds aside,
        do not matter to it.
    seed : int
        Root seed: of shares drawn from a Dirichlet law, and of the random starts.
    starts : int
        Random splits to climb from.
    bound : bool
        Whether to compute the upper bound, which takes seconds.

    Raises
    ------
    ValueError
        When the belief is not one of `load_cost.OWN_LOAD`, or C̄ < R̄.

    Examples
    --------
    >>> from airan_market.agents import solve
    >>> from airan_market.scenarios import load_scenario
    >>> two = ["users.latency_sensitivity_usd_per_s=[8e-4, 1e-4]", "users.shares=[0.25, 0.75]"]
    >>> market = load_scenario("teleoperation", two)
    >>> planned = plan(market, starts=1, bound=False)
    >>> bool(planned.welfare_usd_per_s > solve(market).social_welfare_usd_per_s)
    True
    """
    return plan_market(
        Primitives.from_scenario(scenario, seed), seed=seed, starts=starts, bound=bound
    )


def plan_market(
    primitives: Primitives,
    known: Sequence[FloatArray] = (),
    *,
    seed: int = 0,
    starts: int = STARTS,
    bound: bool = True,
) -> Plan:
    """`plan` for a market given as arrays.

    Parameters
    ----------
    primitives : Primitives
    known : sequence of arrays (M, N), or (M, X, N) of classes
        Splits to climb from, for instance outcomes: the plan is then at least as good as each.
    seed, starts : int
        Random splits to climb from, out of the stream (seed, "planner").
    bound : bool
    """
    primitives.require_one_service("the planner")
    upper = np.inf
    if bound:
        from airan_market.agents.planner.bound import welfare_bound

        bounded = welfare_bound(primitives)
        upper, known = bounded.bound_usd_per_s, [*known, bounded.match_probability]
    chance = stream(seed, "planner")
    demand = class_demand(primitives)
    drawn = [np.moveaxis(chance.dirichlet(np.ones(primitives.operators + 1), demand.shape), -1, 0)
             for _ in range(starts)]  # fmt: skip
    begun = [class_split(primitives, split) for split in known]
    free = first_best_welfare(primitives)
    ends = sorted(
        (climb(free, split) for split in [*begun, *(split[:-1] for split in drawn)]),
        key=lambda end: -end[1],
    )
    split, first_best = ends[0]
    held = incentive_compatible_welfare(primitives)
    welfare = held(split)[0]
    if first_best - welfare > 1e-12 * abs(first_best):
        again = [climb(held, end) for end, _ in ends[:3]]
        split, welfare = max([(split, welfare), *again], key=lambda end: end[1])
    matching = over_qualities(split, primitives.quality_share)
    load = cumulative_load(matching, primitives.demand_per_s)
    latency = compatible_latencies(primitives, matching)
    return Plan(
        match_probability=matching,
        menu=priced_menu(primitives, operator_belief(primitives, load), latency),
        load_per_s=load,
        first_best_usd_per_s=first_best,
        welfare_usd_per_s=welfare,
        upper_bound_usd_per_s=upper,
        local_optima_usd_per_s=np.array([value for _, value in ends]),
        by_quality=None if primitives.quality_share is None else split,
    )


def first_best_welfare(primitives: Primitives) -> Welfare:
    """W of the module and its gradient.

    By the envelope theorem agreements do not move: dW/dx_j = α_1 q − κ − g_j − Σ_{n≥j} x_n g_n',
    a task's own worth less what it costs all those who feel it.

    Examples
    --------
    >>> from airan_market.scenarios import load_scenario
    >>> market = Primitives.from_scenario(load_scenario("teleoperation"))
    >>> value, slope = first_best_welfare(market)(np.full((3, 8), 0.2))
    >>> value > 0, slope.shape
    (True, (3, 8))
    """

    def cost_of(split: FloatArray, load: FloatArray) -> tuple[FloatArray, FloatArray]:
        cost, slope = load_cost_slope(primitives, load)
        return cost.cost_usd, slope

    return _welfare(primitives, cost_of)


def incentive_compatible_welfare(primitives: Primitives) -> Welfare:
    """Welfare of a split under the best agreements that never decrease, and its gradient."""
    outside = primitives.net_violation_cost_usd

    def cost_of(split: FloatArray, load: FloatArray) -> tuple[FloatArray, FloatArray]:
        latency, (loads, width) = compatible_latencies(primitives, split), around(primitives, load)
        held = np.broadcast_to(latency, loads.shape)
        probability = operator_belief(primitives, loads).probability(held)
        cost = primitives.latency_sensitivity_usd_per_s * latency + outside * probability[0]
        return cost, outside * (probability[2] - probability[1]) / width

    return _welfare(primitives, cost_of)


def _welfare(
    primitives: Primitives,
    cost_of: Callable[[FloatArray, FloatArray], tuple[FloatArray, FloatArray]],
) -> Welfare:
    """Welfare and gradient from the cost of a task, and its slope, by the split and its loads.

    Costs are those of the latency types, (M, N).
    """
    worth, demand = task_value(primitives)[:, np.newaxis], class_demand(primitives)
    if primitives.quality_share is not None:
        worth = (worth + primitives.quality_gain_usd)[..., np.newaxis]

    def welfare(split: FloatArray) -> tuple[float, FloatArray]:
        rate = split * demand
        each = rate if primitives.quality_share is None else rate.sum(axis=-2)
        cost, slope = cost_of(over_qualities(split, primitives.quality_share), each.cumsum(axis=-1))
        later = _felt_by_later(each * slope)
        if primitives.quality_share is not None:
            cost, later = cost[:, np.newaxis], later[:, np.newaxis]
        gain = demand * (worth - cost - later)
        return float((rate * (worth - cost)).sum()), gain

    return welfare


def _felt_by_later(values: FloatArray) -> FloatArray:
    """Σ_{j≥n} of the values of the types j, (M, N)."""
    return values[:, ::-1].cumsum(axis=-1)[:, ::-1]


def compatible_latencies(primitives: Primitives, split: FloatArray) -> FloatArray:
    """Agreements (M, N) that never decrease along the types and cost society least at a split.

    The first best where it is in order among the types that an operator serves: the items of
    the others follow their left neighbour. Pooled by `screening.maximise_monotone` elsewhere.
    """
    settings, demand = primitives.mechanism, primitives.demand_per_s
    served = split > SERVED
    rate = np.where(served, split * demand, 0.0)
    load = cumulative_load(split, demand)
    best = load_cost(primitives, load).latency_s
    latency = maximise_monotone(
        operator_belief(primitives, load).pieces(
            primitives.latency_sensitivity_usd_per_s * rate,
            primitives.net_violation_cost_usd * rate,
            settings.latency_min_s,
            settings.latency_max_s,
        ),
        settings.latency_min_s,
        settings.latency_max_s,
    )
    for m in range(primitives.operators):
        own = best[m, served[m]]
        if (np.diff(own) >= -IN_ORDER * settings.latency_max_s).all():
            follow = np.maximum.accumulate(np.where(served[m], best[m], settings.latency_min_s))
            latency[m] = follow
    return latency


def climb(welfare: Welfare, start: FloatArray) -> tuple[FloatArray, float]:
    """Local maximum of a welfare over splits (M, ...) near a start: SLSQP (Kraft 1988).

    Returns
    -------
    split : array like the start
        At least as good as the start; within its bounds to rounding.
    welfare_usd_per_s : float
    """
    from scipy.optimize import LinearConstraint, minimize
    from threadpoolctl import threadpool_limits

    shape, types = start.shape, start[0].size
    start = feasible(start)
    here, slope = welfare(start)
    scale = max(float(np.abs(slope).max()), 1e-300)
    everyone = np.tile(np.eye(types), shape[0])

    def negative(point: FloatArray) -> tuple[float, FloatArray]:
        value, slope = welfare(np.clip(point, 0.0, 1.0).reshape(shape))
        return -value / scale, -slope.ravel() / scale

    # threads make matrices this small several times as slow, and their number moves the last digits
    with threadpool_limits(1, "blas"):
        found = minimize(
            negative,
            start.ravel(),
            jac=True,
            bounds=[(0.0, 1.0)] * start.size,
            constraints=LinearConstraint(everyone, -np.inf, 1.0),
            method="SLSQP",
            options={"maxiter": 500, "ftol": 1e-13},
        )
    end = feasible(found.x.reshape(shape))
    value = welfare(end)[0]
    # SLSQP may stop at a kink below its start
    return (end, value) if value >= here else (start, here)


def feasible(split: FloatArray) -> FloatArray:
    """Split (M, ...) with rounding removed: nothing below 0, no type more than once.

    Examples
    --------
    >>> feasible(np.array([[1.5, -1e-18], [0.5, 0.25]])).tolist()
    [[0.75, 0.0], [0.25, 0.25]]
    """
    split = np.maximum(split, 0.0)
    return split / np.maximum(split.sum(axis=0), 1.0)
