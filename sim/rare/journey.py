"""A tandem as the tasks of one type see it."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from airan_market.sim.arrays import FloatArray, IntArray
from airan_market.sim.theory.domain import tandem

GREATEST_STAGES = 3


class Journey(NamedTuple):
    """A tandem as one type sees it.

    Attributes
    ----------
    servers : (S,) int64
        c of each stage.
    service_rate_per_s : (S,) float
        μ of each stage.
    high_per_s, own_per_s : float
        Arrival rates of all higher types together and of its own type.
    """

    servers: IntArray
    service_rate_per_s: FloatArray
    high_per_s: float
    own_per_s: float

    @property
    def arrivals_per_s(self) -> float:
        """Λ_n, rate of the types up to its own."""
        return self.high_per_s + self.own_per_s


def journey_of(
    servers: npt.ArrayLike,
    service_rate_per_s: npt.ArrayLike,
    arrival_rates_per_s: npt.ArrayLike,
    type_: int,
) -> Journey:
    """Return the tandem as type `type_` sees it.

    Parameters
    ----------
    servers, service_rate_per_s : (S,) array_like
        c and μ (1/s) of each stage, S = 1, 2 or 3.
    arrival_rates_per_s : (N,) array_like
        Own arrival rate of each type, 1/s, the highest priority first.
    type_ : int
        0-based.

    Raises
    ------
    ValueError
        Naming argument and value: outside its domain, of the wrong shape, or a saturated type (the
        stationary law that a task meets on arrival does not exist).

    Examples
    --------
    >>> journey_of([2, 3], [5.0, 4.0], [1.0, 2.0, 3.0], 1).arrivals_per_s
    3.0
    """
    c, mu, rates = tandem(servers, service_rate_per_s, arrival_rates_per_s)
    if c.size > GREATEST_STAGES:
        raise ValueError(f"servers has shape {c.shape}: must be (S,), S from 1 to 3")
    if not 0 <= type_ < rates.size:
        raise ValueError(f"type_ = {type_}: must be 0 to {rates.size - 1}")
    total = float(rates[: type_ + 1].sum())
    capacity = c * mu
    if (total >= capacity).any():
        stage = int(np.argmax(total >= capacity))
        raise ValueError(
            f"type_ = {type_}: saturated at stage {stage} ({total:g} tasks/s against "
            f"{capacity[stage]:g}), so there is no stationary law and no tail to estimate"
        )
    high = float(rates[:type_].sum())
    return Journey(c.astype(np.int64), mu, high, total - high)
