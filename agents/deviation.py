"""How much an operator could gain by changing its menu alone: Definition 2.

Strategies are latency vectors, as in problem (30): the deviator's menu has the prices (25) at the
load that its change brings about. Users re-equilibrate: their mixed matching is the fixed point of
the response (33) at the final temperature, shadow prices held. What rivals do is read in
two ways:

repriced
    Their latencies stay and their prices follow (25) with their loads, as in the best response
    (30), in which every menu is a function of its latencies and the matching. A user's utility is
    then the margin and its information rent, which depends on latencies only, so the fixed point
    is explicit.
posted
    Their latencies and prices both stay as posted, and the refund that users expect follows the
    load. More users mean a higher refund at the same price, so this fixed point can have several
    solutions; the damped iteration takes the one it reaches from the final matching. A
    candidate for which it does not settle is discarded and counted.

The best menu is sought by a compass search (Kolda, Lewis and Torczon 2003), so the gain is a
lower bound of the true one; it is never negative, because the incumbent is a candidate.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logsumexp

from agents.menu import Menu, binding_utility, operator_belief, priced_menu
from agents.primitives import Primitives
from agents.selection import adjusted_utility, cumulative_load, damp, mixed_response
from agents.utility import operator_utility, user_utility

FloatArray = NDArray[np.float64]
Objective = Callable[[FloatArray], FloatArray]
Rivals = Literal["repriced", "posted"]

BUDGET = 12_000  # menus tried in one market, shared by its operators
FIRST_FACTOR, LAST_FACTOR = 2.0, 1.001  # by which the compass search scales latencies
LEAST_LATENCY = 1e-6  # share of L_max from which a latency of 0 starts to grow
SETTLED, PATIENCE = 1e-10, 500  # residual and iterations of the fixed point of "posted"


@dataclass(frozen=True, eq=False)
class Deviation:
    """The best change of one operator's menu that was found.

    Attributes
    ----------
    gain_usd_per_s : float
        Over `baseline_usd_per_s`; at least 0, a lower bound.
    baseline_usd_per_s : float
        The operator's utility when it keeps its latencies and users re-equilibrate.
    latency_s : array (N,)
        Latencies of the best menu found.
    evaluations, discarded : int
        Menus tried, and those among them for which users did not settle.
    """

    gain_usd_per_s: float
    baseline_usd_per_s: float
    latency_s: FloatArray
    evaluations: int
    discarded: int


@dataclass(frozen=True, eq=False)
class Settlement:
    """What a market settled on, as far as a deviation needs it: menus, Z, ω (M, N), (M,) and τ."""

    menu: Menu
    match_probability: FloatArray
    shadow_price_usd: FloatArray
    temperature_usd: float


def best_deviation(
    primitives: Primitives,
    settled: Settlement,
    operator: int,
    budget: int | None = None,
    rivals: Rivals = "repriced",
) -> Deviation:
    """Search for the best unilateral change of one operator's menu.

    Parameters
    ----------
    primitives : Primitives
        Of all operators.
    settled : Settlement
        What the mechanism arrived at.
    operator : int
        0-based.
    budget : int, optional
        Menus to try at most; by default an equal part of `BUDGET`, and always at least one.
    rivals : {"repriced", "posted"}
        See the module.

    Returns
    -------
    Deviation

    Raises
    ------
    ArithmeticError
        When users do not settle even at the menus as they are ("posted" only): there is then no
        utility to compare with.

    Examples
    --------
    >>> from scenarios import load_scenario
    >>> from agents.mechanism import solve
    >>> deviation = solve(load_scenario("teleoperation")).certificates.deviations[0]
    >>> deviation.gain_usd_per_s >= 0, deviation.discarded
    (True, 0)
    """
    budget = max(1, BUDGET // primitives.operators if budget is None else budget)
    objective = utility_of_menu(primitives, settled, operator, rivals)
    incumbent = settled.menu.latency_s[operator]
    baseline = float(objective(incumbent[np.newaxis])[0])
    if np.isneginf(baseline):
        raise ArithmeticError(
            f"operator {operator + 1}: users do not settle within {PATIENCE} iterations"
        )
    search = search_menus(
        primitives, objective, incumbent, baseline, settled.menu.latency_s, budget - 1
    )
    return Deviation(
        max(0.0, search.best_value - baseline),
        baseline,
        search.best,
        search.evaluations + 1,
        search.discarded,
    )


def search_menus(
    primitives: Primitives,
    objective: Objective,
    incumbent_s: FloatArray,
    baseline_usd_per_s: float,
    latency_s: FloatArray,
    budget: int,
    further: Sequence[FloatArray] = (),
) -> CompassSearch:
    """Search from an incumbent (N,), and from the best of all menus (M, N) and flat ones.

    Parameters
    ----------
    primitives : Primitives
    objective : callable
    incumbent_s : array (N,)
    baseline_usd_per_s : float
        Its value; the budget does not count it.
    latency_s : array (M, N)
        Menus of all operators.
    budget : int
    further : sequence of arrays (B, N)
        The best of each is one more point to start from.
    """
    settings = primitives.mechanism
    search = CompassSearch(objective, settings.latency_min_s, settings.latency_max_s, budget)
    search.run(incumbent_s, baseline_usd_per_s)
    for points in (_fan(latency_s, search), *further):
        best = search.evaluate(points)
        if best is not None:
            search.run(*best)
    return search


class CompassSearch:
    """Maximise over non-decreasing vectors in [lower, upper] within a budget of evaluations.

    From a point, every prefix, every suffix and every single item is scaled up and down by a
    factor, clipped, and put back in order by moving the neighbours that are in the way. The best
    of these points is the next one; when none is better, the factor goes to its square root, and
    below `LAST_FACTOR` the search ends.

    Examples
    --------
    >>> def objective(points):
    ...     return -((points - np.array([1.0, 3.0])) ** 2).sum(axis=-1)
    >>> search = CompassSearch(objective, 0.0, 2.0, budget=1000)
    >>> search.run(np.array([0.1, 0.1]), -10.0)
    >>> search.best.round(2).tolist()  # the bound is in the way
    [1.0, 2.0]
    """

    def __init__(self, objective: Objective, lower: float, upper: float, budget: int) -> None:
        self.objective, self.lower, self.upper, self.budget = objective, lower, upper, budget
        self.evaluations = self.discarded = 0
        self.best, self.best_value = np.empty(0), -np.inf

    def evaluate(self, points: FloatArray) -> tuple[FloatArray, float] | None:
        """Best of the points (B, N) that the budget allows, or None when it allows none."""
        points = points[: self.budget - self.evaluations]
        if not len(points):
            return None
        values = self.objective(points)
        self.evaluations += len(points)
        self.discarded += int(np.isneginf(values).sum())
        best = int(values.argmax())
        return points[best], float(values[best])

    def run(self, point: FloatArray, value: float) -> None:
        """Search from a point and its value; keeps the best point of all runs."""
        factor = FIRST_FACTOR
        while factor >= LAST_FACTOR:
            found = self.evaluate(self.neighbours(point, factor))
            if found is None:
                break
            # a gain within rounding would let the search walk along a plateau
            if found[1] > value + 1e-12 * abs(value):
                point, value = found
            else:
                factor = float(np.sqrt(factor))
        if value > self.best_value:
            self.best, self.best_value = point, value

    def neighbours(self, point: FloatArray, factor: float) -> FloatArray:
        """Points (B, N) one move away, all non-decreasing and within the bounds."""
        size = point.size
        prefixes = np.tri(size, dtype=bool)
        moved = np.concatenate([prefixes, ~prefixes[:-1], np.eye(size, dtype=bool)[1:-1]])
        up = np.where(moved, np.maximum(point, LEAST_LATENCY * self.upper) * factor, point)
        down = np.where(moved, point / factor, point)
        up = np.maximum.accumulate(up, axis=-1)
        down = np.minimum.accumulate(down[:, ::-1], axis=-1)[:, ::-1]
        return np.clip(np.concatenate([up, down]), self.lower, self.upper)


def _fan(latency_s: FloatArray, search: CompassSearch) -> FloatArray:
    """Further points to start from: the menus of all operators, and flat menus."""
    lowest = max(search.lower, LEAST_LATENCY * search.upper)
    flat = np.geomspace(lowest, search.upper, 24)
    return np.vstack([latency_s, np.repeat(flat[:, np.newaxis], latency_s.shape[1], axis=1)])


def utility_of_menu(
    primitives: Primitives, settled: Settlement, operator: int, rivals: Rivals
) -> Objective:
    """Objective of a deviation: latencies (B, N) of one operator to its utility (B,), USD/s.

    −inf where users do not settle.
    """
    own = primitives.of_operator(operator)
    selection = _repriced_selection if rivals == "repriced" else _posted_selection
    share = selection(primitives, settled, operator)

    def utility(latency_s: FloatArray) -> FloatArray:
        matched = share(latency_s)
        settles = np.isfinite(matched.sum(axis=-1))
        matched = np.where(settles[:, np.newaxis], matched, 0.0)
        belief = operator_belief(own, cumulative_load(matched, own.demand_per_s))
        menu = priced_menu(own, belief, latency_s)
        value = operator_utility(
            matched * own.demand_per_s,
            menu.price_usd,
            menu.violation_probability,
            own.violation_cost_usd,
            own.running_cost_usd,
        )
        return np.where(settles, value, -np.inf)

    return utility


def _penalised(primitives: Primitives, settled: Settlement, utility_usd: FloatArray) -> FloatArray:
    """û of all operators, (..., M, N)."""
    return adjusted_utility(
        utility_usd,
        settled.shadow_price_usd,
        primitives.demand_per_s,
        primitives.effective_capacity_per_s,
    )


def _repriced_selection(primitives: Primitives, settled: Settlement, operator: int) -> Objective:
    """Share z of each type that an operator gets for its latencies, when all prices follow (25)."""
    own = primitives.of_operator(operator)
    rent = binding_utility(primitives, settled.menu.latency_s)
    others = np.delete(_penalised(primitives, settled, rent), operator, axis=0)
    out = np.full((1, primitives.types), primitives.opt_out_utility_usd)
    tau = settled.temperature_usd
    elsewhere = logsumexp(np.vstack([out, others]) / tau, axis=0)
    penalty = _penalised(primitives, settled, np.zeros_like(rent))[operator]

    def share(latency_s: FloatArray) -> FloatArray:
        utility = binding_utility(own, latency_s) + penalty
        return expit(utility / tau - elsewhere)

    return share


def _posted_selection(primitives: Primitives, settled: Settlement, operator: int) -> Objective:
    """Share z of each type, when rivals keep prices and the refunds follow the loads; else NaN."""

    def share(latency_s: FloatArray) -> FloatArray:
        shape = (len(latency_s), *settled.match_probability.shape)
        matching = np.broadcast_to(settled.match_probability, shape).copy()
        result = np.full(latency_s.shape, np.nan)
        active = np.arange(len(latency_s))
        rent = binding_utility(primitives.of_operator(operator), latency_s)
        for _ in range(PATIENCE):
            utility = posted_utility(primitives, settled.menu, matching[active])
            utility[:, operator] = rent[active]
            response = np.moveaxis(
                mixed_response(
                    np.moveaxis(_penalised(primitives, settled, utility), 1, 0),
                    primitives.opt_out_utility_usd,
                    settled.temperature_usd,
                ),
                0,
                1,
            )
            residual = np.abs(response - matching[active]).max(axis=(1, 2))
            matching[active] = damp(matching[active], response, primitives.mechanism.damping)
            done = active[residual <= SETTLED]
            result[done] = matching[done, operator]
            active = active[residual > SETTLED]
            if not active.size:
                break
        return result

    return share


def posted_utility(primitives: Primitives, menu: Menu, match_probability: FloatArray) -> FloatArray:
    """Utility of every type at posted menus and the loads of a matching, (..., M, N).

    Latencies and prices stay, the violation probability follows the load, eq. (27).
    """
    load = cumulative_load(match_probability, primitives.demand_per_s)
    return user_utility(
        primitives.service_value_usd[:, np.newaxis],
        primitives.latency_sensitivity_usd_per_s,
        menu.latency_s,
        menu.price_usd,
        operator_belief(primitives, load).probability(menu.latency_s),
        primitives.refund_usd,
    )
