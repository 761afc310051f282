"""What a PACT provider lets users see: its items, and how a user chooses among them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from airan_market.agents.contract.utility import ROUNDING
from airan_market.agents.matching.assignment import OUT
from airan_market.agents.pact.contract.valuation import Valuation
from airan_market.sim.arrays import FloatArray


@dataclass(frozen=True, eq=False)
class PactBoard:
    """The items of one provider, arrays (I,) in increasing order of promised quality.

    Attributes
    ----------
    service : array of int
        Of all services of the run, 0-based.
    quality : array
        What users may count on: promised, or publicly rated.
    price_usd : array
    """

    service: NDArray[np.int64]
    quality: FloatArray
    price_usd: FloatArray


def valued(valuation: Valuation, quality: FloatArray) -> FloatArray:
    """Value a quality that was measured by v: v(0) = 0 where congestion has made it negative.

    v is defined from 0 on; an answer that comes too late to be worth anything is worth nothing.

    Examples
    --------
    >>> from airan_market.agents.pact.contract.valuation import valuation
    >>> valued(valuation(), np.array([-0.5, 0.0])).tolist()
    [0.0, 0.0]
    """
    return valuation.value(np.maximum(quality, 0.0))


def best_item(theta_usd: float, worth: FloatArray, price_usd: FloatArray) -> int:
    """Item with the largest θ v − p, `assignment.OUT` when all are negative.

    A menu makes types indifferent on purpose, (11) and (12) bind, so what is best up to rounding
    is a tie: the last of the best items is taken, and none only if staying out is really better.

    Parameters
    ----------
    theta_usd : float
    worth, price_usd : array (I,)
        v and p of the items, in increasing order of promised quality.

    Examples
    --------
    >>> best_item(2.0, np.array([0.3, 0.5]), np.array([0.3, 0.7]))
    1
    >>> best_item(0.5, np.array([0.3, 0.5]), np.array([0.3, 0.7]))
    -1
    """
    if not worth.size:
        return OUT
    utility = theta_usd * worth - price_usd
    rounding = ROUNDING * float((theta_usd * np.abs(worth)).max())
    if utility.max() < -rounding:
        return OUT
    return int(np.flatnonzero(utility >= utility.max() - rounding)[-1])
