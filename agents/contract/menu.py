"""The contract menu: an agreed latency and a price for every type."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from airan_market.sim.arrays import FloatArray


@dataclass(frozen=True, eq=False)
class Menu:
    """Contract items of one operator (N,), of all operators (M, N), or more leading axes.

    Equation: AI-RAN (17), (23)

    Attributes
    ----------
    latency_s : array (..., N)
        L_{m,n}, never decreasing along the types.
    price_usd : array (..., N)
        R_{m,n} per task.
    violation_probability : array (..., N)
        p_{m,n} of the belief, at the load for which the menu was designed; what was charged.

    Examples
    --------
    >>> item = Menu(np.array([0.5]), np.array([2e-4]), np.array([0.01]))
    >>> Menu.stack([item, item])[1].latency_s.tolist()
    [0.5]
    """

    latency_s: FloatArray
    price_usd: FloatArray
    violation_probability: FloatArray

    @classmethod
    def stack(cls, menus: Sequence[Menu]) -> Menu:
        """Menus side by side, along a new first axis."""
        return cls(
            np.array([menu.latency_s for menu in menus]),
            np.array([menu.price_usd for menu in menus]),
            np.array([menu.violation_probability for menu in menus]),
        )

    def __getitem__(self, index: int) -> Menu:
        return Menu(self.latency_s[index], self.price_usd[index], self.violation_probability[index])
