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
