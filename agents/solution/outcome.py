"""The outcome of a mechanism: what was agreed, what it is worth, and how far it is from claims."""

from __future__ import annotations

from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from airan_market.agents.certificate.certificates import Certificates, certify
from airan_market.agents.contract.design import design_notes, load_and_weight
from airan_market.agents.contract.utility import Accounts
from airan_market.agents.matching.load import cumulative_load
from airan_market.agents.matching.response import opt_out_probability, project
from airan_market.agents.mechanism.agreement import Agreement, Iteration
from airan_market.agents.mechanism.pure import in_force
from airan_market.agents.primitives.primitives import Primitives
from airan_market.sim.arrays import FloatArray


@dataclass(frozen=True, eq=False, kw_only=True)
class Outcome(Agreement, Accounts):
    """An agreement, its accounts and its certificates; operators and types 0-based.

    The menus have the violation probabilities at the final loads. They are designed for these
    loads, but with "ct", which designs them for an assumed workload.

    Attributes
    ----------
    shadow_price_usd : array (M,)
        0 where the mechanism has none.
    certificates : Certificates
    """

    shadow_price_usd: FloatArray
    certificates: Certificates

    @property
    def mechanism(self) -> str:
        """Name of the mechanism."""
        return self.primitives.mechanism.name

    @property
    def belief(self) -> str:
        """Name of the operators' belief."""
        return self.primitives.mechanism.belief

    @property
    def load_per_s(self) -> FloatArray:
        """λ_{m,n} of the final matching, (M, N)."""
        return cumulative_load(self.match_probability, self.primitives.demand_per_s)

    @property
    def matching(self) -> NDArray[np.int64]:
        """Projection of the matching, (N,): operator of each type, −1 for opting out."""
        return project(self.match_probability, self.primitives.effective_capacity_per_s)

    @property
    def residual(self) -> float | None:
        """‖Z_k − Z_{k−1}‖_∞ of the last iteration; None where there is no mixed matching."""
        return self.states[-1].residual if self.states else None

    @property
    def history(self) -> list[tuple[Iteration, Accounts]]:
        """Every iteration k = 1..K, and what its menus are worth at Z_{k−1}, whose loads they had.

        Examples
        --------
        >>> from airan_market.scenarios import load_scenario
        >>> from airan_market.agents.solution.solver import solve
        >>> state, accounts = solve(load_scenario("teleoperation")).history[9]
        >>> state.iteration, round(float(accounts.social_welfare_usd_per_s), 2)
        (10, 1.91)
        """
        steps = pairwise(self.states)
        return [
            (k, Accounts(self.primitives, k.menu, j.match_probability, j.by_quality))
            for j, k in steps
        ]

    def to_json(self) -> dict[str, Any]:
        """Return plain lists and numbers with the fields that `solve --json` prints.

        Operators are 1-based in `matching`, 0 standing for opting out; `operator_utility_usd_per_s`
        is the total of all operators. Nothing is NaN or infinite.

        Examples
        --------
        >>> from airan_market.scenarios import load_scenario
        >>> from airan_market.agents.solution.solver import solve
        >>> answer = solve(load_scenario("teleoperation")).to_json()
        >>> answer["mechanism"], len(answer["operators"]), len(answer["match_probability"][0])
        ('mixed', 3, 8)
        """
        return {
            "mechanism": self.mechanism,
            "operators": [
                {
                    "latency_s": self.menu.latency_s[m].tolist(),
                    "price_usd": self.menu.price_usd[m].tolist(),
                    "violation_belief": self.menu.violation_probability[m].tolist(),
                    "load_tasks_per_s": self.load_per_s[m].tolist(),
                    "shadow_price": float(self.shadow_price_usd[m]),
                }
                for m in range(self.load_per_s.shape[0])
            ],
            "match_probability": self.match_probability.tolist(),
            "opt_out_probability": opt_out_probability(self.match_probability).tolist(),
            "matching": (self.matching + 1).tolist(),
            "operator_utility_usd_per_s": float(self.operator_utility_usd_per_s.sum()),
            "social_welfare_usd_per_s": float(self.social_welfare_usd_per_s),
            "iterations": self.iterations,
            "converged": self.converged,
            "certificates": self.certificates.to_json(),
            **self._qualities(),
        }

    def _qualities(self) -> dict[str, Any]:
        """What is printed besides where users value quality differently; (M, X, N) and (X, N)."""
        if self.by_quality is None:
            return {}
        return {
            "match_probability_by_quality": self.by_quality.tolist(),
            "opt_out_probability_by_quality": opt_out_probability(self.by_quality).tolist(),
        }


def conclude(primitives: Primitives, agreement: Agreement) -> Outcome:
    """Outcome of an agreement: menus in force, accounts, certificates and what to know of them."""
    notes, design = agreement.notes, agreement.design_probability
    if primitives.services is not None:
        notes += primitives.services.notes
    if design is not None:
        notes += design_notes(primitives, agreement.menu, *load_and_weight(primitives, design))
    agreed = {part.name: getattr(agreement, part.name) for part in fields(Agreement)}
    agreed |= {"menu": in_force(primitives, agreement), "notes": notes}
    if agreement.shadow_price_usd is None:
        agreed["shadow_price_usd"] = np.zeros(primitives.operators)
    return Outcome(
        **agreed,
        primitives=primitives,
        certificates=certify(primitives, agreement),
    )
