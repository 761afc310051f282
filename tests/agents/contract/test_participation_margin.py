"""A participation margin: lower prices for everybody, one shift wherever prices (25) are used."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from airan_market.agents.belief.belief import ChernoffBelief
from airan_market.agents.certificate.certificates import certify
from airan_market.agents.certificate.deviation import best_deviation
from airan_market.agents.certificate.pure_deviation import best_pure_deviations
from airan_market.agents.contract.design import design_menu, designed_by_terms, designed_menus
from airan_market.agents.contract.feasibility import check_menu
from airan_market.agents.contract.menu import Menu
from airan_market.agents.contract.price import binding_prices, binding_utility, information_rent
from airan_market.agents.contract.utility import Accounts, task_utility
from airan_market.agents.market.model import Market
from airan_market.agents.mechanism.agreement import Agreement
from airan_market.agents.mechanism.mixed import agree, iterate
from airan_market.agents.primitives.primitives import Primitives
from airan_market.agents.solution.solver import arrive, settle
from airan_market.scenarios import ScenarioError, load_scenario
from airan_market.scenarios.registry import MECHANISMS
from airan_market.sim.theory.chernoff import chernoff_coefficients

MakeMarket = Callable[..., Primitives]
ROUNDING = 1e-15  # of utilities around 1e-3 USD
MARGIN = 3e-5


def users(primitives: Primitives, menu: Menu) -> np.ndarray:
    """What the menus (M, N) leave every type, straight from their prices."""
    return task_utility(
        primitives.service_value_usd[:, np.newaxis],
        primitives.latency_sensitivity_usd_per_s,
        menu.latency_s,
        menu.price_usd,
        menu.violation_probability,
        primitives.refund_usd,
    )


def menus_at(primitives: Primitives, share: float = 0.4) -> Menu:
    return designed_menus(primitives, np.full((primitives.operators, primitives.types), share))


def test_recursion_of_the_paper_started_lower() -> None:
    """R_1 = α_1 q − β_1 L_1 + R̄ p_1 − margin; every further step of (25) as it is printed."""
    beta, latency, p = np.array([3.0, 2.0, 0.5]), np.array([0.5, 1.0, 4.0]), np.array([0.5, 0.3, 0])
    refund, margin = 0.2, 0.7
    first = 9.0 - 3.0 * 0.5 + 0.2 * 0.5 - 0.7
    second = first - 2.0 * 0.5 + 0.2 * (0.3 - 0.5)
    third = second - 0.5 * 3.0 + 0.2 * (0.0 - 0.3)
    found = binding_prices(9.0, beta, refund, latency, p, margin)
    assert found == pytest.approx([first, second, third], rel=1e-14)


@settings(max_examples=40)
@example(margin=2e-5, share=[0.1, 0.5, 0.9, 0.4, 0.4, 0.4], belief="fifo")
@given(
    margin=st.just(0.0) | st.floats(1e-30, 1e-3),
    share=st.lists(st.floats(0.0, 1.0), min_size=6, max_size=6),
    belief=st.just("chernoff"),
)
def test_a_margin_moves_prices_and_nothing_else(
    market: MakeMarket, margin: float, share: list[float], belief: str
) -> None:
    """Compiled and NumPy designs: the same latencies and risks, prices lower by the margin."""
    z = np.array(share).reshape(2, 3)
    plain = designed_menus(market(belief=belief), z)
    menu = designed_menus(market(belief=belief, participation_margin_usd=margin), z)
    assert np.array_equal(menu.latency_s, plain.latency_s)
    assert np.array_equal(menu.violation_probability, plain.violation_probability)
    assert menu.price_usd == pytest.approx(plain.price_usd - margin, abs=ROUNDING)


def test_compiled_and_reference_designs_agree(market: MakeMarket) -> None:
    primitives = market(own_margin=[1e-5, 4e-5])
    rate = np.tile([60.0, 40.0, 90.0], (2, 1))
    stages = primitives.servers[:, np.newaxis], primitives.service_rate_per_s[:, np.newaxis]
    belief = ChernoffBelief(*chernoff_coefficients(*stages, rate.cumsum(axis=-1), 0.9))
    expected = designed_by_terms(primitives, belief, rate)
    found = design_menu(primitives, rate.cumsum(axis=-1), rate)
    assert found.latency_s == pytest.approx(expected.latency_s, rel=1e-12)
    assert found.price_usd == pytest.approx(expected.price_usd, abs=ROUNDING)


def test_every_type_is_left_the_margin_and_its_rent(market: MakeMarket) -> None:
    primitives = market(own_margin=[1e-5, 4e-5])
    menu = menus_at(primitives)
    left = users(primitives, menu)
    assert left[:, 0] == pytest.approx([1e-5, 4e-5], abs=ROUNDING)
    rent = information_rent(primitives.latency_sensitivity_usd_per_s, menu.latency_s)
    assert left - rent == pytest.approx(np.array([[1e-5] * 3, [4e-5] * 3]), abs=ROUNDING)
    assert binding_utility(primitives, menu.latency_s) == pytest.approx(left, abs=ROUNDING)
    one = primitives.of_operator(1)
    assert binding_utility(one, menu.latency_s[1]) == pytest.approx(left[1], abs=ROUNDING)


def test_certificate_asks_for_the_margin(market: MakeMarket) -> None:
    primitives = market(participation_margin_usd=MARGIN)
    found = check_menu(primitives, menus_at(primitives))
    assert found.holds(ROUNDING)
    assert found.margin_usd == MARGIN


def test_control_a_menu_without_the_margin_breaks_its_promise(market: MakeMarket) -> None:
    """It leaves type 1 nothing, which is enough for the paper and too little for the setting."""
    plain = menus_at(market())
    checked = check_menu(market(own_margin=[0.0, MARGIN]), plain)
    found = checked.individual_rationality
    assert (found.operator, found.type, checked.margin_usd) == (1, 0, MARGIN)
    assert found.violation_usd == pytest.approx(MARGIN, abs=ROUNDING)
    assert check_menu(market(), plain).holds(ROUNDING)


def test_certificates_tell_the_utility_that_is_left(market: MakeMarket) -> None:
    primitives = market(participation_margin_usd=MARGIN, max_iterations=5)
    sentence = settle(primitives).certificates.sentences()[0]
    assert "with utility 3e-05 USD" in sentence


@pytest.mark.parametrize("mechanism", MECHANISMS.ours)
def test_a_margin_is_a_worse_alternative_for_users(market: MakeMarket, mechanism: str) -> None:
    """Leaving users μ more, or giving them an alternative worth μ less, are one thing to them.

    So matching, latencies and welfare are those of a market with u_0 = −μ, and operators are
    poorer by μ for every task they serve.
    """
    sides = []
    for primitives in (
        market(name=mechanism, participation_margin_usd=MARGIN),
        market(name=mechanism, opt_out=-MARGIN),
    ):
        agreed = arrive(primitives)
        menu, z = agreed.menu, agreed.match_probability
        accounts = Accounts(primitives, menu, z)
        operators, welfare = accounts.operator_utility_usd_per_s, accounts.social_welfare_usd_per_s
        sides.append((menu, z, accounts.tasks_per_s, operators, welfare))
    (menu, z, served, operators, welfare), (other_menu, other_z, _, others, other_welfare) = sides
    assert z == pytest.approx(other_z, abs=1e-9)
    assert menu.latency_s == pytest.approx(other_menu.latency_s, rel=1e-9)
    assert welfare == pytest.approx(other_welfare, rel=1e-8)
    assert others - operators == pytest.approx(MARGIN * served.sum(axis=-1), rel=1e-6)


def test_control_a_margin_changes_who_comes(market: MakeMarket) -> None:
    """The equality above is not one of markets that do not care."""
    margins = ({}, {"participation_margin_usd": MARGIN})
    plain, given = (arrive(market(**margin)).match_probability for margin in margins)
    assert given[:, 0].sum() > plain[:, 0].sum() + 0.05


def test_type_1_by_hand(market: MakeMarket) -> None:
    """At rest, type 1 compares the margin with nothing: z = e^(μ/τ) / (1 + M e^(μ/τ))."""
    settings = {"temperature_start_usd": 4e-5, "temperature_end_usd": 4e-5, "max_iterations": 400}
    primitives = market(participation_margin_usd=MARGIN, shadow_price_step_usd=0.0, **settings)
    *_, last = iterate(primitives)
    weight = np.exp(MARGIN / 4e-5)
    assert last.match_probability[:, 0] == pytest.approx(weight / (1 + 2 * weight), rel=1e-6)


@pytest.mark.parametrize("rivals", ["repriced", "posted"])
def test_deviations_start_from_what_operators_have(market: MakeMarket, rivals: str) -> None:
    """Users at rest: an operator that keeps its latencies keeps its utility, margins and all."""
    primitives = market(
        own_margin=[1e-5, 5e-5],
        temperature_start_usd=1e-4,
        temperature_end_usd=1e-4,
        max_iterations=2000,
        tolerance=1e-13,
    )
    outcome = settle(primitives)
    assert outcome.converged
    settled = agree(primitives)
    for m in range(2):
        found = best_deviation(primitives, settled, m, budget=1, rivals=rivals)  # type: ignore[arg-type]
        have = outcome.operator_utility_usd_per_s[m]
        assert found.baseline_usd_per_s == pytest.approx(have, rel=1e-6)
        # control: without the margins the search would start somewhere else
        without = replace(primitives, own_margin_usd=np.zeros(2))
        other = best_deviation(without, settled, m, budget=1)
        assert other.baseline_usd_per_s != pytest.approx(have, rel=1e-3)


def test_pure_deviations_leave_the_margin(market: MakeMarket) -> None:
    """One operator, one type, everybody in: utility d (v − μ − β L + R̄ p − C̄ p − κ) at best L."""
    one = {"users": [30.0], "sensitivity": [5e-4], "servers": [[9, 4, 20]]}
    one |= {"rates": [[270.0, 110.0, 180.0]], "value": [7e-4]}
    plain, given = market(**one), market(**one, participation_margin_usd=MARGIN)
    found = []
    for primitives in (plain, given):
        deviation = best_pure_deviations(primitives, menus_at(primitives, 1.0), budget=400)[0]
        assert deviation is not None
        found.append(deviation.baseline_usd_per_s + deviation.gain_usd_per_s)
    assert found[0] - found[1] == pytest.approx(180.0 * MARGIN, rel=1e-5)


def test_margins_of_operators_default_to_the_mechanism(market: MakeMarket) -> None:
    scalar = market(participation_margin_usd=MARGIN)
    each = market(own_margin=[MARGIN, MARGIN])
    assert scalar.participation_margin_usd.tolist() == [MARGIN, MARGIN]
    assert np.array_equal(menus_at(scalar).price_usd, menus_at(each).price_usd)
    assert float(each.of_operator(1).participation_margin_usd) == MARGIN
    later = replace(scalar, mechanism=scalar.mechanism.model_copy(
        update={"participation_margin_usd": 0.0}
    ))  # fmt: skip
    assert later.participation_margin_usd.tolist() == [0.0, 0.0]


@pytest.mark.parametrize("margin", [[-1e-6, 0.0], [np.nan, 0.0], [0.0], [np.inf, 0.0]])
def test_margins_outside_their_domain_are_refused(market: MakeMarket, margin: list[float]) -> None:
    with pytest.raises(ValueError, match="own_margin_usd"):
        market(own_margin=margin)


def test_the_key_of_a_scenario() -> None:
    scenario = load_scenario("teleoperation", ["mechanism.participation_margin_usd=2e-5"])
    assert Primitives.from_scenario(scenario).participation_margin_usd.tolist() == [2e-5] * 3
    with pytest.raises(ScenarioError, match="participation_margin_usd"):
        load_scenario("teleoperation", ["mechanism.participation_margin_usd=-1e-5"])


def test_agents_trade_at_the_margin_s_prices() -> None:
    """The round-by-round market arrives at the menus that `solve` prints."""
    short = ["simulation.rounds=1", "simulation.horizon_s=0.2", "simulation.warmup_s=0.1"]
    scenario = load_scenario(
        "teleoperation", [*short, f"mechanism.participation_margin_usd={MARGIN}"]
    )
    rounds = Market(scenario, seed=1).run().rounds
    price = rounds.pivot(index="operator", columns="type", values="price_usd").to_numpy()
    agreed = arrive(Primitives.from_scenario(scenario, 1))
    assert price == pytest.approx(agreed.menu.price_usd, rel=1e-9)


def test_all_certificates_of_a_market_with_a_margin(market: MakeMarket) -> None:
    primitives = market(participation_margin_usd=MARGIN)
    *_, last = iterate(primitives)
    menu = menus_at(primitives)
    agreement = Agreement(
        menu,
        last.match_probability,
        temperature_usd=last.temperature_usd,
        shadow_price_usd=last.shadow_price_usd,
    )
    certificates = certify(primitives, agreement)
    assert certificates.to_json()["max_ir_violation"] <= ROUNDING
    assert certificates.to_json()["max_ic_violation"] <= ROUNDING
