"""The Talbot contour: numerical inversion of a Laplace transform singular on the negative axis.

The contour z(θ) = M (a θ cot(b θ) - c + i d θ), -π < θ < π, of L. N. Trefethen, J. A. C. Weideman,
T. Schmelzer, "Talbot quadratures and rational approximations", BIT 46 (2006) 653-670. M is its
size: the integrand has fallen to exp(-1.36 M) at the ends, 1e-19 for M = 32. The midpoint rule on
it converges geometrically in the nodes per unit of size; a pole of order k asks for more of them.
"""

A, B, C, D = 0.5017, 0.6407, 0.6122, 0.2645
LEAST_SIZE = 32.0
SIZE_STEP = 1.5
LEAST_DENSITY = 1.5
DENSITY_PER_STAGE = 0.2


def crossing(size: float) -> float:
    """z(0), where the contour crosses the real axis.

    Examples
    --------
    >>> round(crossing(32.0), 3)
    5.467
    """
    return size * (A / B - C)
