"""Unilateral deviations: the objective against plain iteration, the search against exhaustion."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import isotonic_regression

import airan_market.agents.certificate.deviation as deviation_module
from airan_market.agents.belief.belief import operator_belief
from airan_market.agents.certificate.deviation import (
    best_deviation,
    posted_utility,
)
from airan_market.agents.certificate.menu_search import MenuSearch, Objective, utility_of_menu
from airan_market.agents.contract.design import designed_menus
from airan_market.agents.contract.price import binding_prices, priced_menu
from airan_market.agents.contract.utility import task_utility
from airan_market.agents.matching.load import cumulative_load
from airan_market.agents.matching.response import adjusted_utility, mixed_response
from airan_market.agents.mechanism.agreement import Agreement
from airan_market.agents.mechanism.mixed import agree
from airan_market.agents.primitives.primitives import Primitives

Market = Callable[..., Primitives]
TINY = {"users": [30.0, 40.0], "sensitivity": [8e-4, 3e-4]}


def settled_by_iteration(
    primitives: Primitives, settled: Agreement, latency: np.ndarray, follow: list[bool]
) -> np.ndarray:
    """Users' fixed point at latencies (M, N) by brute iteration of (32), (33) and the loads.

    `follow` says for each operator whether its prices follow (25) with the load or stay posted.
    """
    z = settled.match_probability
    for _ in range(2000):
        belief = operator_belief(primitives, cumulative_load(z, primitives.demand_per_s))
        p = belief.probability(latency)
        price = settled.menu.price_usd.copy()
        for m, follows in enumerate(follow):
            if follows:
                price[m] = binding_prices(
                    primitives.service_value_usd[m],
                    primitives.latency_sensitivity_usd_per_s,
                    primitives.refund_usd,
                    latency[m],
                    p[m],
                )
        utility = task_utility(
            primitives.service_value_usd[:, np.newaxis],
            primitives.latency_sensitivity_usd_per_s,
            latency,
            price,
            p,
            primitives.refund_usd,
        )
        adjusted = adjusted_utility(
            utility,
            settled.shadow_price_usd,
            primitives.demand_per_s,
            primitives.effective_capacity_per_s,
        )
        response = mixed_response(adjusted, primitives.opt_out_utility_usd, settled.temperature_usd)
        if np.abs(response - z).max() < 1e-14:
            break
        z = 0.5 * z + 0.5 * response
    return z


def objective_of(
    primitives: Primitives, settled: Agreement, operator: int, rivals: str
) -> Objective:
    share = deviation_module.SHARES[rivals](primitives, settled, operator)  # type: ignore[index]
    return utility_of_menu(primitives.of_operator(operator), share)


def own_utility(primitives: Primitives, z: np.ndarray, operator: int, latency: np.ndarray) -> float:
    own = primitives.of_operator(operator)
    belief = operator_belief(own, cumulative_load(z[operator], own.demand_per_s))
    menu = priced_menu(own, belief, latency)
    profit = menu.price_usd - 1.2e-3 * menu.violation_probability - 8e-6
    return float((z[operator] * own.demand_per_s * profit).sum())


@pytest.mark.parametrize("rivals", ["repriced", "posted"])
@pytest.mark.parametrize("operator", [0, 1])
def test_objective_is_what_iteration_settles_on(market: Market, rivals: str, operator: int) -> None:
    """With a shadow price at work, at menus that are not the incumbent's."""
    primitives = market(
        task_rate=9.0, shadow_price_step_usd=2e-5, capacity_safety=0.5, temperature_end_usd=4e-5
    )
    settled = agree(primitives)
    assert settled.shadow_price_usd.max() > 0
    objective = objective_of(primitives, settled, operator, rivals)
    for latency in ([0.05, 0.08, 0.2], [0.1, 0.1, 0.1], [0.2, 0.5, 1.5]):
        profile = settled.menu.latency_s.copy()
        profile[operator] = latency
        follow = [rivals == "repriced" or m == operator for m in range(2)]
        z = settled_by_iteration(primitives, settled, profile, follow)
        expected = own_utility(primitives, z, operator, np.array(latency))
        assert objective(np.array([latency]))[0] == pytest.approx(expected, rel=1e-8)


