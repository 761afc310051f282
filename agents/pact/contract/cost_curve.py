"""C(q), a convex increasing curve through the costs of the configured services.

The paper fits "the relationship curve between q and C(q)" and does not say which. What the contract
needs of it is that C is convex, increasing and not negative on the whole interval of qualities, and
a polynomial through Table I is neither increasing (the quadratic falls below q = 0.55) nor to be
trusted where it is extrapolated. So three of the four forms have the shape built in:

| form | C(q) | fitted by |
| --- | --- | --- |
| exponential | a + b (e^{κq} − 1)/(e^κ − 1), a, b, κ ≥ 0 | least squares in a, b for each κ; Brent's method in κ |
| power | a + b q^κ, a, b ≥ 0, κ ≥ 1 | the same |
| convex | a + s q + Σ w_i (q − q_i)₊, all ≥ 0 | convex regression (Hildreth 1954), non-negative least squares |
| quadratic | a + b q + c q² | plain least squares, refused unless of the right shape |

Least squares in (a, b) for each κ is variable projection (Golub and Pereyra 1973): one search in
one bounded variable, so that no starting value decides what is found.
"""  # noqa: E501

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from airan_market.sim.arrays import FloatArray

Function = Callable[[ArrayLike], FloatArray]

SHAPE_BOUNDS = {"exponential": (0.0, 50.0), "power": (1.0, 50.0)}
_GRID = 1001
_EXACT = 1e-24  # part of Σ C² that is rounding: the curve goes through every service


class CostCurveError(ValueError):
    """Costs through which no curve of the wanted shape goes."""


@dataclass(frozen=True)
class CostCurve:
    """A curve C(q) in USD per request, and how well it fits.

    Attributes
    ----------
    form : str
    value, slope : callable (array) -> array
        C and C′; at a kink the slope to its right.
    parameters : dict
        Of the form.
    quality, cost_usd : array (S,)
        The services it was fitted to; empty for a curve that was given.
    note : str
        What a reader should know of the fit, or "".

    Examples
    --------
    >>> curve = CostCurve("given", lambda q: np.square(q) / 2, lambda q: np.asarray(q))
    >>> curve.check(0.0, 1.0)
    >>> float(curve.value(0.5))
    0.125
    """

    form: str
    value: Function
    slope: Function
    parameters: dict[str, float] = field(default_factory=dict)
    quality: FloatArray = field(default_factory=lambda: np.empty(0))
    cost_usd: FloatArray = field(default_factory=lambda: np.empty(0))
    note: str = ""

    @property
    def residual_usd(self) -> FloatArray:
        """Cost less curve at every service, (S,)."""
        return self.cost_usd - self.value(self.quality)

    @property
    def r_squared(self) -> float:
        """Part of the costs' variance that the curve explains; 1 when there is none to explain."""
        spread = float(np.square(self.cost_usd - self.cost_usd.mean()).sum())
        left = float(np.square(self.residual_usd).sum())
        return 1 - left / spread if spread > 0 else 1.0

    @property
    def flat(self) -> bool:
        """Whether the curve is constant: then nothing keeps quality from its upper bound."""
        return bool(self.slope(1.0) == 0.0)

    def check(self, lower: float, upper: float) -> None:
        """Refuse a curve that is not convex, increasing and non-negative on [lower, upper].

        Raises
        ------
        CostCurveError
            With the reason and the place.
        """
        q = np.linspace(lower, upper, _GRID)
        value, slope = np.asarray(self.value(q)), np.asarray(self.slope(q))
        scale = float(np.abs(value).max())
        for rule, good, shown in (
            ("is not finite", np.isfinite(value) & np.isfinite(slope), value),
            (
                "is not convex",
                np.append(np.diff(slope) >= -1e-9 * np.abs(slope).max(), True),
                slope,
            ),
            ("decreases", slope >= -1e-12 * scale, slope),
            ("is negative", value >= -1e-12 * scale, value),
        ):
            if not good.all():
                at = int(np.argmin(good))
                what = "value" if shown is value else "slope"
                raise CostCurveError(
                    f"the {self.form} curve {rule} at q = {q[at]:.4g} ({what} {shown[at]:.4g})"
                )


