"""A solved PACT scenario: the menu, its first best, both with liability, in plain numbers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from airan_market.agents.pact.contract.certificates import Certificate, check_contract
from airan_market.agents.pact.contract.contract import Contract
from airan_market.agents.pact.market import PactMarket, markets_of
from airan_market.agents.pact.policy.liability import BreakEven, crossing
from airan_market.agents.pact.service.services import dominated
from airan_market.scenarios.schema.pact import PactScenario


@dataclass(frozen=True)
class SolvedMarket:
    """Menus of one task without and with liability, each beside its first best."""

    market: PactMarket
    liability_level: float
    contract: Contract
    first_best: Contract
    liable_contract: Contract
    liable_first_best: Contract

    @classmethod
    def solve(cls, market: PactMarket, liability_level: float) -> SolvedMarket:
        """Solve the four problems of a market."""
        return cls(
            market,
            liability_level,
            market.contract(),
            market.first_best(),
            market.contract(liability_level),
            market.first_best(liability_level),
        )

    def certificates(self) -> dict[str, Certificate]:
        """IR and IC of both menus."""
        return {
            "without liability": check_contract(self.contract),
            "with liability": check_contract(self.liable_contract),
        }


@dataclass(frozen=True)
class PactOutcome:
    """All tasks of a scenario, solved; totals are weighted by the tasks' shares.

    Attributes
    ----------
    markets : tuple of SolvedMarket
        One for each task, one when the scenario names none.
    """

    markets: tuple[SolvedMarket, ...]

    @cached_property
    def break_even(self) -> BreakEven:
        """Liability level at which the provider's utility over all tasks crosses zero."""
        if not any(solved.market.services.liability_usd.any() for solved in self.markets):
            return BreakEven(None, "no service has a liability")
        return crossing(
            lambda level: sum(
                s.market.share * s.market.contract(level).provider_utility_usd for s in self.markets
            )
        )

    def notes(self) -> list[str]:
        """What a reader should know of services and fits, a sentence each."""
        found = []
        for solved in self.markets:
            market = solved.market
            of = f" of task {market.name}" if market.name else ""
            names = market.services.names
            for worse, better in dominated(market.services.quality, market.services.base_cost_usd):
                found.append(
                    f"service {names[worse]!r}{of} is worse than {names[better]!r} and costs more"
                )
            if market.menu == "discrete":
                continue
            for level in dict.fromkeys((0.0, solved.liability_level)):
                curve = market.curve(level)
                if curve.note:
                    found.append(f"cost curve{of} at liability level {level:g}: {curve.note}")
            best = market.services.quality.max()
            used = max(solved.contract.quality.max(), solved.liable_contract.quality.max())
            if used > best + 1e-9:
                found.append(
                    f"the menu{of} reaches quality {used:.3f} where the best service has "
                    f"{best:.3f}: the cost curve is extrapolated there (pact.quality_max)"
                )
        return found

    def to_json(self) -> dict[str, Any]:
        """Fields of `pact --json`; with several tasks a service and a type name theirs.

        Examples
        --------
        >>> from airan_market.scenarios import load_pact
        >>> fields = solve_pact(load_pact("pact")).to_json()
        >>> list(fields)[:4]
        ['services', 'types', 'provider_utility', 'social_welfare']
        """
        return {
            "services": [row for s in self.markets for row in _services(s, 0.0)],
            **self._menu_json(liable=False),
            "with_liability": {
                "level": self.markets[0].liability_level,
                "services": [row for s in self.markets for row in _services(s, s.liability_level)],
                **self._menu_json(liable=True),
            },
            "liability_break_even": self.break_even.level,
        }

    def _menu_json(self, *, liable: bool) -> dict[str, Any]:
        prefix = "liable_" if liable else ""

        def total(menu: str, figure: str) -> float:
            each = ((s.market.share, getattr(s, prefix + menu)) for s in self.markets)
            return sum(share * getattr(contract, figure) for share, contract in each)

        return {
            "types": [row for s in self.markets for row in _types(s, prefix)],
            "provider_utility": total("contract", "provider_utility_usd"),
            "social_welfare": total("contract", "social_welfare_usd"),
            "first_best": {
                "provider_utility": total("first_best", "provider_utility_usd"),
                "social_welfare": total("first_best", "social_welfare_usd"),
            },
        }


def solve_pact(scenario: PactScenario) -> PactOutcome:
    """Solve every task of a scenario, without and with its liability.

    Raises
    ------
    ScenarioError
        When the market is impossible, a line for each fault.

    Examples
    --------
    >>> from airan_market.scenarios import load_pact
    >>> outcome = solve_pact(load_pact("pact"))
    >>> all(found.holds for found in outcome.markets[0].certificates().values())
    True
    """
    level = scenario.pact.liability_level
    return PactOutcome(tuple(SolvedMarket.solve(m, level) for m in markets_of(scenario)))


def _services(solved: SolvedMarket, level: float) -> list[dict[str, Any]]:
    services = solved.market.services
    task = {"task": solved.market.name} if solved.market.name else {}
    return [
        {**task, "q": float(q), "latency_s": None if np.isnan(t) else float(t), "cost": float(c)}
        for q, t, c in zip(
            services.quality, services.latency_s, services.cost_usd(level), strict=True
        )
    ]


def _types(solved: SolvedMarket, prefix: str) -> list[dict[str, Any]]:
    menu, best = getattr(solved, f"{prefix}contract"), getattr(solved, f"{prefix}first_best")
    task = {"task": solved.market.name} if solved.market.name else {}
    return [
        {**task, "theta": float(theta), **_item(menu, k), "first_best": _item(best, k)}
        for k, theta in enumerate(solved.market.types.theta_usd)
    ]


def _item(menu: Contract, k: int) -> dict[str, float]:
    return {
        "quality": float(menu.quality[k]),
        "price": float(menu.price_usd[k]),
        "user_utility": float(menu.user_utility_usd[k]),
        "provider_utility": float(menu.profit_usd[k]),
    }
