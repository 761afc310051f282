r"""Screening terms under a belief without a closed form: −a L − w S(L), S the tail of a latency.

A tail is not convex where its density still rises, so the terms are not concave there and
pooling them would not be exact. They are replaced by their concave envelopes on [lower, upper],
that is S by its lower convex envelope: the straight line from (lower, S(lower)) to the *bend*
where it touches the tail, and the tail itself from there on. (With a density that rises and then
falls there is one such point: the root of S(lower) − S(L) = (L − lower) density(L) past the
mode.) The steepness of the envelope, density(max(L, bend)), never increases, so every block is a
root in one dimension, and pooling is exact for the envelopes.

For a term alone the envelope has the maximiser of the term itself, because on the straight part
a linear function is largest at an end. A pooled block may come to lie on the straight part of
some of its terms; then the menu is optimal for the envelope only, and `gap` bounds what is lost
against the optimum.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from airan_market.agents.screening.monotone import falling_root
from airan_market.sim.arrays import FloatArray, IntArray

HALVINGS = 30  # of the interval in which a bend is sought; a shorter line is none


class Law(Protocol):
    """Laws of K latencies, picked by index, so that a root finder can drop what it has found."""

    def tail(self, latency_s: FloatArray, which: IntArray) -> FloatArray:
        """P(T > latency_s) under the laws `which`; the arguments broadcast."""
        ...

    def density(self, latency_s: FloatArray, which: IntArray) -> FloatArray:
        """Density of T at latency_s, 1/s."""
        ...


@dataclass(frozen=True)
class EnvelopePieces:
    """Envelopes of −a L − w S(L) on [lower_s, upper_s], see the module.

    Attributes
    ----------
    law : Law
    slope, weight : array (..., N)
        a ≥ 0 and w ≥ 0.
    free : array (..., N) of bool
        Terms without a finite optimum (saturated, or after a saturated one).
    bend_s : array (..., N)
        End of the straight part of each envelope.
    steepest_per_s : array (..., N)
        Steepness of the straight part.
    which : array (..., N) of int
        Index of every term in the law.
    """

    law: Law
    slope: FloatArray
    weight: FloatArray
    free: NDArray[np.bool_]
    lower_s: float
    upper_s: float
    bend_s: FloatArray
    steepest_per_s: FloatArray
    which: IntArray

    @classmethod
    def over(
        cls,
        law: Law,
        slope: FloatArray,
        weight: FloatArray,
        free: NDArray[np.bool_],
        lower_s: float,
        upper_s: float,
    ) -> EnvelopePieces:
        """Find the bends and build the terms."""
        which = np.arange(free.size, dtype=np.int64).reshape(free.shape)
        bend_s = np.full(free.shape, lower_s)
        steepest_per_s = np.zeros(free.shape)
        bend_s[~free] = bends(law, which[~free], lower_s, upper_s)
        steepest_per_s[~free] = _straight_steepness(
            law, which[~free], bend_s[~free], lower_s, upper_s
        )
        return cls(law, slope, weight, free, lower_s, upper_s, bend_s, steepest_per_s, which)

    def row(self, index: tuple[int, ...]) -> EnvelopePieces:
        """Terms of one objective."""
        return replace(
            self,
            slope=self.slope[index],
            weight=self.weight[index],
            free=self.free[index],
            bend_s=self.bend_s[index],
            steepest_per_s=self.steepest_per_s[index],
            which=self.which[index],
        )

    def maximisers(self) -> FloatArray:
        """Root of w · steepness = a, or the bound where there is none; +inf where free."""
        slope, weight = self.slope.reshape(-1), self.weight.reshape(-1)
        steepest, free = self.steepest_per_s.reshape(-1), self.free.reshape(-1)
        solution = np.where(free, np.inf, self.lower_s)
        rising = np.flatnonzero(~free & (weight * steepest > slope))
        at_top = self._steepness(np.full(rising.size, self.upper_s), rising)
        solution[rising] = self.upper_s
        inner = rising[weight[rising] * at_top < slope[rising]]
        if inner.size:
            # here: a market that believes in Chernoff bounds never waits for this import
            from scipy.optimize.elementwise import find_root

            root = find_root(
                lambda x, term: weight[term] * self._steepness(x, term) - slope[term],
                (self.bend_s.reshape(-1)[inner], np.full(inner.size, self.upper_s)),
                args=(inner,),
            )
            solution[inner] = root.x
        return solution.reshape(self.free.shape)

    def argmax(self, first: int, last: int) -> float:
        """Root of Σ w_i steepness_i = Σ a_i over the block, or a bound."""
        terms = np.arange(first, last)

        def marginal(latency_s: float) -> float:
            steepness = self._steepness(np.full(terms.size, latency_s), terms)
            return float((self.weight[terms] * steepness - self.slope[terms]).sum())

        return falling_root(marginal, self.lower_s, self.upper_s)

    def gap(self, latency_s: FloatArray) -> FloatArray:
        """Σ_n w_n (S_n(L_n) − its envelope), (...): L misses the optimum by at most this."""
        on_line = (latency_s < self.bend_s) & ~self.free
        which, at = self.which[on_line], latency_s[on_line]
        at_lower = self.law.tail(np.full(at.shape, self.lower_s), which)
        line = at_lower - self.steepest_per_s[on_line] * (at - self.lower_s)
        above = np.zeros(self.free.shape)
        # the line lies below the tail; at its ends rounding may say otherwise
        above[on_line] = np.maximum(self.law.tail(at, which) - line, 0.0)
        return (self.weight * above).sum(axis=-1)

    def _steepness(self, latency_s: FloatArray, terms: IntArray) -> FloatArray:
        """Steepness of the envelope of S, 1/s, of the terms with these flat indices."""
        bend, steepest = self.bend_s.reshape(-1)[terms], self.steepest_per_s.reshape(-1)[terms]
        density = self.law.density(np.maximum(latency_s, bend), self.which.reshape(-1)[terms])
        return np.where(latency_s <= bend, steepest, density)


def bends(law: Law, which: IntArray, lower_s: float, upper_s: float) -> FloatArray:
    """Where the line from (lower, S(lower)) touches each tail; a bound where it touches nowhere.

    The excess S(lower) − S(L) − (L − lower) density(L) starts at 0, falls while the density rises
    and grows from then on. The interval is halved towards `lower` until the excess is negative,
    which brackets the root. Never negative: the tail is convex, the line has length 0.

    Examples
    --------
    One stage of one server has an exponential tail, two in a row have not:

    >>> from airan_market.agents.belief.fcfs_law import FcfsLaw
    >>> one, two = np.array([[1]]), np.array([[1, 1]])
    >>> law = FcfsLaw(one, 7.0 * one, np.array([3.0]))
    >>> bends(law, np.array([0]), 0.001, 2.0).round(6).tolist()
    [0.001]
    >>> law = FcfsLaw(two, 7.0 * two, np.array([3.0]))
    >>> bends(law, np.array([0]), 0.0, 2.0).round(6).tolist()  # 1 + x + x² = e^x at x = 4 L
    [0.448321]
    """
    at_lower = law.tail(np.full(which.shape, lower_s), which)

    def excess(latency_s: FloatArray, term: IntArray) -> FloatArray:
        slack = (latency_s - lower_s) * law.density(latency_s, which[term])
        return at_lower[term] - law.tail(latency_s, which[term]) - slack

    bend, bracket = np.full(which.shape, lower_s), np.full(which.shape, np.nan)
    high = np.full(which.shape, upper_s)
    terms = np.arange(which.size)
    for halving in range(HALVINGS if upper_s > lower_s else 0):
        point = lower_s + (upper_s - lower_s) * 0.5**halving
        negative = excess(np.full(terms.size, point), terms) < 0
        bracket[terms[negative]] = point
        terms = terms[~negative]
        high[terms] = point
        if not terms.size:
            break
    straight = bracket == upper_s
    bend[straight] = upper_s
    inner = np.flatnonzero(~np.isnan(bracket) & ~straight)
    if inner.size:
        from scipy.optimize.elementwise import find_root

        # where exactly the line ends hardly matters: steepness is continuous there
        root = find_root(
            excess, (bracket[inner], high[inner]), args=(inner,), tolerances={"xrtol": 1e-9}
        )
        bend[inner] = root.x
    return bend


def _straight_steepness(
    law: Law, which: IntArray, bend_s: FloatArray, lower_s: float, upper_s: float
) -> FloatArray:
    """Steepness of the line: that of the tail at the bend, of the chord where there is none."""
    steepness = law.density(bend_s, which)
    whole = (bend_s == upper_s) & (upper_s > lower_s)
    ends = [law.tail(np.full(whole.sum(), end), which[whole]) for end in (lower_s, upper_s)]
    if whole.any():
        steepness[whole] = (ends[0] - ends[1]) / (upper_s - lower_s)
    return steepness
