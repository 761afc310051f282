"""An upper bound on what any planner can do, by Lagrangian duality.

With a price π_n ≥ 0 on every task of type n, the demand constraints leave the planner's problem,
and operators can be looked at one by one:

    D(π) = Σ_n π_n d_n + Σ_m max_{0 ≤ x_n ≤ d_n} Σ_n x_n (α_1 q_m − κ − π_n − g_{m,n}(λ_n)),

which is at least the welfare of every split, for every π (weak duality). The inner problem is a
chain over the loads λ_1 ≤ λ_2 ≤ … ≤ λ_N, each with its own cost, and dynamic programming solves
it, non-convex as it is:

    F_n(λ) = max_{λ' ≤ λ} F_{n−1}(λ') + (λ − λ') a_n(λ),   a_n = α_1 q − κ − π_n − g_n.

On a grid of loads every λ is rounded down to its node, where g_n, made non-decreasing from below,
is not larger; the rate of a type between two nodes is off by less than one step h, and
h max(a_n, 0) is added to every stage for it. So the bound holds for all loads, not only those on
the grid. (One assumption is left: between neighbouring nodes g_n has no dip below both of them.)
As a_n falls with λ the best λ' rises with it, and the search over all pairs takes K log K steps.

Where users value quality differently, every class (α_x, β_n) has its own demand and price π_{x,n},
and the gain of a rate y = λ − λ' becomes the most that tasks of the classes are worth there,

    φ(y; w) = max Σ_x y_x (w + a_x) over 0 ≤ y_x ≤ d_{x,n} with Σ_x y_x ≤ y,

a_x = (α_x − α_x̲) q − π_{x,n} and w = α_x̲ q − κ − g_n: concave in y, and steeper where w is larger,
so λ' still rises with λ. As φ never falls with y, its value at one step more covers the rounding
(`classes.most_worth`).

Prices are found by Dantzig and Wolfe's (1960) column generation: loads that the inner problem comes
up with are mixed by a linear program, whose shadow prices are the next π.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from airan_market.agents.planner.classes import class_demand, dealt, most_worth
from airan_market.agents.planner.load_cost import load_cost, task_value
from airan_market.agents.primitives.primitives import Primitives
from airan_market.sim.arrays import FloatArray, IntArray

COARSE, FINE = 1_000, 20_000  # steps of the grids on which prices are sought and the bound is taken
ROUNDS = 80  # of column generation
CLOSE = 1e-7  # of the bound: prices that leave less between the two programs are good enough


@dataclass(frozen=True, eq=False)
class Bound:
    """Upper bound of welfare, and the split that the last linear program mixed.

    Attributes
    ----------
    bound_usd_per_s : float
    task_price_usd : array (N,), or (X, N) of classes
        π behind it: what one more task per second of a type would add to welfare.
    match_probability : array (M, N), or (M, X, N)
        A split near the optimum: a start for a climb, no plan by itself.
    rounds : int
        Of column generation.
    """

    bound_usd_per_s: float
    task_price_usd: FloatArray
    match_probability: FloatArray
    rounds: int


@dataclass(frozen=True, eq=False)
class Grid:
    """Loads of one operator and what a task is worth there.

    Attributes
    ----------
    step_per_s : float
        h.
    worth_usd : array (K + 1, N)
        α_1 q − κ − g_n at the loads 0, h, …, K h.
    ceiling_usd : array (K + 1, N)
        The same made non-increasing from above: no load from this node on is worth more.
    demand_per_s : array (N,), or (X, N) of classes
    gain_usd : array (X,), optional
        What a task is worth more to each quality type, where there are several.
    """

    step_per_s: float
    worth_usd: FloatArray
    ceiling_usd: FloatArray
    demand_per_s: FloatArray
    gain_usd: FloatArray | None = None

    @property
    def most_usd(self) -> float:
        """What no task is worth more than here."""
        best = 0.0 if self.gain_usd is None else float(self.gain_usd.max())
        return float(self.ceiling_usd.max()) + best


def welfare_bound(
    primitives: Primitives, *, coarse: int = COARSE, fine: int = FINE, rounds: int = ROUNDS
) -> Bound:
    """Upper bound of the welfare of every split and all menus.

    Parameters
    ----------
    primitives : Primitives
        Of all operators.
    coarse, fine : int
        Steps of the grids of loads: to find prices, and to take the bound.
    rounds : int
        Of column generation at most.

    Raises
    ------
    ValueError
        See `load_cost.load_cost`.

    Examples
    --------
    One operator and one type that has less demand than the operator would serve:

    >>> from dataclasses import replace
    >>> from airan_market.scenarios import load_scenario
    >>> market = Primitives.from_scenario(load_scenario("teleoperation"))
    >>> one = replace(
    ...     market, users=np.array([20.0]), latency_sensitivity_usd_per_s=np.array([5e-4]),
    ...     servers=market.servers[:1], service_rate_per_s=market.service_rate_per_s[:1],
    ...     service_value_usd=market.service_value_usd[:1])
    >>> from airan_market.agents.planner.planner import plan_market
    >>> bound, found = welfare_bound(one, coarse=50), plan_market(one, starts=1, bound=False)
    >>> 1 <= bound.bound_usd_per_s / found.welfare_usd_per_s < 1.001
    True
    """
    demand = class_demand(primitives)
    if not demand.any():
        nobody = np.zeros((primitives.operators, *demand.shape))
        return Bound(0.0, np.zeros(demand.shape), nobody, 0)
    prices, split, used = _prices(demand, grids(primitives, coarse), rounds)
    total = float(prices.ravel() @ demand.ravel())
    for grid in grids(primitives, fine):
        total += best_loads(grid, prices)[0]
    return Bound(total, prices, split, used)


def grids(primitives: Primitives, steps: int) -> list[Grid]:
    """One grid an operator, up to what it could be asked for or could be worth serving.

    At its capacity an operator is saturated and costs stay as they are beyond. Where a task that
    is always late is worth nothing, no type whose load lies there is served, so the grid ends.
    """
    demand = primitives.demand_per_s
    worth = task_value(primitives)
    gains = primitives.quality_gain_usd
    found = []
    for m in range(primitives.operators):
        own = primitives.of_operator(slice(m, m + 1))  # with its axis
        capacity = float(primitives.capacity_per_s[m])
        always_late = load_cost(own, np.full((1, demand.size), capacity)).cost_usd[0]
        most = float(demand.sum())
        if (worth[m] + gains[m].max() <= always_late).all():
            most = min(most, capacity)
        step = most / steps
        load = np.arange(steps + 1) * step
        shape = (steps + 1, 1, demand.size)
        cost = load_cost(own, np.broadcast_to(load[:, np.newaxis, np.newaxis], shape)).cost_usd
        value = worth[m] - cost[:, 0]
        ceiling = np.maximum.accumulate(value[::-1], axis=0)[::-1]
        own_gains = None if primitives.quality_share is None else gains[m]
        found.append(Grid(step, value, ceiling, class_demand(primitives), own_gains))
    return found


def best_loads(grid: Grid, task_price_usd: FloatArray) -> tuple[float, IntArray]:
    """Inner problem of one operator: an upper bound, and the nodes (N,) that nearly reach it.

    Examples
    --------
    Two types, worth 2 and 1 at any load up to 3 nodes, at demands of one and two nodes:

    >>> worth = np.array([[2.0, 1.0]] * 4)
    >>> grid = Grid(1.0, worth, worth, np.array([1.0, 2.0]))
    >>> value, nodes = best_loads(grid, np.zeros(2))
    >>> float(value) >= 2.0 * 1 + 1.0 * 2, nodes.tolist()  # one more step may hide in each stage
    (True, [2, 3])
    """
    nodes, types = grid.ceiling_usd.shape
    load = np.asarray(np.arange(nodes) * grid.step_per_s, dtype=float)
    value = np.full(nodes, -np.inf)
    value[0] = 0.0  # no load before the first type
    choices = np.empty((types, nodes), dtype=np.int64)
    for n in range(types):
        worth = grid.ceiling_usd[:, n]
        window = int(grid.demand_per_s[..., n].sum() / grid.step_per_s) + 1
        if grid.gain_usd is None:
            worth = worth - task_price_usd[n]
            choices[n] = best_predecessors(value, load, worth, window)
            before = choices[n]
            value = value[before] + (load - load[before]) * worth
            value += grid.step_per_s * np.maximum(worth, 0.0)
        else:
            earned = partial(
                _one_more_step,
                step_per_s=grid.step_per_s,
                gain_usd=grid.gain_usd - task_price_usd[:, n],
                demand_per_s=grid.demand_per_s[:, n],
            )
            choices[n] = best_predecessors(value, load, worth, window, earned)
            before = choices[n]
            value = value[before] + earned(load - load[before], worth)
    best = int(value.argmax())
    place = np.empty(types, dtype=np.int64)
    at = best
    for n in range(types - 1, -1, -1):
        place[n], at = at, choices[n, at]
    return float(value[best]), place


def _one_more_step(
    rate_per_s: FloatArray,
    worth_usd: FloatArray,
    *,
    step_per_s: float,
    gain_usd: FloatArray,
    demand_per_s: FloatArray,
) -> FloatArray:
    """φ of the module, at a step more than the rate."""
    return most_worth(rate_per_s + step_per_s, worth_usd, gain_usd, demand_per_s)


def best_predecessors(
    value: FloatArray,
    load: FloatArray,
    gain: FloatArray,
    window: int,
    earned: Callable[[FloatArray, FloatArray], FloatArray] = np.multiply,
) -> IntArray:
    """Best k' in [k − window, k] by value[k'] + earned(load[k] − load[k'], gain[k]), for every k.

    With `gain` non-increasing the best k' does not fall with k, so the answers at every second k
    bracket those between: level by level from one k to all, K log K values in all.

    Parameters
    ----------
    value, load, gain : array (K,)
        `load` increasing; `value` may hold −inf where there is nothing to come from.
    window : int
    earned : callable, optional
        Of rates and gains, elementwise; concave in the rate, and steeper where the gain is larger.
        By default their product.

    Returns
    -------
    array (K,) of int

    Examples
    --------
    >>> best_predecessors(np.array([0.0, 5.0, 6.0]), np.arange(3.0), np.array([3.0, 2.0, 0.5]), 2)
    array([0, 1, 2])
    """
    size = value.size
    best = np.zeros(size, dtype=np.int64)  # 0 comes from itself
    stride = 1 << (size - 1).bit_length()
    while stride > 1:
        double, stride = stride, stride // 2
        k = np.arange(stride, size, double)
        right = k + stride
        high = np.where(right < size, best[np.minimum(right, size - 1)], k)
        low = np.maximum(best[k - stride], k - window)
        high = np.maximum(np.minimum(high, k), low)
        if k.size:
            best[k] = _segment_argmax(value, load, gain[k], load[k], low, high, earned)
    return best


def _segment_argmax(
    value: FloatArray,
    load: FloatArray,
    gain: FloatArray,
    at: FloatArray,
    low: IntArray,
    high: IntArray,
    earned: Callable[[FloatArray, FloatArray], FloatArray],
) -> IntArray:
    """First index in [low_i, high_i] with the largest value + earned(at_i − load, gain_i)."""
    length = high - low + 1
    starts = np.concatenate([[0], np.cumsum(length)[:-1]])
    which = np.repeat(np.arange(length.size), length)
    index = np.arange(int(length.sum())) - starts[which] + low[which]
    candidates = value[index] + earned(at[which] - load[index], gain[which])
    top = np.maximum.reduceat(candidates, starts)
    hits = np.flatnonzero(candidates == top[which])
    first = np.searchsorted(hits, starts)
    return index[hits[first]]


def _prices(
    demand: FloatArray, operators: list[Grid], rounds: int
) -> tuple[FloatArray, FloatArray, int]:
    """π by column generation, the split that the last program mixed, and the rounds it took."""
    prices = np.zeros(demand.shape)
    columns: list[tuple[int, FloatArray, float]] = []
    for m, grid in enumerate(operators):
        columns.append((m, np.zeros(demand.shape), 0.0))
        # as much of one type as its demand and the grid allow
        columns += [_alone(m, grid, place) for place in np.ndindex(demand.shape)]
    least, best_prices, used = np.inf, prices, 0
    mixed = np.zeros((len(operators), *demand.shape))
    while used < rounds:
        used += 1
        value, prices, mixed = _master(columns, demand, len(operators))
        dual = float(prices.ravel() @ demand.ravel())
        for m, grid in enumerate(operators):
            bound, nodes = best_loads(grid, prices)
            dual += bound
            columns.append(_column(m, grid, nodes, prices))
        if dual < least:
            least, best_prices = dual, prices
        if dual - value <= CLOSE * abs(dual):
            break
    split = np.divide(mixed, demand, out=np.zeros_like(mixed), where=demand > 0)
    # a type without users costs nothing to price out
    best_prices = np.where(demand > 0, best_prices, max(g.most_usd for g in operators))
    return np.maximum(best_prices, 0.0), split, used


def _alone(m: int, grid: Grid, place: tuple[int, ...]) -> tuple[int, FloatArray, float]:
    """Operator, rates and worth where it serves one type, or class, alone."""
    n = place[-1]
    node = min(int(grid.demand_per_s[place] / grid.step_per_s), len(grid.worth_usd) - 1)
    nodes = np.where(np.arange(grid.demand_per_s.shape[-1]) < n, 0, node)
    rate = np.zeros(grid.demand_per_s.shape)
    rate[place] = node * grid.step_per_s
    return m, rate, _worth(grid, nodes, rate)


def _column(
    m: int, grid: Grid, nodes: IntArray, task_price_usd: FloatArray
) -> tuple[int, FloatArray, float]:
    """Operator, rates (N,) and worth of a profile of loads; (X, N) of classes, those worth most."""
    rate = np.diff(nodes, prepend=0) * grid.step_per_s
    if grid.gain_usd is not None:
        gain = grid.gain_usd[:, np.newaxis] - task_price_usd
        worth = grid.worth_usd[nodes, np.arange(nodes.size)]
        rate = dealt(rate, worth, gain, grid.demand_per_s)
    return m, rate, _worth(grid, nodes, rate)


def _worth(grid: Grid, nodes: IntArray, rate: FloatArray) -> float:
    """What rates (N,) or (X, N) are worth where loads are at most those of the nodes, USD/s."""
    worth = grid.worth_usd[nodes, np.arange(nodes.size)]
    if grid.gain_usd is None:
        return float(rate @ worth)
    return float((rate * (worth + grid.gain_usd[:, np.newaxis])).sum())


def _master(
    columns: list[tuple[int, FloatArray, float]], demand: FloatArray, operators: int
) -> tuple[float, FloatArray, FloatArray]:
    """Best mixture of profiles, one unit an operator: its worth, shadow prices and rates (M, N).

    Prices and rates have the shape of the demand, (N,) or (X, N).
    """
    from scipy.optimize import linprog

    owner = np.array([m for m, _, _ in columns])
    rates = np.array([rate.ravel() for _, rate, _ in columns])
    worth = np.array([value for _, _, value in columns])
    scale = max(float(np.abs(worth).max()), 1e-300)
    asked = demand.ravel()
    size = np.where(asked > 0, asked, 1.0)
    found = linprog(
        -worth / scale,
        A_ub=(rates / size).T,
        b_ub=np.where(asked > 0, 1.0, 0.0),
        A_eq=(owner == np.arange(operators)[:, np.newaxis]).astype(float),
        b_eq=np.ones(operators),
        method="highs",
    )
    if not found.success:
        raise ArithmeticError(f"column generation: {found.message}")
    prices = np.maximum(-found.ineqlin.marginals, 0.0) * scale / size
    mixed = np.zeros((operators, asked.size))
    np.add.at(mixed, owner, found.x[:, np.newaxis] * rates)
    shape = (operators, *demand.shape)
    return -float(found.fun) * scale, prices.reshape(demand.shape), mixed.reshape(shape)
