"""How far a PACT menu is from (11) and (12); every check names its worst witness."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from airan_market.agents.contract.utility import ROUNDING
from airan_market.agents.pact.contract.contract import Contract


@dataclass(frozen=True)
class Certificate:
    """The worst breach of individual rationality and of incentive compatibility.

    Attributes
    ----------
    ir_violation_usd : float
        Largest −u_k, positive when a user would rather stay out.
    ir_type : int
        0-based type of that user.
    ic_violation_usd : float
        Largest gain of a type from another type's item.
    ic_type, ic_item : int
        0-based type and item; equal when no type likes another item as much as its own.
    tolerance_usd : float
        What counts as rounding.
    """

    ir_violation_usd: float
    ir_type: int
    ic_violation_usd: float
    ic_type: int
    ic_item: int
    tolerance_usd: float

    @property
    def holds(self) -> bool:
        """Whether neither is violated, up to rounding."""
        return max(self.ir_violation_usd, self.ic_violation_usd) <= self.tolerance_usd

    def sentences(self) -> list[str]:
        """Both findings in words."""
        rational = self.ir_violation_usd <= self.tolerance_usd
        compatible = self.ic_violation_usd <= self.tolerance_usd
        return [
            "individual rationality holds: no type would rather stay out"
            if rational
            else f"individual rationality fails: type {self.ir_type + 1} loses "
            f"{self.ir_violation_usd:.3g} USD",
            "incentive compatibility holds: no type prefers another type's item"
            if compatible
            else f"incentive compatibility fails: type {self.ic_type + 1} gains "
            f"{self.ic_violation_usd:.3g} USD from the item of type {self.ic_item + 1}",
        ]


def check_contract(contract: Contract) -> Certificate:
    """Check all K participation and all K(K−1) incentive constraints of a menu.

    Equation: PACT (11), (12)

    A type that is left out has the item (0, 0), so that staying out is among what others compare.

    Examples
    --------
    >>> from airan_market.agents.pact.contract.discrete import discrete_contract
    >>> from airan_market.agents.pact.contract.virtual_types import Types
    >>> from airan_market.agents.pact.contract.valuation import valuation
    >>> menu = discrete_contract(Types([1.0, 3.0]), valuation(), [0.6, 0.2], [0.5, 0.05])
    >>> check_contract(menu).holds
    True
    """
    utility = contract.choice_utility_usd()
    own = np.diagonal(utility)
    gain = utility - own[:, np.newaxis]
    np.fill_diagonal(gain, -np.inf)
    type_, item = np.unravel_index(int(gain.argmax()), gain.shape)
    scale = float((contract.theta_usd * np.abs(contract.valuation)).max(initial=0.0))
    return Certificate(
        float(-own.min()) + 0.0,
        int(own.argmin()),
        float(gain[type_, item]) if own.size > 1 else 0.0,
        int(type_),
        int(item),
        ROUNDING * scale,
    )
