"""Choices without chance: ties, best responses, cycles, violation probabilities at the load."""

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import airan_market.agents.mechanism.pure as pure
from airan_market.agents.certificate.certificates import check_selection
from airan_market.agents.contract.menu import Menu
from airan_market.agents.matching.assignment import OUT
from airan_market.agents.mechanism.ct import assumed_menus
from airan_market.agents.mechanism.pure import (
    at_induced_load,
    choose,
    indicator,
    reselect,
    tie_order,
    type_utility,
)
from airan_market.agents.primitives.primitives import Primitives

Market = Callable[..., Primitives]


def flat_menu(price: list[list[float]], latency: float = 5.0) -> Menu:
    """Menus of one latency so long that no operator with room breaks it."""
    shape = np.shape(price)
    return Menu(np.full(shape, latency), np.array(price), np.zeros(shape))


@pytest.mark.parametrize(
    ("utility", "current", "expected"),
    [
        ([1.0, 2.0, 3.0], OUT, 2),
        ([0.0, 0.0, 0.0], OUT, 1),  # the order of ties, and an operator rather than none
        ([0.0, 0.0, 0.0], 2, 2),  # who is somewhere stays
        ([0.0, 0.0, 0.0], 0, 0),
        ([0.0, 1e-13, 0.0], 0, 0),  # within the tie
        ([0.0, 1e-11, 0.0], 0, 1),  # beyond it
        ([-1.0, -2.0, -3.0], 0, OUT),
        ([-1e-13, -1.0, -1.0], OUT, 0),  # equal to staying out up to rounding
        ([2.0, 1.0, 2.0], 1, 2),
    ],
)
def test_choices_and_ties(utility: list[float], current: int, expected: int) -> None:
    order = np.array([1, 2, 0])
    assert int(choose(np.array(utility), 0.0, order, 1e-12, np.array(current))) == expected


def test_many_choose_as_one_does() -> None:
    rng = np.random.default_rng(4)
    utility = rng.integers(-1, 2, size=(200, 3)).astype(float)
    current = rng.integers(-1, 3, size=200)
    order = np.array([2, 0, 1])
    alone = [
        int(choose(u, 0.0, order, 1e-12, np.array(at)))
        for u, at in zip(utility, current, strict=True)
    ]
    assert choose(utility, 0.0, order, 1e-12, current).tolist() == alone


def test_ties_go_by_capacity_then_number(market: Market) -> None:
    servers, rates = ((4, 4, 9),) * 3, ((9.0, 7.0, 5.0), (9.0, 8.0, 5.0), (9.0, 7.0, 5.0))
    assert tie_order(market(servers=servers, rates=rates, value=[1.0] * 3)).tolist() == [1, 0, 2]


def test_a_type_feels_its_own_load_and_that_of_those_before_it(market: Market) -> None:
    """480 tasks/s of type 2 saturate operator 1 for types 2 and 3, not for type 1."""
    primitives = market(users=[10.0, 80.0, 5.0], refund=0.3, latency_max_s=10.0)
    menu = flat_menu([[0.0] * 3] * 2)
    waiting = primitives.latency_sensitivity_usd_per_s * 5.0
    matching = np.array([0, 0, 1])
    for n, refunds in enumerate(([0.0, 0.0], [0.3, 0.0], [0.3, 0.0])):
        expected = primitives.service_value_usd - waiting[n] + refunds
        assert type_utility(primitives, menu, matching, n) == pytest.approx(expected, abs=1e-9)


def test_an_equilibrium_by_hand(market: Market) -> None:
    """Type 1: 1 − 0.5 − 0.1 = 0.4 against 0.3; type 2: 0.65 against 0.7; type 3 stays out."""
    primitives = market(
        users=[10.0, 20.0, 5.0], sensitivity=[0.1, 0.05, 0.01], value=[1.0, 0.9], latency_max_s=10.0
    )
    found = reselect(primitives, flat_menu([[0.1, 0.1, 2.0], [0.1, -0.05, 2.0]]))
    assert (found.matching.tolist(), found.sweeps, found.cycle) == ([0, 1, OUT], 2, 0)
    assert found.settled


def test_users_who_flee_their_own_load_go_round_in_a_cycle(market: Market) -> None:
    """A refund below 0 is a fine on the user: type 1 leaves whatever operator it has filled.

    Its 480 tasks/s saturate either operator; the empty one is always better.
    """
    primitives = market(
        users=[80.0], sensitivity=[0.1], value=[1.0, 1.0], refund=-0.3, latency_max_s=10.0
    )
    menu = flat_menu([[0.1], [0.1]])
    found = reselect(primitives, menu)
    assert not found.settled
    assert found.cycle == 2
    assert not check_selection(primitives, menu, found.matching).equilibrium


def test_a_long_restlessness_is_cut_and_said(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    primitives = market(
        users=[80.0], sensitivity=[0.1], value=[1.0, 1.0], refund=-0.3, latency_max_s=10.0
    )
    monkeypatch.setattr(pure, "MOST_SWEEPS", 2)
    found = reselect(primitives, flat_menu([[0.1], [0.1]]))
    assert (found.settled, found.cycle, found.sweeps) == (False, 0, 2)


def random_market(market: Market, seed: int) -> tuple[Primitives, Menu]:
    rng = np.random.default_rng(seed)
    primitives = market(
        users=rng.integers(0, 60, size=3),
        sensitivity=np.sort(rng.uniform(1e-4, 1e-3, size=3))[::-1],
        task_rate=rng.uniform(2.0, 12.0),
        opt_out=rng.choice([0.0, 2e-5, -1e-4]),
    )
    menu = assumed_menus(primitives)[1]
    noise = rng.normal(scale=3e-6, size=menu.price_usd.shape)
    return primitives, Menu(menu.latency_s, menu.price_usd + noise, menu.violation_probability)


@settings(max_examples=60)
@given(seed=st.integers(0, 10**6))
def test_rest_is_exactly_definition_one(market: Market, seed: int) -> None:
    primitives, menu = random_market(market, seed)
    found = reselect(primitives, menu)
    witness = check_selection(primitives, menu, found.matching)
    assert found.settled == witness.equilibrium


def test_equilibria_found_are_among_all_there_are(market: Market) -> None:
    """Every one of the 27 pure matchings is checked; reselection ends in one that passes."""
    several = 0
    for seed in range(12):
        primitives, menu = random_market(market, seed)
        passing = [
            list(matching)
            for matching in itertools.product((OUT, 0, 1), repeat=3)
            if check_selection(primitives, menu, np.array(matching)).equilibrium
        ]
        found = reselect(primitives, menu)
        assert (found.matching.tolist() in passing) == found.settled
        several += len(passing) < 27
    assert several == 12  # the check is not one that everything passes


def test_probability_follows_the_load_and_nothing_else_does(market: Market) -> None:
    primitives = market()
    share, menu = assumed_menus(primitives)
    same = at_induced_load(primitives, menu, share)
    assert same.violation_probability == pytest.approx(menu.violation_probability, rel=1e-12)
    full = at_induced_load(primitives, menu, indicator(np.array([0, 0, 0]), 2))
    assert full.price_usd.tolist() == menu.price_usd.tolist()
    assert full.latency_s.tolist() == menu.latency_s.tolist()
    assert full.violation_probability[0, -1] == 1.0  # 540 tasks/s on 440
    assert (full.violation_probability <= 1).all()
