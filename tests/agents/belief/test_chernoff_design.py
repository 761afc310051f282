"""The compiled design of menus against its steps in NumPy, and as the step of Algorithm 1."""

import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airan_market.agents.belief import chernoff_design as compiled_design
from airan_market.agents.belief.belief import ChernoffBelief
from airan_market.agents.contract.design import design_menu, designed_by_terms, designed_menus
from airan_market.agents.contract.menu import Menu
from airan_market.agents.mechanism import mixed
from airan_market.agents.primitives.primitives import Primitives
from airan_market.agents.screening.monotone import ExponentialPieces, maximise_monotone
from airan_market.agents.screening.monotone import pool as reference_pool
from airan_market.scenarios import load_scenario
from airan_market.sim.theory.chernoff import chernoff_coefficients

Market = Callable[..., Primitives]
TOLERANCE = 1e-12


def reference_belief(primitives: Primitives, load: np.ndarray) -> ChernoffBelief:
    """Nothing compiled in it."""
    stages = (
        primitives.servers[..., np.newaxis, :],
        primitives.service_rate_per_s[..., np.newaxis, :],
    )
    return ChernoffBelief(*chernoff_coefficients(*stages, load, primitives.mechanism.chernoff_zeta))


def reference_menu(primitives: Primitives, load: np.ndarray, weight: np.ndarray) -> Menu:
    return designed_by_terms(primitives, reference_belief(primitives, load), weight)


def largest_error(
    primitives: Primitives, found: Menu, expected: Menu, belief: ChernoffBelief
) -> float:
    """Largest difference of two menus, in the units in which rounding is felt.

    A unit of rounding in an exponent moves a latency by 1/η, η the slowest of the block.
    """
    rate = np.where(belief.exponent_per_s > 0, belief.exponent_per_s, np.inf).min(
        axis=-1, keepdims=True
    )
    delay = np.maximum(1.0, 1 / rate)
    dollars = primitives.latency_sensitivity_usd_per_s[0] * delay + np.max(
        primitives.service_value_usd
    )
    return max(
        float(np.max(np.abs(found.latency_s - expected.latency_s) / delay)),
        float(np.max(np.abs(found.price_usd - expected.price_usd) / dollars)),
        float(np.max(np.abs(found.violation_probability - expected.violation_probability))),
    )


def pooled_items(menu: Menu, primitives: Primitives) -> int:
    inside = (menu.latency_s > primitives.mechanism.latency_min_s) & (
        menu.latency_s < primitives.mechanism.latency_max_s
    )
    return int(((np.diff(menu.latency_s) == 0) & inside[..., 1:]).sum())


@st.composite
def markets(draw: st.DrawFn) -> dict:
    """Operators, types, loads and weights that have little to do with each other."""
    operators, types = draw(st.integers(1, 3)), draw(st.integers(1, 8))
    stages = st.tuples(*[st.integers(1, 200)] * 3), st.tuples(*[st.floats(10.0, 300.0)] * 3)
    servers, rates = (
        draw(st.lists(part, min_size=operators, max_size=operators)) for part in stages
    )
    beta = draw(st.lists(st.floats(1e-5, 1e-3), min_size=types, max_size=types))
    if draw(st.booleans()):
        beta = [beta[0]] * types
    positive = st.floats(1e-6, 1.0)
    share = draw(st.sampled_from([positive, st.one_of(st.just(0.0), positive)]))
    shares = st.lists(share, min_size=types, max_size=types)
    table = st.lists(shares, min_size=operators, max_size=operators).map(np.array)
    level = draw(st.lists(st.floats(0.0, 1.4), min_size=operators, max_size=operators))
    return {
        "primitives": {
            "users": np.ones(types),
            "sensitivity": np.sort(beta)[::-1],
            "servers": servers,
            "rates": rates,
            "value": np.linspace(7e-4, 5e-4, operators),
            "violation_cost": draw(st.sampled_from([1.2e-3, 1.3e-4, 1e-4])),
            "latency_max_s": draw(st.sampled_from([2.0, 0.05])),
        },
        "load": draw(table),
        "level": np.array(level),
        "weight": draw(table) * draw(st.sampled_from([1.0, 500.0])),
    }


def loads(primitives: Primitives, share: np.ndarray, level: np.ndarray) -> np.ndarray:
    """Cumulative loads up to `level` times the capacity of the operator."""
    capacity = (primitives.servers * primitives.service_rate_per_s).min(axis=-1)
    total = np.maximum(share.sum(axis=-1), 1e-300)
    return np.cumsum(share, axis=-1) * (level * capacity / total)[:, np.newaxis]


@given(drawn=markets())
def test_designs_are_those_of_the_reference(market: Market, drawn: dict) -> None:
    """Saturated types, pooled ones, types without weight, equal β, one operator, one type."""
    primitives = market(**drawn["primitives"])
    load = loads(primitives, drawn["load"], drawn["level"])
    found = design_menu(primitives, load, drawn["weight"])
    expected = reference_menu(primitives, load, drawn["weight"])
    belief = reference_belief(primitives, load)
    assert largest_error(primitives, found, expected, belief) <= TOLERANCE
    assert (np.diff(found.latency_s) >= 0).all()


