"""What data pin down of a fit: the profile of each parameter, all others fitted again.

Along the profile twice the rise of the cost over φ stays below the F quantile of the level (Bates
and Watts, Nonlinear Regression Analysis, 1988, section 6.1). A profile that meets the search bound
first says that the data do not limit the parameter on that side.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import f as f_distribution

from airan_market.analysis.calibration.fit import Fit, Parameter, Problem, bounds_of, descend
from airan_market.sim.arrays import FloatArray

LEVEL = 0.95
_SMALLEST_STEP = 1e-4  # of a profile, as a part of the search interval


@dataclass(frozen=True)
class Interval:
    """Range of a parameter that the data allow; None on a side that they leave open."""

    parameter: Parameter
    best: float
    low: float | None
    high: float | None

    @property
    def identified(self) -> bool:
        """Whether both sides are limited by the data and not by the search bounds."""
        return self.low is not None and self.high is not None


def profile(problem: Problem, best: Fit, which: int, level: float = LEVEL) -> Interval:
    """Range of one parameter whose profile cost stays within the level.

    The parameter walks away from its best value in growing steps, the first as large as its
    linear standard error, all others fitted again at each; three bisections bracket the crossing
    and the outer end of the bracket is given.

    Raises
    ------
    IndexError
        When there is no such parameter.
    """
    parameter = problem.parameters[which]
    allowed = allowed_rise(best, 1, level)
    step = _first_step(problem, best, which)
    low, high = (_walk(problem, best, which, bound, step, allowed) for bound in (0, 1))
    return Interval(parameter, float(best.values[which]), low, high)


def allowed_rise(best: Fit, parameters: int, level: float = LEVEL) -> float:
    """Rise of the cost, ½ φ p F(p, freedom), that chance explains when p parameters are held.

    Examples
    --------
    >>> one = Fit(np.zeros(1), np.zeros(1), 0.0, 2.0, 10)
    >>> round(allowed_rise(one, 1), 2)  # F(0.95; 1, 10) = 4.96
    4.96
    """
    quantile = float(f_distribution.ppf(level, parameters, best.freedom))
    return 0.5 * best.dispersion * parameters * quantile


def _first_step(problem: Problem, best: Fit, which: int) -> float:
    """Standard error by linear propagation, kept between a 10,000th and 1/4 of the bounds."""
    low, high = bounds_of(problem)
    span = high - low
    origin = np.clip(problem.inward(best.values), low + 1e-4 * span, high - 1e-4 * span)

    def residuals(point: FloatArray) -> FloatArray:
        return problem.residuals(problem.outward(point), best.dispersion)

    at_origin = residuals(origin)
    steps = 1e-4 * span * np.eye(span.size)
    jacobian = np.array([(residuals(origin + step) - at_origin) / 1e-4 for step in steps]).T
    covariance = best.dispersion * np.linalg.pinv(jacobian.T @ jacobian)
    error = float(np.sqrt(max(covariance[which, which], 0.0)))
    # no influence gives 0 under the pseudo-inverse, and means a large step, not a small one
    flat = not jacobian[:, which].any()
    return float(span[which] * (0.25 if flat else min(max(error, _SMALLEST_STEP), 0.25)))


def _walk(
    problem: Problem, best: Fit, which: int, side: int, step: float, allowed: float
) -> float | None:
    """Where the profile leaves the allowed rise, towards the low (0) or high (1) bound."""
    bound = float(bounds_of(problem)[side][which])
    warm = problem.inward(best.values)
    inside, direction = float(warm[which]), (-1.0, 1.0)[side]
    outside: float | None = None
    while outside is None:
        trial = inside + direction * step
        at_bound = (trial - bound) * direction >= 0
        trial = bound if at_bound else trial
        moved, cost = descend(problem, warm, best.dispersion, held=(which, trial))
        if cost - best.cost > allowed:
            outside = trial
        elif at_bound:
            return None
        else:
            inside, warm, step = trial, moved, 2.0 * step
    for _ in range(3):
        trial = 0.5 * (inside + outside)
        moved, cost = descend(problem, warm, best.dispersion, held=(which, trial))
        if cost - best.cost > allowed:
            outside = trial
        else:
            inside, warm = trial, moved
    return problem.parameters[which].outward(outside)
