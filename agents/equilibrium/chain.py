"""The best menu of one operator as a chain over types: a search everywhere, and a bound.

Under the prices (25) the utility of type n + 1 is that of type n and (β_n − β_{n+1}) L_n, and the
load that type n feels is that of type n − 1 and its own tasks. So the best menu against given
rivals is a path through states (utility of type n, load of those before it), and backward
recursion over a grid of states finds the best of all paths at once, where a search from a point
may get stuck. It holds for beliefs in which p_n depends on the load of type n alone
(`planner.load_cost.OWN_LOAD`).

Rounded to the nearest state the recursion gives a menu to start from. With every rounding to the
operator's advantage (loads down, users and costs at the better end of a cell) it gives what no menu
can pass: `menu_bound`. That latencies never fall along the types makes the latency before one more
part of the state, but only as a limit from below: what is best from each limit on is a running
maximum. The bound is loose by a part of the cell width over the temperature.

Where users value quality differently nothing changes but who comes for a utility: the mean over the
quality types of a latency type. All of them pay the same, and stations see latency types alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from airan_market.agents.belief.belief import operator_belief
from airan_market.agents.planner.load_cost import OWN_LOAD
from airan_market.agents.primitives.primitives import Primitives
from airan_market.sim.arrays import FloatArray, IntArray

LOADS = 120  # of the grid
CELLS = 200_000  # states times steps of utility to a latency, of a bound
FREE_LATENCIES = 400  # of the last type's grid, which no utility ties down


@dataclass(frozen=True, eq=False)
class Facing:
    """What one operator faces: its own row of the market, and what users have elsewhere.

    Attributes
    ----------
    own : Primitives
        Row of the operator.
    elsewhere : array (N,), or (X, N) of classes
        log Σ exp(u/τ) over opting out and the rivals.
    temperature_usd : float
    """

    own: Primitives
    elsewhere: FloatArray
    temperature_usd: float

    def share(self, type_: int, utility_usd: FloatArray) -> FloatArray:
        """Part of a type that comes for a utility, that of the lowest quality type served."""
        tau, quality_share = self.temperature_usd, self.own.quality_share
        if quality_share is None:
            return expit(utility_usd / tau - self.elsewhere[type_])
        utility = np.asarray(utility_usd)[..., np.newaxis] + self.own.quality_gain_usd
        return expit(utility / tau - self.elsewhere[:, type_]) @ quality_share[:, type_]


def reckons(primitives: Primitives) -> bool:
    """Whether the chain can say anything: p by own load alone, and C̄ ≥ R̄."""
    return primitives.mechanism.belief in OWN_LOAD and primitives.net_violation_cost_usd >= 0


def start_menu(facing: Facing, margin_usd: float, states: int = 240) -> FloatArray:
    """Menu (N,) of the best path over a grid of `states` utilities, for one margin.

    Not exact: utilities and loads are those of the grid. In order of the types.
    """
    chain = _Chain(facing, margin_usd, margin_usd, states, optimistic=False)
    chain.solve(remember=True)
    return np.maximum.accumulate(chain.menu())


def menu_bound(
    facing: Facing, margin_usd: tuple[float, float] = (0.0, 0.0), states: int | None = None
) -> float:
    """No menu with a margin in this range earns more, USD/s.

    Assumes that p falls with L and rises with the load; see `reckons`. By default there are so many
    states that the work is that of `CELLS` pairs of utility and latency.
    """
    if states is None:
        drop = -np.diff(facing.own.latency_sensitivity_usd_per_s, append=0.0)[:-1]
        longest = facing.own.mechanism.latency_max_s
        span = drop.sum() * longest + margin_usd[1] - margin_usd[0]
        step = max(drop.max(initial=0.0) * longest, span / facing.own.types)
        states = int(np.sqrt(CELLS * span / step)) if step > 0 else LOADS
    return _Chain(facing, *margin_usd, states, optimistic=True).solve()


class _Chain:
    """The recursion over cells of utility i and of load l, for one operator."""

    def __init__(
        self, facing: Facing, low_usd: float, high_usd: float, states: int, *, optimistic: bool
    ) -> None:
        self.facing, self.own, self.optimistic = facing, facing.own, optimistic
        own, settings = self.own, self.own.mechanism
        self.drop = np.append(-np.diff(own.latency_sensitivity_usd_per_s), 0.0)
        span = self.drop.sum() * settings.latency_max_s + high_usd - low_usd
        self.width = span / states or 1.0
        self.utility = low_usd + self.width * np.arange(states + 2)
        first = self.utility <= high_usd + (1.0 if optimistic else 0.5) * self.width
        self.begun = np.flatnonzero(first)
        most = sum(
            rate * facing.share(n, self.utility[-1] + self.width)
            for n, rate in enumerate(own.demand_per_s)
        )
        self.loads = np.linspace(0.0, most, LOADS)
        self.moves: list[IntArray] = []
        self.grids: list[_Latencies] = [self._latencies(n) for n in range(own.types)]

    def solve(self, *, remember: bool = False) -> float:
        """Value of the best path; its moves are kept where they are to be remembered."""
        later = np.zeros((len(self.utility), LOADS, len(self.grids[-1].latency_s)))
        self.moves = []
        for n in reversed(range(self.own.types)):
            later, best = self._step(n, later, remember=remember)
            self.moves.insert(0, best)
        self.first = int(self.begun[later[self.begun, 0, 0].argmax()])
        return float(later[self.first, 0, 0])

    def _latencies(self, n: int) -> _Latencies:
        """What a type can be promised: steps of utility, or a grid where none is tied to it."""
        settings, drop = self.own.mechanism, self.drop[n]
        first, longest = settings.latency_min_s, settings.latency_max_s
        if drop > 0:
            step = self.width / drop
            grid = np.arange(np.ceil(longest / step - 1e-9) + 1 + self.optimistic) * step
        else:
            step = (longest - first) / FREE_LATENCIES
            grid = first + step * np.arange(FREE_LATENCIES + 1)
        loose = step if self.optimistic else 0.0
        low, high = (np.clip(grid + by, first, longest) for by in (-loose, loose))
        return _Latencies(np.clip(grid, first, longest), low, high, drop > 0)

    def _step(self, n: int, later: FloatArray, *, remember: bool) -> tuple[FloatArray, IntArray]:
        """Value of type n and all after it by (i, l, latency before), and the best latency."""
        grid, cost = self.grids[n], self._cost(n)
        own, demand = self.own, self.own.demand_per_s[n]
        worth = own.service_value_usd - own.running_cost_usd
        # the first latency that is not below the one before
        limit = np.zeros(1, dtype=np.int64)
        if n:
            before = self.grids[n - 1].low_s
            limit = np.minimum(np.searchsorted(grid.high_s, before - 1e-12), len(cost) - 1)
        value = np.full((len(self.utility), LOADS, len(limit)), -np.inf)
        best: IntArray = np.zeros(value.shape if remember else (0,), dtype=np.int64)
        places = np.arange(len(cost))[:, np.newaxis]
        for i, utility in enumerate(self.utility):
            fewest = most = demand * self.facing.share(n, utility)
            came = self.loads + fewest
            to = np.minimum(np.searchsorted(self.loads, came, side="right") - 1, LOADS - 1)
            if self.optimistic:
                most = demand * self.facing.share(n, utility + self.width)
            else:
                to += (to + 1 < LOADS) & (came - self.loads[to] > 0.5 * self.loads[1])
            profit = worth - utility - cost[:, to]
            total = np.where(profit > 0, most, fewest) * profit
            if grid.tied:
                reach = min(len(cost), len(self.utility) - i)
                total = total[:reach] + later[i + places[:reach], to, places[:reach]]
                total = np.vstack([total, np.full((len(cost) - reach, LOADS), -np.inf)])
            else:
                total += later[i, to].T
            onwards = np.maximum.accumulate(total[::-1], axis=0)[::-1]
            value[i] = onwards[limit].T
            if remember:
                better = np.where(total >= onwards, places, len(cost))
                best[i] = np.minimum.accumulate(better[::-1], axis=0)[::-1][limit].T
        return value, best

    def _cost(self, n: int) -> FloatArray:
        """Waiting and violations of a task of one type over latencies and loads, (K, L)."""
        grid, own = self.grids[n], self.own
        belief = operator_belief(own, np.repeat(self.loads[:, np.newaxis], own.types, axis=1))
        shape = (LOADS, own.types)
        broken = np.array([belief.probability(np.full(shape, t))[:, n] for t in grid.high_s])
        waiting = own.latency_sensitivity_usd_per_s[n] * grid.low_s[:, np.newaxis]
        return waiting + own.net_violation_cost_usd * broken

    def menu(self) -> FloatArray:
        """Latencies along the best path."""
        i, load, before, menu = self.first, 0, 0, np.zeros(self.own.types)
        for n, best in enumerate(self.moves):
            before = int(best[i, load, before])
            menu[n] = self.grids[n].latency_s[before]
            came = self.loads[load] + self.own.demand_per_s[n] * self.facing.share(
                n, self.utility[i]
            )
            load = int(np.abs(self.loads - came).argmin())
            i = min(i + before, len(self.utility) - 1) if self.grids[n].tied else i
        return menu


@dataclass(frozen=True, eq=False)
class _Latencies:
    """A grid (K,) of latencies, the ends of its cells, and whether a step is one of utility."""

    latency_s: FloatArray
    low_s: FloatArray
    high_s: FloatArray
    tied: bool
