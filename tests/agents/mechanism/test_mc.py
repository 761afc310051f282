"""MC: one choice, one redesign."""

from collections.abc import Callable

import numpy as np
import pytest

from airan_market.agents.contract.design import design_menu
from airan_market.agents.contract.price import information_rent
from airan_market.agents.contract.utility import user_utility
from airan_market.agents.matching.load import demand_weight
from airan_market.agents.matching.response import project
from airan_market.agents.mechanism.ct import assumed_menus
from airan_market.agents.mechanism.mc import agree
from airan_market.agents.primitives.primitives import Primitives
from airan_market.scenarios import load_scenario

Market = Callable[..., Primitives]


def test_users_see_their_information_rent(market: Market) -> None:
    """What the prices (25) leave them at the posted workload, whatever risk is in them."""
    primitives = market()
    _, menu = assumed_menus(primitives)
    rent = information_rent(primitives.latency_sensitivity_usd_per_s, menu.latency_s)
    assert user_utility(primitives, menu) == pytest.approx(rent, abs=1e-15)


def test_everyone_takes_the_largest_rent(market: Market) -> None:
    primitives = market()
    _, menu = assumed_menus(primitives)
    rent = information_rent(primitives.latency_sensitivity_usd_per_s, menu.latency_s)
    chosen = project(agree(primitives).match_probability, primitives.effective_capacity_per_s)
    assert chosen[1:].tolist() == rent[:, 1:].argmax(axis=0).tolist()
    assert chosen[0] == 0  # a tie at 0: the operator with the larger capacity


def test_menus_are_those_of_the_load_they_got(market: Market) -> None:
    """Written out: loads of whole types, weights with the demand floor on types that went away."""
    primitives = market(demand_floor=0.2)
    agreed = agree(primitives)
    rate = agreed.match_probability * primitives.demand_per_s
    weight = demand_weight(agreed.match_probability, primitives.demand_per_s, 0.2)
    away = agreed.match_probability == 0
    assert weight[away] == pytest.approx((0.2 * primitives.demand_per_s * np.ones((2, 1)))[away])
    menu = design_menu(primitives, rate.cumsum(axis=-1), weight)
    assert agreed.menu.latency_s.tolist() == menu.latency_s.tolist()
    assert (agreed.iterations, agreed.converged) == (1, True)


def test_who_is_worth_more_outside_stays_out(market: Market) -> None:
    agreed = agree(market(opt_out=1.0))
    assert agreed.match_probability.tolist() == [[0.0] * 3] * 2


def test_default_market() -> None:
    """Types 1 and 2 at operator 1, the rest at the slowest, whose long agreements leave rent."""
    primitives = Primitives.from_scenario(load_scenario("teleoperation"))
    matching = project(agree(primitives).match_probability, primitives.effective_capacity_per_s)
    assert matching.tolist() == [0, 0, 2, 2, 2, 2, 2, 2]
