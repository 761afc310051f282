"""A market of two-dimensional types (α_x, β_y): solved, certified, refused, against loops."""

import json
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airan_market.agents.certificate.certificates import check_selection, matching_of
from airan_market.agents.contract.feasibility import check_menu
from airan_market.agents.contract.utility import Accounts, quality_utility
from airan_market.agents.mechanism import ct, gsmc, mc
from airan_market.agents.mechanism.mixed import iterate, respond, start
from airan_market.agents.mechanism.pure import at_induced_load, reselect
from airan_market.agents.primitives.primitives import Primitives
from airan_market.agents.solution.solver import arrive, settle, solve
from airan_market.scenarios import Scenario, load_scenario

ONE_ALPHA = ["users.quality_sensitivity_usd=[4.77e-4]"]


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return load_scenario("quality_types")


@pytest.fixture(scope="module")
def types(scenario: Scenario) -> Primitives:
    return Primitives.from_scenario(scenario)


def share_of(market: Primitives) -> np.ndarray:
    assert market.quality_share is not None
    return market.quality_share


def test_one_alpha_prints_the_bytes_of_the_market_without() -> None:
    plain, one = (
        json.dumps(solve(load_scenario("teleoperation", more)).to_json())
        for more in ([], ONE_ALPHA)
    )
    assert plain == one


@pytest.mark.parametrize("mechanism", ["ct", "mc", "gsmc"])
def test_one_alpha_comes_to_the_bytes_of_the_market_without(mechanism: str) -> None:
    plain, one = (
        arrive(Primitives.from_scenario(
            load_scenario("teleoperation", [f"mechanism.name={mechanism}", *more])))
        for more in ([], ONE_ALPHA)
    )  # fmt: skip
    assert plain.match_probability.tobytes() == one.match_probability.tobytes()
    assert plain.menu.price_usd.tobytes() == one.menu.price_usd.tobytes()
    assert one.by_quality is None


def test_equal_alphas_are_one_to_rounding() -> None:
    same = ["users.quality_sensitivity_usd=[4e-4, 4e-4]", "users.quality_shares=[[0.3, 0.7]]"]
    plain, two = (arrive(Primitives.from_scenario(load_scenario("teleoperation", more)))
                  for more in ([], same))  # fmt: skip
    assert two.match_probability == pytest.approx(plain.match_probability, abs=1e-9)
    assert two.menu.price_usd == pytest.approx(plain.menu.price_usd, abs=1e-12)


def test_the_response_is_each_class_by_itself(types: Primitives) -> None:
    """Softmax (33) written out for every class, with what it is worth to it: α_x q_m."""
    state, tau = start(types), 3e-5
    omega = np.array([1e-6, 0.0, 4e-6])
    found = respond(types, state.menu, omega, tau)
    value = types.quality_value_usd
    assert value is not None
    for x, n in product(range(3), range(8)):
        weights = []
        for m in range(3):
            menu = state.menu
            worth = (
                value[m, x]
                - types.latency_sensitivity_usd_per_s[n] * menu.latency_s[m, n]
                - menu.price_usd[m, n]
                + types.refund_usd * menu.violation_probability[m, n]
                - omega[m] * types.demand_per_s[n] / types.effective_capacity_per_s[m]
            )
            weights.append(np.exp(worth / tau))
        for m in range(3):
            assert found[m, x, n] == pytest.approx(weights[m] / (1 + sum(weights)), rel=1e-9)


def test_types_stand_for_the_mean_of_their_classes(types: Primitives) -> None:
    for state in iterate(types):
        assert state.by_quality is not None
        mean = np.einsum("mxn,xn->mn", state.by_quality, share_of(types))
        assert state.match_probability == pytest.approx(mean, abs=1e-12)


def test_welfare_is_the_sum_over_classes(types: Primitives) -> None:
    outcome = settle(types)
    value, total = types.quality_value_usd, 0.0
    assert value is not None
    assert outcome.by_quality is not None
    menu = outcome.menu
    for m, x, n in product(range(3), range(3), range(8)):
        tasks = types.users[n] * share_of(types)[x, n] * types.task_rate_per_user_per_s
        tasks *= outcome.by_quality[m, x, n]
        waiting = types.latency_sensitivity_usd_per_s[n] * menu.latency_s[m, n]
        outside = types.net_violation_cost_usd * menu.violation_probability[m, n]
        total += tasks * (value[m, x] - waiting - outside - types.running_cost_usd)
    assert outcome.social_welfare_usd_per_s == pytest.approx(total, rel=1e-12)
    alike = replace(outcome, by_quality=None)  # the check above can fail
    assert abs(float(alike.social_welfare_usd_per_s) - total) > 1e-4


