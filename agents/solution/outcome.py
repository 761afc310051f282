"""The outcome of a mechanism: menus, matching, utilities, history and certificates."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from airan_market.agents.certificate.certificates import Certificates, certify
from airan_market.agents.contract.design import design_notes, load_and_weight
from airan_market.agents.contract.menu import Menu
from airan_market.agents.contract.utility import Accounts
from airan_market.agents.matching.load import cumulative_load
from airan_market.agents.matching.response import opt_out_probability, project
from airan_market.agents.mechanism.agreement import Agreement, Iteration
from airan_market.agents.mechanism.pure import in_force
from airan_market.agents.primitives.primitives import Primitives
from airan_market.sim.arrays import FloatArray


@dataclass(frozen=True, eq=False)
class History:
    """State of every iteration k = 1..K (first axis), ready for a table.

    K = 0 for a mechanism that settles before the first round: it has no states like these.

    Attributes
    ----------
    temperature_usd, residual : array (K,)
        τ_k and ‖Z_k − Z_{k−1}‖_∞.
    match_probability : array (K, M, N)
        Z_k.
    shadow_price_usd : array (K, M)
        ω after iteration k.
    load_per_s : array (K, M)
        Whole load of each operator under Z_{k−1}, for which its menu of iteration k was designed.
    operator_utility_usd_per_s : array (K, M)
        Of those menus at that load.
    social_welfare_usd_per_s : array (K,)
    """

    temperature_usd: FloatArray
    residual: FloatArray
    match_probability: FloatArray
    shadow_price_usd: FloatArray
    load_per_s: FloatArray
    operator_utility_usd_per_s: FloatArray
    social_welfare_usd_per_s: FloatArray

    def __len__(self) -> int:
        return self.residual.size


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a mechanism arrived at; arrays over operators m and types n, 0-based.

    Attributes
    ----------
    mechanism, belief : str
        Names of the mechanism and of the operators' belief.
    menu : Menu
        Final menus (M, N) as posted, with the violation probabilities at the final loads. They are
        designed for these loads, but with "ct", which designs them for an assumed workload.
    load_per_s : array (M, N)
        λ_{m,n} of the final matching.
    shadow_price_usd : array (M,)
        0 where the mechanism has none.
    temperature_usd : float or None
        That of the last response; None for users who choose without chance.
    match_probability : array (M, N)
        Z, mixed matching; for "ct", "mc" and "gsmc" the part of the users of each type.
    matching : array (N,) of int
        Its projection: operator of each type, −1 for opting out.
    user_utility_usd : array (M, N)
        Expected utility of one task, without shadow prices.
    operator_utility_usd_per_s : array (M,)
    social_welfare_usd_per_s : float
    iterations : int
        Of Algorithm 1; sweeps of reselection with "ct"; 1, the redesign, with "mc" and "gsmc".
    residual : float or None
        ‖Z_k − Z_{k−1}‖_∞ of the last iteration; None where there is no mixed matching.
    converged : bool
        Whether the residual met the tolerance of the scenario; with "ct" whether users came to
        rest; true with "mc" and "gsmc", which have nothing to repeat.
    history : History
    certificates : Certificates
    notes : tuple of str
        What a reader should know, one sentence each; usually empty.
    """

    mechanism: str
    belief: str
    menu: Menu
    load_per_s: FloatArray
    shadow_price_usd: FloatArray
    temperature_usd: float | None
    match_probability: FloatArray
    matching: NDArray[np.int64]
    user_utility_usd: FloatArray
    operator_utility_usd_per_s: FloatArray
    social_welfare_usd_per_s: float
    iterations: int
    residual: float | None
    converged: bool
    history: History
    certificates: Certificates
    notes: tuple[str, ...] = ()

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
            "social_welfare_usd_per_s": self.social_welfare_usd_per_s,
            "iterations": self.iterations,
            "converged": self.converged,
            "certificates": self.certificates.to_json(),
        }


def conclude(primitives: Primitives, agreement: Agreement) -> Outcome:
    """Outcome of an agreement: utilities, projection, history and certificates.

    Violation probabilities are those at the loads of the matching, whatever loads the menus were
    designed for.
    """
    settings, demand = primitives.mechanism, primitives.demand_per_s
    matching, design = agreement.match_probability, agreement.design_probability
    accounts = Accounts(primitives, in_force(primitives, agreement), matching)
    notes = agreement.notes
    if design is not None:
        notes += design_notes(primitives, agreement.menu, *load_and_weight(primitives, design))
    return Outcome(
        mechanism=settings.name,
        belief=settings.belief,
        menu=accounts.menu,
        load_per_s=cumulative_load(matching, demand),
        shadow_price_usd=np.zeros(primitives.operators)
        if agreement.shadow_price_usd is None
        else agreement.shadow_price_usd,
        temperature_usd=agreement.temperature_usd,
        match_probability=matching,
        matching=project(matching, primitives.effective_capacity_per_s),
        user_utility_usd=accounts.user_utility_usd,
        operator_utility_usd_per_s=accounts.operator_utility_usd_per_s,
        social_welfare_usd_per_s=float(accounts.social_welfare_usd_per_s),
        iterations=agreement.iterations,
        residual=agreement.history[-1].residual if agreement.history else None,
        converged=agreement.converged,
        history=_history(primitives, agreement.history),
        certificates=certify(primitives, agreement),
        notes=notes,
    )


def _history(primitives: Primitives, states: Sequence[Iteration]) -> History:
    after, before = states[1:], states[:-1]
    shape = (-1, primitives.operators, primitives.types)  # the first axis is empty without states

    def table(rows: Iterable[FloatArray]) -> FloatArray:
        return np.array(list(rows), dtype=float).reshape(shape)

    felt = table(state.match_probability for state in before)
    menu = Menu(
        table(state.menu.latency_s for state in after),
        table(state.menu.price_usd for state in after),
        table(state.menu.violation_probability for state in after),
    )
    accounts = Accounts(primitives, menu, felt)
    return History(
        temperature_usd=np.array([state.temperature_usd for state in after]),
        residual=np.array([state.residual for state in after]),
        match_probability=table(state.match_probability for state in after),
        shadow_price_usd=np.array([state.shadow_price_usd for state in after]).reshape(shape[:2]),
        load_per_s=cumulative_load(felt, primitives.demand_per_s)[..., -1],
        operator_utility_usd_per_s=accounts.operator_utility_usd_per_s,
        social_welfare_usd_per_s=accounts.social_welfare_usd_per_s,
    )
