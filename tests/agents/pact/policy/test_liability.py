"""Liability: break-even, sweeps and whose welfare they count."""

from dataclasses import replace

import numpy as np
import pytest

from airan_market.agents.pact.contract.cost_curve import CostCurveError
from airan_market.agents.pact.market import PactMarket, markets_of
from airan_market.agents.pact.policy.liability import break_even, crossing, liability_point, sweep
from airan_market.scenarios import load_pact


@pytest.fixture(scope="module")
def market() -> PactMarket:
    """Three services whose liability falls with quality, four types."""
    services = [
        {"name": n, "quality": q, "cost_usd": c, "liability_usd": liability}
        for n, q, c, liability in (
            ("a", 0.3, 0.02, 0.5), ("b", 0.6, 0.1, 0.3), ("c", 0.8, 0.3, 0.1),
        )
    ]  # fmt: skip
    users = {"types": [1, 2, 3, 4], "probabilities": [0.3, 0.15, 0.2, 0.35]}
    return markets_of(load_pact({"name": "small", "pact": {**users, "services": services}}))[0]


@pytest.mark.parametrize("menu", ["continuous", "discrete"])
def test_break_even_is_where_a_dense_sweep_changes_sign(market: PactMarket, menu: str) -> None:
    market = replace(market, menu=menu)
    level = break_even(market).level
    assert level is not None
    assert abs(market.contract(level).provider_utility_usd) < 1e-7
    levels = np.linspace(0, 2 * level, 401)
    utility = np.array([point.provider_usd for point in sweep(market, levels)])
    assert (utility[levels < level - 1e-6] > 0).all()
    assert (utility[levels > level + 1e-6] < 0).all()


def test_a_discrete_provider_s_utility_is_convex_and_falls(market: PactMarket) -> None:
    points = sweep(replace(market, menu="discrete"), np.linspace(0, 5, 101))
    utility = np.array([point.provider_usd for point in points])
    assert (np.diff(utility) < 0).all()
    assert (np.diff(utility, 2) >= -1e-12).all()


@pytest.mark.parametrize("menu", ["continuous", "discrete"])
def test_welfare_counts_everybody_once(market: PactMarket, menu: str) -> None:
    """Worth of what is served, less what it takes to serve it, less the harm that it does."""
    market = replace(market, menu=menu)
    services = market.services
    for level in (0.0, 0.5, 1.0, 3.0):
        point = liability_point(market, level)
        contract = market.contract(level)
        both = point.users_usd + point.provider_usd
        assert point.social_welfare_usd == pytest.approx(both, abs=1e-12)
        if menu == "discrete":
            cost = services.base_cost_usd[contract.service]
            harm = services.liability_usd[contract.service]
        else:
            cost = market.curve(0.0).value(contract.quality)
            # services are given by quality: 0.3, 0.6, 0.8
            harm = np.interp(contract.quality, [0.3, 0.6, 0.8], [0.5, 0.3, 0.1])
        worth = contract.theta_usd * contract.valuation
        total = float(contract.probability @ (worth - cost - harm))
        assert point.welfare_with_harm_usd == pytest.approx(total, abs=1e-12)
        assert point.harm_usd == pytest.approx(float(contract.probability @ harm), abs=1e-12)
        assert point.served == pytest.approx(1.0)
        mean = contract.probability @ np.stack([contract.quality, contract.price_usd], axis=1)
        assert (point.quality, point.price_usd) == pytest.approx(tuple(mean), abs=1e-12)


def test_charging_exactly_the_harm_makes_both_welfares_one(market: PactMarket) -> None:
    point = liability_point(replace(market, menu="discrete"), 1.0)
    assert point.welfare_with_harm_usd == pytest.approx(point.social_welfare_usd, abs=1e-12)
    assert point.harm_usd > 0


def test_who_is_left_out_costs_nothing() -> None:
    services = [{"name": "a", "quality": 0.5, "cost_usd": 0.1, "liability_usd": 0.4}]
    pact = {"types": [1, 2, 4], "services": services, "menu": "discrete", "serve_all": False}
    market = markets_of(load_pact({"name": "s", "pact": pact}))[0]
    ruinous = liability_point(market, 100.0)
    assert (ruinous.served, ruinous.provider_usd, ruinous.harm_usd) == (0.0, 0.0, 0.0)
    assert break_even(market).level is None


def test_crossings() -> None:
    assert crossing(lambda level: 1 - 5 * level).level == pytest.approx(0.2, rel=1e-8)
    assert crossing(lambda level: 900 - level).level == pytest.approx(900, rel=1e-8)
    assert crossing(lambda level: level - 1).why == "negative without any liability"

    def no_curve(level: float) -> float:
        if level > 0.3:
            raise CostCurveError("the quadratic curve decreases")
        return 1.0

    assert crossing(no_curve).why == (
        "positive up to level 0.25; at 0.5 the quadratic curve decreases"
    )


def test_constant_liability_only_shifts_the_cost(market: PactMarket) -> None:
    services = [
        {"name": str(q), "quality": q, "cost_usd": q**3, "liability_usd": 0.25}
        for q in (0.2, 0.5, 0.8)
    ]
    pact = {"types": [1, 2, 3], "services": services, "cost_curve": {"form": "power"}}
    even = markets_of(load_pact({"name": "even", "pact": pact}))[0]
    without, with_ = even.contract(0.0), even.contract(2.0)
    assert with_.quality == pytest.approx(without.quality, abs=1e-7)
    loss = without.provider_utility_usd - with_.provider_utility_usd
    assert loss == pytest.approx(0.5, abs=1e-7)