def fit_curve(
    quality: ArrayLike,
    cost_usd: ArrayLike,
    form: str = "exponential",
    *,
    shape: float | None = None,
    lower: float = 0.0,
    upper: float = 1.0,
) -> CostCurve:
    """Fit a convex increasing curve to services by least squares.

    Parameters
    ----------
    quality, cost_usd : array (S,)
        In any order; costs in USD per request.
    form : {"exponential", "power", "convex", "quadratic"}
        See the table of this module.
    shape : float, optional
        κ of exponential and power, held at this value in place of being fitted.
    lower, upper : float
        Interval on which the curve must have its shape.

    Raises
    ------
    CostCurveError
        When there are too few different qualities, or the curve is not convex, increasing and
        non-negative.

    Examples
    --------
    >>> q = np.array([0.2, 0.4, 0.6, 0.8])
    >>> curve = fit_curve(q, 0.1 + q**3, "power")
    >>> {name: round(value, 4) for name, value in curve.parameters.items()}
    {'a': 0.1, 'b': 1.0, 'kappa': 3.0}
    >>> fit_curve(q, [0.1, 0.3, 0.4, 0.45], "quadratic")
    Traceback (most recent call last):
        ...
    airan_market...CostCurveError: the quadratic curve is not convex at q = 0 (slope 1.513)
    """
    q, cost = np.asarray(quality, dtype=float), np.asarray(cost_usd, dtype=float)
    needed = 3 if form == "quadratic" else 2
    if np.unique(q).size < needed:
        raise CostCurveError(
            f"the {form} curve needs services of {needed} different qualities (has "
            f"{np.unique(q).size}); a discrete menu needs no curve"
        )
    if form == "convex":
        curve = _convex(q, cost)
    elif form == "quadratic":
        curve = _quadratic(q, cost)
    else:
        curve = _one_shape(q, cost, form, shape)
    curve.check(lower, upper)
    return curve


def _one_shape(q: FloatArray, cost: FloatArray, form: str, shape: float | None) -> CostCurve:
    basis, slope = _BASES[form]
    low, high = SHAPE_BOUNDS[form]
    kappa = _best_shape(q, cost, basis, low, high) if shape is None else shape
    a, b = (float(x) for x in level_and_scale(basis(q, kappa), cost))
    note = ""
    if b == 0.0:
        note = "the costs do not rise with quality: the best such curve is constant"
    elif shape is None and kappa >= high * (1 - 1e-6):
        note = f"the costs rise more steeply at the end than κ = {high:g}, the largest allowed"
    return CostCurve(
        form,
        lambda x: a + b * basis(np.asarray(x, dtype=float), kappa),
        lambda x: b * slope(np.asarray(x, dtype=float), kappa),
        {"a": a, "b": b, "kappa": kappa},
        q,
        cost,
        note,
    )


def _exponential(q: FloatArray, kappa: float) -> FloatArray:
    return np.expm1(kappa * q) / np.expm1(kappa) if kappa > 0 else q


def _exponential_slope(q: FloatArray, kappa: float) -> FloatArray:
    return kappa * np.exp(kappa * q) / np.expm1(kappa) if kappa > 0 else np.ones_like(q)


_BASES: dict[str, tuple[Callable, Callable]] = {
    "exponential": (_exponential, _exponential_slope),
    "power": (
        lambda q, kappa: np.power(q, kappa),
        lambda q, kappa: kappa * np.power(q, kappa - 1),
    ),
}


