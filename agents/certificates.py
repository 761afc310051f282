"""How far an outcome is from what it claims to be; every check names its worst witness."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.assignment import OUT
from agents.deviation import Deviation, Settlement, best_deviation, posted_utility
from agents.menu import Feasibility, Menu, check_menu
from agents.primitives import Primitives

FloatArray = NDArray[np.float64]

# Utilities are differences of numbers as large as the service value: what is smaller than this
# part of the largest of them is rounding, not a preference.
ROUNDING = 1e-12


@dataclass(frozen=True)
class Blocking:
    """The strongest wish of a type to leave a matching.

    Attributes
    ----------
    gain_usd : float
        Utility that the type would gain per task, negative when even the best alternative is
        worse; −inf when no type has users.
    type, operator, better : int
        0-based type, its operator in the matching and the one it would rather have; −1 is opting
        out.
    equilibrium : bool
        Whether the gain is not positive, up to rounding.
    """

    gain_usd: float
    type: int
    operator: int
    better: int
    equilibrium: bool


def check_selection(primitives: Primitives, menu: Menu, matching: NDArray[np.int64]) -> Blocking:
    """Check Definition 1, the congestion-dependent selection equilibrium (28), of a matching.

    Loads are those of the matching itself, and so are the violation probabilities of *all*
    operators, as Definition 1 prints them: a type that compares another operator does not count
    the load it would bring there. Menus are taken as posted. The alternatives are every other
    operator and opting out (utility u_0). A type that is out is checked as well, although the
    definition does not ask for it: it must not prefer an operator to u_0. Types without users
    are left aside.

    Parameters
    ----------
    primitives : Primitives
    menu : Menu
        Arrays (M, N).
    matching : array (N,) of int
        0-based operator of each type, −1 for out.

    Returns
    -------
    Blocking
        The type with the largest gain.

    Examples
    --------
    >>> from scenarios import load_scenario
    >>> from agents.mechanism import solve
    >>> outcome = solve(load_scenario("teleoperation"))
    >>> market = Primitives.from_scenario(load_scenario("teleoperation"))
    >>> witness = check_selection(market, outcome.menu, outcome.matching)
    >>> witness.gain_usd > 0, witness.equilibrium
    (True, False)
    """
    chosen = (matching == np.arange(primitives.operators)[:, np.newaxis]).astype(float)
    utility = posted_utility(primitives, menu, chosen)
    # opting out as the last row, so that index −1 is OUT
    utility = np.vstack([utility, np.full(primitives.types, primitives.opt_out_utility_usd)])
    types = np.arange(primitives.types)
    others = utility.copy()
    others[matching, types] = -np.inf
    gain = others.max(axis=0) - utility[matching, types]
    gain[primitives.users == 0] = -np.inf
    worst = int(gain.argmax())
    better = int(others[:, worst].argmax())
    scale = max(float(np.abs(primitives.service_value_usd).max()), float(np.abs(utility).max()))
    return Blocking(
        gain_usd=float(gain[worst]),
        type=worst,
        operator=int(matching[worst]),
        better=OUT if better == primitives.operators else better,
        equilibrium=bool(gain[worst] <= ROUNDING * scale),
    )


@dataclass(frozen=True, eq=False)
class Certificates:
    """Menu feasibility, selection equilibrium (Definition 1), best deviations (Definition 2)."""

    feasibility: Feasibility
    selection: Blocking
    deviations: tuple[Deviation, ...]

    def to_json(self) -> dict[str, Any]:
        """Fields that `solve --json` prints; violations are 0 where all constraints hold."""
        rationality = self.feasibility.individual_rationality.violation_usd
        compatibility = self.feasibility.incentive_compatibility.violation_usd
        return {
            "max_ir_violation": max(0.0, rationality),
            "max_ic_violation": max(0.0, compatibility),
            "selection_equilibrium": self.selection.equilibrium,
            "best_deviation_gain_usd_per_s": [d.gain_usd_per_s for d in self.deviations],
        }

    def sentences(self) -> list[str]:
        """Say in words what was found, with 1-based operators and types."""
        return [
            _constraint_sentence(self.feasibility),
            _selection_sentence(self.selection),
            *(
                f"operator {m + 1} could gain at least {deviation.gain_usd_per_s:.3g} USD/s "
                f"(on {deviation.baseline_usd_per_s:.3g}) with another menu; "
                f"{deviation.evaluations} menus tried, {deviation.discarded} discarded"
                for m, deviation in enumerate(self.deviations)
            ),
        ]


def certify(
    primitives: Primitives,
    settled: Settlement,
    matching: NDArray[np.int64],
) -> Certificates:
    """All certificates of an outcome."""
    return Certificates(
        check_menu(primitives, settled.menu),
        check_selection(primitives, settled.menu, matching),
        tuple(best_deviation(primitives, settled, m) for m in range(primitives.operators)),
    )


def _constraint_sentence(feasibility: Feasibility) -> str:
    rationality, envy = feasibility.individual_rationality, feasibility.incentive_compatibility
    parts = [
        f"menus: type {rationality.type + 1} is worst off at operator {rationality.operator + 1}, "
        f"with utility {-rationality.violation_usd:.3g} USD"
    ]
    if envy.type >= 0:
        parts.append(
            f"closest to envy is type {envy.type + 1} of item {envy.item + 1} at operator "
            f"{envy.operator + 1}, by {envy.violation_usd:.3g} USD"
        )
    return "; ".join(parts)


def _selection_sentence(blocking: Blocking) -> str:
    if np.isneginf(blocking.gain_usd):
        return "projected matching: no users"
    where, better = (
        "opting out" if m == OUT else f"operator {m + 1}"
        for m in (blocking.operator, blocking.better)
    )
    verdict = "is" if blocking.equilibrium else "is not"
    return (
        f"projected matching {verdict} a selection equilibrium: type {blocking.type + 1} at "
        f"{where} gains {blocking.gain_usd:.3g} USD per task with {better}"
    )
