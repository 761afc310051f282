"""The traffic that a solved market offers each operator, exactly, and the latencies to look at.

Rates are I_n z_{m,n} δ whatever whole users would make of them: beliefs are compared with traffic
offered at the loads they were formed for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from airan_market.sim.arrays import FloatArray

if TYPE_CHECKING:
    from airan_market.agents.contract.menu import Menu
    from airan_market.agents.primitives.primitives import Primitives
    from airan_market.agents.solution.outcome import Outcome
    from airan_market.scenarios import Scenario


#: Latencies of a grid reach from 0 to where the exact tail of the type falls to this.
LEAST_TAIL = 1e-9
#: A type's traffic below this, tasks/s, is no traffic: a week without a task.
LEAST_RATE_PER_S = 1e-6
_HALVINGS = 60  # at most, of a bracket: to the last bit of a double
FARTHEST = 1e9  # a tail that has not fallen so far out does not fall


@dataclass(frozen=True, eq=False)
class Offered:
    """One operator at the solved loads.

    Attributes
    ----------
    operator : int
        0-based.
    name : str
    servers, service_rate_per_s : array (3,)
        c and μ of uplink, GPU and downlink.
    own_rate_per_s : array (N,)
        I_n z_{m,n} δ, tasks/s of each type.
    load_per_s : array (N,)
        λ_{m,n}, of types 1 to n.
    agreed_s : array (N,)
        Latency agreements of the posted menu.
    belief : array (N,)
        Violation probability that the operator charges, by the belief of the scenario.
    zeta : float
        ζ of the paper's bound.
    """

    operator: int
    name: str
    servers: NDArray[np.int64]
    service_rate_per_s: FloatArray
    own_rate_per_s: FloatArray
    load_per_s: FloatArray
    agreed_s: FloatArray
    belief: FloatArray
    zeta: float

    @property
    def types(self) -> int:
        """N."""
        return self.own_rate_per_s.size

    @property
    def capacity_per_s(self) -> float:
        """min_s c μ, tasks/s."""
        return float((self.servers * self.service_rate_per_s).min())

    @property
    def saturated(self) -> NDArray[np.bool_]:
        """Types whose load reaches the capacity: no stationary law, every latency is exceeded."""
        return self.load_per_s >= self.capacity_per_s

    @property
    def idle(self) -> NDArray[np.bool_]:
        """Types that hardly send a task (`LEAST_RATE_PER_S`)."""
        return self.own_rate_per_s < LEAST_RATE_PER_S

    @property
    def looked_at(self) -> NDArray[np.int64]:
        """Types with a stationary law and traffic, 0-based."""
        return np.flatnonzero(~self.saturated & ~self.idle)


def offered(scenario: Scenario, seed: int, outcome: Outcome | None = None) -> list[Offered]:
    """Solve a scenario and return what each operator is offered.

    Parameters
    ----------
    scenario : Scenario
    seed : int
        Matters to shares drawn from a Dirichlet law.
    outcome : Outcome, optional
        Of this scenario and seed; solved here unless given.

    Examples
    --------
    >>> from airan_market.scenarios import load_scenario
    >>> (site,) = offered(load_scenario("bound_fails"), seed=1)
    >>> site.own_rate_per_s.round(1).tolist(), site.saturated.tolist()
    ([799.8, 100.0], [False, False])
    """
    from airan_market.agents.primitives.primitives import Primitives
    from airan_market.agents.solution.solver import solve

    outcome = solve(scenario, seed=seed) if outcome is None else outcome
    primitives = Primitives.from_scenario(scenario, seed)
    names = [operator.name for operator in scenario.operators]
    return sites(primitives, outcome.match_probability, outcome.menu, names)


def sites(
    primitives: Primitives, matching: FloatArray, menu: Menu, names: Sequence[str] | None = None
) -> list[Offered]:
    """What each operator is offered under a matching (M, N), with the menus posted for it."""
    primitives.require_one_service("the validation of laws")
    own = matching * primitives.demand_per_s
    return [
        Offered(
            operator=m,
            name=names[m] if names else f"operator {m + 1}",
            servers=primitives.servers[m].astype(np.int64),
            service_rate_per_s=primitives.service_rate_per_s[m],
            own_rate_per_s=own[m],
            load_per_s=np.cumsum(own[m]),
            agreed_s=menu.latency_s[m],
            belief=menu.violation_probability[m],
            zeta=primitives.mechanism.chernoff_zeta,
        )
        for m in range(primitives.operators)
    ]


def grid(site: Offered, points: int) -> FloatArray:
    """Latencies of each type over its whole tail, evenly spaced, the agreed one first.

    Parameters
    ----------
    site : Offered
    points : int
        Latencies besides the agreed one, at least 1. They end where the exact tail of the type
        under independent stages falls to `LEAST_TAIL`, but not before the agreed latency.

    Returns
    -------
    array (N, 1 + points)
        s. Types that cannot be looked at have the agreed latency throughout.
    """
    agreed = site.agreed_s[:, np.newaxis]
    last = np.maximum(_reach(site), site.agreed_s)[:, np.newaxis]
    steps = last * np.arange(1, points + 1) / points
    usable = np.isin(np.arange(site.types), site.looked_at)[:, np.newaxis]
    return np.concatenate([agreed, np.where(usable, steps, agreed)], axis=1)


def _reach(site: Offered) -> FloatArray:
    """Latency at which each type's exact tail is `LEAST_TAIL`; 0 if not looked at."""
    from airan_market.sim.theory.preemptive import class_end_to_end_tail

    reach = np.zeros(site.types)
    if site.looked_at.size:

        def tail(latency_s: FloatArray) -> FloatArray:
            at = np.zeros(site.types)
            at[site.looked_at] = latency_s
            return class_end_to_end_tail(
                at[:, np.newaxis], site.servers, site.service_rate_per_s, site.own_rate_per_s
            )[site.looked_at, 0]

        late = np.full(site.looked_at.size, LEAST_TAIL)
        first = float(1 / site.service_rate_per_s.min())
        reach[site.looked_at] = latency_of(tail, late, first, precision=1e-6)
    return reach


def latency_of(
    tail: Callable[[FloatArray], FloatArray],
    late: FloatArray,
    scale_s: float,
    *,
    precision: float = 1e-12,
) -> FloatArray:
    """Shortest latencies at which falling tails are at most `late`, by halving.

    Parameters
    ----------
    tail : callable
        P(T > t) of an array of latencies of the shape of `late`, s.
    late : array
        In (0, 1).
    scale_s : float
        Where to begin to look, s.
    precision : float
        Relative.

    Returns
    -------
    array
        s, of the shape of `late`, from above; infinite where the tail is still above `late`
        at `FARTHEST` times the scale.

    Examples
    --------
    >>> late = np.exp([-3.0, -3.0])
    >>> latency_of(lambda t: np.exp(-t * [1.0, 0.0]), late, 1.0).round(9)
    array([ 3., inf])
    """
    high = np.full(late.shape, scale_s)
    while ((above := tail(high) > late) & (high < FARTHEST * scale_s)).any():
        high = np.where(above, 2 * high, high)
    low = np.where(high > scale_s, high / 2, 0.0)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        above = tail(middle) > late
        low, high = np.where(above, middle, low), np.where(above, high, middle)
        if (high - low <= precision * high).all():
            break
    return np.where(high < FARTHEST * scale_s, high, np.inf)
