"""Expected utilities, at numbers worked by hand."""

import numpy as np
import pytest

from airan_market.agents.primitives.utility import (
    operator_profit,
    operator_utility,
    social_welfare,
    user_utility,
)

LATENCY = np.array([[0.1, 0.4], [0.2, 0.3]])
PRICE = np.array([[5e-4, 3e-4], [4e-4, 2e-4]])
P = np.array([[0.01, 0.02], [0.5, 1.0]])
RATE = np.array([[100.0, 50.0], [30.0, 0.0]])


def test_user_utility_of_every_operator_and_type() -> None:
    """7e-4 − 8e-4·0.1 − 5e-4 + 1.2e-4·0.01 and so on."""
    value = np.array([[7e-4], [6e-4]])
    found = user_utility(value, np.array([8e-4, 2e-4]), LATENCY, PRICE, P, 1.2e-4)
    expected = [[1.212e-4, 3.224e-4], [1.0e-4, 4.6e-4]]
    assert found == pytest.approx(np.array(expected), rel=1e-12)


def test_one_type_at_all_operators_is_a_column() -> None:
    value = np.array([7e-4, 6e-4])
    column = user_utility(value, 2e-4, LATENCY[:, 1], PRICE[:, 1], P[:, 1], 1.2e-4)
    assert column == pytest.approx([3.224e-4, 4.6e-4], rel=1e-12)


def test_operator_utility_and_profit() -> None:
    """Operator 1: 100 (5e-4 − 1.2e-3·0.01 − 8e-6) + 50 (3e-4 − 1.2e-3·0.02 − 8e-6) = 0.0614."""
    profit = operator_profit(PRICE, P, 1.2e-3, 8e-6)
    assert profit[0] == pytest.approx([4.8e-4, 2.68e-4], rel=1e-12)
    found = operator_utility(RATE, PRICE, P, 1.2e-3, 8e-6)
    assert found == pytest.approx([0.0614, 30 * (4e-4 - 6e-4 - 8e-6)], rel=1e-12)


def test_welfare_is_what_is_made_less_what_is_lost() -> None:
    """Prices and refunds cancel: welfare = Σ rate (α_1 q − β L − (C̄ − R̄) p − κ)."""
    value, beta = np.array([[7e-4], [6e-4]]), np.array([8e-4, 2e-4])
    users = user_utility(value, beta, LATENCY, PRICE, P, 1.2e-4)
    operators = operator_utility(RATE, PRICE, P, 1.2e-3, 8e-6)
    made = RATE * (value - beta * LATENCY - (1.2e-3 - 1.2e-4) * P - 8e-6)
    assert social_welfare(operators, RATE, users) == pytest.approx(made.sum(), rel=1e-12)
