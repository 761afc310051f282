"""Markets of several services against brute force, on small ones."""

from itertools import pairwise, product

import numpy as np
import pytest

from airan_market.agents.belief.belief import operator_belief
from airan_market.agents.contract.design import design_menu, designed_menus
from airan_market.agents.planner.planner import plan_market
from airan_market.agents.primitives.primitives import Primitives
from airan_market.agents.solution.solver import arrive, solve
from airan_market.scenarios import load_scenario

SMALL = [
    "users.total=40",
    "users.latency_sensitivity_usd_per_s=[9e-4, 6e-4, 4e-4, 1e-4]",
    "users.shares=[0.2, 0.3, 0.3, 0.2]",
    'services=[{name="light",types=[1,3]},{name="heavy",types=[2,4],work_flop=3.6e12,'
    "tasks_per_user_per_s=2.0,service_value_usd=3e-3,refund_usd=3e-4,violation_cost_usd=4e-3}]",
    "operators.1.gpu.servers=6",
    "operators.2.gpu.servers=4",
    "operators.3.gpu.servers=8",
]
MARKET = Primitives.from_scenario(load_scenario("teleoperation", SMALL))
SHARE = np.array([[0.3, 0.2, 0.3, 0.25], [0.2, 0.2, 0.1, 0.1], [0.4, 0.3, 0.4, 0.5]])


def load_of(share):
    return np.cumsum(share * MARKET.demand_per_s, axis=-1)


@pytest.mark.parametrize("operator", [0, 1, 2])
@pytest.mark.parametrize("service", [0, 1])
def test_no_menu_of_a_grid_earns_more(operator, service):
    """Latencies and prices of a service's two items, every pair on a grid, constraints checked.

    Prices are enumerated as well: nothing is taken from (25). The best of the grid earns no more
    than the design, and no less than what a grid of this width can miss.
    """
    own = MARKET.of_operator(operator)
    menu = design_menu(own, load_of(SHARE)[operator], SHARE[operator] * MARKET.demand_per_s)
    types = MARKET.services.types_of(service)
    beta, weight = (
        MARKET.latency_sensitivity_usd_per_s[types],
        (SHARE * MARKET.demand_per_s)[operator, types],
    )
    value = float(MARKET.value_by_type_usd[operator, types[0]])
    refund, cost = MARKET.refund_usd[types[0]], MARKET.violation_cost_usd[types[0]]
    belief = operator_belief(own, load_of(SHARE)[operator])
    best_s, price = menu.latency_s[types], menu.price_usd[types]
    latency_s = np.concatenate([np.linspace(1e-3, 2.0, 60), best_s])
    prices = np.concatenate([np.linspace(price.min() - 4e-4, price.max() + 4e-4, 41), price])
    broken = np.array(
        [belief.probability(np.full(4, t))[types] for t in latency_s]  # (L, 2)
    )
    (a, b), (r, q) = np.meshgrid(latency_s, latency_s), np.meshgrid(prices, prices)
    first, second = np.meshgrid(np.arange(len(latency_s)), np.arange(len(latency_s)))
    p, p2 = broken[first, 0][..., None, None], broken[second, 1][..., None, None]
    a, b = a[..., None, None], b[..., None, None]
    slack = 1e-12
    utility = {
        (0, 0): value - beta[0] * a - r + refund * p,
        (0, 1): value - beta[0] * b - q + refund * p2,
        (1, 0): value - beta[1] * a - r + refund * p,
        (1, 1): value - beta[1] * b - q + refund * p2,
    }
    allowed = (
        (utility[0, 0] >= -slack)
        & (utility[1, 1] >= -slack)
        & (utility[0, 0] >= utility[0, 1] - slack)
        & (utility[1, 1] >= utility[1, 0] - slack)
    )
    profit = weight[0] * (r - cost * p) + weight[1] * (q - cost * p2)
    grid = np.where(allowed, profit, -np.inf).max()
    found = float((weight * (price - cost * menu.violation_probability[types])).sum())
    assert grid <= found + 1e-9 * abs(found)
    assert grid >= found - 1e-9 * abs(found)  # its own items are on the grid


