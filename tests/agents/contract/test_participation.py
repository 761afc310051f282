"""The best menu of one operator against closed forms, grids, and a search that knows no theory."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from airan_market.agents.belief.belief import operator_belief
from airan_market.agents.contract.design import designed_menus
from airan_market.agents.contract.participation import (
    at_loads,
    best_offer,
    taking_part,
    tasks_of,
    uniform_offer,
)
from airan_market.agents.contract.utility import quality_utility, user_utility
from airan_market.agents.primitives.primitives import Primitives
from airan_market.analysis.questions.reduction import drawn_market, menu_profit, searched_profit
from airan_market.scenarios import load_scenario

CASES = (0, 3, 5)  # one latency type; two; two where sensitive users of α_1 are left out


def test_what_quality_is_worth_is_the_same_at_every_item() -> None:
    """(18), (21): every class's utility written out, at two operators of different quality."""
    market = Primitives.from_scenario(load_scenario("quality_types")).of_operator(slice(2))
    menu = designed_menus(market, np.full((2, 8), 0.25))
    found = quality_utility(market, user_utility(market, menu))
    alpha, quality = np.array([1.0, 1.1, 1.3]) * 7.15e-4 / 1.5, (1.6, 1.5)
    for m, x, n in product(range(2), range(3), range(8)):
        item = menu.latency_s[m, n], menu.price_usd[m, n], menu.violation_probability[m, n]
        wanted = alpha[x] * quality[m] - market.latency_sensitivity_usd_per_s[n] * item[0]
        wanted += -item[1] + market.refund_usd * item[2]
        assert found[m, x, n] == pytest.approx(wanted, abs=1e-13)


def one(users: float, beta: tuple[float, ...], ratio: float, share: float) -> Primitives:
    own = drawn_market(0)
    each = np.full(len(beta), users / len(beta))
    value = float(own.service_value_usd)
    return replace(
        own,
        users=each,
        latency_sensitivity_usd_per_s=np.array(beta),
        quality_value_usd=np.array([value, value * ratio]),
        quality_share=np.array([[1 - share] * len(beta), [share] * len(beta)]),
    )


@pytest.mark.parametrize("ratio", [1.0, 1.2, 1.9, 2.4])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_one_latency_type_is_sold_to_all_or_to_some_by_the_closed_form(
    ratio: float, share: float
) -> None:
    """N = 1: the better of (α_1 q − c) D and (α_2 q − c) s D, c the least cost of a promise."""
    own = one(60, (8e-4,), ratio, share)
    load = own.demand_per_s
    times = np.linspace(0.02, 0.3, 28_001)
    belief = operator_belief(own, np.broadcast_to(load, (1,)))
    cost = (
        8e-4 * times + own.net_violation_cost_usd * belief.probability(times[:, np.newaxis])[:, 0]
    )
    spent = cost.min() + own.running_cost_usd
    value = float(own.service_value_usd)
    every, some = load[0] * (value - spent), share * load[0] * (value * ratio - spent)
    reckon = at_loads(own, load)
    assert uniform_offer(own, 0, reckon).profit_usd_per_s == pytest.approx(every, rel=1e-6)
    if ratio > 1:
        assert uniform_offer(own, 1, reckon).profit_usd_per_s == pytest.approx(some, rel=1e-6)
    best = best_offer(own, reckon)
    assert best.profit_usd_per_s == pytest.approx(max(every, some), rel=1e-6)
    if ratio > 1:
        assert best.lowest.tolist() == [int(some > every)]


def test_the_reduced_menu_for_all_is_the_paper_s_design() -> None:
    own = drawn_market(5)
    free = replace(own, mechanism=own.mechanism.model_copy(update={"demand_floor": 0.0}))
    designed = designed_menus(free, np.ones(own.types))
    offer = uniform_offer(free, 0)
    assert offer.menu.latency_s == pytest.approx(designed.latency_s, rel=1e-9)
    assert offer.menu.price_usd == pytest.approx(designed.price_usd, rel=1e-9)
    assert offer.lowest.tolist() == [0] * own.types


def test_no_menu_of_a_grid_with_its_own_participation_is_better() -> None:
    """Two latency types: every pair of latencies and of what is left, by enumeration."""
    own = drawn_market(5)
    load = np.cumsum(own.demand_per_s)
    best = best_offer(own, at_loads(own, load))
    beta, value = own.latency_sensitivity_usd_per_s, own.quality_value_usd
    assert value is not None
    belief, found = operator_belief(own, load), -np.inf
    lefts = np.concatenate([-value, -value + 2e-5, -value + 1e-4])
    base = own.serving_from(0)
    for first, second in product(np.geomspace(0.02, 0.4, 30), repeat=2):
        if second < first:
            continue
        latency = np.array([first, second])
        p = belief.probability(latency)
        step = beta[0] - beta[1]
        for left, rise in product(lefts, np.linspace(step * first, step * second, 6)):
            utility = np.array([left, left + rise])
            lowest = taking_part(base, utility + float(base.service_value_usd))
            kept = -beta * latency - own.net_violation_cost_usd * p - own.running_cost_usd
            found = max(found, float((tasks_of(own, lowest) * (kept - utility)).sum()))
    assert 0.97 * best.profit_usd_per_s < found <= best.profit_usd_per_s * (1 + 1e-9)


@pytest.mark.parametrize("case", CASES)
def test_items_for_every_class_earn_no_more_than_items_for_latency_types(case: int) -> None:
    """The reduction (17) to (23): a search over two-dimensional menus ends where ours does."""
    own = drawn_market(case)
    load = np.full(own.types, own.demand_per_s.sum())
    best = best_offer(own, at_loads(own, load)).profit_usd_per_s
    found = searched_profit(own, load, case)
    assert found <= best * (1 + 1e-5)  # ties go to the operator, worth up to FAVOUR a task
    assert found >= best * (1 - 2e-3)


def test_where_sensitive_users_of_alpha_1_cost_more_than_they_pay_the_paper_s_menu_loses() -> None:
    """The other side of the check above: (22) itself may lose much, and the search sees it."""
    own = drawn_market(5)
    load = np.full(own.types, own.demand_per_s.sum())
    reckon = at_loads(own, load)
    paper, best = uniform_offer(own, 0, reckon), best_offer(own, reckon)
    assert best.profit_usd_per_s > 1.5 * paper.profit_usd_per_s
    assert (np.diff(best.lowest) <= 0).all()
    items = np.stack([best.menu.latency_s, best.menu.price_usd])
    every = np.repeat(items[np.newaxis, :, np.newaxis], own.qualities, axis=2)
    every[:, 1] -= 1e-12  # off the ties
    assert menu_profit(own, load, every)[0] == pytest.approx(best.profit_usd_per_s, rel=1e-6)
