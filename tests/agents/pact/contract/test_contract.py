"""PACT contracts against textbook cases by hand, closed forms and independent solvers."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import isotonic_regression

from airan_market.agents.pact.contract.certificates import check_contract
from airan_market.agents.pact.contract.contract import (
    Contract,
    continuous_contract,
    continuous_first_best,
    screening_prices,
)
from airan_market.agents.pact.contract.cost_curve import CostCurve
from airan_market.agents.pact.contract.discrete import (
    best_monotone_path,
    discrete_contract,
    discrete_first_best,
)
from airan_market.agents.pact.contract.valuation import Valuation, valuation
from airan_market.agents.pact.contract.virtual_types import Types

ROOT = valuation("power", 1.0, 0.5)
drawn = settings(max_examples=40)


def ironed(types: Types) -> np.ndarray:
    """Virtual types made monotone: their isotonic regression with weights P_k.

    Σ P_k (φ_k x_k − c(x_k)) over non-decreasing x has the solution of the problem without the order
    and φ replaced by this (Barlow and Brunk 1972, theorem 3.1): where the two differ, types are
    pooled.
    """
    return np.asarray(isotonic_regression(types.virtual_usd(), weights=types.probability).x)


def linear(slope: float, fixed: float = 0.0) -> CostCurve:
    return CostCurve(
        "given", lambda q: fixed + slope * np.asarray(q, float), lambda q: slope + 0 * np.asarray(q)
    )


def power(scale: float, exponent: float, fixed: float = 0.0) -> CostCurve:
    return CostCurve(
        "given",
        lambda q: fixed + scale * np.power(q, exponent),
        lambda q: scale * exponent * np.power(q, exponent - 1),
    )


@st.composite
def markets(draw: st.DrawFn, most: int = 5) -> tuple[Types, Valuation, CostCurve]:
    size = draw(st.integers(1, most))
    steps = draw(st.lists(st.floats(0.05, 2.0), min_size=size, max_size=size))
    weights = np.array(draw(st.lists(st.floats(0.02, 1.0), min_size=size, max_size=size)))
    form = draw(st.sampled_from(["log", "power", "exponential"]))
    v = valuation(form, draw(st.floats(0.2, 3.0)), draw(st.floats(0.2, 0.9)))
    curve = power(draw(st.floats(0.05, 3.0)), draw(st.floats(1.0, 6.0)), draw(st.floats(0.0, 0.4)))
    return Types(np.cumsum(steps), weights / weights.sum()), v, curve


def test_two_types_by_hand() -> None:
    """θ = 1, 3/2, equally likely, v = √q, C = q.

    φ = 1/2, 3/2; φ/(2√q) = 1 gives q = 1/16, 9/16; p_1 = 1/4, p_2 = 1/4 + 3/2 · 1/2 = 1. The high
    type keeps (3/2 − 1) · 1/4 = 1/8, and the low one has less than its first best 1/4.
    """
    types = Types([1.0, 1.5])
    menu = continuous_contract(types, ROOT, linear(1.0))
    assert menu.quality == pytest.approx([1 / 16, 9 / 16], abs=1e-12)
    assert menu.price_usd == pytest.approx([1 / 4, 1.0], abs=1e-12)
    binding = screening_prices(types.theta_usd, np.array([1 / 4, 3 / 4]))
    assert binding == pytest.approx([1 / 4, 1.0], abs=1e-12)
    assert menu.user_utility_usd == pytest.approx([0.0, 1 / 8], abs=1e-12)
    assert menu.provider_utility_usd == pytest.approx(5 / 16, abs=1e-12)
    assert menu.social_welfare_usd == pytest.approx(3 / 8, abs=1e-12)
    best = continuous_first_best(types, ROOT, linear(1.0))
    assert best.quality == pytest.approx([1 / 4, 9 / 16], abs=1e-12)
    assert best.price_usd == pytest.approx([1 / 2, 9 / 8], abs=1e-12)
    assert best.user_utility_usd == pytest.approx([0.0, 0.0], abs=1e-15)
    assert best.provider_utility_usd == pytest.approx(13 / 32, abs=1e-12)


def test_three_types_that_need_ironing_by_hand() -> None:
    """θ = 4, 5, 6 with probabilities 0.6, 0.1, 0.3, v = √q, C = 8 q.

    φ = 4 − 2/3, 5 − 3, 6: the second lies below the first. The two share the mean (2 + 0.2)/0.7 =
    22/7, so √q = 22/112 for both and 6/16 for the third; p = 4 · 22/112, then + 6 (6/16 − 22/112).
    """
    types = Types([4.0, 5.0, 6.0], [0.6, 0.1, 0.3])
    assert types.virtual_usd() == pytest.approx([10 / 3, 2.0, 6.0], abs=1e-12)
    assert ironed(types) == pytest.approx([22 / 7, 22 / 7, 6.0], abs=1e-12)
    menu = continuous_contract(types, ROOT, linear(8.0))
    roots = np.array([22 / 112, 22 / 112, 6 / 16])
    assert menu.quality == pytest.approx(roots**2, abs=1e-12)
    low = 4 * 22 / 112
    assert menu.price_usd == pytest.approx([low, low, low + 6 * (6 / 16 - 22 / 112)], abs=1e-12)


def test_three_types_of_which_the_lowest_is_not_worth_its_rent() -> None:
    """θ = 1, 2, 3, equally likely: φ = −1, 1, 3, so type 1 gets nothing; C = 2 q + 0.01."""
    types = Types([1.0, 2.0, 3.0])
    served = continuous_contract(types, ROOT, linear(2.0, 0.01))
    assert served.quality == pytest.approx([0.0, 1 / 16, 9 / 16], abs=1e-12)
    assert served.cost_usd[0] == 0.01
    assert served.price_usd[0] == 0.0
    left_out = continuous_contract(types, ROOT, linear(2.0, 0.01), serve_all=False)
    assert left_out.served.tolist() == [False, True, True]
    assert left_out.price_usd == pytest.approx(served.price_usd, abs=1e-12)
    gain = left_out.provider_utility_usd - served.provider_utility_usd
    assert gain == pytest.approx(0.01 / 3, abs=1e-12)


def test_mussa_and_rosen_in_the_limit_of_many_types() -> None:
    """θ uniform on [0, 1], v = √q, C = q/2: with x = √q this is Mussa and Rosen's (1978) model.

    x(θ) = max(0, 2θ − 1), so q = (2θ − 1)², p = θ² − 1/4 above θ = 1/2; provider 1/12, users 1/24.
    """
    errors = []
    for size in (50, 100, 200):
        types = Types(np.arange(1, size + 1) / size)
        menu = continuous_contract(types, ROOT, linear(0.5))
        theta = types.theta_usd
        limit = np.maximum(0, 2 * theta - 1)
        price = np.where(theta > 0.5, theta**2 - 0.25, 0.0)
        # on this grid of types the virtual types are those of the limit
        assert np.sqrt(menu.quality) == pytest.approx(limit, abs=1e-12)
        errors.append(
            [
                np.abs(menu.price_usd - price).max(),
                abs(menu.provider_utility_usd - 1 / 12),
                abs(menu.users_utility_usd - 1 / 24),
            ]
        )
    assert max(errors[-1]) < 0.01
    for coarse, fine in zip(errors[0], errors[2], strict=True):
        assert fine < 0.3 * coarse  # the error goes down with the number of types


@drawn
@given(markets(most=12))
def test_pooling_is_the_isotonic_regression_of_the_virtual_types(market) -> None:
    """Two algorithms: pools of `maximise_monotone`, and φ ironed first, each type solved alone."""
    types, v, curve = market
    menu = continuous_contract(types, v, curve)
    for quality, even in zip(menu.quality, ironed(types), strict=True):
        q = np.linspace(0, 1, 4001)
        profit = even * v.value(q) - curve.value(q)
        here = even * v.value(quality) - curve.value(quality)
        assert here >= profit.max() - 1e-9 * max(1.0, np.abs(profit).max())


@drawn
@given(markets(), st.booleans())
def test_against_a_fine_grid_solved_by_dynamic_programming(market, serve_all: bool) -> None:
    types, v, curve = market
    menu = continuous_contract(types, v, curve, serve_all=serve_all)
    q = np.linspace(0, 1, 3001)
    grid = discrete_contract(types, v, q, curve.value(q), serve_all=serve_all)
    scale = float(types.theta_usd[-1] * v.value(1.0))
    assert menu.provider_utility_usd >= grid.provider_utility_usd - 1e-12 * scale
    assert menu.provider_utility_usd <= grid.provider_utility_usd + 2e-3 * scale


@pytest.mark.parametrize("seed", range(12))
def test_against_a_general_constrained_optimiser(seed: int, general_optimiser: Callable) -> None:
    """All K² constraints with prices free; virtual types of both signs and out of order."""
    rng = np.random.default_rng(seed)
    size = int(rng.integers(2, 6))
    types = Types(np.cumsum(rng.uniform(0.2, 1.5, size)), rng.dirichlet(np.ones(size)))
    curve = power(rng.uniform(0.2, 2.0), rng.uniform(1.5, 4.0), 0.1)
    menu = continuous_contract(types, ROOT, curve, 0.01, 0.9)
    utility, values = general_optimiser(
        types, lambda x: curve.value(np.square(x)), 0.1, np.sqrt(0.9)
    )
    assert menu.provider_utility_usd == pytest.approx(utility, abs=2e-7)
    assert np.sqrt(menu.quality) == pytest.approx(values, abs=2e-3)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("serve_all", [True, False])
def test_discrete_menus_against_brute_force(
    seed: int, serve_all: bool, brute_force: Callable
) -> None:
    """Every assignment of services to types, monotone or not; costs in any order."""
    rng = np.random.default_rng(seed)
    types = Types(np.cumsum(rng.uniform(0.2, 1.5, 3)), rng.dirichlet(np.ones(3)))
    quality, cost = rng.random(3), rng.uniform(0.0, 0.8, 3)
    menu = discrete_contract(types, ROOT, quality, cost, serve_all=serve_all)
    values, costs = ROOT.value(quality), cost
    if not serve_all:
        values, costs = np.append(values, 0.0), np.append(costs, 0.0)
    best = brute_force(types, values, costs)
    assert menu.provider_utility_usd == pytest.approx(best, abs=1e-9)
    assert check_contract(menu).holds


def test_leaving_types_out_against_every_number_of_them() -> None:
    rng = np.random.default_rng(4)
    seen = set()
    for _ in range(40):
        types = Types(np.cumsum(rng.uniform(0.1, 1.0, 6)), rng.dirichlet(np.ones(6)))
        curve = power(rng.uniform(0.1, 2.0), 2.0, rng.uniform(0.0, 0.8))
        menu = continuous_contract(types, ROOT, curve, 0.05, 1.0, serve_all=False)
        best = 0.0
        for m in range(6):
            # the market without the lowest m, as one of its own: its types' rents are the same
            rest = types.probability[m:].sum()
            alone = Types(types.theta_usd[m:], types.probability[m:] / rest)
            profit = continuous_contract(alone, ROOT, curve, 0.05, 1.0).provider_utility_usd
            best = max(best, rest * profit)
        assert menu.provider_utility_usd == pytest.approx(best, abs=1e-12)
        assert (np.diff(menu.served.astype(int)) >= 0).all()
        seen.add(int((~menu.served).sum()))
    assert len(seen) >= 4


@drawn
@given(markets(most=9), st.booleans())
def test_defining_properties(market, serve_all: bool) -> None:
    types, v, curve = market
    menu = continuous_contract(types, v, curve, serve_all=serve_all)
    best = continuous_first_best(types, v, curve, serve_all=serve_all)
    assert check_contract(menu).holds
    assert (np.diff(menu.quality) >= 0).all()
    assert (np.diff(menu.user_utility_usd) >= -1e-12).all()
    assert np.abs(best.user_utility_usd).max() == 0.0
    scale = float(types.theta_usd[-1] * v.value(1.0))
    # nobody is served better than at the first best, the highest type exactly so
    assert (menu.quality <= best.quality + 1e-9).all()
    assert menu.quality[-1] == pytest.approx(best.quality[-1], abs=1e-9)
    assert menu.social_welfare_usd <= best.social_welfare_usd + 1e-12 * scale
    assert menu.provider_utility_usd <= best.provider_utility_usd + 1e-12 * scale
    money = menu.provider_utility_usd + menu.users_utility_usd
    assert menu.social_welfare_usd == pytest.approx(money, abs=1e-12 * scale)
    if not serve_all:
        assert menu.provider_utility_usd >= 0


def test_services_close_together_give_the_continuous_menu() -> None:
    types = Types([1.0, 2.0, 3.0, 4.0])
    curve = power(1.5, 3.0)
    q = np.linspace(0, 1, 20001)
    fine = discrete_contract(types, ROOT, q, curve.value(q))
    menu = continuous_contract(types, ROOT, curve)
    assert fine.quality == pytest.approx(menu.quality, abs=1e-4)
    assert fine.price_usd == pytest.approx(menu.price_usd, abs=1e-3)


def test_first_best_against_a_dense_search() -> None:
    types, curve, q = Types([0.5, 1.0, 2.0]), power(1.0, 2.5, 0.2), np.linspace(0, 1, 100001)
    menu = continuous_first_best(types, ROOT, curve, serve_all=False)
    for k, theta in enumerate(types.theta_usd):
        surplus = theta * ROOT.value(q) - curve.value(q)
        assert menu.quality[k] == pytest.approx(q[surplus.argmax()], abs=2e-5)
    dear = continuous_first_best(types, ROOT, power(1.0, 2.5, 0.5), serve_all=False)
    assert dear.served.tolist() == [False, True, True]
    assert dear.provider_utility_usd > 0
    quality = np.array([0.1, 0.5, 0.8])
    cost = np.array([0.4, 0.5, 0.6])
    found = discrete_first_best(types, ROOT, quality, cost, serve_all=False)
    assert found.service.tolist() == [-1, 2, 2]
    assert found.user_utility_usd.tolist() == [0.0, 0.0, 0.0]


def test_services_of_one_quality_are_offered_at_the_lowest_cost() -> None:
    menu = discrete_contract(Types([1.0]), ROOT, [0.5, 0.5, 0.5], [0.3, 0.1, 0.2])
    assert menu.service.tolist() == [1]


@pytest.mark.parametrize("shape", [(1, 1), (4, 1), (1, 5), (6, 4)])
def test_monotone_paths_against_all_of_them(shape: tuple[int, int]) -> None:
    from itertools import combinations_with_replacement

    rng = np.random.default_rng(9)
    for _ in range(30):
        gain = rng.integers(-3, 4, shape).astype(float)
        rows = np.arange(shape[0])
        paths = combinations_with_replacement(range(shape[1]), shape[0])
        best = max(gain[rows, list(path)].sum() for path in paths)
        found = best_monotone_path(gain)
        assert gain[rows, found].sum() == best
        assert (np.diff(found) >= 0).all()


def test_certificates_name_who_is_wronged() -> None:
    types = Types([1.0, 2.0, 3.0])
    menu = continuous_contract(types, ROOT, linear(0.4))
    assert check_contract(menu).holds

    def priced(change: list[float]) -> Contract:
        fields = {**vars(menu), "price_usd": menu.price_usd + change}
        return Contract(**fields)

    dear = check_contract(priced([0.0, 0.01, 0.0]))
    assert not dear.holds
    assert (dear.ic_type, dear.ic_item) == (1, 0)
    assert dear.ic_violation_usd == pytest.approx(0.01, abs=1e-12)
    cheap = check_contract(priced([0.0, -0.01, 0.0]))
    assert (cheap.ic_type, cheap.ic_item) == (2, 1)
    greedy = check_contract(priced([0.02, 0.02, 0.02]))
    assert greedy.ir_type in (0, 1)  # both have nothing to lose
    assert greedy.ir_violation_usd == pytest.approx(0.02, abs=1e-12)
    assert greedy.sentences()[0].endswith("loses 0.02 USD")
    assert "incentive compatibility holds" in greedy.sentences()[1]


@pytest.mark.parametrize(
    ("theta", "probability", "reason"),
    [
        ([1.0, 1.0], None, "increasing"),
        ([0.0, 1.0], None, "positive"),
        ([1.0, 2.0], [0.5, 0.6], "sum to 1"),
        ([1.0, 2.0], [1.0, 0.0], "positive number"),
        ([1.0, 2.0], [1.0], "one positive number"),
    ],
)
def test_impossible_types(theta, probability, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Types(theta, probability)
