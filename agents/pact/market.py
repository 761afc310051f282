"""A PACT market: services, types, valuation, and the menus that follow at a liability level."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from airan_market.agents.pact.contract.contract import (
    Contract,
    continuous_contract,
    continuous_first_best,
)
from airan_market.agents.pact.contract.cost_curve import CostCurve, CostCurveError, fit_curve
from airan_market.agents.pact.contract.discrete import discrete_contract, discrete_first_best
from airan_market.agents.pact.contract.valuation import Valuation, ValuationError, valuation
from airan_market.agents.pact.contract.virtual_types import Types
from airan_market.agents.pact.service.services import Services, services_of
from airan_market.scenarios import Fault, ScenarioError
from airan_market.scenarios.fault import value_text
from airan_market.scenarios.schema.pact import PactScenario, PactTask, PactValuation


@dataclass(frozen=True)
class PactMarket:
    """One task's market; every method is a pure function of a liability level.

    Attributes
    ----------
    name : str
        Of the task; "" when there is but one.
    share : float
        Part of all requests.
    services, types, valuation
    menu : {"continuous", "discrete"}
    serve_all : bool
    quality_min, quality_max : float
        Bounds of a continuous menu.
    curve_form : str
    hold_shape : bool
        Whether the curve keeps the κ of the costs without liability.

    Examples
    --------
    >>> from airan_market.scenarios import load_pact
    >>> market = markets_of(load_pact("pact"))[0]
    >>> market.contract(0.0).provider_utility_usd > market.contract(1.0).provider_utility_usd
    True
    """

    services: Services
    types: Types
    valuation: Valuation
    menu: str = "continuous"
    serve_all: bool = True
    quality_min: float = 0.0
    quality_max: float = 1.0
    curve_form: str = "exponential"
    hold_shape: bool = True
    name: str = ""
    share: float = 1.0

    def contract(self, liability_level: float = 0.0, types: Types | None = None) -> Contract:
        """Best menu under private types.

        Parameters
        ----------
        liability_level : float
        types : Types, optional
            Users to design for, the market's own unless named.

        Raises
        ------
        CostCurveError
            When a continuous menu has no curve.
        """
        return self._solved(continuous_contract, discrete_contract, liability_level, types)

    def first_best(self, liability_level: float = 0.0) -> Contract:
        """Best menu of a provider who knows every user's type."""
        return self._solved(continuous_first_best, discrete_first_best, liability_level)

    def _solved(
        self,
        continuous: Callable[..., Contract],
        discrete: Callable[..., Contract],
        level: float,
        types: Types | None = None,
    ) -> Contract:
        users = self.types if types is None else types
        if self.menu == "discrete":
            served = self.services.quality, self.services.cost_usd(level)
            return discrete(users, self.valuation, *served, serve_all=self.serve_all)
        bounds = self.quality_min, self.quality_max
        curve = self.curve(level)
        return continuous(users, self.valuation, curve, *bounds, serve_all=self.serve_all)

    def curve(self, liability_level: float = 0.0) -> CostCurve:
        """Cost curve through the services, liability included."""
        shape = self._base_curve.parameters.get("kappa") if self.hold_shape else None
        if liability_level == 0.0:
            return self._base_curve
        return self._fit(liability_level, shape)

    @cached_property
    def _base_curve(self) -> CostCurve:
        return self._fit(0.0, None)

    def _fit(self, liability_level: float, shape: float | None) -> CostCurve:
        return fit_curve(
            self.services.quality,
            self.services.cost_usd(liability_level),
            self.curve_form,
            shape=shape,
            lower=self.quality_min,
            upper=self.quality_max,
        )


def markets_of(scenario: PactScenario) -> tuple[PactMarket, ...]:
    """The market of every task Φ of a scenario; one when it names none.

    A provider sees which task a request is, so each task has a contract of its own and the
    problem falls apart into one per task.

    Raises
    ------
    ScenarioError
        When services, valuation or cost curve are impossible, a line for each fault.

    Examples
    --------
    >>> from airan_market.scenarios import load_pact
    >>> [market.types.size for market in markets_of(load_pact("pact"))]
    [15]
    >>> markets_of(load_pact("pact", ["pact.cost_curve.form=quadratic"]))
    Traceback (most recent call last):
        ...
    airan_market...ScenarioError: pact: pact.cost_curve.form = "quadratic": the quadratic curve ...
    """
    tasks = scenario.pact.tasks or (None,)
    worth = _valuation(scenario, scenario.pact.valuation)
    markets = tuple(_market(scenario, task, worth) for task in tasks)
    if scenario.pact.menu == "continuous":
        for market in markets:
            for level in (0.0, scenario.pact.liability_level):
                _refuse_curve(scenario, market, level)
    return markets


def _refuse_curve(scenario: PactScenario, market: PactMarket, level: float) -> None:
    try:
        market.curve(level)
    except CostCurveError as error:
        form = value_text(scenario.pact.cost_curve.form)
        where = f" in task {market.name!r}" if market.name else ""
        when = f" at liability level {level:g}" if level else ""
        fault = Fault(scenario.name, "pact.cost_curve.form", form, f"{error}{when}{where}")
        raise ScenarioError([fault]) from None


def _market(scenario: PactScenario, task: PactTask | None, worth: Valuation) -> PactMarket:
    pact = scenario.pact
    theta, probability = pact.types, pact.probabilities
    if task is not None:
        # probabilities of all requests say nothing of a task with types of its own
        probability = task.probabilities or (None if task.types else probability)
        theta = task.types or theta
    return PactMarket(
        services_of(scenario, task),
        Types(theta, probability),
        worth,
        pact.menu,
        pact.serve_all,
        pact.quality_min,
        pact.quality_max,
        pact.cost_curve.form,
        pact.cost_curve.hold_shape,
        "" if task is None else task.name,
        1.0 if task is None else task.share,
    )


def _valuation(scenario: PactScenario, table: PactValuation) -> Valuation:
    try:
        return valuation(table.form, table.scale, table.parameter, table.expression)
    except ValuationError as error:
        written = table.form == "expression"
        key = "pact.valuation.expression" if written else "pact.valuation"
        shown = value_text(table.expression) if written else ""
        reason = str(error).removeprefix(f"{table.expression}: ") if written else str(error)
        raise ScenarioError([Fault(scenario.name, key, shown, reason)]) from None