def test_operators_in_another_order_come_to_the_same(types: Primitives) -> None:
    order = np.array([2, 0, 1])
    found, moved = arrive(types), arrive(types.of_operator(order))
    assert found.by_quality is not None
    assert moved.by_quality is not None
    assert moved.by_quality == pytest.approx(found.by_quality[order], abs=1e-9)
    assert moved.menu.latency_s == pytest.approx(found.menu.latency_s[order], rel=1e-7)


@given(
    st.lists(st.floats(0.0, 1.0), min_size=1, max_size=3),
    st.lists(st.floats(0.2, 3.0), min_size=3, max_size=3),
    st.integers(0, 3),
    st.floats(0.05, 1.0),
)
def test_all_constraints_of_all_classes_hold(
    steps: list[float], quality: list[float], lowest: int, taken: float
) -> None:
    """(19) for every (x, y) and item; (20) from the lowest quality type served on, and only there.

    What a class likes best does not depend on α_x, (21).
    """
    plain = Primitives.from_scenario(load_scenario("teleoperation"))
    alpha = 4e-4 * np.cumprod([1.0, *(1 + np.array(steps))])
    market = replace(
        plain,
        quality_value_usd=np.multiply.outer(np.array(quality), alpha),
        quality_share=np.full((alpha.size, 8), 1 / alpha.size),
    ).serving_from(min(lowest, alpha.size - 1))
    from airan_market.agents.contract.design import designed_menus

    menu = designed_menus(market, np.full((3, 8), taken / 3))
    assert check_menu(market, menu).holds(1e-12)
    value, least = market.quality_value_usd, min(lowest, alpha.size - 1)
    assert value is not None
    for m, x in product(range(3), range(alpha.size)):
        liked = (
            value[m, x]
            - np.multiply.outer(market.latency_sensitivity_usd_per_s, menu.latency_s[m])
            - menu.price_usd[m]
            + market.refund_usd * menu.violation_probability[m]
        )
        own = np.diagonal(liked)
        assert (own >= liked.max(axis=1) - 1e-12).all()
        if x >= least:
            assert own.min() >= -1e-12
        else:
            assert own[0] <= 1e-12  # latency type 1 of a lower α gains nothing


def brute_choice(market: Primitives, menu: object, matching: np.ndarray, place: tuple) -> int:
    """Best operator of a class at the load of everybody, itself included where it is."""
    share = np.einsum("xn,mxn->mn", share_of(market),
                      np.array([matching == m for m in range(market.operators)]))  # fmt: skip
    here = at_induced_load(market, menu, share)  # type: ignore[arg-type]
    x, n = place
    worth = [
        float(market.quality_value_usd[m, x])  # type: ignore[index]
        - market.latency_sensitivity_usd_per_s[n] * here.latency_s[m, n]
        - here.price_usd[m, n]
        + market.refund_usd * here.violation_probability[m, n]
        for m in range(market.operators)
    ]
    current = matching[place]
    best = max([*worth, 0.0])
    stays = worth[current] if current >= 0 else 0.0
    return int(current) if stays >= best - 1e-15 else int(np.argmax([*worth, 0.0]))


def test_users_of_ct_come_to_rest_where_no_class_would_leave(scenario: Scenario) -> None:
    """Two operators, two latency and two quality types: every matching is looked at."""
    small = ["users.latency_sensitivity_usd_per_s=[8e-4, 1e-4]", "users.shares=[0.5, 0.5]",
             "users.total=60", "users.quality_sensitivity_usd=[4e-4, 5e-4]",
             "users.quality_shares=[[0.5, 0.5]]"]  # fmt: skip
    market = Primitives.from_scenario(load_scenario(scenario, small)).of_operator(slice(2))
    _, menu = ct.assumed_menus(market)
    found = reselect(market, menu)
    assert found.settled
    resting = []
    for choice in product((-1, 0, 1), repeat=4):
        matching = np.array(choice).reshape(2, 2)
        places = product(range(2), range(2))
        rests = all(brute_choice(market, menu, matching, p) == matching[p] for p in places)
        assert rests == check_selection(market, menu, matching).equilibrium
        resting += [matching.tolist()] if rests else []
    assert found.matching.tolist() in resting
    assert len(resting) < 81