def level_and_scale(basis: FloatArray, cost: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Least squares a + b h with a, b ≥ 0, for one or many h.

    The unconstrained solution when it is allowed, else the better of the two edges: with two
    variables that is the whole of non-negative least squares.

    Parameters
    ----------
    basis : array (..., S)
        h ≥ 0.
    cost : array (S,)
        Not negative.

    Returns
    -------
    a, b : array (...)

    Examples
    --------
    >>> a, b = level_and_scale(np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([1.0, 3.0]))
    >>> a.tolist(), b.tolist()
    ([1.0, 2.0], [2.0, 0.0])
    """
    middle, mean = basis.mean(axis=-1), cost.mean()
    centred = basis - middle[..., None]
    spread, size = np.square(centred).sum(axis=-1), np.square(basis).sum(axis=-1)
    # no spread, or no h at all: then b says nothing and is 0
    b = np.divide(centred @ (cost - mean), spread, out=np.zeros_like(middle), where=spread > 0)
    a = mean - b * middle
    through = np.divide(basis @ cost, size, out=np.zeros_like(middle), where=size > 0)
    # squares explained: mean² S by the constant alone, (h·C)²/|h|² by b h alone
    constant = mean * mean * cost.size >= through * through * size
    allowed = (a >= 0) & (b >= 0)
    edge_a, edge_b = np.where(constant, mean, 0.0), np.where(constant, 0.0, through)
    return np.where(allowed, a, edge_a), np.where(allowed, b, edge_b)


def _best_shape(q: FloatArray, cost: FloatArray, basis: Callable, low: float, high: float) -> float:
    """κ of the least squares: the best of a grid, then Brent's method around it."""
    from scipy.optimize import minimize_scalar

    def misfit(h: FloatArray) -> FloatArray:
        a, b = level_and_scale(h, cost)
        return np.square(cost - a[..., None] - b[..., None] * h).sum(axis=-1)

    grid = np.linspace(low, high, 201)
    misfits = misfit(np.array([basis(q, kappa) for kappa in grid]))
    exact = misfits <= _EXACT * float(cost @ cost)
    best = int(np.argmax(exact)) if exact.any() else int(np.argmin(misfits))
    if exact.any():  # several shapes go through every service: the least curved of them
        return float(grid[best])
    around = grid[max(0, best - 1)], grid[min(grid.size - 1, best + 1)]
    found = minimize_scalar(
        lambda kappa: float(misfit(basis(q, kappa))),
        bounds=around,
        method="bounded",
        options={"xatol": 1e-9},
    )
    return float(found.x) if found.fun < misfits[best] else float(grid[best])


def _convex(q: FloatArray, cost: FloatArray) -> CostCurve:
    from scipy.optimize import nnls

    knots = np.unique(q)[:-1]  # a kink at the best service would have no data above it
    columns = np.column_stack([np.ones_like(q), q, np.maximum(q[:, None] - knots, 0.0)])
    weights, _ = nnls(columns, cost)
    level, first, kinks = float(weights[0]), float(weights[1]), weights[2:]

    def value(x: ArrayLike) -> FloatArray:
        at = np.asarray(x, dtype=float)
        return level + first * at + np.maximum(at[..., None] - knots, 0.0) @ kinks

    def slope(x: ArrayLike) -> FloatArray:
        return first + (np.asarray(x, dtype=float)[..., None] >= knots) @ kinks

    used = {f"w_{i + 1}": float(w) for i, w in enumerate(kinks) if w > 0}
    note = "the costs do not rise with quality: the best such curve is constant"
    constant = first == 0 and not used
    parameters = {"a": level, "s": first, **used}
    return CostCurve("convex", value, slope, parameters, q, cost, note if constant else "")


def _quadratic(q: FloatArray, cost: FloatArray) -> CostCurve:
    c, b, a = (float(x) for x in np.polyfit(q, cost, 2))
    return CostCurve(
        "quadratic",
        lambda x: a + b * np.asarray(x, dtype=float) + c * np.square(x),
        lambda x: b + 2 * c * np.asarray(x, dtype=float),
        {"a": a, "b": b, "c": c},
        q,
        cost,
    )
