r"""Monotone screening: maximise a separable concave sum over non-decreasing vectors.

Both markets end in the same problem once incentive compatibility has eliminated the prices:

    maximise  f_1(x_1) + … + f_N(x_N)   subject to  lower ≤ x_1 ≤ … ≤ x_N ≤ upper,

every f_n concave. AI-RAN has x = latency agreement and f_n(x) = −a_n x − w_n p_n(x); PACT has
x = quality and f_k(x) = P_k (φ_k v(x) − C(x)). It is solved by generalised
pool-adjacent-violators (Best, Chakravarti and Ubhaya 2000): solve every term alone; while a block
lies above its right neighbour, merge the two and solve the merged block as one term.

*Why clipping block solutions is exact.* Restricted to [lower, upper] a concave function is still
concave, and its maximiser there is the unrestricted one clipped. So pooling with clipped block
solutions is the same algorithm on the restricted terms. Clipping only at the end gives the same
vector: x solves the problem if and only if for (almost) every level t the set {n : x_n > t}
maximises Σ f_n'(t) over the upper sets {n, …, N}, and the bounds do nothing but remove the
levels outside [lower, upper).

*Which solution, when several are optimal.* Every block takes its smallest maximiser, which makes
the result the smallest optimal vector. A term that is constant therefore follows its left
neighbour, and lies at `lower` when it has none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from airan_market.sim.arrays import FloatArray

EPSILON = float(np.finfo(float).eps)


class Pieces(Protocol):
    """Concave terms f_1, …, f_N of one or many objectives (last axis = terms)."""

    def maximisers(self) -> FloatArray:
        """Smallest maximiser of every term alone, shape (..., N); ±inf where f_n is monotone."""
        ...

    def row(self, index: tuple[int, ...]) -> Pieces:
        """Terms of one objective: `index` into the leading axes, () when there are none."""
        ...

    def argmax(self, first: int, last: int) -> float:
        """Smallest maximiser of f_first + … + f_{last−1} (0-based, half open), or ±inf."""
        ...


def maximise_monotone(pieces: Pieces, lower: float, upper: float) -> FloatArray:
    """Smallest non-decreasing maximiser in [lower, upper] of one or many separable objectives.

    The clipped solutions of the single terms are the answer wherever they are in order; only
    the objectives where they are not go through `pool`.

    Parameters
    ----------
    pieces : Pieces
        Terms with leading axes (...,) for the objectives and N terms each.
    lower, upper : float
        Finite bounds of every x_n, in the unit of x.

    Returns
    -------
    array (..., N)

    Raises
    ------
    ValueError
        When the bounds are not finite or not in order.

    Examples
    --------
    >>> terms = ExponentialPieces(np.array([1.0, 4.0]), np.zeros(2), np.ones(2))
    >>> terms.maximisers().round(4).tolist()  # −ln a_n: out of order
    [0.0, -1.3863]
    >>> maximise_monotone(terms, -9.0, 9.0).round(4).tolist()  # both at −ln(5/2)
    [-0.9163, -0.9163]
    """
    if not (np.isfinite(lower) and np.isfinite(upper) and lower <= upper):
        raise ValueError(f"bounds = [{lower}, {upper}]: must be finite and in order")
    solution = np.clip(pieces.maximisers(), lower, upper)
    out_of_order = (solution[..., 1:] < solution[..., :-1]).any(axis=-1)
    for index in zip(*np.nonzero(np.atleast_1d(out_of_order)), strict=True):
        leading = tuple(int(i) for i in index) if solution.ndim > 1 else ()
        solution[leading] = pool(pieces.row(leading), solution[leading], lower, upper)
    return solution


def pool(pieces: Pieces, maximisers: FloatArray, lower: float, upper: float) -> FloatArray:
    """Pool adjacent violators of one objective.

    Parameters
    ----------
    pieces : Pieces
        Terms of one objective.
    maximisers : array (N,)
        Maximisers of the single terms, clipped to [lower, upper].

    Returns
    -------
    array (N,)
        Non-decreasing. At most N − 1 pools are made, whatever the order of `maximisers`.

    Examples
    --------
    >>> terms = ExponentialPieces(np.array([4.0, 1.0]), np.zeros(2), np.ones(2))
    >>> pool(terms, terms.maximisers(), -9.0, 9.0).round(4).tolist()  # already in order
    [-1.3863, 0.0]
    """
    starts: list[int] = []
    values: list[float] = []
    for n, single in enumerate(maximisers.tolist()):
        start, value = n, single
        while values and values[-1] > value:
            start = starts.pop()
            values.pop()
            value = min(max(pieces.argmax(start, n + 1), lower), upper)
        starts.append(start)
        values.append(value)
    return np.repeat(values, np.diff([*starts, maximisers.size]))


@dataclass(frozen=True)
class ExponentialPieces:
    """Terms f_n(x) = −a_n x − exp(b_n − η_n x): a linear loss against a risk that decays.

    Parameters
    ----------
    slope : array (..., N)
        a_n ≥ 0.
    log_weight : array (..., N)
        b_n; −inf for a term without risk.
    rate : array (..., N)
        η_n > 0.

    Examples
    --------
    >>> ExponentialPieces(np.array([2.0]), np.array([1.0]), np.array([0.5])).maximisers().tolist()
    [-0.7725887222397811]
    """

    slope: FloatArray
    log_weight: FloatArray
    rate: FloatArray

    def maximisers(self) -> FloatArray:
        """x_n = (b_n + ln η_n − ln a_n) / η_n; −inf without risk, else +inf when a_n = 0."""
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            # ln 0 = −inf and overflow to ±inf are the wanted limits; −inf + inf is replaced
            x = (self.log_weight + np.log(self.rate) - np.log(self.slope)) / self.rate
        return np.where(np.isneginf(self.log_weight), -np.inf, x)

    def row(self, index: tuple[int, ...]) -> ExponentialPieces:
        """Terms of one objective."""
        return ExponentialPieces(self.slope[index], self.log_weight[index], self.rate[index])

    def argmax(self, first: int, last: int) -> float:
        """Root of Σ η_i exp(b_i − η_i x) = Σ a_i over the block, to machine precision."""
        block = slice(first, last)
        risky = ~np.isneginf(self.log_weight[block])
        slope = float(self.slope[block].sum())
        if not risky.any():
            return -np.inf
        if slope == 0.0:
            return np.inf
        rate = self.rate[block][risky]
        return decay_root(self.log_weight[block][risky] + np.log(rate) - np.log(slope), rate)


def decay_root(log_height: FloatArray, rate: FloatArray) -> float:
    """Root x of Σ_i exp(h_i − η_i x) = 1.

    Newton on g(x) = ln Σ_i exp(h_i − η_i x), which is convex and decreasing: from a point
    where g ≥ 0 every step goes right and none passes the root. max_i h_i/η_i is such a point, and
    max_i (h_i + ln k)/η_i, k the number of terms, bounds the root from above, so rounding cannot
    carry a step away. Stops after the step from where g is 0 but for rounding.

    Parameters
    ----------
    log_height : array (k,)
        h_i, finite.
    rate : array (k,)
        η_i > 0.

    Raises
    ------
    ArithmeticError
        When 100 steps were not enough. Rates over twenty orders of magnitude need fewer than 40.

    Examples
    --------
    >>> decay_root(np.log([0.5, 0.5]), np.array([1.0, 3.0]))
    0.0
    """
    with np.errstate(over="ignore"):  # a root beyond the largest float is ±inf
        x = float((log_height / rate).max())
        bound = float(((log_height + np.log(rate.size)) / rate).max())
    if not np.isfinite(x):
        return x
    for _ in range(100):
        exponent = log_height - rate * x
        peak = exponent.max()
        share = np.exp(exponent - peak)
        total = share.sum()
        excess = peak + np.log(total)
        noise = EPSILON * (1 + share @ (np.abs(log_height) + rate * abs(x)) / total)
        x = min(x + max(0.0, excess * total / (share @ rate)), bound)
        if excess <= noise:
            return float(x)
    raise ArithmeticError(f"decay_root: no root after 100 steps, last at {x}")


@dataclass(frozen=True)
class DerivativePieces:
    """Terms of one objective known by their derivatives, each solved for numerically.

    Parameters
    ----------
    size : int
        N.
    derivative : callable (x, first, last) -> float
        f_first'(x) + … + f_{last−1}'(x), non-increasing in x on [lower, upper].
    lower, upper : float
        Interval on which the derivative is known.

    Examples
    --------
    The quality of two types with virtual types 1 and 3, v = ln(1+q), C = q²/2:

    >>> virtual = np.array([1.0, 3.0])
    >>> def marginal(q, first, last):
    ...     return float((virtual[first:last] / (1 + q) - q).sum())
    >>> terms = DerivativePieces(2, marginal, 0.0, 1.0)
    >>> maximise_monotone(terms, 0.0, 1.0).round(6).tolist()  # (√5 − 1)/2, and the bound
    [0.618034, 1.0]
    """

    size: int
    derivative: Callable[[float, int, int], float]
    lower: float
    upper: float

    def maximisers(self) -> FloatArray:
        """Maximiser of every term alone, in [lower, upper]."""
        return np.array([self.argmax(n, n + 1) for n in range(self.size)])

    def row(self, index: tuple[int, ...]) -> DerivativePieces:
        """The one objective there is."""
        if index:
            raise IndexError(f"row {index}: these terms belong to one objective")
        return self

    def argmax(self, first: int, last: int) -> float:
        """Where the derivative of the block changes sign: Brent's method, or a bound."""
        return falling_root(lambda x: self.derivative(x, first, last), self.lower, self.upper)


def falling_root(derivative: Callable[[float], float], lower: float, upper: float) -> float:
    """Where a non-increasing function becomes negative: Brent's method, or a bound.

    Examples
    --------
    >>> falling_root(lambda x: 0.25 - x, 0.0, 1.0), falling_root(lambda x: -x, 0.0, 1.0)
    (0.25, 0.0)
    """
    if derivative(lower) <= 0:
        return lower
    if derivative(upper) > 0:
        return upper
    from scipy.optimize import brentq  # here: closed-form terms never wait for this import

    return float(brentq(derivative, lower, upper, xtol=1e-14, rtol=1e-14))