def test_batches_are_evaluated_like_single_menus(market: Market) -> None:
    primitives = market()
    settled = agree(primitives)
    for rivals in ("repriced", "posted"):
        objective = objective_of(primitives, settled, 0, rivals)
        batch = np.array([[0.05, 0.08, 0.2], [0.1, 0.1, 0.1], [0.2, 0.5, 1.5]])
        alone = [float(objective(row[np.newaxis])[0]) for row in batch]
        assert objective(batch) == pytest.approx(alone, rel=1e-9)


@pytest.mark.parametrize("operator", [0, 1])
def test_search_against_exhaustion_on_a_tiny_market(market: Market, operator: int) -> None:
    """Two operators, two types, all monotone menus on a grid of 150 latencies each way.

    The search must not be worse than the grid, and the grid not better than the search but for
    its width.
    """
    primitives = market(**TINY)
    settled = agree(primitives)
    found = best_deviation(primitives, settled, operator)
    grid = np.geomspace(1e-3, 2.0, 150)
    menus = np.array([(a, b) for a in grid for b in grid if a <= b])
    exhaustive = float(objective_of(primitives, settled, operator, "repriced")(menus).max())
    best = found.baseline_usd_per_s + found.gain_usd_per_s
    assert best >= exhaustive - 1e-9
    assert best == pytest.approx(exhaustive, rel=2e-3)
    assert found.gain_usd_per_s > 1e-4


def test_search_follows_a_ridge_on_which_scaling_alone_gets_stuck(market: Market) -> None:
    """All monotone menus of three types on a grid of 40 latencies; control: the compass alone."""
    primitives = market(
        users=[29.0, 26.0, 45.0], sensitivity=[8.3e-4, 2.1e-4, 1.1e-4], temperature_end_usd=4e-6
    )
    settled = agree(primitives)
    found = best_deviation(primitives, settled, 1)
    objective = objective_of(primitives, settled, 1, "repriced")
    grid = np.geomspace(0.05, 1.0, 40)
    first, second, third = (part.ravel() for part in np.meshgrid(grid, grid, grid, indexing="ij"))
    ordered = (first <= second) & (second <= third)
    menus = np.stack([first, second, third], axis=1)[ordered]
    exhaustive = float(objective(menus).max()) - found.baseline_usd_per_s
    assert exhaustive <= found.gain_usd_per_s <= 1.05 * exhaustive
    compass = MenuSearch(objective, 1e-3, 2.0, 6000)
    _, stuck = compass.compass(settled.menu.latency_s[1], found.baseline_usd_per_s)
    assert stuck - found.baseline_usd_per_s < 0.97 * found.gain_usd_per_s
    assert compass.evaluations < 6000


def test_search_without_moves_finds_nothing(market: Market) -> None:
    """Negative control: with a budget of one menu the exhaustive optimum is missed."""
    primitives = market(**TINY)
    settled = agree(primitives)
    found = best_deviation(primitives, settled, 0, budget=1)
    assert (found.gain_usd_per_s, found.evaluations) == (0.0, 1)
    assert found.latency_s.tolist() == settled.menu.latency_s[0].tolist()


def test_gain_is_that_of_the_menu_returned(market: Market) -> None:
    primitives = market()
    settled = agree(primitives)
    found = best_deviation(primitives, settled, 1, budget=1500)
    profile = settled.menu.latency_s.copy()
    stay = own_utility(
        primitives,
        settled_by_iteration(primitives, settled, profile, [True, True]),
        1,
        profile[1],
    )
    profile[1] = found.latency_s
    move = own_utility(
        primitives,
        settled_by_iteration(primitives, settled, profile, [True, True]),
        1,
        found.latency_s,
    )
    assert found.baseline_usd_per_s == pytest.approx(stay, rel=1e-9)
    assert found.gain_usd_per_s == pytest.approx(move - stay, rel=1e-7)
    assert (np.diff(found.latency_s) >= 0).all()
    assert found.evaluations <= 1500


