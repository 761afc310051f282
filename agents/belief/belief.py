"""What an operator believes about the violation of its latency agreements.

A belief is built for given servers, rates and loads. It answers two questions: how likely is it
that an agreement is broken, and which concave terms does the design of a menu maximise?
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from airan_market.agents.belief.tail_belief import believe_tails
from airan_market.agents.primitives.primitives import Primitives
from airan_market.agents.screening.envelope import FcfsLaw
from airan_market.agents.screening.monotone import ExponentialPieces, Pieces
from airan_market.scenarios import InputError
from airan_market.sim.arrays import FloatArray
from airan_market.sim.estimation.pilot import PilotRun
from airan_market.sim.theory.domain import arrival_rates

PILOT_RUN = PilotRun()


class BeliefUnavailable(InputError, ValueError):  # noqa: N818 (a state of the program, not a fault of it)
    """The scenario names a belief that is not there yet; the message lists those that are."""


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
    """The paper's belief, eqs. (10)-(12): ln p̃(t) = log_gain − exponent · t.

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
        One of `BELIEFS`.
    servers, service_rate_per_s : array (..., S)
        c and μ of each stage, leading axes for the operators; checked by `Primitives`, not here.
    load_per_s : array (..., N)
        λ_{m,n}, tasks/s that a type-n task can feel; never decreasing along n.
    zeta : float
        ζ of the Chernoff bound, in (0, 1).
    pilot : PilotRun
        The traffic in which operators measure; read by "measured" only.

    Returns
    -------
    Belief
        With arrays (..., N).

    Raises
    ------
    BeliefUnavailable
        When there is no belief of that name (yet).
    ValueError
        When a load is negative or not a number.

    Examples
    --------
    >>> rates = np.array([5.0, 7.0])
    >>> belief = believe("chernoff", np.array([1, 1]), rates, np.array([3.0, 6.0]), zeta=0.5)
    >>> belief.saturated.tolist(), belief.raw(np.array([1.0, 1.0])).round(6).tolist()
    ([False, True], [0.981012, 1.0])
    """
    if name not in BELIEFS:
        raise BeliefUnavailable(f"belief = {name!r}: available are {', '.join(BELIEFS)}")
    by_type = servers[..., np.newaxis, :], service_rate_per_s[..., np.newaxis, :]
    return BELIEFS[name](*by_type, load_per_s, zeta, pilot)


def operator_belief(primitives: Primitives, load_per_s: FloatArray) -> Belief:
    """Belief of the operators of `primitives` at their loads (..., N)."""
    return believe(
        primitives.mechanism.belief,
        primitives.servers,
        primitives.service_rate_per_s,
        load_per_s,
        primitives.mechanism.chernoff_zeta,
        primitives.pilot,
    )


def _chernoff(
    servers: FloatArray, rates: FloatArray, load_per_s: FloatArray, zeta: float, pilot: PilotRun
) -> Belief:
    from airan_market.agents.belief.chernoff_design import (
        chernoff_coefficients,  # here: Numba takes long to import
    )

    load_per_s = arrival_rates(load_per_s, "load_per_s")
    log_gain, exponent_per_s = chernoff_coefficients(servers, rates, load_per_s, zeta)
    return ChernoffBelief(log_gain, exponent_per_s)


def _first_come(
    servers: FloatArray, rates: FloatArray, load_per_s: FloatArray, zeta: float, pilot: PilotRun
) -> Belief:
    return believe_tails(FcfsLaw, servers, rates, load_per_s)


def _optimised(
    servers: FloatArray, rates: FloatArray, load_per_s: FloatArray, zeta: float, pilot: PilotRun
) -> Belief:
    from airan_market.agents.belief.optimised_law import OptimisedLaw

    return believe_tails(OptimisedLaw, servers, rates, load_per_s)


def _priority(
    servers: FloatArray, rates: FloatArray, load_per_s: FloatArray, zeta: float, pilot: PilotRun
) -> Belief:
    from airan_market.agents.belief.priority_law import PriorityLaw

    return believe_tails(PriorityLaw, servers, rates, load_per_s)


def _measured(
    servers: FloatArray, rates: FloatArray, load_per_s: FloatArray, zeta: float, pilot: PilotRun
) -> Belief:
    from airan_market.agents.belief.measured import measured_belief

    return measured_belief(servers, rates, load_per_s, pilot)


BELIEFS: dict[str, Callable[[FloatArray, FloatArray, FloatArray, float, PilotRun], Belief]] = {
    "chernoff": _chernoff,
    "chernoff-optimised": _optimised,
    "fifo": _first_come,
    "priority": _priority,
    "measured": _measured,
}
