"""The search of `deviation` and `pure_deviation`: a better menu of one operator, and its worth.

A compass search (Kolda, Lewis and Torczon 2003, SIAM Review 45, 385) over non-decreasing latency
vectors, from several starts and within a budget of menus.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from airan_market.agents.belief.belief import operator_belief
from airan_market.agents.contract.price import priced_menu
from airan_market.agents.contract.utility import Accounts
from airan_market.agents.matching.load import cumulative_load
from airan_market.agents.primitives.primitives import Primitives
from airan_market.sim.arrays import FloatArray

#: Latencies (B, N) of one operator to what they are worth, (B,).
Objective = Callable[[FloatArray], FloatArray]
#: Latencies (B, N) of one operator to the part of each type that it gets, NaN if unsettled.
Share = Callable[[FloatArray], FloatArray]

BUDGET = 12_000  # menus tried in one market, shared by its operators
FIRST_FACTOR, LAST_FACTOR = 2.0, 1.001  # by which the compass search scales latencies
LEAST_LATENCY = 1e-6  # share of L_max from which a latency of 0 starts to grow


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


def search_menu(
    primitives: Primitives,
    operator: int,
    share: Share,
    latency_s: FloatArray,
    budget: int | None = None,
    *,
    baseline_usd_per_s: float | None = None,
    further: Sequence[FloatArray] = (),
) -> Deviation | None:
    """Search from an operator's own menu, and from the best of all menus (M, N) and flat ones.

    Parameters
    ----------
    primitives : Primitives
        Of all operators.
    operator : int
        0-based.
    share : callable
        What the operator's users do.
    latency_s : array (M, N)
        Menus of all operators.
    budget : int, optional
        Menus to try at most, its own counted; by default an equal part of `BUDGET`, and always at
        least one.
    baseline_usd_per_s : float, optional
        What its own menu is worth; by default the value of its latencies.
    further : sequence of arrays (B, N)
        The best of each is one more point to start from.

    Returns
    -------
    Deviation or None
        None when users do not settle at the menus as they are: there is nothing to compare with.
    """
    settings = primitives.mechanism
    budget = max(1, BUDGET // primitives.operators if budget is None else budget)
    objective = utility_of_menu(primitives.of_operator(operator), share)
    incumbent, baseline = latency_s[operator], baseline_usd_per_s
    if baseline is None:
        baseline = float(objective(incumbent[np.newaxis])[0])
    if np.isneginf(baseline):
        return None
    search = CompassSearch(objective, settings.latency_min_s, settings.latency_max_s, budget - 1)
    search.run(incumbent, baseline)
    for points in (_fan(latency_s, search), *further):
        best = search.evaluate(points)
        if best is not None:
            search.run(*best)
    return Deviation(
        max(0.0, search.best_value - baseline),
        baseline,
        search.best,
        search.evaluations + 1,
        search.discarded,
    )


def utility_of_menu(own: Primitives, share: Share) -> Objective:
    """Utility (B,), USD/s, of an operator (its row: `own`) over latencies (B, N), prices (25).

    −inf where users do not settle.
    """

    def utility(latency_s: FloatArray) -> FloatArray:
        matched = share(latency_s)
        settles = np.isfinite(matched.sum(axis=-1))
        matched = np.where(settles[:, np.newaxis], matched, 0.0)
        belief = operator_belief(own, cumulative_load(matched, own.demand_per_s))
        found = Accounts(own, priced_menu(own, belief, latency_s), matched)
        return np.where(settles, found.operator_utility_usd_per_s, -np.inf)

    return utility


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
