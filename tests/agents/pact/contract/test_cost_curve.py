"""Fits of the cost curve: against exact data, dense searches and general programmes."""

import numpy as np
import pytest
from scipy.optimize import minimize, nnls

from airan_market.agents.pact.contract.cost_curve import (
    CostCurve,
    CostCurveError,
    fit_curve,
    level_and_scale,
)
from airan_market.agents.pact.service.services import services_of
from airan_market.scenarios import load_pact

TABLE = services_of(load_pact("pact"))
FORMS = ["exponential", "power", "convex"]


@pytest.mark.parametrize(
    ("form", "curve"),
    [
        ("exponential", lambda q: 0.2 + 3.0 * np.expm1(5 * q) / np.expm1(5)),
        ("power", lambda q: 0.05 + 2.0 * q**4.5),
        ("convex", lambda q: 0.1 + 0.5 * q + 2 * np.maximum(q - 0.5, 0)),
        ("quadratic", lambda q: 0.1 + 0.3 * q + 0.7 * q**2),
    ],
)
def test_a_curve_of_the_form_is_found_again(form: str, curve) -> None:
    q = np.array([0.2, 0.35, 0.5, 0.6, 0.8, 0.95])
    found = fit_curve(q, curve(q), form)
    inside = np.linspace(0.2, 0.95, 40)
    assert found.value(inside) == pytest.approx(curve(inside), abs=1e-6)
    assert found.r_squared == pytest.approx(1.0, abs=1e-9)
    assert np.abs(found.residual_usd).max() < 1e-6


@pytest.mark.parametrize("form", [*FORMS])
@pytest.mark.parametrize("level", [0.0, 0.5, 1.0, 3.0])
def test_every_fit_of_the_table_has_the_shape_and_its_slope(form: str, level: float) -> None:
    curve = fit_curve(TABLE.quality, TABLE.cost_usd(level), form)
    q = np.linspace(0, 1, 2001)
    value = curve.value(q)
    assert value.min() >= 0
    assert np.diff(value).min() >= -1e-12
    assert np.diff(value, 2).min() >= -1e-9 * max(1.0, value.max())
    rise = value[:-1] + np.diff(q) * curve.slope(q[:-1])
    assert (rise <= value[1:] + 1e-9 * value.max()).all()  # tangents lie below a convex curve


def test_two_weights_against_scipy_s_non_negative_least_squares() -> None:
    rng = np.random.default_rng(1)
    at_edge = 0
    for _ in range(300):
        h, cost = rng.random(5), rng.random(5)
        a, b = (float(x) for x in level_and_scale(h, cost))
        theirs, _ = nnls(np.column_stack([np.ones(5), h]), cost)
        at_edge += min(a, b) == 0
        assert (a, b) == pytest.approx(tuple(theirs), abs=1e-12)
    assert at_edge > 50


@pytest.mark.parametrize("form", ["exponential", "power"])
@pytest.mark.parametrize("level", [0.0, 0.4, 0.8])
def test_the_shape_is_the_best_of_a_dense_search(form: str, level: float) -> None:
    cost = TABLE.cost_usd(level)
    found = fit_curve(TABLE.quality, cost, form)
    left = float(np.square(found.residual_usd).sum())
    for kappa in np.linspace(1.0, 50.0, 491):
        other = fit_curve(TABLE.quality, cost, form, shape=float(kappa))
        assert left <= np.square(other.residual_usd).sum() + 1e-12


def test_convex_regression_against_a_quadratic_programme_on_the_fitted_values() -> None:
    """Hildreth's problem: fitted values whose slopes, from the one at 0 on, do not decrease."""
    cost = TABLE.cost_usd(0.6)
    q = TABLE.quality
    found = fit_curve(q, cost, "convex").value(q)

    def slopes(y: np.ndarray) -> np.ndarray:
        return np.diff(y[1:]) / np.diff(q)

    # y_0 is the value at 0, which must not be negative, and the first slope reaches from there
    constraints = [
        {"type": "ineq", "fun": lambda y: y[0]},
        {"type": "ineq", "fun": lambda y: (y[1] - y[0]) / q[0]},
        {"type": "ineq", "fun": lambda y: slopes(y)[0] - (y[1] - y[0]) / q[0]},
        {"type": "ineq", "fun": lambda y: np.diff(slopes(y))},
    ]
    best = minimize(
        lambda y: np.square(y[1:] - cost).sum(), np.append(0.3, np.sort(cost)),
        constraints=constraints, method="SLSQP", options={"ftol": 1e-14, "maxiter": 500},
    )  # fmt: skip
    assert np.square(found - cost).sum() <= best.fun + 1e-9
    assert found == pytest.approx(best.x[1:], abs=1e-4)


def test_the_shape_can_be_held_when_liability_is_added() -> None:
    base = fit_curve(TABLE.quality, TABLE.cost_usd(0.0))
    held = fit_curve(TABLE.quality, TABLE.cost_usd(0.5), shape=base.parameters["kappa"])
    free = fit_curve(TABLE.quality, TABLE.cost_usd(0.5))
    assert held.parameters["kappa"] == base.parameters["kappa"]
    assert np.square(free.residual_usd).sum() < np.square(held.residual_usd).sum()


@pytest.mark.parametrize("form", FORMS)
def test_costs_that_fall_give_a_flat_curve_that_says_so(form: str) -> None:
    curve = fit_curve([0.2, 0.5, 0.9], [0.9, 0.5, 0.1], form)
    assert curve.flat
    assert "do not rise" in curve.note
    assert curve.value(0.7) == pytest.approx(0.5)
    assert curve.r_squared == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(
    ("quality", "cost", "form", "reason"),
    [
        ([0.2, 0.5, 0.9], [0.1, 0.3, 0.35], "quadratic", "is not convex at q = 0"),
        (TABLE.quality, TABLE.cost_usd(), "quadratic", "decreases at q = 0 "),
        ([0.4, 0.6, 0.9], [0.01, 0.12, 0.3], "quadratic", "is negative at q = 0 "),
        ([0.4, 0.4], [0.1, 0.1], "exponential", "needs services of 2 different qualities"),
        ([0.4, 0.5], [0.1, 0.1], "quadratic", "needs services of 3 different qualities"),
    ],
)
def test_refusals_by_name(quality, cost, form: str, reason: str) -> None:
    with pytest.raises(CostCurveError, match=reason):
        fit_curve(quality, cost, form)


def test_a_quadratic_is_judged_on_the_interval_asked_for() -> None:
    curve = fit_curve(TABLE.quality, TABLE.cost_usd(), "quadratic", lower=0.56, upper=0.85)
    assert curve.slope(0.6) > 0


def test_a_given_curve_is_checked_for_infinities() -> None:
    curve = CostCurve("given", lambda q: 1 / np.asarray(q), lambda q: -1 / np.square(q))
    with np.errstate(divide="ignore"), pytest.raises(CostCurveError, match="is not finite"):
        curve.check(0.0, 1.0)


def test_two_services_get_the_least_curved_exact_curve() -> None:
    curve = fit_curve([0.2, 0.6], [0.1, 0.3], "exponential")
    assert curve.parameters["kappa"] == 0.0
    assert curve.value([0.4]) == pytest.approx([0.2])
