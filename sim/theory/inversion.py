"""Numerical inversion of a Laplace transform that is singular on the negative axis, by Talbot.

The contour z(θ) = M (a θ cot(b θ) - c + i d θ), -π < θ < π, of L. N. Trefethen, J. A. C. Weideman,
T. Schmelzer, "Talbot quadratures and rational approximations", BIT 46 (2006) 653-670. M is its
size: the integrand has fallen to exp(-1.36 M) at the ends, 1e-19 for M = 32. The midpoint rule on
it converges geometrically in the nodes per unit of size; a pole of order k asks for more of them.

`sim.theory.preemptive_kernel.invert` has the rule in machine code and takes only the numbers from
here: `cot` for `1 / tan` rounds otherwise, a module that imports Numba is slow to start, and cached
machine code would not notice a change made in another file.
"""

import math
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from airan_market.sim.arrays import FloatArray

LEAST_DENSITY = 1.5
DENSITY_PER_STAGE = 0.2


class Contour(NamedTuple):
    """Shape of the contour, sizes to choose from, and nodes per unit of size."""

    a: float = 0.5017
    b: float = 0.6407
    c: float = 0.6122
    d: float = 0.2645
    least_size: float = 32.0
    size_step: float = 1.5
    density: float = LEAST_DENSITY

    @classmethod
    def of_stages(cls, stages: int) -> "Contour":
        """Return the contour for a sum of so many stages."""
        return cls(density=max(LEAST_DENSITY, DENSITY_PER_STAGE * stages))

    def crossing(self, size: float) -> float:
        """z(0), where the contour crosses the real axis.

        Examples
        --------
        >>> round(Contour().crossing(32.0), 3)
        5.467
        """
        return size * (self.a / self.b - self.c)

    def nodes(self, size: float) -> tuple[NDArray, NDArray]:
        """Nodes z_k on the upper half and weights w_k: f(1) = Im Σ w_k F(z_k) if F is real.

        Examples
        --------
        >>> z, weights = Contour().nodes(32.0)
        >>> len(z), round(float((weights / (z + 1)).imag.sum()), 12)  # exp(-1)
        (24, 0.367879441171)
        """
        return _nodes(self, size)


@cache  # of as many sizes and numbers of stages as are met: dozens
def _nodes(contour: Contour, size: float) -> tuple[NDArray, NDArray]:
    half = math.ceil(contour.density * size / 2)
    theta: FloatArray = np.pi * (np.arange(half) + 0.5) / half
    a, b, c, d = contour[:4]
    z = size * (a * theta / np.tan(b * theta) - c + 1j * d * theta)
    slope = a / np.tan(b * theta) - a * b * theta / np.sin(b * theta) ** 2 + 1j * d
    weights = np.exp(z) * slope * size / half
    for array in (z, weights):
        array.flags.writeable = False
    return z, weights


DAMPING, FINENESS = 30.0, 3  # the error of the series is exp(-30); rounding grows by exp(30/6)
TERMS, AVERAGED = 40, 24  # groups of nodes summed, and then averaged with binomial weights


def euler(transform: Callable[[NDArray], NDArray], time: float) -> float:
    r"""Value at one time of a bounded, smooth function from its transform, by a Fourier series.

    .. math:: f(t) ≈ \frac{e^{A/2l}}{lt} \Bigl(\frac{F(σ)}{2} + \sum_{n ≥ 1}
              \Re \bigl[F(σ + i n π/(lt))\, e^{i n π/l}\bigr]\Bigr), \qquad σ = \frac{A}{2lt}

    The contour of this module goes round all singularities; this line stays right of them, where a
    transform that is itself a series still converges. The price is that errors are relative to the
    bound of f, about 1e-12, not to f. Groups of l terms alternate and are summed as Euler did.

    Parameters
    ----------
    transform : callable
        F of arguments (Z,), real parts above 0.
    time : float
        t > 0.

    References
    ----------
    J. Abate, W. Whitt, "Numerical inversion of Laplace transforms of probability distributions",
    ORSA Journal on Computing 7 (1995) 36-43; G. L. Choudhury, D. M. Lucantoni, W. Whitt,
    "Multidimensional transform inversion", Annals of Applied Probability 4 (1994) 719-740, for l.

    Examples
    --------
    >>> round(euler(lambda z: 1 / (z + 1), 2.0), 11), round(math.exp(-2.0), 11)
    (0.13533528324, 0.13533528324)
    """
    groups = TERMS + AVERAGED
    n = np.arange(FINENESS * groups + 1)
    z = DAMPING / (2 * FINENESS * time) + 1j * np.pi * n / (FINENESS * time)
    terms = (transform(z) * np.exp(1j * np.pi * n / FINENESS)).real
    sums = terms[0] / 2 + np.cumsum(terms[1:].reshape(groups, FINENESS).sum(axis=1))
    weights = np.array([math.comb(AVERAGED, k) for k in range(AVERAGED + 1)]) / 2.0**AVERAGED
    value = weights @ sums[-AVERAGED - 1 :]
    return float(math.exp(DAMPING / (2 * FINENESS)) / (FINENESS * time) * value)
