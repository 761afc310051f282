"""What an operator believes about the violation of its latency agreements.

A belief is built for given servers, rates and loads. It answers two questions: how likely is it
that an agreement is broken, and which concave terms does the design of a menu maximise?
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from airan_market.agents.belief.service_mix import mix_coefficients
from airan_market.agents.primitives.primitives import PILOT_RUN, Primitives
from airan_market.agents.primitives.returned import check_numbers
from airan_market.agents.screening.monotone import ExponentialPieces, Pieces
from airan_market.scenarios.registry import BELIEFS, RegistryError
from airan_market.sim.arrays import FloatArray, IntArray
from airan_market.sim.estimation.pilot import PilotRun

PARTS = ("saturated", "raw", "probability", "pieces")


class Belief(Protocol):
    """Violation of agreements at given loads; arrays (..., N), leading axes for operators."""

    @property
    def saturated(self) -> NDArray[np.bool_]:
        """Types for which some stage has no capacity to spare: p = 1 at every latency."""
        ...

    def raw(self, latency_s: FloatArray) -> FloatArray:
        """Value of the believed expression, which may exceed 1: what a design differentiates."""
        ...

    def probability(self, latency_s: FloatArray) -> FloatArray:
        """min(1, raw): what is charged, paid and reported."""
        ...

    def pieces(
        self, slope: FloatArray, weight: FloatArray, lower_s: float, upper_s: float
    ) -> Pieces:
        """Terms −slope · L − weight · p(L) on [lower_s, upper_s], weight ≥ 0, for `screening`.

        The term of a saturated type, and of every type after it, has its maximum at +∞.
        """
        ...


@dataclass(frozen=True)
class ChernoffBelief:
    """The paper's belief: ln p̃(t) = log_gain − exponent · t.

    Equation: AI-RAN (10)

    Parameters
    ----------
    log_gain : array (..., N)
    exponent_per_s : array (..., N)
        0 where saturated.

    Examples
    --------
    >>> belief = ChernoffBelief(np.log([3.0]), np.array([1.5]))
    >>> belief.raw(np.array([0.0])).round(6).tolist(), belief.probability(np.array([0.0])).tolist()
    ([3.0], [1.0])
    """

    log_gain: FloatArray
    exponent_per_s: FloatArray

    @property
    def saturated(self) -> NDArray[np.bool_]:
        """Where the exponent is 0."""
        return self.exponent_per_s == 0

    def raw(self, latency_s: FloatArray) -> FloatArray:
        """Evaluate the Chernoff expression, as `sim.theory.chernoff.chernoff_tail` does."""
        return np.exp(self.log_gain - self.exponent_per_s * latency_s)

    def probability(self, latency_s: FloatArray) -> FloatArray:
        """Charge min(1, p̃)."""
        return np.minimum(self.raw(latency_s), 1.0)

    def pieces(
        self, slope: FloatArray, weight: FloatArray, lower_s: float, upper_s: float
    ) -> ExponentialPieces:
        """Closed forms: −a L − exp(ln(w G) − η L)."""
        free = np.logical_or.accumulate(self.saturated, axis=-1)
        with np.errstate(divide="ignore"):  # weight 0: ln 0 = −inf, a term without risk
            log_weight = np.log(weight) + self.log_gain
        # slope 0 and a risk of any size: such a term has its maximum at +∞
        return ExponentialPieces(
            np.where(free, 0.0, slope),
            np.where(free, 0.0, log_weight),
            np.where(free, 1.0, self.exponent_per_s),
        )


def believe(
    name: str,
    servers: FloatArray,
    service_rate_per_s: FloatArray,
    load_per_s: FloatArray,
    zeta: float,
    pilot: PilotRun = PILOT_RUN,
) -> Belief:
    """Belief `name` of one or many operators at their loads.

    Parameters
    ----------
    name : str
        Of ours, or a registered one (`scenarios.registry`).
    servers, service_rate_per_s : array (..., S)
        c and μ of each stage, leading axes for the operators; checked by `Primitives`, not here.
    load_per_s : array (..., N)
        λ_{m,n}, tasks/s that a type-n task can feel; never decreasing along n.
    zeta : float
        ζ of the Chernoff bound, in (0, 1).
    pilot : PilotRun
        The traffic in which operators measure; of ours, "measured" alone reads it.

    Returns
    -------
    Belief
        With arrays (..., N).

    Raises
    ------
    airan_market.scenarios.registry.RegistryError
        When what stands behind the name cannot be had, or does not return what it has to.
    ValueError
        When a load is negative or not a number.

    Examples
    --------
    >>> rates = np.array([5.0, 7.0])
    >>> belief = believe("chernoff", np.array([1, 1]), rates, np.array([3.0, 6.0]), zeta=0.5)
    >>> belief.saturated.tolist(), belief.raw(np.array([1.0, 1.0])).round(6).tolist()
    ([False, True], [0.981012, 1.0])
    """
    by_type = servers[..., np.newaxis, :], service_rate_per_s[..., np.newaxis, :]
    belief: Belief = BELIEFS.get(name)(*by_type, load_per_s, zeta=zeta, pilot=pilot)
    if name in BELIEFS.ours:
        return belief
    shape = np.broadcast_shapes(load_per_s.shape, by_type[0].shape[:-1])
    return CheckedBelief(f"belief {name!r}", belief, shape)


def operator_belief(primitives: Primitives, load_per_s: FloatArray) -> Belief:
    """Belief of the operators of `primitives` at their loads (..., N)."""
    if primitives.services is not None:
        return ChernoffBelief(*mix_coefficients(primitives, load_per_s))
    return believe(
        primitives.mechanism.belief,
        primitives.servers,
        primitives.service_rate_per_s,
        load_per_s,
        primitives.mechanism.chernoff_zeta,
        primitives.pilot,
    )


def of_types(belief: Belief, types: IntArray) -> ChernoffBelief:
    """The part of the belief of a market of several services that is about some types."""
    assert isinstance(belief, ChernoffBelief)
    return ChernoffBelief(belief.log_gain[..., types], belief.exponent_per_s[..., types])


class CheckedBelief:
    """A belief that others bring, `said` in faults; its probabilities are checked when asked for.

    Raises
    ------
    airan_market.scenarios.registry.RegistryError
        When it is no belief at loads of this shape (..., N), or a probability is none.
    """

    def __init__(self, said: str, belief: Belief, shape: tuple[int, ...]) -> None:
        missing = [part for part in PARTS if not hasattr(belief, part)]
        if missing:
            kind = type(belief).__name__
            raise RegistryError(f"{said}: returned {kind}, which has no {', no '.join(missing)}")
        self.saturated, self.pieces = np.asarray(belief.saturated), belief.pieces
        if self.saturated.dtype != bool or self.saturated.shape != shape:
            found = f"{self.saturated.dtype} {self.saturated.shape}"
            raise RegistryError(f"{said}: saturated must be an array of bool {shape}, is {found}")
        self._said, self._belief = said, belief

    def raw(self, latency_s: FloatArray) -> FloatArray:
        """Value of the believed expression."""
        shape = np.broadcast_shapes(latency_s.shape, self.saturated.shape)
        found = self._belief.raw(latency_s)
        check_numbers(f"{self._said}: raw", found, shape, 0.0)
        return found

    def probability(self, latency_s: FloatArray) -> FloatArray:
        """Value of the belief."""
        shape = np.broadcast_shapes(latency_s.shape, self.saturated.shape)
        found = self._belief.probability(latency_s)
        check_numbers(f"{self._said}: probability", found, shape, 0.0, 1.0)
        return found
