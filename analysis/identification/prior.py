"""What the paper leaves open, and what is believed of it before its tables are looked at.

The rate of a GPU instance, α_1 q, L_min and the last temperature are log-uniform over a range that
nobody would leave; the shares of the types have the Dirichlet law that the paper draws from. Users
are whole as the reading has them. Radio is as the reading says: the tables bound it from below only
(`airan-market calibrate`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import gamma

from airan_market.agents.primitives.population import users_by_type
from airan_market.agents.primitives.primitives import Primitives
from airan_market.analysis.reproduction.published import DIRICHLET
from airan_market.scenarios import Scenario
from airan_market.sim.arrays import FloatArray

GPU, VALUE, SHORTEST, TEMPERATURE = (
    "gpu_rate_flop_per_s",
    "service_value_usd",
    "latency_min_s",
    "temperature_end_usd",
)
#: Parameter → its unit, and the ends of its log-uniform prior.
RANGES: dict[str, tuple[str, float, float]] = {
    GPU: ("FLOP/s", 30e12, 80e12),
    VALUE: ("USD/task", 4e-4, 2e-3),
    SHORTEST: ("s", 1e-3, 3e-2),
    TEMPERATURE: ("USD/task", 2e-6, 9e-5),
}


@dataclass(frozen=True)
class Prior:
    """Prior of the market of a scenario, from the unit cube.

    Examples
    --------
    >>> from airan_market.scenarios import load_scenario
    >>> prior = Prior.of(load_scenario("teleoperation"))
    >>> point = prior.point(np.full(prior.dimensions, 0.5))
    >>> np.round(point[:4] * [1e-12, 1e4, 1e3, 1e6], 2).tolist()
    [48.99, 8.94, 5.48, 13.42]
    >>> prior.market(point).users.tolist()
    [19.0, 19.0, 19.0, 19.0, 19.0, 19.0, 18.0, 18.0]
    """

    scenario: Scenario
    primitives: Primitives

    @classmethod
    def of(cls, scenario: Scenario) -> Prior:
        """The prior of a scenario."""
        return cls(scenario, Primitives.from_scenario(scenario))

    @property
    def names(self) -> list[str]:
        """Of what a point holds: the parameters, then the shares of the types."""
        return [*RANGES, *(f"share_{n + 1}" for n in range(self.primitives.types))]

    @property
    def dimensions(self) -> int:
        """Of the cube."""
        return len(self.names)

    def point(self, cube: FloatArray) -> FloatArray:
        """Parameters and shares at a point of the unit cube, uniform there under the prior."""
        low, high = (np.array([r[k] for r in RANGES.values()]) for k in (1, 2))
        part = cube[: len(RANGES)]
        weights = gamma.ppf(cube[len(RANGES) :], DIRICHLET)
        return np.concatenate([low ** (1 - part) * high**part, weights / weights.sum()])

    def market(self, point: FloatArray) -> Primitives:
        """The market at a point."""
        given = dict(zip(RANGES, point, strict=False))
        base, mechanism = self.primitives, self.scenario.mechanism
        rates = base.service_rate_per_s.copy()
        rates[:, 1] = given[GPU] / self.scenario.task.work_flop
        changed = {
            SHORTEST: given[SHORTEST],
            TEMPERATURE: min(given[TEMPERATURE], mechanism.temperature_start_usd),
        }
        return replace(
            base,
            users=self.users(point),
            service_rate_per_s=rates,
            service_value_usd=np.full(base.operators, given[VALUE]),
            mechanism=base.mechanism.model_copy(update=changed),
        )

    def users(self, point: FloatArray) -> FloatArray:
        """Users of each type at a point, whole as the scenario has them, (N,)."""
        shares = tuple(point[len(RANGES) :].tolist())
        drawn = self.scenario.users.model_copy(update={"shares": shares, "dirichlet_alpha": None})
        return users_by_type(drawn)
