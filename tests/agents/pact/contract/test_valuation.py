"""Valuations and the expressions they may be written as."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airan_market.agents.pact.contract.expression import Expression, ExpressionError
from airan_market.agents.pact.contract.valuation import Valuation, ValuationError, valuation


@pytest.mark.parametrize(
    ("form", "parameter", "value", "slope"),
    [
        ("log", 3.0, np.log(2.5), 3 / 2.5),
        ("power", 0.25, 0.5**0.25, 0.25 * 0.5**-0.75),
        ("exponential", 2.0, 1 - np.exp(-1), 2 * np.exp(-1)),
    ],
)
def test_forms_by_hand_at_one_half(form: str, parameter: float, value: float, slope: float) -> None:
    v = valuation(form, 7.0, parameter)
    assert v.value(0.5) == pytest.approx(7 * value, rel=1e-14)
    assert v.slope(0.5) == pytest.approx(7 * slope, rel=1e-14)
    assert v.value(0.0) == 0.0


@pytest.mark.parametrize(
    ("form", "expression"),
    [
        ("log", "log(1 + 2*q)"),
        ("log", "log1p(2*q)"),
        ("exponential", "1 - exp(-2*q)"),
        ("exponential", "-expm1(-2*q)"),
    ],
)
def test_expressions_equal_the_forms(form: str, expression: str) -> None:
    q = np.linspace(0.01, 1, 50)
    written = valuation("expression", 3.0, expression=expression)
    named = valuation(form, 3.0, 2.0)
    assert written.value(q) == pytest.approx(named.value(q), rel=1e-12)
    assert written.slope(q) == pytest.approx(named.slope(q), rel=1e-12)


@settings(max_examples=60)
@given(
    st.sampled_from(
        [
            "sqrt(q + a)", "log(q + a)", "exp(-a*q)", "tanh(a*q)", "atan(q*a)", "q**a",
            "(q + 1)**(a*q)", "a/(q + a)", "-q*q + +a", "2**(a*q)", "expm1(a*q)*log1p(q)",
        ]
    ),
    st.floats(0.2, 3.0),
    st.floats(0.1, 1.0),
)  # fmt: skip
def test_slopes_are_derivatives(text: str, a: float, q: float) -> None:
    formula = Expression(text.replace("a)", f"{a!r})").replace("a*", f"{a!r}*").replace(
        "*a", f"*{a!r}").replace("**a", f"**{a!r}").replace("a/", f"{a!r}/").replace(
        "+a", f"+{a!r}").replace("+ a", f"+ {a!r}"))  # fmt: skip
    h = 1e-5
    central = (formula(q + h)[0] - formula(q - h)[0]) / (2 * h)
    assert formula(q)[1] == pytest.approx(float(central), rel=1e-6, abs=1e-7)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("__import__('os')", "is not one of"),
        ("q.real", "may hold numbers"),
        ("x + 1", "is not the variable q"),
        ("sqrt(q, q)", "takes one argument"),
        ("q if q else 1", "may hold numbers"),
        ("'q'", "is not a number"),
        ("True", "is not a number"),
        ("q +", "is no expression"),
        ("(" * 60 + "q" + ")" * 60 + "+1" * 300, "longer"),
        ("-" * 60 + "q", "nested deeper"),
        ("", "is no expression"),
    ],
)
def test_nothing_else_can_be_written(text: str, reason: str) -> None:
    with pytest.raises(ExpressionError, match=reason):
        Expression(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("q", "strictly concave"),
        ("q**2", "strictly increasing"),
        ("q + q**2", "strictly concave"),
        ("sqrt(q) + 1", "must be 0 at q = 0"),
        ("log(q)", "must be finite"),
        ("sqrt(q - 0.5)", "must be finite"),
        ("q - 0.7*q**2", "strictly increasing"),
    ],
)
def test_what_cannot_be_a_valuation_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ValuationError, match=reason):
        valuation("expression", expression=text)


def test_a_callable_must_bring_its_own_slope() -> None:
    assert Valuation(np.log1p, lambda q: 1 / (1 + np.asarray(q))).value(1.0) == np.log(2)
    with pytest.raises(ValuationError, match="slope given is not that of the value"):
        Valuation(np.log1p, lambda q: 2 / (1 + np.asarray(q)))
