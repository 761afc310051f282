"""Least squares on a calibration's problem: parameters, data, several starts, dispersion.

Residuals are in units of the rounding of the printed digits. Those that remain set the dispersion φ
(squared residuals per degree of freedom, at least the 1/3 of uniform rounding), and prior and data
are weighed with it: φ is iterated to a fixed point.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares
from scipy.stats import qmc

from airan_market.sim.arrays import FloatArray

ROUNDING_VARIANCE = 1.0 / 3.0  # of a uniform error, in squared half units
_DIFFERENCE = 1e-5  # relative step of the numerical Jacobian; the model is smooth to 1e-9


@dataclass(frozen=True)
class Parameter:
    """A number to be fitted: name, unit, search bounds, starting value, and its scale.

    `logarithmic` parameters are searched by their logarithm.
    """

    name: str
    unit: str
    low: float
    high: float
    start: float
    logarithmic: bool = True

    def inward(self, value: float) -> float:
        """The value as the search sees it."""
        return float(np.log(value)) if self.logarithmic else value

    def outward(self, searched: float) -> float:
        """The inverse of `inward`, inside the bounds to the last digit."""
        value = float(np.exp(searched)) if self.logarithmic else searched
        return min(max(value, self.low), self.high)  # exp(log(bound)) may miss by one rounding


@dataclass(frozen=True, eq=False)
class Problem:
    """Data, their rounding, and a model of them.

    Attributes
    ----------
    parameters : tuple of Parameter
    target, rounding : array (D,)
        The printed numbers and half a unit of their last digits.
    predict : function
        Values of the parameters → array (D,).
    prior : function
        Values → residuals of unit variance, (P,), not data; (0,) for none.
    constraint : function
        Values → residuals that are to vanish, (C,), in units of what may be missed.
    """

    parameters: tuple[Parameter, ...]
    target: FloatArray
    rounding: FloatArray
    predict: Callable[[FloatArray], FloatArray]
    prior: Callable[[FloatArray], FloatArray] = lambda values: np.empty(0)
    constraint: Callable[[FloatArray], FloatArray] = lambda values: np.empty(0)

    def outward(self, searched: FloatArray) -> FloatArray:
        """Values of the parameters at a point of the search."""
        pairs = zip(self.parameters, searched, strict=True)
        return np.array([parameter.outward(float(x)) for parameter, x in pairs])

    def inward(self, values: Sequence[float] | FloatArray) -> FloatArray:
        """Point of the search for values of the parameters."""
        pairs = zip(self.parameters, values, strict=True)
        return np.array([parameter.inward(float(value)) for parameter, value in pairs])

    def misfit(self, values: FloatArray) -> FloatArray:
        """(predicted − printed) / half a unit, (D,)."""
        return (self.predict(values) - self.target) / self.rounding

    def residuals(self, values: FloatArray, dispersion: float) -> FloatArray:
        """All that least squares makes small; the prior weighed with the dispersion φ."""
        return np.concatenate(
            [
                self.misfit(values),
                np.sqrt(dispersion) * self.prior(values),
                self.constraint(values),
            ]
        )


@dataclass(frozen=True, eq=False)
class Fit:
    """A point of least cost: values, prediction, cost ½ Σ r², dispersion φ, degrees of freedom."""

    values: FloatArray
    predicted: FloatArray
    cost: float
    dispersion: float
    freedom: int


def fit(problem: Problem, starts: int = 4, rounds: int = 3) -> Fit:
    """Least squares from several starts, the dispersion iterated to a fixed point.

    Starts are the parameters' starting values and points of a scrambled Sobol sequence of fixed
    seed in the middle half of the bounds.

    Parameters
    ----------
    problem : Problem
    starts : int
        Starts of the first round, at least 1; later rounds go on from the best.
    rounds : int
        Fits after which the dispersion is taken as settled.
    """
    points = [problem.inward([p.start for p in problem.parameters])]
    if starts > 1:
        low, high = bounds_of(problem)
        sobol = qmc.Sobol(low.size, seed=0).random(1 << (starts - 2).bit_length())
        points += list(low + (high - low) * (0.25 + 0.5 * sobol[: starts - 1]))
    dispersion = ROUNDING_VARIANCE
    for _ in range(rounds):
        best = min(
            (descend(problem, point, dispersion) for point in points),
            key=lambda candidate: candidate[1],
        )
        points = [best[0]]
        values = problem.outward(best[0])
        dispersion = _dispersion(problem, values)
    # the cost belongs to the last dispersion, so that profiles start from a true minimum
    searched, cost = descend(problem, points[0], dispersion)
    values = problem.outward(searched)
    return Fit(values, problem.predict(values), cost, dispersion, _freedom(problem, values))


def descend(
    problem: Problem,
    searched: FloatArray,
    dispersion: float,
    held: tuple[int, float] | None = None,
) -> tuple[FloatArray, float]:
    """Least squares from a point, one coordinate held if wanted: the end and its cost."""
    low, high = bounds_of(problem)
    free = np.arange(low.size) != (-1 if held is None else held[0])

    def whole(part: FloatArray) -> FloatArray:
        point = searched.copy()
        if held is not None:
            point[held[0]] = held[1]
        point[free] = part
        return point

    inside = 1e-9 * (high - low)  # the optimiser starts strictly inside its bounds
    found = least_squares(
        lambda part: problem.residuals(problem.outward(whole(part)), dispersion),
        np.clip(searched, low + inside, high - inside)[free],
        bounds=(low[free], high[free]),
        x_scale=(high - low)[free],
        diff_step=_DIFFERENCE,
        xtol=1e-6,
        ftol=1e-5,
        max_nfev=60,
    )
    return whole(found.x), float(found.cost)


def bounds_of(problem: Problem) -> tuple[FloatArray, FloatArray]:
    """Low and high search bounds of the parameters, as the search sees them."""
    return (
        problem.inward([p.low for p in problem.parameters]),
        problem.inward([p.high for p in problem.parameters]),
    )


def _freedom(problem: Problem, values: FloatArray) -> int:
    """Residuals less parameters; prior and constraint count as what they add."""
    known = problem.prior(values).size + problem.constraint(values).size
    return max(1, problem.target.size + known - len(problem.parameters))


def _dispersion(problem: Problem, values: FloatArray) -> float:
    """φ: squared residuals per degree of freedom, never below that of rounding."""
    spread = float((problem.misfit(values) ** 2).sum()) / _freedom(problem, values)
    return max(spread, ROUNDING_VARIANCE)