@pytest.mark.parametrize(
    ("weight", "level", "pooled"),
    [
        pytest.param([200.0, 2.0, 100.0], 0.7, True, id="ironing"),
        pytest.param([200.0, 0.0, 100.0], 0.7, True, id="no weight: joins its neighbour"),
        pytest.param([100.0, 110.0, 120.0], 0.7, False, id="in order"),
        pytest.param([100.0, 110.0, 120.0], 1.2, False, id="the last type saturated"),
    ],
)
def test_every_kind_of_design_is_met(
    market: Market, weight: list[float], level: float, pooled: bool
) -> None:
    """The same comparison at markets that are known to be of the kind that they should be."""
    primitives = market(sensitivity=[8e-4, 5e-4, 4.9e-4])
    weights = np.array([weight, weight])
    load = loads(primitives, weights, np.array([level, level]))
    found, belief = design_menu(primitives, load, weights), reference_belief(primitives, load)
    expected = reference_menu(primitives, load, weights)
    assert largest_error(primitives, found, expected, belief) <= TOLERANCE
    assert (pooled_items(found, primitives) > 0) == pooled
    assert belief.saturated.any() == (level > 1)


def test_control_another_zeta_is_told_apart(market: Market) -> None:
    """A change of the belief in its tenth digit is more than the tolerance."""
    primitives = market()
    weight = np.tile([100.0, 110.0, 120.0], (2, 1))
    load = loads(primitives, weight, np.array([0.7, 0.7]))
    other = market(chernoff_zeta=0.9 * (1 - 1e-10))
    found, expected = design_menu(other, load, weight), reference_menu(primitives, load, weight)
    error = largest_error(primitives, found, expected, reference_belief(primitives, load))
    assert error > 2 * TOLERANCE


# ----------------------------------------------------------------------------------- its parts


def compiled_pool(terms: ExponentialPieces, lower: float, upper: float) -> np.ndarray:
    solution = np.empty(terms.rate.size)
    height = terms.log_weight + np.log(terms.rate)
    compiled_design.pool(terms.slope, height, terms.rate, lower, upper, solution)
    return solution


OPTIMA = {
    "falling": np.linspace(3.0, 1.0, 120),
    "zigzag": 2.0 + 0.5 * (-1.0) ** np.arange(120),
    "last item lowest": np.append(np.linspace(1.0, 3.0, 119), -500.0),
    "any order": np.random.default_rng(4).normal(2.0, 0.5, 120),
    "in order": np.linspace(1.0, 3.0, 120),
}


@pytest.mark.parametrize("order", OPTIMA)
@pytest.mark.parametrize(("lower", "upper"), [(-1e3, 1e3), (1.5, 2.2)])
def test_pooling_run_by_run_is_pooling_two_by_two(order: str, lower: float, upper: float) -> None:
    optimum = OPTIMA[order]
    rate = np.exp(np.random.default_rng(5).normal(size=optimum.size))
    slope = np.exp(np.random.default_rng(6).normal(size=optimum.size))
    terms = ExponentialPieces(slope, rate * optimum + np.log(slope / rate), rate)
    expected = maximise_monotone(terms, lower, upper)
    found = compiled_pool(terms, lower, upper)
    assert found == pytest.approx(expected, rel=TOLERANCE, abs=TOLERANCE)
    assert (np.diff(found) >= 0).all()


def test_pooling_without_bounds() -> None:
    """Terms without a finite maximum: no risk, no slope, neither."""
    none = -np.inf
    slope = np.array([1.0, 1.0, 0.0, 0.0, 2.0, 0.0])
    terms = ExponentialPieces(slope, np.array([1.0, none, none, 1.0, 2.0, 3.0]), np.ones(6))
    expected = reference_pool(terms, terms.maximisers(), none, np.inf)
    assert compiled_pool(terms, none, np.inf) == pytest.approx(expected, abs=TOLERANCE)


