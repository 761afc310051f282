"""The design "local": held to a descent with short steps, to SLSQP, and compiled to its steps."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import isotonic_regression, minimize

from airan_market.agents.belief.belief import Belief, operator_belief
from airan_market.agents.contract.descent import held_types, start_latencies
from airan_market.agents.contract.design import (
    design_loss,
    design_menu,
    designed_by_terms,
    virtual_slope,
)
from airan_market.agents.contract.feasibility import check_menu
from airan_market.agents.primitives.primitives import Primitives

Market = Callable[..., Primitives]
APART_S = 1e-3  # latencies this close are the same: a promise is 0.05 to 1 s


class Design:
    """One operator of a random market, its loads, and the objective that it descends on."""

    def __init__(self, market: Market, seed: int, design: str = "local") -> None:
        rng = np.random.default_rng(seed)
        types = int(rng.integers(2, 10))
        alpha = rng.choice([1.0, 10.0])
        self.market = market(
            users=150 * rng.dirichlet(np.full(types, alpha)),
            sensitivity=np.sort(rng.uniform(0.5e-4, 1e-3, types))[::-1],
            servers=[rng.integers([20, 8, 60], [60, 30, 200])],
            rates=[[rng.uniform(100, 400), rng.uniform(60, 200), rng.uniform(100, 300)]],
            value=[7e-4],
            task_rate=24.0,
            latency_min_s=0.01,
            latency_max_s=float(rng.uniform(0.2, 2)),
            design=design,
        )
        self.weight = rng.uniform(0.05, 0.6, types) * self.market.demand_per_s
        self.load = self.weight.cumsum()
        settings = self.market.mechanism
        self.bounds = settings.latency_min_s, settings.latency_max_s
        self.start = start_latencies(types, *self.bounds)
        found = operator_belief(self.market, self.load[np.newaxis])
        self.belief: Belief = found
        self.log_gain, self.exponent = found.log_gain[0], found.exponent_per_s[0]
        self.slope = virtual_slope(self.market.latency_sensitivity_usd_per_s, self.weight)
        self.risk = self.market.net_violation_cost_usd * self.weight

    @property
    def latency_s(self) -> np.ndarray:
        menu = design_menu(self.market, self.load[np.newaxis], self.weight[np.newaxis])
        return menu.latency_s[0]

    def violation(self, latency: np.ndarray, capped: bool = True) -> np.ndarray:
        raw = np.exp(self.log_gain - self.exponent * latency)
        return np.minimum(raw, 1.0) if capped else raw

    def loss(self, latency: np.ndarray, capped: bool = True) -> float:
        """What the design is to make small, USD/s."""
        return float(self.slope @ latency + self.risk @ self.violation(latency, capped))

    def gradient(self, latency: np.ndarray, capped: bool = True) -> np.ndarray:
        p = self.violation(latency, capped=False)
        feels = (p < 1) | (not capped)
        return self.slope - np.where(feels, self.risk * self.exponent * p, 0.0)


def descend(design: Design) -> np.ndarray:
    """Projected gradient with steps of at most 0.2 ms a type along the linear part."""
    latency, step = design.start, 2e-4
    for _ in range(60_000):
        new = latency - step * design.gradient(latency) / design.slope
        new = np.clip(isotonic_regression(new, weights=design.slope).x, *design.bounds)
        if np.abs(new - latency).max() < 1e-12:
            return new
        latency = new
    raise AssertionError("the descent did not come to rest")


def slsqp(design: Design, unit: float, capped: bool = True) -> np.ndarray:
    """The solver that the paper may have used, on an objective in `unit` USD/s."""
    order = np.diff(np.eye(design.start.size), axis=0)
    found = minimize(
        lambda latency: design.loss(latency, capped) / unit,
        design.start,
        jac=lambda latency: design.gradient(latency, capped) / unit,
        method="SLSQP",
        bounds=[design.bounds] * design.start.size,
        constraints=[{"type": "ineq", "fun": lambda x: order @ x, "jac": lambda x: order}],
        options={"ftol": 1e-12, "maxiter": 1000},
    )
    return np.asarray(found.x)


def parts(design: Design, unit: float) -> bool:
    """Whether SLSQP stops elsewhere than the rule; then for the one reason that is known."""
    ours, theirs = design.latency_s, slsqp(design, unit)
    if np.abs(ours - theirs).max() <= APART_S:
        return False
    held = held_types(design.belief, design.start)[0]
    jumped = (design.violation(theirs) >= 1) & ~held
    assert jumped.any(), f"SLSQP ends at {theirs}, the rule at {ours}, and no step explains it"
    return True


def agrees_with_short_steps(market: Market, seeds: range, design: str = "local") -> list[int]:
    """Seeds of the markets in which the design is where the descent with short steps ends."""
    return [
        seed
        for seed in seeds
        if np.abs((one := Design(market, seed, design)).latency_s - descend(one)).max() <= APART_S
    ]


def test_the_rule_is_where_short_steps_end(market: Market) -> None:
    seeds = [3, 9, 45, 46, 126, 152]  # pooled, saturated; 126 and 152: arrive where p = 1
    assert agrees_with_short_steps(market, seeds) == seeds


def test_control_the_exact_design_is_not_where_short_steps_end(market: Market) -> None:
    assert agrees_with_short_steps(market, [3, 9, 45], "exact") == []


@pytest.mark.long
def test_the_rule_is_where_short_steps_end_in_200_markets(market: Market) -> None:
    assert len(agrees_with_short_steps(market, range(200))) == 200


def test_where_slsqp_parts_it_has_jumped_over_an_edge(market: Market) -> None:
    """4, 9, 12 part with the objective in USD/s; in mUSD/s SLSQP's first steps are shorter."""
    assert [s for s in range(14) if parts(Design(market, s), 1.0)] == [4, 9, 12]
    assert [s for s in range(14) if parts(Design(market, s), 1e-3)] == []