def test_ct_and_mc_know_their_classes(types: Primitives) -> None:
    for mechanism in (ct, mc):
        agreed = mechanism.agree(types)
        assert agreed.by_quality is not None
        mean = np.einsum("mxn,xn->mn", agreed.by_quality, share_of(types))
        assert agreed.match_probability == pytest.approx(mean, abs=1e-12)
        assert matching_of(types, agreed) is agreed.by_quality
        assert set(np.unique(agreed.by_quality)) <= {0.0, 1.0}


def test_serving_less_than_everybody_sends_others_away(types: Primitives) -> None:
    everybody, some = arrive(types), arrive(types.serving_from(1))
    assert everybody.by_quality is not None
    assert some.by_quality is not None
    out = [1 - found.by_quality.sum(axis=0) for found in (everybody, some)]
    assert out[0][0, 0] < 0.3
    assert out[1][0, 0] > 0.9
    assert out[1][1, 0] == pytest.approx(out[0][0, 0], abs=0.1)  # who is left nothing
    asked = load_scenario("quality_types", ["mechanism.lowest_served_quality=2"])
    assert arrive(Primitives.from_scenario(asked)).by_quality.tolist() == some.by_quality.tolist()


def users_one_by_one(market: Primitives) -> np.ndarray:
    """Deferred acceptance of single users, for markets of whole ones: operator of each class's.

    Counts (M, X, N). Users propose down their list of operators that are worth it; an operator
    keeps those on whom it earns most, of one type those who value quality most.
    """
    share, menu = ct.assumed_menus(market)
    posted = Accounts(market, menu, share)
    value, tie = quality_utility(market, posted.user_utility_usd), 1e-15
    profit, order = posted.operator_profit_usd, np.argsort(-market.effective_capacity_per_s)
    room = np.floor(market.effective_capacity_per_s / market.task_rate_per_user_per_s + 1e-9)
    users = np.round(market.users * share_of(market)).astype(int)
    free = [(x, n) for x, n in product(*map(range, users.shape)) for _ in range(users[x, n])]
    lists = []
    for x, n in free:
        fits = [m for m in order if value[m, x, n] >= market.opt_out_utility_usd - tie]
        lists.append(sorted(fits, key=lambda m, x=x, n=n: -round(value[m, x, n] / tie / 10)))
    held: list[list[int]] = [[] for _ in range(market.operators)]
    waiting = list(range(len(free)))
    while waiting:
        user = waiting.pop()
        if not lists[user]:
            continue
        m = lists[user].pop(0)
        held[m].append(user)
        held[m].sort(key=lambda u, m=m: (-profit[m, free[u][1]], free[u][1], -free[u][0]))
        if len(held[m]) > room[m]:
            waiting.append(held[m].pop())
    counts = np.zeros((market.operators, *users.shape), dtype=int)
    for m, kept in enumerate(held):
        for u in kept:
            counts[(m, *free[u])] += 1
    return counts


@pytest.mark.parametrize("scale", [1.0, 0.5, 0.3])
def test_gsmc_is_that_of_users_one_by_one(scale: float) -> None:
    """With room for all, and without: then an operator refuses users of some types."""
    gpus = [f"operators[{m}].gpu.servers={round(c * scale)}" for m, c in enumerate((24, 16, 12), 1)]
    scenario = load_scenario("quality_types", ["mechanism.name=gsmc", *gpus])
    market = Primitives.from_scenario(scenario)
    expected = users_one_by_one(market)
    found = gsmc.agree(market)
    assert found.by_quality is not None
    users = np.round(market.users * share_of(market))
    assert (found.by_quality * users).round(6).tolist() == expected.tolist()
    assert found.match_probability == pytest.approx(
        (found.by_quality * share_of(market)).sum(axis=1), abs=1e-15
    )
    out = users.sum() - expected.sum()
    assert (out > 0) == (scale < 1)
    whole = gsmc.agree(Primitives.from_scenario(scenario.model_copy(
        update={"mechanism": scenario.mechanism.model_copy(update={"gsmc_unit": "type"})}
    ))).by_quality  # fmt: skip
    assert whole is not None
    assert set(whole.ravel().tolist()) <= {0.0, 1.0}