def test_falling_terms_are_solved_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What makes the cost near-linear: the same source, not compiled, counts its blocks."""
    solved: list[tuple[int, int]] = []
    solve = compiled_design.block_argmax.py_func

    def counted(slope, height, rate, first, last):  # type: ignore[no-untyped-def]
        solved.append((int(first), int(last)))
        return solve(slope, height, rate, first, last)

    monkeypatch.setattr(compiled_design, "block_argmax", counted)
    ones = np.ones(50)
    solution = np.empty(50)
    compiled_design.pool.py_func(ones, np.linspace(3.0, 1.0, 50), ones, -9.0, 9.0, solution)
    assert solved == [(n, n + 1) for n in range(50)] + [(0, 50)]
    assert np.unique(solution).size == 1


def test_pooled_root_over_twenty_orders_of_magnitude() -> None:
    """What is left of ln Σ exp(h − η x) is rounding of its terms, whatever the rates."""
    rng = np.random.default_rng(3)
    for size in rng.integers(1, 8, 2000):
        rate = 10.0 ** rng.uniform(-16, 4, size)
        height = rng.normal(size=size) * 10.0 ** rng.uniform(-8, 3)
        x = compiled_design.decay_root(height, rate, 0, size, 0.0, np.log(size))
        exponent = height - rate * x
        peak = exponent.max()
        left = abs(peak + np.log(np.exp(exponent - peak).sum()))
        assert left <= 1e-15 * max(1.0, np.abs(height).max(), np.abs(rate * x).max())


# ---------------------------------------------------------------------------------- Algorithm 1


def both_ways(monkeypatch: pytest.MonkeyPatch, primitives: Primitives) -> tuple[list, list]:
    """States of Algorithm 1 with compiled designs, and with those of the reference."""
    compiled = list(mixed.iterate(primitives))
    monkeypatch.setattr(mixed, "design_menu", reference_menu)
    return compiled, list(mixed.iterate(primitives))


def largest_state_error(one: mixed.Iteration, other: mixed.Iteration) -> float:
    return max(
        float(np.abs(one.match_probability - other.match_probability).max()),
        float(np.abs(one.menu.latency_s - other.menu.latency_s).max()),
        float(np.abs(one.shadow_price_usd - other.shadow_price_usd).max()),
    )


def test_fifty_iterations_of_the_default_market(monkeypatch: pytest.MonkeyPatch) -> None:
    primitives = Primitives.from_scenario(load_scenario("teleoperation"))
    compiled, reference = both_ways(monkeypatch, primitives)
    assert len(compiled) == len(reference) == 51
    assert max(map(largest_state_error, compiled, reference)) < TOLERANCE


def test_iterations_of_a_market_of_many_operators(
    monkeypatch: pytest.MonkeyPatch, market: Market
) -> None:
    """With ironing, saturation and shadow prices in it."""
    rng = np.random.default_rng(8)
    primitives = market(
        users=rng.dirichlet(np.full(24, 3.0)) * 2400,
        sensitivity=np.linspace(8e-4, 1e-4, 24),
        servers=rng.integers(3, 40, (9, 3)),
        rates=rng.uniform(60.0, 300.0, (9, 3)),
        value=rng.uniform(6e-4, 8e-4, 9),
        shadow_price_step_usd=2e-5,
        max_iterations=12,
    )
    compiled, reference = both_ways(monkeypatch, primitives)
    assert max(map(largest_state_error, compiled, reference)) < TOLERANCE
    assert pooled_items(compiled[-1].menu, primitives) > 20
    assert compiled[-1].shadow_price_usd.max() > 0
    capacity = (primitives.servers * primitives.service_rate_per_s).min(axis=-1)
    loads = [state.match_probability @ primitives.demand_per_s for state in compiled[:-1]]
    assert any((load > capacity).any() for load in loads)


def test_operators_one_by_one_get_the_same_bits(market: Market) -> None:
    """What lets agents play the algorithm and end where the arrays end."""
    primitives = market()
    matching = np.random.default_rng(1).uniform(0.1, 0.4, (2, 3))
    menu = designed_menus(primitives, matching)
    for m in range(2):
        own = designed_menus(primitives.of_operator(m), matching[m])
        for name in ("latency_s", "price_usd", "violation_probability"):
            assert getattr(own, name).tolist() == getattr(menu, name)[m].tolist()


# ----------------------------------------------------------------------------------- boundaries


@pytest.mark.parametrize("bad", [np.nan, -1.0])
@pytest.mark.parametrize("name", ["load_per_s", "weight_per_s"])
def test_numbers_outside_the_domain_are_named(market: Market, name: str, bad: float) -> None:
    arguments = {"load_per_s": np.full((2, 3), 10.0), "weight_per_s": np.full((2, 3), 10.0)}
    arguments[name][1, 1] = bad
    with pytest.raises(ValueError, match=f"{name} = {bad}"):
        design_menu(market(), **arguments)


def test_a_root_that_is_not_found_is_told(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    """Out of reach by the search itself: the compiled part is replaced by one that finds none."""
    none = np.full((2, 3), np.nan)
    monkeypatch.setattr(compiled_design, "_design_rows", lambda *arguments: (none, none, none))
    with pytest.raises(ArithmeticError, match="no best latency"):
        design_menu(market(), np.full((2, 3), 10.0), np.full((2, 3), 10.0))


def test_the_mechanism_brings_in_the_compiler_only_when_it_plays() -> None:
    for modules, brought in (
        ("airan_market.agents.mechanism.mixed, airan_market.agents.solution.outcome", False),
        ("airan_market.agents.belief.chernoff_design", True),  # the control
    ):
        code = f"import {modules}, sys; assert ('numba' in sys.modules) is {brought}"
        subprocess.run([sys.executable, "-c", code], check=True)
