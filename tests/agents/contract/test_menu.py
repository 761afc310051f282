"""Menus: design, prices and feasibility, against general optimisers and by property."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog, minimize

from airan_market.agents.belief.belief import operator_belief
from airan_market.agents.contract.design import design_gap, design_menu, design_notes, virtual_slope
from airan_market.agents.contract.feasibility import check_menu
from airan_market.agents.contract.menu import Menu
from airan_market.agents.contract.price import binding_prices, information_rent, priced_menu
from airan_market.agents.contract.utility import task_utility
from airan_market.agents.primitives.primitives import Primitives

Market = Callable[..., Primitives]
drawn = settings(max_examples=60)
ROUNDING = 1e-15  # of utilities around 1e-3 USD


def loads_and_weights(primitives: Primitives, share: float) -> tuple[np.ndarray, np.ndarray]:
    rate = share * primitives.demand_per_s * np.ones((primitives.operators, 1))
    return rate.cumsum(axis=-1), rate


def recursive_prices(
    value: float, beta: np.ndarray, refund: float, latency: np.ndarray, p: np.ndarray
) -> list[float]:
    """Eq. (25) as it is printed, each p at its own load."""
    price = [value - beta[0] * latency[0] + refund * p[0]]
    for n in range(1, len(beta)):
        step = beta[n] * (latency[n] - latency[n - 1])
        price.append(price[-1] - step + refund * (p[n] - p[n - 1]))
    return price


# ------------------------------------------------------------------------------------- prices


@st.composite
def menus(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sensitivities (ordered, ties allowed), monotone latencies (ties allowed), any p in [0, 1]."""
    size = draw(st.integers(1, 6))
    parts = [
        draw(st.lists(st.floats(low, high), min_size=size, max_size=size))
        for low, high in ((1e-5, 1e-3), (1e-3, 2.0), (0.0, 1.0))
    ]
    beta = np.sort(parts[0])[::-1]
    tie = draw(st.integers(0, size - 1))
    beta[tie:] = np.where(np.arange(size - tie) == 1, beta[tie], beta[tie:])
    beta = np.minimum.accumulate(beta)
    return beta, np.sort(parts[1]), np.array(parts[2])


