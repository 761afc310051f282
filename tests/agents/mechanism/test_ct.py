"""CT: menus for an assumed workload, users who reselect."""

from collections.abc import Callable

import numpy as np
import pytest

from airan_market.agents.certificate.certificates import check_selection
from airan_market.agents.contract.design import design_menu
from airan_market.agents.matching.assignment import OUT
from airan_market.agents.matching.response import project
from airan_market.agents.mechanism.ct import agree, assumed_menus
from airan_market.agents.mechanism.pure import type_utility
from airan_market.agents.primitives.primitives import Primitives
from airan_market.scenarios import load_scenario

Market = Callable[..., Primitives]


@pytest.mark.parametrize("share", [0.2, 0.5, 1.0])
def test_menus_are_optimal_for_the_assumed_workload(market: Market, share: float) -> None:
    """Loads and weights are the same part of every type's demand, with no floor to be seen."""
    primitives = market(assumed_workload_share=share)
    part = np.tile(share * primitives.demand_per_s, (2, 1))
    expected = design_menu(primitives, part.cumsum(axis=-1), part)
    _, menu = assumed_menus(primitives)
    assert menu.latency_s == pytest.approx(expected.latency_s, rel=1e-9)
    assert menu.price_usd == pytest.approx(expected.price_usd, rel=1e-9)


def test_another_share_is_another_menu(market: Market) -> None:
    """Negative control of the comparison above."""
    few, many = (assumed_menus(market(assumed_workload_share=s))[1] for s in (0.2, 0.5))
    assert np.abs(few.latency_s / many.latency_s - 1).max() > 0.01


def test_latencies_and_prices_stay_as_posted(market: Market) -> None:
    primitives = market()
    posted, agreed = assumed_menus(primitives)[1], agree(primitives)
    assert agreed.menu.latency_s.tolist() == posted.latency_s.tolist()
    assert agreed.menu.price_usd.tolist() == posted.price_usd.tolist()
    assert set(agreed.match_probability.ravel()) <= {0.0, 1.0}
    assert agreed.notes == ()


def test_default_market() -> None:
    """Everyone ends at operator 1, whose full load pays more refunds than its prices ask for.

    The utilities of type 1 are a few 1e-7 USD: what its refund is worth beyond the prices.
    """
    primitives = Primitives.from_scenario(load_scenario("teleoperation"))
    agreed = agree(primitives)
    assert agreed.converged
    matching = project(agreed.match_probability, primitives.effective_capacity_per_s)
    assert matching.tolist() == [0] * 8


def test_a_cycle_is_reported_with_its_length(market: Market) -> None:
    """A fine instead of a refund, and whole types that saturate either operator."""
    primitives = market(
        users=[200.0],
        sensitivity=[4e-4],
        value=[7e-4, 7e-4],
        servers=((7, 3, 15),) * 2,
        rates=((250.0, 120.0, 190.0),) * 2,
        refund=-1.2e-4,
        opt_out=-1.0,
        assumed_workload_share=0.1,
    )
    agreed = agree(primitives)
    assert not agreed.converged
    assert len(agreed.notes) == 1
    assert "repeat every 2 sweeps" in agreed.notes[0]


def test_a_cycle_of_an_ordinary_scenario() -> None:
    """Type 1 has 5 users, whose load makes the Chernoff expression, and their refund, fall.

    Each operator leaves them more than nothing while they are not there, and less when they are.
    """
    scenario = load_scenario("teleoperation", ["users.dirichlet_alpha=0.1"])
    primitives = Primitives.from_scenario(scenario, seed=1)
    agreed, menu = agree(primitives), assumed_menus(primitives)[1]
    assert not agreed.converged
    assert "repeat every 2 sweeps" in agreed.notes[0]
    matching = project(agreed.match_probability, primitives.effective_capacity_per_s)
    assert not check_selection(primitives, menu, matching).equilibrium
    alone = np.full(8, OUT)
    assert (type_utility(primitives, menu, alone, 0) > 0).all()
    for m in range(3):
        alone[0] = m
        assert type_utility(primitives, menu, alone, 0)[m] < 0
