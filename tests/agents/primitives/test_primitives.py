"""The arrays of a market."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from airan_market.agents.primitives.primitives import Primitives
from airan_market.agents.primitives.stations import rates_of
from airan_market.scenarios import load_scenario

Market = Callable[..., Primitives]


def test_default_market_in_numbers() -> None:
    """Rates by hand: 200e6/180e3, 40e12/3.6e11, 200e6/270e3."""
    scenario = load_scenario("teleoperation")
    market = Primitives.from_scenario(scenario)
    assert market.users.tolist() == [17, 21, 21, 20, 21, 19, 17, 14]
    assert market.servers.tolist() == [[48, 24, 194], [43, 16, 172], [28, 12, 115]]
    expected = [1111.111111111111, 111.11111111111111, 740.7407407407408]
    assert market.service_rate_per_s == pytest.approx(np.tile(expected, (3, 1)))
    assert rates_of(scenario.operators).tolist() == [[200e6, 40e12, 200e6]] * 3
    assert market.service_value_usd.tolist() == [7.15e-4] * 3
    capacity = 0.95 * np.array([24, 16, 12]) * 1000 / 9  # the GPUs are the bottleneck
    assert market.effective_capacity_per_s == pytest.approx(capacity)
    assert market.demand_per_s[:1] == pytest.approx([17 * 24.0])


def test_an_operator_may_have_its_own_service_value() -> None:
    scenario = load_scenario("teleoperation")
    tables = scenario.model_dump(exclude_none=True)
    tables["operators"][1]["service_value_usd"] = 9e-4
    market = Primitives.from_scenario(load_scenario(tables))
    assert market.service_value_usd.tolist() == [7.15e-4, 9e-4, 7.15e-4]


def test_seed_draws_the_shares() -> None:
    tables = load_scenario("teleoperation").model_dump(exclude_none=True)
    del tables["users"]["shares"]
    tables["users"]["dirichlet_alpha"] = 10.0
    scenario = load_scenario(tables)
    one, two = (Primitives.from_scenario(scenario, seed) for seed in (1, 2))
    assert one.users.sum() == two.users.sum() == 150
    assert one.users.tolist() != two.users.tolist()


def test_row_of_one_operator(market: Market) -> None:
    row = market().of_operator(1)
    assert row.servers.tolist() == [7.0, 3.0, 15.0]
    assert row.service_value_usd == 6.5e-4
    assert row.operators == 1
    assert row.effective_capacity_per_s == pytest.approx(0.95 * 3 * 120.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"users": np.ones(2)}, "per type"),
        ({"users": np.array([1.0, -1.0, 1.0])}, "users"),
        ({"users": np.array([1.0, np.nan, 1.0])}, "users"),
        ({"latency_sensitivity_usd_per_s": np.array([1.0, 2.0, 0.5])}, "never increasing"),
        ({"latency_sensitivity_usd_per_s": np.array([1.0, 0.5, 0.0])}, "positive"),
        ({"latency_sensitivity_usd_per_s": np.array([np.inf, 0.5, 0.1])}, "finite"),
        ({"service_value_usd": np.ones(3)}, "same operators"),
        ({"service_value_usd": np.array([1.0, np.nan])}, "finite"),
        ({"service_rate_per_s": np.ones((2, 2))}, "same operators"),
        ({"servers": np.array([[9, 4, 20], [7, 0, 15]])}, r"servers = 0\.0: "),
        ({"servers": np.array([[9, 4, 20], [7, 2.5, 15]])}, r"servers = 2\.5: "),
        ({"service_rate_per_s": np.array([[9, 4, 20], [7, -1, 15]])}, r"per_s = -1\.0: "),
        ({"service_rate_per_s": np.array([[9, 4, 20], [7, np.nan, 15]])}, "per_s = nan: "),
    ],
)
def test_arrays_that_do_not_fit_are_refused(
    market: Market, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        replace(market(), **change)


def test_demand_and_capacity_are_computed_once(market: Market) -> None:
    """And anew for other primitives."""
    primitives = market()
    assert primitives.demand_per_s is primitives.demand_per_s
    assert primitives.effective_capacity_per_s is primitives.effective_capacity_per_s
    doubled = replace(primitives, users=2 * primitives.users, servers=2 * primitives.servers)
    assert doubled.demand_per_s.tolist() == (2 * primitives.demand_per_s).tolist()
    capacity = 2 * primitives.effective_capacity_per_s
    assert doubled.effective_capacity_per_s.tolist() == capacity.tolist()
