"""v(q), how users value quality, and the check that it may be one, (9) of the PACT paper."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from airan_market.agents.pact.contract.expression import Expression, ExpressionError
from airan_market.scenarios.schema.quantity import GREATEST
from airan_market.sim.arrays import FloatArray

DEFAULT_PARAMETER = {"log": 1.0, "power": 0.5, "exponential": 1.0}
GRID = 1001  # points at which a valuation is checked


class ValuationError(ValueError):
    """A function that cannot be a valuation."""


@dataclass(frozen=True)
class Valuation:
    """v and v′ on [0, 1], in units of the type: θ v(q) is in USD per request.

    Equation: PACT (9)

    Parameters
    ----------
    value, slope : callable (array) -> array
        v and v′; v′(0) may be infinite.
    name : str
        For people.

    Raises
    ------
    ValuationError
        Unless v(0) = 0, v <= 1e30, v′ > 0 and v′ falls strictly, at `GRID` points of [0, 1].

    Examples
    --------
    >>> Valuation(np.log1p, lambda q: 1 / (1 + q)).name
    'user-given'
    >>> Valuation(np.expm1, np.exp)
    Traceback (most recent call last):
        ...
    airan_market...ValuationError: user-given: must be strictly concave (slope 1 at q = 0, ...
    """

    value: Callable[[ArrayLike], FloatArray]
    slope: Callable[[ArrayLike], FloatArray]
    name: str = "user-given"

    def __post_init__(self) -> None:
        q = np.linspace(0.0, 1.0, GRID)
        with np.errstate(divide="ignore"):  # a power has an infinite slope at 0
            value, slope = np.asarray(self.value(q)), np.asarray(self.slope(q))
        if not np.isfinite(value).all():
            self._refuse("must be finite", q, np.isfinite(value), value)
        if not (np.abs(value) <= GREATEST).all():
            self._refuse(f"must be at most {GREATEST:g}", q, np.abs(value) <= GREATEST, value)
        if abs(value[0]) > 1e-12 * np.abs(value).max():
            self._refuse("must be 0 at q = 0", q, q > 0, value)
        if not (slope > 0).all():
            self._refuse("must be strictly increasing", q, slope > 0, slope)
        falls = slope[1:] < slope[:-1]
        if not falls.all():
            i = int(np.argmin(falls))
            raise ValuationError(
                f"{self.name}: must be strictly concave (slope {slope[i]:.4g} at q = {q[i]:.4g}, "
                f"{slope[i + 1]:.4g} at q = {q[i + 1]:.4g})"
            )
        rises = np.diff(value)
        # a slope that is not that of the value would make every contract wrong, silently
        step = np.diff(q)
        most, least = slope[:-1] * step * (1 + 1e-6), slope[1:] * step * (1 - 1e-6)
        if (rises > most).any() or (rises < least).any():
            raise ValuationError(f"{self.name}: the slope given is not that of the value")

    def _refuse(self, rule: str, q: FloatArray, good: NDArray[np.bool_], shown: FloatArray) -> None:
        i = int(np.argmin(good))
        raise ValuationError(f"{self.name}: {rule} (found {shown[i]:.4g} at q = {q[i]:.4g})")


def valuation(
    form: str = "log",
    scale: float = 1.0,
    parameter: float | None = None,
    expression: str | None = None,
) -> Valuation:
    """A valuation by the name of its form, times a scale s.

    | form | v(q) | a |
    | --- | --- | --- |
    | log | s ln(1 + a q) | a > 0, default 1 |
    | power | s q^a | 0 < a < 1, default 0.5 |
    | exponential | s (1 − e^{−a q}) | a > 0, default 1 |
    | expression | s times the expression in q | none |

    Raises
    ------
    ValuationError
        When what comes out cannot be a valuation, or the expression is none.

    Examples
    --------
    >>> v = valuation("power", 2.0)
    >>> float(v.value(0.25)), float(v.slope(0.25))
    (1.0, 2.0)
    >>> valuation("expression", expression="q**2")
    Traceback (most recent call last):
        ...
    airan_market...ValuationError: q**2: must be strictly increasing (found 0 at q = 0)
    """
    if form == "expression":
        return _written(scale, expression or "")
    a = DEFAULT_PARAMETER[form] if parameter is None else parameter
    value, slope = {
        "log": (lambda q: np.log1p(np.multiply(a, q)), lambda q: a / (1 + np.multiply(a, q))),
        "power": (
            lambda q: np.power(np.asarray(q, dtype=float), a),
            lambda q: a * np.power(np.asarray(q, dtype=float), a - 1),
        ),
        "exponential": (
            lambda q: -np.expm1(np.multiply(-a, q)),
            lambda q: a * np.exp(np.multiply(-a, q)),
        ),
    }[form]
    return Valuation(lambda q: scale * value(q), lambda q: scale * slope(q), f"{form}({a:g})")


def _written(scale: float, text: str) -> Valuation:
    try:
        formula = Expression(text)
    except ExpressionError as error:
        raise ValuationError(f"{text}: {error}") from None
    return Valuation(lambda q: scale * formula(q)[0], lambda q: scale * formula(q)[1], text)
