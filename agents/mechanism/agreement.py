"""What a mechanism arrives at: menus, a matching, and how users chose."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from airan_market.agents.contract.menu import Menu
from airan_market.sim.arrays import FloatArray


@dataclass(frozen=True, eq=False)
class Iteration:
    """Where Algorithm 1 stands after iteration k.

    Attributes
    ----------
    iteration : int
        k; 0 at the start.
    match_probability : array (M, N)
        Z_k.
    shadow_price_usd : array (M,)
        ω after iteration k.
    menu : Menu
        Menus (M, N), designed for the loads of Z_{k−1}.
    temperature_usd, residual : float
        τ_k and ‖Z_k − Z_{k−1}‖_∞; at k = 0 τ_1 and infinity.
    by_quality : array (M, X, N), optional
        Z_k of every class where users value quality differently; `match_probability` is its mean.
    """

    iteration: int
    match_probability: FloatArray
    shadow_price_usd: FloatArray
    menu: Menu
    temperature_usd: float
    residual: float
    by_quality: FloatArray | None = None


@dataclass(frozen=True, eq=False)
class Agreement:
    """What a mechanism arrives at; the first two are enough.

    Attributes
    ----------
    menu : Menu
        Menus (M, N) as posted, with the violation probabilities of their design: those at the
        loads of the matching where users choose by chance.
    match_probability : array (M, N)
        Part of the users of each type at each operator, or Z where users choose by chance.
    design_probability : array (M, N), optional
        Matching for whose loads and weights `design_menu` designed the menus; without it nothing
        is said of how near to the best they are.
    temperature_usd : float, optional
        τ of the response (33) when users choose by chance; without it they choose without.
    shadow_price_usd : array (M,), optional
        ω of that response; 0 without it.
    iterations : int
        Of Algorithm 1, sweeps of reselection, or redesigns.
    converged : bool
        Whether it came to rest; true where there is nothing to repeat.
    notes : tuple of str
        What a reader should know, a sentence each.
    states : tuple of Iteration
        From k = 0 on, where there are iterations like those of Algorithm 1.
    by_quality : array (M, X, N), optional
        Part of the users of each class at each operator, where they value quality differently;
        `match_probability` is its mean. Without it all users of a type do alike.
    """

    menu: Menu
    match_probability: FloatArray
    design_probability: FloatArray | None = None
    temperature_usd: float | None = None
    shadow_price_usd: FloatArray | None = None
    iterations: int = 1
    converged: bool = True
    notes: tuple[str, ...] = ()
    states: tuple[Iteration, ...] = ()
    by_quality: FloatArray | None = None

    @property
    def response(self) -> tuple[float, FloatArray]:
        """τ and ω (M,) of the response (33).

        Raises
        ------
        ValueError
            Where users choose without chance.
        """
        if self.temperature_usd is None:
            raise ValueError("an agreement without a temperature: users choose without chance")
        none = np.zeros(len(self.menu.price_usd))
        prices = none if self.shadow_price_usd is None else self.shadow_price_usd
        return self.temperature_usd, prices