def test_a_monopolist_of_users_who_must_be_served_has_nothing_to_gain(market: Market) -> None:
    """One operator, and users who take it anyway: its designed menu is already the best.

    The demand floor is 0 and staying out is worth −1 USD, so that the design's weights are the
    demand whatever the menu is.
    """
    primitives = market(
        **TINY,
        servers=[[9, 4, 20]],
        rates=[[270.0, 110.0, 180.0]],
        value=[7e-4],
        opt_out=-1.0,
        demand_floor=0.0,
        max_iterations=200,
    )
    settled = agree(primitives)
    assert settled.match_probability == pytest.approx(np.ones((1, 2)), abs=1e-8)
    found = best_deviation(primitives, settled, 0)
    assert found.baseline_usd_per_s > 0.1
    assert found.gain_usd_per_s < 1e-9


def test_permuting_the_operators_permutes_the_gains(market: Market) -> None:
    primitives = market()
    swapped = replace(
        primitives,
        servers=primitives.servers[::-1],
        service_rate_per_s=primitives.service_rate_per_s[::-1],
        service_value_usd=primitives.service_value_usd[::-1],
    )
    for m in range(2):
        one = best_deviation(primitives, agree(primitives), m, budget=600)
        other = best_deviation(swapped, agree(swapped), 1 - m, budget=600)
        assert one.gain_usd_per_s == pytest.approx(other.gain_usd_per_s, rel=1e-6)


def test_menus_at_which_users_do_not_settle_are_discarded(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With little patience only menus near the incumbent's settle; the rest is counted."""
    primitives = market(
        temperature_start_usd=1e-4, temperature_end_usd=1e-4, max_iterations=300, damping=0.9
    )
    settled = agree(primitives)
    monkeypatch.setattr(deviation_module, "PATIENCE", 3)
    found = best_deviation(primitives, settled, 0, budget=300, rivals="posted")
    assert 0 < found.discarded < found.evaluations
    assert found.gain_usd_per_s >= 0


def test_no_baseline_no_gain(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    primitives = market(max_iterations=2)
    settled = agree(primitives)
    monkeypatch.setattr(deviation_module, "PATIENCE", 1)
    assert best_deviation(primitives, settled, 0, rivals="posted") is None
    assert best_deviation(primitives, settled, 0, budget=1) is not None  # needs no patience


def test_search_starts_from_zero_latency() -> None:
    search = MenuSearch(lambda x: -((x - 0.3) ** 2).sum(axis=-1), 0.0, 2.0, budget=3000)
    search.run(np.zeros(3), -0.27)
    assert search.best == pytest.approx(np.full(3, 0.3), abs=2e-3)


@pytest.mark.parametrize("target", [[0.3], [0.9, 0.4, 0.2], [0.2, 0.9, 0.1, 0.6], [3.0, 0.1, 5.0]])
def test_a_climb_ends_at_the_best_menu_of_a_hill(target: list[float]) -> None:
    """Whose top is no menu: in order and within the bounds isotonic regression is the best."""
    hill = MenuSearch(lambda x: -((x - target) ** 2).sum(axis=-1), 0.05, 2.0, budget=2000)
    start = np.linspace(0.1, 0.2, len(target))
    menu, value = hill.climb(start, float(hill.objective(start)))
    assert (np.diff(menu) >= 0).all()
    best = np.clip(isotonic_regression(target).x, 0.05, 2.0)
    assert menu == pytest.approx(best, abs=1e-4)
    assert value == float(hill.objective(menu))


@pytest.mark.parametrize("size", [1, 2, 5])
def test_neighbours_are_menus(size: int) -> None:
    search = MenuSearch(lambda x: x.sum(axis=-1), 0.1, 0.9, budget=1)
    point = np.linspace(0.1, 0.9, size)
    points = search.neighbours(point, 3.0)
    assert (np.diff(points, axis=-1) >= 0).all()
    assert ((points >= 0.1) & (points <= 0.9)).all()


def test_posted_utility_at_the_design_load_is_the_rent(market: Market) -> None:
    primitives = market()
    z = np.full((2, 3), 0.3)
    menu = designed_menus(primitives, z)
    at_design = posted_utility(primitives, menu, z)
    crowded = posted_utility(primitives, menu, np.full((2, 3), 0.4))
    assert at_design[:, 0] == pytest.approx(np.zeros(2), abs=1e-15)
    assert (crowded > at_design).all()  # the refund becomes likelier, the price stays
