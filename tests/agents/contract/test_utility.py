"""Expected utilities, at numbers worked by hand."""

from collections.abc import Callable

import numpy as np
import pytest

from airan_market.agents.contract.menu import Menu
from airan_market.agents.contract.utility import (
    Accounts,
    task_profit,
    task_utility,
    user_utility,
)
from airan_market.agents.primitives.primitives import Primitives

MENU = Menu(
    latency_s=np.array([[0.1, 0.4], [0.2, 0.3]]),
    price_usd=np.array([[5e-4, 3e-4], [4e-4, 2e-4]]),
    violation_probability=np.array([[0.01, 0.02], [0.5, 1.0]]),
)
RATE = np.array([[100.0, 50.0], [30.0, 0.0]])


@pytest.fixture
def accounts(market: Callable[..., Primitives]) -> Accounts:
    """Types that ask for 200 and 100 tasks/s."""
    primitives = market(
        users=[100.0, 50.0], task_rate=2.0, sensitivity=[8e-4, 2e-4], value=[7e-4, 6e-4]
    )
    return Accounts(primitives, MENU, RATE / primitives.demand_per_s)


def test_user_utility_of_every_operator_and_type(accounts: Accounts) -> None:
    """7e-4 − 8e-4·0.1 − 5e-4 + 1.2e-4·0.01 and so on."""
    expected = [[1.212e-4, 3.224e-4], [1.0e-4, 4.6e-4]]
    assert accounts.user_utility_usd == pytest.approx(np.array(expected), rel=1e-12)
    one = user_utility(accounts.primitives.of_operator(1), MENU[1])
    assert one == pytest.approx(expected[1], rel=1e-12)


def test_one_type_at_all_operators_is_a_column() -> None:
    value = np.array([7e-4, 6e-4])
    items = (part[:, 1] for part in (MENU.latency_s, MENU.price_usd, MENU.violation_probability))
    column = task_utility(value, 2e-4, *items, 1.2e-4)
    assert column == pytest.approx([3.224e-4, 4.6e-4], rel=1e-12)


def test_operator_utility_and_profit(accounts: Accounts) -> None:
    """Operator 1: 100 (5e-4 − 1.2e-3·0.01 − 8e-6) + 50 (3e-4 − 1.2e-3·0.02 − 8e-6) = 0.0614."""
    assert accounts.operator_profit_usd[0] == pytest.approx([4.8e-4, 2.68e-4], rel=1e-12)
    found = accounts.operator_utility_usd_per_s
    assert found == pytest.approx([0.0614, 30 * (4e-4 - 6e-4 - 8e-6)], rel=1e-12)
    assert float(task_profit(4e-4, 0.5, 1.2e-3, 8e-6)) == pytest.approx(found[1] / 30, rel=1e-12)


def test_welfare_is_what_is_made_less_what_is_lost(accounts: Accounts) -> None:
    """Prices and refunds cancel: welfare = Σ rate (α_1 q − β L − (C̄ − R̄) p − κ)."""
    value, beta = np.array([[7e-4], [6e-4]]), np.array([8e-4, 2e-4])
    lost = accounts.primitives.net_violation_cost_usd * MENU.violation_probability
    made = RATE * (value - beta * MENU.latency_s - lost - 8e-6)
    assert accounts.primitives.net_violation_cost_usd == pytest.approx(1.08e-3, rel=1e-12)
    assert accounts.social_welfare_usd_per_s == pytest.approx(made.sum(), rel=1e-12)


def test_many_markets_at_once_are_each_alone(accounts: Accounts) -> None:
    """A first axis of iterations changes no bit."""
    primitives, z = accounts.primitives, accounts.match_probability
    both = Accounts(primitives, Menu.stack([MENU, MENU]), np.array([z, 0.5 * z]))
    alone = Accounts(primitives, MENU, 0.5 * z)
    for name in ("operator_utility_usd_per_s", "social_welfare_usd_per_s"):
        found = [getattr(one, name).tolist() for one in (accounts, alone)]
        assert getattr(both, name).tolist() == found
