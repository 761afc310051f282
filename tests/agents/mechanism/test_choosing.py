"""What a type believes when it takes a posted item, held to plain loops."""

from math import exp

import numpy as np
import pytest

from airan_market import load_scenario
from airan_market.agents.matching.assignment import OUT
from airan_market.agents.mechanism import ct, gsmc, mc
from airan_market.agents.mechanism.ct import assumed_menus
from airan_market.agents.mechanism.pure import select, tie_order
from airan_market.agents.primitives.population import users_by_type
from airan_market.agents.primitives.primitives import Primitives
from airan_market.sim.theory.chernoff import chernoff_coefficients

DRAWS = range(6)


def market(draw, **mechanism):
    settings = [f"mechanism.{key}={value}" for key, value in mechanism.items()]
    scenario = load_scenario("teleoperation", ["users.dirichlet_alpha=1", *settings])
    return Primitives.from_scenario(scenario, draw)


def plain_choice(primitives, menu, belief, order):
    """Operator of every type in words of the spec: (13), (27), (10), one number at a time."""
    taken = []
    for n in range(primitives.types):
        worth = []
        for m in range(primitives.operators):
            latency, price = menu.latency_s[m, n], menu.price_usd[m, n]
            load = sum(primitives.demand_per_s[j] for j in range(n) if taken[j] == m)
            if belief == "posted":
                p = menu.violation_probability[m, n]
            else:
                rate = load if belief == "placed" else 0.0
                log_gain, eta = chernoff_coefficients(
                    primitives.servers[m], primitives.service_rate_per_s[m], rate, 0.9
                )
                p = min(1.0, exp(float(log_gain) - float(eta) * latency))
            beta = primitives.latency_sensitivity_usd_per_s[n]
            value = primitives.service_value_usd[m]
            worth.append(value - beta * latency - price + primitives.refund_usd * p)
        best = max([*worth, 0.0])
        near = [m for m in order if worth[m] >= best - 1e-13]
        taken.append(near[0] if near else OUT)
    return taken


@pytest.mark.parametrize("ties", ["capacity", "number"])
@pytest.mark.parametrize("belief", ["posted", "empty", "placed"])
@pytest.mark.parametrize("draw", DRAWS)
def test_a_type_takes_what_plain_loops_take(draw, belief, ties):
    primitives = market(draw, ties=ties)
    _, menu = assumed_menus(primitives)
    expected = plain_choice(primitives, menu, belief, tie_order(primitives).tolist())
    assert select(primitives, menu, belief).matching.tolist() == expected


def test_control_beliefs_and_ties_make_a_difference():
    found = set()
    for draw in DRAWS:
        for ties in ("capacity", "number"):
            primitives = market(draw, ties=ties)
            _, menu = assumed_menus(primitives)
            for belief in ("posted", "empty", "placed", "congested"):
                found.add((draw, tuple(select(primitives, menu, belief).matching.tolist())))
    assert len(found) > 2 * len(DRAWS)


@pytest.mark.parametrize("belief", ["posted", "empty", "placed", "congested"])
def test_ct_and_mc_choose_alike_and_differ_in_the_redesign(belief):
    primitives = market(1, ct_belief=belief, mc_belief=belief)
    posted, redesigned = ct.agree(primitives), mc.agree(primitives)
    assert np.array_equal(posted.match_probability, redesigned.match_probability)
    assert not np.array_equal(posted.menu.latency_s, redesigned.menu.latency_s)


def test_without_quotas_everybody_has_its_first_choice():
    differ = 0
    for draw in DRAWS:
        bound = market(draw)
        free = market(draw, gsmc_quotas="false", gsmc_belief="empty", ties="number")
        _, menu = assumed_menus(free)
        first = select(free, menu, "empty").matching
        matching = gsmc.agree(free).match_probability
        there = (free.users > 0) & (first != OUT)  # a type without users is nowhere
        expected = (first == np.arange(free.operators)[:, np.newaxis]) & there
        assert matching.tolist() == expected.astype(float).tolist()
        differ += not np.array_equal(gsmc.agree(bound).match_probability, matching)
    assert differ  # control


def test_the_empty_market_of_gsmc_changes_preferences_alone():
    posted, empty = (gsmc.posted_game(market(0, gsmc_belief=b)) for b in ("posted", "empty"))
    assert (empty.utility_usd != posted.utility_usd).any()
    assert np.array_equal(empty.profit_usd, posted.profit_usd)


def test_floors_are_those_of_the_shares():
    scenario = load_scenario("teleoperation", ["users.rounding=floor", "users.dirichlet_alpha=10"])
    for draw in range(20):
        users = users_by_type(scenario.users, draw)
        shares = users_by_type(scenario.users.model_copy(update={"whole_users": False}), draw)
        assert users.tolist() == np.floor(shares).tolist()
        assert 142 < users.sum() <= 150
    tenths = {"shares": (0.1,) * 10, "dirichlet_alpha": None}
    even = scenario.users.model_copy(update=tenths)
    assert users_by_type(even).tolist() == [15.0] * 10  # 0.1 · 150 is not taken for less than 15