@drawn
@given(menus())
def test_prices_are_the_printed_recursion(
    menu: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    beta, latency, p = menu
    expected = recursive_prices(7e-4, beta, 1.2e-4, latency, p)
    assert binding_prices(7e-4, beta, 1.2e-4, latency, p) == pytest.approx(expected, abs=1e-17)


@drawn
@given(menus())
def test_rent_is_the_utility_of_the_own_item(
    menu: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    beta, latency, p = menu
    price = binding_prices(7e-4, beta, 1.2e-4, latency, p)
    own = task_utility(7e-4, beta, latency, price, p, 1.2e-4)
    assert own == pytest.approx(information_rent(beta, latency), abs=ROUNDING)


def one_operator(market: Market, beta: np.ndarray) -> Primitives:
    return market(
        users=np.ones(beta.size),
        sensitivity=beta,
        servers=[[4, 4, 4]],
        rates=[[9.0] * 3],
        value=[7e-4],
    )


@pytest.fixture(scope="session")
def check(market: Market) -> Callable[..., tuple[float, float]]:
    def violations(
        beta: np.ndarray, latency: np.ndarray, price: np.ndarray, p: np.ndarray
    ) -> tuple:
        found = check_menu(one_operator(market, beta), Menu(latency, price, p))
        return (
            found.individual_rationality.violation_usd,
            found.incentive_compatibility.violation_usd,
        )

    return violations


@drawn
@given(menu=menus())
def test_monotone_menus_with_binding_prices_are_feasible(check: Callable, menu: tuple) -> None:
    """Local binding constraints and monotone latencies imply all N² constraints.

    Whatever the violation probabilities are, capped at 1 or not, each at another load: an item's
    p raises its price by R̄ p and what it pays back by R̄ p, for every type alike. What is left,
    the utility of type n from item j, is rent_j − (β_n − β_j) L_j, single crossing in L.
    """
    beta, latency, p = menu
    price = binding_prices(7e-4, beta, 1.2e-4, latency, p)
    rationality, compatibility = check(beta, latency, price, p)
    assert rationality <= ROUNDING
    assert compatibility <= ROUNDING


@drawn
@given(menu=menus())
def test_no_feasible_prices_are_higher(market: Market, menu: tuple) -> None:
    """Linear programming over all N individual-rationality and N(N−1) incentive constraints."""
    beta, latency, p = menu
    size = beta.size
    weight = np.linspace(3.0, 1.0, size)
    # units in which the numbers are around one
    gross = 7e-4 - np.multiply.outer(beta, latency) + 1.2e-4 * p
    rows, bounds = [np.eye(size)], [np.diagonal(gross)]
    for n in range(size):
        for j in range(size):
            if j != n:  # R_n − R_j ≤ gross_nn − gross_nj
                rows.append((np.eye(size)[n] - np.eye(size)[j])[np.newaxis])
                bounds.append(np.array([gross[n, n] - gross[n, j]]))
    best = linprog(
        -weight, A_ub=np.vstack(rows), b_ub=1e3 * np.concatenate(bounds), bounds=(None, None)
    )
    income = 1e3 * weight @ binding_prices(7e-4, beta, 1.2e-4, latency, p)
    assert income == pytest.approx(-best.fun, abs=1e-6)


def test_items_out_of_order_are_envied_and_named(check: Callable, market: Market) -> None:
    """Negative control: with L_2 > L_3 the printed prices make type 2 envy item 3."""
    beta, p = np.array([8e-4, 5e-4, 2e-4]), np.array([0.01, 0.02, 0.03])
    latency = np.array([0.1, 0.3, 0.2])
    price = binding_prices(7e-4, beta, 1.2e-4, latency, p)
    envy = check_menu(one_operator(market, beta), Menu(latency, price, p)).incentive_compatibility
    assert (envy.operator, envy.type, envy.item) == (0, 1, 2)
    assert envy.violation_usd == pytest.approx((5e-4 - 2e-4) * (0.3 - 0.2), rel=1e-9)


def test_swapped_items_are_named(market: Market) -> None:
    """Items 1 and 3 of operator 2 change places: its type 1 suffers most, by a known amount."""
    primitives = market()
    good = design_menu(primitives, *loads_and_weights(primitives, 0.3))
    parts = [good.latency_s.copy(), good.price_usd.copy(), good.violation_probability.copy()]
    for part in parts:
        part[1, [0, 2]] = part[1, [2, 0]]
    found = check_menu(primitives, Menu(*parts))
    beta = primitives.latency_sensitivity_usd_per_s
    latency, rent = good.latency_s[1], information_rent(beta, good.latency_s[1])
    rationality, envy = found.individual_rationality, found.incentive_compatibility
    utility = rent[2] - (beta[0] - beta[2]) * latency[2]  # of type 1 from the item of type 3
    assert (rationality.operator, rationality.type, rationality.item) == (1, 0, 0)
    assert rationality.violation_usd == pytest.approx(-utility, rel=1e-9)
    assert (envy.operator, envy.type, envy.item) == (1, 0, 2)  # its own item now stands third
    assert envy.violation_usd == pytest.approx(-utility, rel=1e-9)
    assert not found.holds(1e-9)


def test_a_feasible_menu_has_slack_and_names_the_tightest(market: Market) -> None:
    primitives = market()
    menu = design_menu(primitives, *loads_and_weights(primitives, 0.3))
    cheap = replace(menu, price_usd=menu.price_usd - 1e-5)
    found = check_menu(primitives, cheap)
    assert found.individual_rationality.violation_usd == pytest.approx(-1e-5, rel=1e-9)
    assert found.individual_rationality.type == 0
    assert found.holds(1e-15)


# ------------------------------------------------------------------------------------- design


def expected_income(
    primitives: Primitives, load: np.ndarray, weight: np.ndarray, latency: np.ndarray
) -> float:
    """Objective (38a) of one operator, prices by the printed recursion, p the raw expression."""
    raw = operator_belief(primitives, load).raw(latency)
    price = recursive_prices(
        float(primitives.service_value_usd),
        primitives.latency_sensitivity_usd_per_s,
        primitives.refund_usd,
        latency,
        raw,
    )
    return float((weight * (np.array(price) - primitives.violation_cost_usd * raw)).sum())


WEIGHTS = st.lists(st.floats(0.02, 1.0), min_size=4, max_size=4).map(np.array)


@settings(max_examples=20)
@given(weight=WEIGHTS, level=st.floats(0.2, 0.97))
def test_design_against_a_general_optimiser(
    market: Market, weight: np.ndarray, level: float
) -> None:
    """SLSQP on objective (38a) as printed: checks the telescoping as well as the pooling."""
    primitives = market(
        users=[1.0] * 4,
        sensitivity=[8e-4, 5e-4, 4e-4, 1e-4],
        servers=[[9, 4, 20]],
        rates=[[270.0, 110.0, 180.0]],
        value=[7e-4],
    ).of_operator(0)
    weight = weight * level * 440.0 / weight.sum()
    load = weight.cumsum()
    mine = design_menu(primitives, load, weight).latency_s
    scale = 1.0 / weight.sum() * 1e4
    found = minimize(
        lambda latency: -scale * expected_income(primitives, load, weight, latency),
        np.linspace(0.05, 0.15, 4),
        bounds=[(1e-3, 2.0)] * 4,
        constraints={"type": "ineq", "fun": np.diff},
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 500},
    )
    best = scale * expected_income(primitives, load, weight, mine)
    theirs = np.maximum.accumulate(np.clip(found.x, 1e-3, 2.0))
    assert best >= scale * expected_income(primitives, load, weight, theirs) - 1e-10
    assert best == pytest.approx(-found.fun, abs=1e-5)


def test_some_of_those_designs_are_pooled(market: Market) -> None:
    primitives = market(sensitivity=[8e-4, 5e-4, 4.9e-4]).of_operator(0)
    weight = np.array([200.0, 2.0, 100.0])
    latency = design_menu(primitives, weight.cumsum(), weight).latency_s
    assert latency[0] == latency[1] < latency[2]


@pytest.mark.parametrize("share", [0.05, 0.3, 0.6, 0.9, 1.5])
@pytest.mark.parametrize("belief", ["chernoff", "fifo"])
def test_designed_menus_are_monotone_and_feasible(
    market: Market, share: float, belief: str
) -> None:
    """From light load to saturation of both operators."""
    primitives = market(belief=belief)
    menu = design_menu(primitives, *loads_and_weights(primitives, share))
    assert (np.diff(menu.latency_s) >= 0).all()
    assert ((menu.latency_s >= 1e-3) & (menu.latency_s <= 2.0)).all()
    assert ((menu.violation_probability >= 0) & (menu.violation_probability <= 1)).all()
    assert check_menu(primitives, menu).holds(ROUNDING)


def test_closed_form_of_a_single_item(market: Market) -> None:
    """L_n = ln(η G (C̄ − R̄) d / a) / η, with the stages' generating functions written out."""
    primitives = market(
        users=[5.0], sensitivity=[8e-4], servers=[[1] * 3], rates=[[90.0, 50.0, 70.0]], value=[7e-4]
    ).of_operator(0)
    load = np.array([12.0])
    eta = 0.9 * (50.0 - 12.0)
    # one server: the sojourn is Exp(μ − λ)
    gain = np.prod([(mu - 12.0) / (mu - 12.0 - eta) for mu in (90.0, 50.0, 70.0)])
    menu = design_menu(primitives, load, np.array([7.0]))
    expected = np.log(eta * gain * (1.2e-3 - 1.2e-4) / 8e-4) / eta
    assert menu.latency_s[0] == pytest.approx(expected, rel=1e-12)
    p = gain * np.exp(-eta * expected)
    assert menu.violation_probability[0] == pytest.approx(p, rel=1e-10)
    assert menu.price_usd[0] == pytest.approx(7e-4 - 8e-4 * expected + 1.2e-4 * p, rel=1e-12)


def test_virtual_slopes_are_the_derivatives_of_the_rents(market: Market) -> None:
    """a_n = −∂/∂L_n of Σ_j d_j R_j at fixed p, by differences of the printed recursion."""
    beta, weight = np.array([8e-4, 5e-4, 2e-4]), np.array([3.0, 5.0, 11.0])
    latency, p = np.array([0.1, 0.2, 0.4]), np.zeros(3)

    def income(at: np.ndarray) -> float:
        return float(weight @ recursive_prices(7e-4, beta, 1.2e-4, at, p))

    slopes = [(income(latency - e) - income(latency + e)) / 0.02 for e in 0.01 * np.eye(3)]
    assert virtual_slope(beta, weight) == pytest.approx(slopes, rel=1e-9)


def test_of_one_operator_is_its_row(market: Market) -> None:
    primitives = market()
    load, weight = loads_and_weights(primitives, 0.6)
    together = design_menu(primitives, load, weight)
    for m in range(2):
        alone = design_menu(primitives.of_operator(m), load[m], weight[m])
        assert alone.latency_s == pytest.approx(together.latency_s[m], rel=1e-14)
        assert alone.price_usd == pytest.approx(together.price_usd[m], rel=1e-13)


# --------------------------------------------------------------------------------- edge cases


def test_type_without_demand_joins_its_left_neighbour(market: Market) -> None:
    primitives = market().of_operator(0)
    weight = np.array([100.0, 0.0, 150.0])
    menu = design_menu(primitives, weight.cumsum(), weight)
    assert menu.latency_s[1] == menu.latency_s[0] < menu.latency_s[2]
    assert np.isfinite(menu.price_usd).all()
    assert check_menu(primitives, menu).holds(ROUNDING)


def test_last_type_without_demand_joins_its_left_neighbour(market: Market) -> None:
    """a_N = 0 and w_N = 0: nothing depends on it."""
    primitives = market().of_operator(0)
    weight = np.array([100.0, 150.0, 0.0])
    menu = design_menu(primitives, weight.cumsum(), weight)
    assert menu.latency_s[0] < menu.latency_s[1] == menu.latency_s[2]


def test_first_type_without_demand_is_offered_the_shortest(market: Market) -> None:
    """Its latency is a rent to all others and earns nothing."""
    primitives = market().of_operator(0)
    weight = np.array([0.0, 100.0, 150.0])
    menu = design_menu(primitives, weight.cumsum(), weight)
    assert menu.latency_s[0] == 1e-3 < menu.latency_s[1]


def test_no_demand_at_all(market: Market) -> None:
    primitives = market()
    nothing = np.zeros((2, 3))
    menu = design_menu(primitives, nothing, nothing)
    assert (menu.latency_s == 1e-3).all()
    assert np.isfinite(menu.price_usd).all()


@pytest.mark.parametrize("belief", ["chernoff", "chernoff-optimised", "fifo"])
@pytest.mark.parametrize("violation_cost", [1.2e-4, 0.5e-4])
def test_no_reason_to_promise_slack(market: Market, violation_cost: float, belief: str) -> None:
    """C̄ ≤ R̄: L_min for every type that can be served, and one note for the market.

    Also where C̄ < R̄, when operators would gain by breaking agreements: see `design_terms`.
    """
    primitives = market(violation_cost=violation_cost, belief=belief)
    assert primitives.net_violation_cost_usd <= 0
    load, weight = loads_and_weights(primitives, 0.75)  # saturates operator 2 for type 3
    menu = design_menu(primitives, load, weight)
    assert menu.latency_s.tolist() == [[1e-3] * 3, [1e-3, 1e-3, 2.0]]
    notes = design_notes(primitives, menu, load, weight)
    assert len(notes) == 1
    assert "violation_cost_usd" in notes[0]


def test_no_notes_on_an_ordinary_market(market: Market) -> None:
    primitives = market()
    load, weight = loads_and_weights(primitives, 0.5)
    assert design_notes(primitives, design_menu(primitives, load, weight), load, weight) == ()


def test_saturated_types_are_offered_the_longest(market: Market) -> None:
    """Type 3 of operator 2 brings its GPUs past their capacity; types 1 and 2 do not feel it."""
    primitives = market()
    load, weight = loads_and_weights(primitives, 0.75)
    saturated = load >= (primitives.servers * primitives.service_rate_per_s).min(axis=1)[:, None]
    menu = design_menu(primitives, load, weight)
    assert saturated.tolist() == [[False] * 3, [False, False, True]]
    assert menu.latency_s[1, 2] == 2.0
    assert menu.violation_probability[1, 2] == 1.0
    assert (menu.latency_s[~saturated] < 1.0).all()


def test_one_type_has_nothing_to_envy(market: Market) -> None:
    primitives = market(users=[50.0], sensitivity=[4e-4])
    menu = design_menu(primitives, *loads_and_weights(primitives, 0.5))
    found = check_menu(primitives, menu)
    assert found.incentive_compatibility.type == -1
    assert found.individual_rationality.violation_usd == pytest.approx(0.0, abs=ROUNDING)
    assert found.holds(ROUNDING)


def test_equal_sensitivities_leave_no_rent(market: Market) -> None:
    primitives = market(sensitivity=[4e-4] * 3)
    menu = design_menu(primitives, *loads_and_weights(primitives, 0.5))
    rent = information_rent(primitives.latency_sensitivity_usd_per_s, menu.latency_s)
    assert (rent == 0).all()
    assert (np.diff(menu.latency_s) >= 0).all()
    assert check_menu(primitives, menu).holds(ROUNDING)


def test_one_admissible_latency(market: Market) -> None:
    primitives = market(latency_min_s=0.1, latency_max_s=np.nextafter(0.1, 1.0))
    menu = design_menu(primitives, *loads_and_weights(primitives, 0.5))
    assert menu.latency_s == pytest.approx(np.full((2, 3), 0.1), rel=1e-15)


def test_probability_is_charged_at_most_one(market: Market) -> None:
    """At a forced latency of 1 ms the raw expression passes 1; prices and refunds do not."""
    primitives = market(latency_max_s=1.1e-3)
    load, weight = loads_and_weights(primitives, 0.5)
    menu = design_menu(primitives, load, weight)
    raw = operator_belief(primitives, load).raw(menu.latency_s)
    assert (raw > 1).all()
    assert (menu.violation_probability == 1).all()
    assert check_menu(primitives, menu).holds(ROUNDING)


def test_gap_of_a_convex_belief_is_zero(market: Market) -> None:
    primitives = market()
    load, weight = loads_and_weights(primitives, 0.6)
    menu = design_menu(primitives, load, weight)
    assert design_gap(primitives, menu, load, weight).tolist() == [0.0, 0.0]


def test_gap_of_a_pooled_exact_belief_is_told(market: Market) -> None:
    """A type near saturation pooled with one that is not, see `envelope`."""
    primitives = market(
        belief="fifo",
        users=[1.0] * 2,
        sensitivity=[8e-4, 8e-4],
        servers=[[9, 4, 20]],
        rates=[[270.0, 110.0, 180.0]],
        value=[7e-4],
    )
    load, weight = np.array([[100.0, 439.5]]), np.array([[100.0, 339.5]])
    menu = design_menu(primitives, load, weight)
    gap = design_gap(primitives, menu, load, weight)
    notes = design_notes(primitives, menu, load, weight)
    assert menu.latency_s[0, 0] == menu.latency_s[0, 1]
    assert gap[0] > 0
    assert "operator 1" in notes[0]


def test_menus_of_a_batch_are_menus_of_its_rows(market: Market) -> None:
    primitives = market()
    load, _ = loads_and_weights(primitives, 0.5)
    batch = np.stack([np.full((2, 3), 0.05), np.full((2, 3), 0.09)])
    together = priced_menu(primitives, operator_belief(primitives, load), batch)
    for index in range(2):
        alone = priced_menu(primitives, operator_belief(primitives, load), batch[index])
        assert together.price_usd[index].tolist() == alone.price_usd.tolist()
