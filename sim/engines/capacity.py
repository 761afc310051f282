"""Capacity changes: servers taken away from AI work, and given back, at given times."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from airan_market.sim.columns import Amounts, Columns, Numbers


@dataclass(frozen=True, eq=False)
class CapacityChanges(Columns):
    """From `time_s` on, `stage` of `operator` has `servers` servers; rows sorted by time.

    Radio control comes before AI work, so servers leave in the middle of a service. Of two changes
    of one station at one time the later row holds.

    Attributes
    ----------
    time_s : (k,) float
        When, absolute simulated time, s.
    operator, stage : (k,) int64
        Where, 0-based; stage 0 is the uplink, 1 the GPU, 2 the downlink.
    servers : (k,) int64
        The new number of servers, at least 0.

    Raises
    ------
    ValueError
        Naming column, row and value: not finite, negative, or times out of order.

    Examples
    --------
    >>> cut = CapacityChanges(time_s=[1.0, 1.5], operator=[0, 0], stage=[1, 1], servers=[20, 24])
    >>> cut.between(1.2, 2.0).servers
    array([24])
    """

    time_s: Amounts
    operator: Numbers
    stage: Numbers
    servers: Numbers

    def __post_init__(self) -> None:
        super().__post_init__()
        wrong = self.time_s[1:] < self.time_s[:-1]
        if wrong.any():
            row = int(np.argmax(wrong)) + 1
            raise ValueError(f"time_s[{row}] = {self.time_s[row]}: allowed rows sorted by time_s")

    @classmethod
    def none(cls) -> Self:
        """Return no change at all."""
        return cls(time_s=[], operator=[], stage=[], servers=[])  # type: ignore[arg-type]

    def between(self, start_s: float, stop_s: float) -> Self:
        """Return the changes of the half-open span [start_s, stop_s)."""
        return self.select((self.time_s >= start_s) & (self.time_s < stop_s))
