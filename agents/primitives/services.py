"""Several services in one market as arrays: how the tasks of the types differ."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from airan_market.scenarios import Scenario
from airan_market.sim.arrays import FloatArray, IntArray

WORK = ("input_bits", "work_flop", "output_bits")


@dataclass(frozen=True, eq=False)
class Services:
    """What a market of several services knows besides that of one; N types.

    Attributes
    ----------
    names : tuple of str
    of_type : array (N,) of int
        Service of each type, 0-based.
    work : array (N, 3)
        Mean demands of a task of each type over those of the reference task, which is that of
        [task]: the service rates of a market are those of the reference task.
    added_value_usd : array (N,)
        What a task of each type is worth more than one at the operator's own value.

    Examples
    --------
    >>> from airan_market.scenarios import load_scenario
    >>> two = 'services=[{name="a",types=[1,2],work_flop=7.2e11},{name="b",types=[3,4,5,6,7,8]}]'
    >>> services = Services.of_scenario(load_scenario("teleoperation", [two]))
    >>> services.of_type.tolist(), services.work[0].tolist()
    ([0, 0, 1, 1, 1, 1, 1, 1], [1.0, 2.0, 1.0])
    """

    names: tuple[str, ...]
    of_type: IntArray
    work: FloatArray
    added_value_usd: FloatArray

    @classmethod
    def of_scenario(cls, scenario: Scenario) -> Services | None:
        """Services of a scenario, None where there is but one."""
        if scenario.services is None:
            return None
        of_type = service_of_type(scenario)
        work = np.stack(
            [by_type(scenario, key) / getattr(scenario.task, key) for key in WORK], axis=-1
        )
        common_usd = scenario.economics.service_value_usd
        assert common_usd is not None  # required with services
        value = by_type(scenario, "service_value_usd") - common_usd
        return cls(tuple(s.name for s in scenario.services), of_type, work, value)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of a market of several services should know."""
        who = "; ".join(
            f"{name}: type{'s' if len(types) > 1 else ''} {', '.join(map(str, types + 1))}"
            for name, types in ((n, self.types_of(i)) for i, n in enumerate(self.names))
        )
        return (
            f"Services of this market: {who}.",
            "The belief in a market of several services is an approximation for a mix of task "
            "sizes; better menus of single operators (Definition 2) are not sought there.",
        )

    def types_of(self, service: int) -> IntArray:
        """Types that ask for a service, 0-based, the most sensitive first."""
        return np.flatnonzero(self.of_type == service)


def service_of_type(scenario: Scenario) -> IntArray:
    """Service of each type, 0-based, (N,)."""
    of_type = np.zeros(len(scenario.users.latency_sensitivity_usd_per_s), dtype=np.int64)
    for number, service in enumerate(scenario.services or ()):
        of_type[np.array(service.types) - 1] = number
    return of_type


def by_type(scenario: Scenario, key: str) -> FloatArray:
    """A setting that services may have of their own, type by type, (N,).

    Examples
    --------
    >>> from airan_market.scenarios import load_scenario
    >>> two = 'services=[{name="a",types=[1],refund_usd=0.5},{name="b",types=[2,3,4,5,6,7,8]}]'
    >>> by_type(load_scenario("teleoperation", [two]), "refund_usd")[:3].tolist()
    [0.5, 0.00012, 0.00012]
    """
    return np.array(scenario.of_services(key), dtype=float)[service_of_type(scenario)]


def of_type(value: float | FloatArray, type_: int) -> float:
    """What a type has of a setting that is common to all, or an array (N,)."""
    return float(value if np.ndim(value) == 0 else np.asarray(value)[type_])