def test_a_menu_of_the_other_services_types_would_not_do():
    """Negative control: screened as one service, types are charged for others' tasks."""
    menu = designed_menus(MARKET, SHARE)
    one = design_menu(
        MARKET.of_service(0), load_of(SHARE)[:, [0, 2]], (SHARE * MARKET.demand_per_s)[:, [0, 2]]
    )
    assert np.abs(one.latency_s - menu.latency_s[:, [0, 2]]).max() > 1e-3


def brute_response(share, omega, tau):
    """Menus and softmax in plain Python loops, from shares of the types alone."""
    operators, types = share.shape
    menu = designed_menus(MARKET, share)
    answer = np.zeros(share.shape)
    work, of_type = MARKET.services.work, MARKET.services.of_type
    for n in range(types):
        adjusted = []
        for m in range(operators):
            chain = [j for j in range(n + 1) if of_type[j] == of_type[n]]
            rent, beta = 0.0, MARKET.latency_sensitivity_usd_per_s
            for j, k in pairwise(chain):
                rent += (beta[j] - beta[k]) * menu.latency_s[m, j]
            size = max(
                work[n, s] / (MARKET.servers[m, s] * MARKET.service_rate_per_s[m, s])
                for s in range(3)
            ) * min(MARKET.servers[m] * MARKET.service_rate_per_s[m])
            capacity = 0.95 * min(MARKET.servers[m] * MARKET.service_rate_per_s[m])
            adjusted.append(rent - omega[m] * MARKET.demand_per_s[n] * size / capacity)
        weights = [np.exp((u - max(*adjusted, 0.0)) / tau) for u in adjusted]
        total = sum(weights) + np.exp(-max(*adjusted, 0.0) / tau)
        answer[:, n] = np.array(weights) / total
    return answer


def test_the_matching_is_the_fixed_point_of_brute_force():
    """Rents are summed within a service by hand; the matching answers itself."""
    settled = [
        "mechanism.max_iterations=400",
        "mechanism.temperature_start_usd=3e-5",
        "mechanism.temperature_end_usd=3e-5",
    ]
    agreed = arrive(Primitives.from_scenario(load_scenario("teleoperation", [*SMALL, *settled])))
    assert agreed.converged
    answer = brute_response(agreed.match_probability, agreed.shadow_price_usd, 3e-5)
    np.testing.assert_allclose(answer, agreed.match_probability, atol=1e-7)
    wrong = brute_response(agreed.match_probability * 0.9, agreed.shadow_price_usd, 3e-5)
    assert np.abs(wrong - agreed.match_probability).max() > 1e-4  # it is not always one


def test_one_entry_of_services_is_the_market_as_it_was():
    everybody = 'services=[{name="all",types=[1,2,3,4,5,6,7,8]}]'
    one = solve(load_scenario("teleoperation", [everybody])).to_json()
    assert one == solve(load_scenario("teleoperation")).to_json()


def test_a_menu_depends_on_the_loads_of_other_services():
    """Four times the vehicles at the same split, and chats, which wait for them, come later."""
    few, many = (
        designed_menus(
            Primitives.from_scenario(load_scenario("several_services", settings)),
            np.full((3, 9), 0.3),
        ).latency_s[:, [5, 7, 8]]
        for settings in ([], ["services.1.tasks_per_user_per_s=40"])
    )
    assert (many[1:] > few[1:]).all()
    assert (many >= few).all()


def test_no_constraint_is_broken_within_a_service():
    outcome = solve(load_scenario("several_services"))
    assert outcome.certificates.feasibility.holds(1e-15)
    assert outcome.certificates.deviations == ()
    assert any("better menus of single operators" in note for note in outcome.notes)


def test_what_knows_one_service_refuses_several():
    with pytest.raises(ValueError, match="services: the planner knows markets of one service"):
        plan_market(MARKET)


def test_loads_are_those_of_the_busiest_stage():
    """By hand: GPU seconds of all types over servers, in tasks of the reference size."""
    for m, share in product(range(3), (SHARE, SHARE / 2)):
        gpu = (share[m] * MARKET.demand_per_s * MARKET.services.work[:, 1]).sum()
        np.testing.assert_allclose(MARKET.bottleneck_load_per_s(share)[m], gpu, rtol=1e-12)
