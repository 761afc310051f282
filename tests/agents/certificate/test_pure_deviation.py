"""Deviations of one operator when users choose without chance."""

from collections.abc import Callable

import numpy as np
import pytest

from airan_market.agents.belief.belief import operator_belief
from airan_market.agents.certificate.menu_search import utility_of_menu
from airan_market.agents.certificate.pure_deviation import best_pure_deviations, reselected_share
from airan_market.agents.contract.menu import Menu
from airan_market.agents.contract.price import information_rent, priced_menu
from airan_market.agents.matching.assignment import OUT
from airan_market.agents.matching.load import cumulative_load
from airan_market.agents.mechanism.ct import assumed_menus
from airan_market.agents.mechanism.pure import (
    at_induced_load,
    indicator,
    reselect,
    tie_order,
    type_utility,
)
from airan_market.agents.primitives.primitives import Primitives

Market = Callable[..., Primitives]
TINY = {"users": [30.0, 40.0], "sensitivity": [8e-4, 3e-4]}


def plain_utility(primitives: Primitives, menu: Menu, operator: int, latency: np.ndarray) -> float:
    """One menu, one type at a time, ties written out."""
    rent = information_rent(primitives.latency_sensitivity_usd_per_s, latency)
    order = tie_order(primitives)
    matching = np.full(primitives.types, OUT)
    for _ in range(50):
        before = matching.copy()
        for n in range(primitives.types):
            value = type_utility(primitives, menu, matching, n)
            value[operator] = rent[n]
            best = max(0.0, *value)
            if matching[n] != OUT and value[matching[n]] >= best - 1e-15:
                continue
            matching[n] = next((m for m in order if value[m] >= best - 1e-15), OUT)
        if (matching == before).all():
            break
    else:
        return -np.inf
    own = primitives.of_operator(operator)
    taken = (matching == operator).astype(float)
    belief = operator_belief(own, cumulative_load(taken, own.demand_per_s))
    offered = priced_menu(own, belief, latency)
    profit = offered.price_usd - 1.2e-3 * offered.violation_probability - 8e-6
    return float((taken * own.demand_per_s * profit).sum())


@pytest.mark.parametrize("operator", [0, 1])
def test_batches_are_what_plain_loops_give(market: Market, operator: int) -> None:
    primitives = market()
    _, menu = assumed_menus(primitives)
    rng = np.random.default_rng(7)
    latency = np.sort(np.exp(rng.uniform(np.log(0.01), np.log(1.0), size=(80, 3))), axis=1)
    share = reselected_share(primitives, menu, operator)
    value = utility_of_menu(primitives.of_operator(operator), share)(latency)
    expected = [plain_utility(primitives, menu, operator, row) for row in latency]
    assert value == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert len(set(np.round(value, 9))) > 10


@pytest.mark.parametrize("operator", [0, 1])
def test_search_against_exhaustion_on_a_tiny_market(market: Market, operator: int) -> None:
    """All monotone menus on a grid of 150 latencies each way; the search must not be worse."""
    primitives = market(**TINY)
    _, menu = assumed_menus(primitives)
    found = best_pure_deviations(primitives, menu)[operator]
    assert found is not None
    grid = np.geomspace(1e-3, 2.0, 150)
    menus = np.array([(a, b) for a in grid for b in grid if a <= b])
    share = reselected_share(primitives, menu, operator)
    own = primitives.of_operator(operator)
    exhaustive = float(utility_of_menu(own, share)(menus).max())
    assert found.baseline_usd_per_s + found.gain_usd_per_s >= exhaustive * (1 - 2e-3)
    assert found.gain_usd_per_s > 1e-4


def test_search_without_moves_finds_nothing(market: Market) -> None:
    """Negative control: with a budget of one menu the exhaustive optimum is missed."""
    primitives = market(**TINY)
    _, menu = assumed_menus(primitives)
    for m, found in enumerate(best_pure_deviations(primitives, menu, budget=1)):
        assert found is not None
        assert (found.gain_usd_per_s, found.evaluations) == (0.0, 1)
        assert found.latency_s.tolist() == menu.latency_s[m].tolist()


def test_baseline_is_the_posted_menu_after_reselection(market: Market) -> None:
    primitives = market()
    _, menu = assumed_menus(primitives)
    matching = indicator(reselect(primitives, menu).matching, 2)
    p = at_induced_load(primitives, menu, matching).violation_probability
    profit = menu.price_usd - 1.2e-3 * p - 8e-6
    expected = (matching * primitives.demand_per_s * profit).sum(axis=1)
    found = best_pure_deviations(primitives, menu, budget=50)
    assert [d.baseline_usd_per_s for d in found if d] == pytest.approx(expected, rel=1e-12)


def test_no_rest_no_gain(market: Market) -> None:
    """A fine instead of a refund: users go round in a cycle, and there is nothing to compare."""
    primitives = market(
        users=[80.0], sensitivity=[0.1], value=[1.0, 1.0], refund=-0.3, latency_max_s=10.0
    )
    menu = Menu(np.full((2, 1), 5.0), np.full((2, 1), 0.1), np.zeros((2, 1)))
    assert best_pure_deviations(primitives, menu) == (None, None)