@pytest.mark.long
@pytest.mark.parametrize(("unit", "most"), [(1.0, 40), (1e-3, 12)])
def test_slsqp_parts_in_few_of_200_markets(market: Market, unit: float, most: int) -> None:
    """28 and 5 with SciPy 1.16; another version steps otherwise, so the bound is loose."""
    count = sum(parts(Design(market, seed), unit) for seed in range(200))
    print(f"SLSQP parts from the rule in {count} of 200 markets, objective in {unit:g} USD/s")
    assert 0 < count <= most


def test_without_the_cap_the_solver_finds_the_exact_design(market: Market) -> None:
    """So it is the cap that makes the design local.

    SLSQP keeps the order of latencies only to about 1e-8 s, on some processors on the wrong side,
    and gains by it: what it finds is put in order before it is compared.
    """
    for seed in range(14):
        design = Design(market, seed, "exact")
        if not design.belief.saturated.any():
            found = np.maximum.accumulate(slsqp(design, 1e-3, capped=False))
            gained = design.loss(design.latency_s, capped=False) - design.loss(found, capped=False)
            assert gained <= 1e-9 * abs(design.loss(found, capped=False))


@pytest.mark.parametrize("seed", range(30))
def test_the_compiled_design_is_that_of_its_steps(market: Market, seed: int) -> None:
    design = Design(market, seed)
    load, weight = design.load[np.newaxis], design.weight[np.newaxis]
    compiled = design_menu(design.market, load, weight)
    steps = designed_by_terms(design.market, design.belief, weight)
    assert compiled.latency_s == pytest.approx(steps.latency_s, abs=1e-12)
    assert compiled.price_usd == pytest.approx(steps.price_usd, abs=1e-15)


@pytest.mark.parametrize("belief", ["chernoff", "fifo", "priority"])
def test_local_menus_keep_all_constraints(market: Market, belief: str) -> None:
    primitives = market(design="local", belief=belief)
    weight = primitives.demand_per_s / 2 * np.ones((2, 1))
    menu = design_menu(primitives, weight.cumsum(axis=-1), weight)
    assert (np.diff(menu.latency_s) >= 0).all()
    assert check_menu(primitives, menu).holds(1e-15)


def test_a_tail_is_capped_only_where_saturated_so_designs_agree(market: Market) -> None:
    """Beliefs that are probabilities reach 1 nowhere but at 0: no type is held."""
    exact, local = (market(design=design, belief="fifo") for design in ("exact", "local"))
    weight = exact.demand_per_s / 2 * np.ones((2, 1))
    menus = [design_menu(one, weight.cumsum(axis=-1), weight) for one in (exact, local)]
    assert menus[0].latency_s.tolist() == menus[1].latency_s.tolist()


@pytest.mark.parametrize("seed", range(20))
def test_the_loss_is_that_of_the_objective(market: Market, seed: int) -> None:
    """Held to the separable form, whose constant cancels."""
    design = Design(market, seed)
    exact = Design(market, seed, "exact")
    load, weight = design.load[np.newaxis], design.weight[np.newaxis]
    menu = design_menu(design.market, load, weight)
    found = design_loss(design.market, menu, load, weight)[0]
    expected = design.loss(design.latency_s) - exact.loss(exact.latency_s)
    # prices (25) have R̄ p in them, so that the objective charges C̄ − R̄, as `loss` does
    assert found == pytest.approx(expected, abs=1e-12)
    if (exact.violation(exact.latency_s, capped=False) < 1).all():
        assert found >= -1e-15


def test_a_type_alone_is_held_or_exact(market: Market) -> None:
    """One type starts at L_min: promised L_min where that is hopeless, else what is best."""
    one = market(users=[20.0], sensitivity=[5e-4], design="local", latency_min_s=0.01)
    exact = replace(one, mechanism=one.mechanism.model_copy(update={"design": "exact"}))
    weight = one.demand_per_s / 2 * np.ones((2, 1))
    assert (design_menu(one, weight, weight).latency_s == 0.01).all()
    assert (design_menu(exact, weight, weight).latency_s > 0.02).all()
    late = {"latency_min_s": 0.2}  # where keeping the promise is likely, nothing is held
    kept = [
        replace(part, mechanism=part.mechanism.model_copy(update=late)) for part in (one, exact)
    ]
    menus = [design_menu(part, weight, weight).latency_s.tolist() for part in kept]
    assert menus[0] == menus[1]
