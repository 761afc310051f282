"""The best audit rate against a closed form, brute force and its defining properties."""

from dataclasses import replace

import numpy as np
import pytest

from airan_market.agents.pact.market import PactMarket, markets_of
from airan_market.agents.pact.policy.audit import RATES, best_rate, optimal_audit
from airan_market.agents.pact.policy.liability import break_even, liability_point
from airan_market.scenarios import load_pact

COSTS = np.geomspace(1e-3, 3.0, 25)


@pytest.fixture(scope="module")
def market() -> PactMarket:
    return markets_of(load_pact("pact", ["pact.menu=discrete"]))[0]


@pytest.mark.parametrize("fine", [0.5, 1.0, 4.0])
def test_closed_form_of_a_quadratic_welfare(fine: float) -> None:
    """W(e) = w_1 e − w_2 e²/2 at e = a L: the best a is (w_1 L − k)/(w_2 L²), within [0, 1]."""
    slope, bend, costs = 0.8, 0.5, np.linspace(0.0, 4.0, 401)
    level = fine * np.linspace(0, 1, 20001)
    found = best_rate(slope * level - bend * level**2 / 2, costs) / 20000
    expected = np.clip((slope * fine - costs) / (bend * fine**2), 0, 1)
    assert found == pytest.approx(expected, abs=1e-4)
    assert ((expected > 0) & (expected < 1)).sum() >= 2  # not at the bounds alone


def test_against_brute_force(market: PactMarket) -> None:
    policy = optimal_audit(market, [0.01, 0.1, 0.4], 2.0)
    rates = np.linspace(0, 1, RATES)
    for place, cost in enumerate(policy.cost_usd):
        tried = []
        for rate in rates:
            point = liability_point(market, 2.0 * rate)
            if point.provider_usd >= 0:
                tried.append(point.welfare_with_harm_usd - cost * rate)
        assert policy.welfare_usd[place] == pytest.approx(max(tried), abs=1e-12)
        chosen = liability_point(market, policy.level[place])
        here = chosen.welfare_with_harm_usd - cost * policy.rate[place]
        assert here == pytest.approx(max(tried), abs=1e-12)


@pytest.mark.parametrize("menu", ["continuous", "discrete"])
def test_dearer_audits_are_made_less_often_and_society_has_less(
    market: PactMarket, menu: str
) -> None:
    policy = optimal_audit(replace(market, menu=menu), COSTS, 1.0)
    assert (np.diff(policy.rate) <= 0).all()
    assert policy.rate[0] > 0
    assert policy.rate[-1] == 0
    assert (np.diff(policy.welfare_usd) <= 1e-12).all()


def test_the_more_can_be_charged_the_less_has_to_be_looked_at(market: PactMarket) -> None:
    # both can charge all that the provider bears, so both want the same level
    small, large = (optimal_audit(market, [1e-6], fine) for fine in (2.5, 5.0))
    assert large.level[0] == pytest.approx(small.level[0], abs=5 / RATES)
    assert large.rate[0] == pytest.approx(small.rate[0] / 2, abs=2 / RATES)


def test_a_provider_that_would_leave_is_not_driven_out(market: PactMarket) -> None:
    zero = break_even(market).level
    assert zero is not None
    kept = optimal_audit(market, [0.0], 6.0)
    driven = optimal_audit(market, [0.0], 6.0, keep_provider=False)
    assert kept.level[0] <= zero < driven.level[0]
    poor = markets_of(load_pact("pact", ["pact.valuation.scale=0.001", "pact.menu=discrete"]))[0]
    assert np.isnan(optimal_audit(poor, [0.0], 1.0).rate[0])


def test_a_fine_must_be_positive(market: PactMarket) -> None:
    with pytest.raises(ValueError, match="fine_level = 0"):
        optimal_audit(market, [0.1], 0.0)
