"""Cost of a task by the load it feels: closed forms, another minimiser, difference quotients."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from airan_market.agents.belief.belief import operator_belief
from airan_market.agents.planner.load_cost import load_cost, load_cost_slope, task_value
from airan_market.agents.primitives.primitives import Primitives
from airan_market.sim.theory.chernoff import chernoff_coefficients

Market = Callable[..., Primitives]
LOAD = np.array([[60.0, 150.0, 260.0], [40.0, 120.0, 250.0]])


def test_closed_form(market: Market) -> None:
    """L = ln(η G (C̄ − R̄) / β) / η, where p = β / (η (C̄ − R̄)) and the cost is β (L + 1/η)."""
    primitives = market()
    stages = primitives.servers[:, np.newaxis], primitives.service_rate_per_s[:, np.newaxis]
    log_gain, eta = chernoff_coefficients(*stages, LOAD, 0.9)
    beta = primitives.latency_sensitivity_usd_per_s
    latency = (log_gain + np.log(eta * (1.2e-3 - 1.2e-4) / beta)) / eta
    found = load_cost(primitives, LOAD)
    assert found.latency_s == pytest.approx(latency, rel=1e-10)
    assert found.cost_usd == pytest.approx(beta * (latency + 1 / eta), rel=1e-10)


@pytest.mark.parametrize("belief", ["chernoff", "fifo"])
@pytest.mark.parametrize("violation_cost", [1.2e-3, 1.3e-4, 1.2e-4])
def test_no_agreement_costs_less(market: Market, belief: str, violation_cost: float) -> None:
    """Against 4,000 agreements, each charged what is charged: min(1, p)."""
    primitives = market(belief=belief, violation_cost=violation_cost, latency_max_s=0.5)
    found = load_cost(primitives, LOAD)
    beta = primitives.latency_sensitivity_usd_per_s
    grid = np.linspace(1e-3, 0.5, 4_000)[:, np.newaxis, np.newaxis] * np.ones_like(LOAD)
    believed = operator_belief(primitives, np.broadcast_to(LOAD, grid.shape)).probability(grid)
    tried = beta * grid + (violation_cost - 1.2e-4) * believed
    assert (found.cost_usd <= tried.min(axis=0) * (1 + 1e-12)).all()
    assert found.cost_usd == pytest.approx(tried.min(axis=0), rel=1e-3)


def test_exact_tail_against_a_minimiser(market: Market) -> None:
    primitives = market(belief="fifo")
    found = load_cost(primitives, LOAD)
    for m, n in np.ndindex(LOAD.shape):
        belief = operator_belief(primitives.of_operator(m), LOAD[m])
        beta = primitives.latency_sensitivity_usd_per_s[n]

        def cost(latency: float, belief=belief, beta=beta, n=n) -> float:
            agreed = np.full(3, latency)
            return float(beta * latency + (1.2e-3 - 1.2e-4) * belief.probability(agreed)[n])

        best = minimize_scalar(cost, bounds=(0.02, 2.0), method="bounded", options={"xatol": 1e-9})
        assert found.cost_usd[m, n] == pytest.approx(best.fun, rel=1e-7)


def test_a_saturated_type_is_promised_nothing(market: Market) -> None:
    """p = 1 whatever L: the shortest agreement costs least, β L_min + C̄ − R̄."""
    primitives = market(latency_min_s=2e-3)
    load = np.array([[100.0, 200.0, 441.0], [100.0, 361.0, 400.0]])  # capacities 440 and 360
    found = load_cost(primitives, load)
    beta = primitives.latency_sensitivity_usd_per_s
    late = np.array([[False, False, True], [False, True, True]])
    assert found.latency_s[late].tolist() == [2e-3] * 3
    expected = np.broadcast_to(beta * 2e-3 + 1.2e-3 - 1.2e-4, load.shape)[late]
    assert found.cost_usd[late] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("belief", ["chernoff", "fifo"])
def test_slope_is_that_of_a_wider_quotient(market: Market, belief: str) -> None:
    primitives = market(belief=belief)
    _, slope = load_cost_slope(primitives, LOAD)
    wide = load_cost(primitives, LOAD + 0.05).cost_usd - load_cost(primitives, LOAD - 0.05).cost_usd
    assert slope == pytest.approx(wide / 0.1, rel=1e-4)
    assert (slope > 0).all()
    at_zero = load_cost_slope(primitives, np.zeros_like(LOAD))[1]
    assert np.isfinite(at_zero).all()


def test_prices_and_refunds_are_not_in_it(market: Market) -> None:
    """Only C̄ − R̄ leaves the market; refund and margin are transfers."""
    one = load_cost(market(), LOAD)
    other = load_cost(
        market(refund=1.2e-4 + 3e-4, violation_cost=1.5e-3, participation_margin_usd=1e-4), LOAD
    )
    assert one.cost_usd == pytest.approx(other.cost_usd, rel=1e-12)
    assert task_value(market()).tolist() == [7e-4 - 8e-6, 6.5e-4 - 8e-6]


def test_what_has_no_cost_by_load_is_refused(market: Market) -> None:
    with pytest.raises(ValueError, match="belief = 'priority'"):
        load_cost(market(belief="priority"), LOAD)
    with pytest.raises(ValueError, match="violation_cost_usd"):
        load_cost(market(violation_cost=1e-4), LOAD)
