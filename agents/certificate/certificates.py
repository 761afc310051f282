"""How far an outcome is from what it claims to be; every check names its worst witness."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from airan_market.agents.certificate.deviation import best_deviation, posted_utility
from airan_market.agents.certificate.menu_search import Deviation
from airan_market.agents.certificate.pure_deviation import best_pure_deviations
from airan_market.agents.contract.design import design_loss, load_and_weight
from airan_market.agents.contract.feasibility import Feasibility, check_menu
from airan_market.agents.contract.menu import Menu
from airan_market.agents.contract.utility import quality_utility, tie_usd
from airan_market.agents.matching.assignment import OUT
from airan_market.agents.matching.quality import over_qualities
from airan_market.agents.matching.response import TIE, opt_out_probability, project
from airan_market.agents.mechanism.agreement import Agreement
from airan_market.agents.mechanism.pure import classes, in_force, indicator
from airan_market.agents.primitives.primitives import Primitives
from airan_market.sim.arrays import FloatArray, IntArray


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
    quality : int or None
        0-based quality type, where users value quality differently.
    """

    gain_usd: float
    type: int
    operator: int
    better: int
    equilibrium: bool
    quality: int | None = None


def check_selection(
    primitives: Primitives, menu: Menu, matching: IntArray | FloatArray
) -> Blocking:
    """Check Definition 1, the congestion-dependent selection equilibrium, of a matching.

    Equation: AI-RAN (28)

    Loads are those of the matching itself, and so are the violation probabilities of *all*
    operators, as Definition 1 prints them: a type that compares another operator does not count
    the load it would bring there. Menus are taken as posted. The alternatives are every other
    operator and opting out (utility u_0). A type that is out is checked as well, although the
    definition does not ask for it: it must not prefer an operator to u_0. Where a type is split,
    its users must be content at every place where they are; what is left of a type up to
    `response.TIE` is rounding. Types without users are left aside.

    Parameters
    ----------
    primitives : Primitives
    menu : Menu
        Arrays (M, N).
    matching : array (N,) of int, or (M, N)
        0-based operator of each type, −1 for out; or the part of each type at each operator. Where
        users value quality differently it is of classes: (X, N), or (M, X, N).

    Returns
    -------
    Blocking
        The type, and its place, with the largest gain.

    Examples
    --------
    >>> from airan_market.scenarios import load_scenario
    >>> from airan_market.agents.solution.solver import solve
    >>> outcome = solve(load_scenario("teleoperation"))
    >>> market = Primitives.from_scenario(load_scenario("teleoperation"))
    >>> witness = check_selection(market, outcome.menu, outcome.matching)
    >>> witness.gain_usd > 0, witness.equilibrium
    (True, False)
    """
    utility, match_probability, users = _of_classes(primitives, menu, matching)
    # opting out as the last row, so that index −1 is OUT
    utility = np.vstack([utility, np.full(users.size, primitives.opt_out_utility_usd)])
    occupied = np.vstack([match_probability, opt_out_probability(match_probability)]) > TIE
    places = np.arange(primitives.operators + 1)
    gain, better = np.full(utility.shape, -np.inf), np.zeros(utility.shape, dtype=int)
    for place in range(len(places)):
        others = np.where((places == place)[:, np.newaxis], -np.inf, utility)
        better[place] = others.argmax(axis=0)
        gain[place] = others.max(axis=0) - utility[place]
    gain[~occupied] = -np.inf
    gain[:, users == 0] = -np.inf
    class_ = int(gain.max(axis=0).argmax())
    place = int(gain[:, class_].argmax())
    quality, type_ = divmod(class_, primitives.types)
    out = primitives.operators
    return Blocking(
        gain_usd=float(gain[place, class_]),
        type=type_,
        operator=OUT if place == out else place,
        better=OUT if better[place, class_] == out else int(better[place, class_]),
        equilibrium=bool(gain[place, class_] <= tie_usd(primitives, utility)),
        quality=None if primitives.quality_share is None else quality,
    )


def _of_classes(
    primitives: Primitives, menu: Menu, matching: IntArray | FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Utilities and parts at each operator, (M, C), and users, (C,): classes are C = X N types."""
    chosen, operators = matching.dtype.kind == "i", primitives.operators
    if primitives.quality_share is None:
        whole = indicator(matching.astype(np.int64), operators) if chosen else matching
        match_probability = whole.astype(float)
        return (
            posted_utility(primitives, menu, match_probability),
            match_probability,
            primitives.users,
        )
    whole = classes(matching.astype(np.int64), operators) if chosen else matching
    by_quality = whole.astype(float)
    mean = over_qualities(by_quality, primitives.quality_share)
    utility = quality_utility(primitives, posted_utility(primitives, menu, mean))
    users = primitives.quality_share * primitives.users
    flat = (operators, users.size)
    return utility.reshape(flat), by_quality.reshape(flat), users.ravel()


@dataclass(frozen=True, eq=False)
class Certificates:
    """Menu feasibility, selection equilibrium (Definition 1), best deviations (Definition 2).

    Attributes
    ----------
    feasibility : Feasibility
        Of the menus at the loads for which they were designed.
    selection : Blocking
    deviations : tuple of Deviation or None
        One for each operator; None where users do not come to rest at the menus as they are, so
        that there is nothing to compare a deviation with. Empty with several services: no better
        menus are sought there.
    projected : bool
        Whether `selection` is about the projection of a mixed matching, or the matching itself.
    design_loss_usd_per_s : array (M,), optional
        `contract.design.design_loss` of every menu at the loads of its design; none where the
        mechanism does not say for which loads it designed.
    broken : array (M, N) of bool, optional
        Where the promise to a type with users is believed to be broken for certain, p = 1, at the
        loads of the matching.
    """

    feasibility: Feasibility
    selection: Blocking
    deviations: tuple[Deviation | None, ...]
    projected: bool = True
    design_loss_usd_per_s: FloatArray | None = None
    broken: NDArray[np.bool_] | None = None

    def to_json(self) -> dict[str, Any]:
        """Fields that `solve --json` prints; violations are 0 where all constraints hold."""
        rationality = self.feasibility.individual_rationality.violation_usd
        compatibility = self.feasibility.incentive_compatibility.violation_usd
        return {
            "max_ir_violation": max(0.0, rationality),
            "max_ic_violation": max(0.0, compatibility),
            "selection_equilibrium": self.selection.equilibrium,
            "best_deviation_gain_usd_per_s": [
                None if deviation is None else deviation.gain_usd_per_s
                for deviation in self.deviations
            ],
            "design_loss_usd_per_s": (
                None if self.design_loss_usd_per_s is None else self.design_loss_usd_per_s.tolist()
            ),
            "always_broken_types": (
                None if self.broken is None else [_numbers(types) for types in self.broken]
            ),
        }

    def sentences(self) -> list[str]:
        """Say in words what was found, with 1-based operators and types."""
        return [
            _constraint_sentence(self.feasibility),
            _selection_sentence(
                self.selection, "projected matching" if self.projected else "matching"
            ),
            *(_deviation_sentence(m, deviation) for m, deviation in enumerate(self.deviations)),
            *self._design_sentences(),
        ]

    def _design_sentences(self) -> list[str]:
        sentences = []
        loss, broken = self.design_loss_usd_per_s, self.broken
        if loss is not None and loss.any():
            figures = ", ".join(f"{value:.3g}" for value in loss)
            sentences.append(
                f"menus earn {figures} USD/s less than exact designs at the same loads"
            )
        if broken is not None and broken.any():
            places = (
                f"type {', '.join(map(str, _numbers(types)))} at operator {m + 1}"
                for m, types in enumerate(broken)
                if types.any()
            )
            sentences.append(f"promises that are always broken: {'; '.join(places)}")
        return sentences


def certify(primitives: Primitives, agreement: Agreement) -> Certificates:
    """All certificates of an agreement.

    Where users choose by chance, the selection certificate is that of the projected matching and
    the deviations are those of `deviation`. Where they do not, it is that of the matching itself,
    the feasibility certificate is that of the menus at their design, where a user was promised
    what it lists, and the deviations are those of `pure_deviation`.
    """
    menu, matching = agreement.menu, matching_of(primitives, agreement)
    feasibility, loss = check_menu(primitives, menu), None
    if agreement.design_probability is not None:
        design = load_and_weight(primitives, agreement.design_probability)
        loss = design_loss(primitives, menu, *design)
    broken = in_force(primitives, agreement).violation_probability >= 1
    broken &= primitives.users > 0
    if agreement.temperature_usd is None:
        selection = check_selection(primitives, menu, matching)
        pure = best_pure_deviations(primitives, menu)
        return Certificates(feasibility, selection, pure, False, loss, broken)
    deviations: tuple[Deviation | None, ...] = ()
    if primitives.services is None:
        deviations = tuple(
            best_deviation(primitives, agreement, m) for m in range(primitives.operators)
        )
    flat = matching.reshape(primitives.operators, -1)
    projected = project(flat, primitives.effective_capacity_per_s).reshape(matching.shape[1:])
    return Certificates(
        feasibility,
        check_selection(primitives, menu, projected),
        deviations,
        True,
        loss,
        broken,
    )


def matching_of(primitives: Primitives, agreement: Agreement) -> FloatArray:
    """Matching as `check_selection` takes it, (M, N) or (M, X, N)."""
    if primitives.quality_share is None:
        return agreement.match_probability
    if agreement.by_quality is not None:
        return agreement.by_quality
    alike = agreement.match_probability[:, np.newaxis]
    return np.broadcast_to(alike, (primitives.operators, *primitives.quality_share.shape))


def _numbers(types: NDArray[np.bool_]) -> list[int]:
    """Types as people count them."""
    return [int(n) + 1 for n in np.flatnonzero(types)]


def _constraint_sentence(feasibility: Feasibility) -> str:
    rationality, envy = feasibility.individual_rationality, feasibility.incentive_compatibility
    parts = [
        f"menus: type {rationality.type + 1} is worst off at operator {rationality.operator + 1}, "
        f"with utility {feasibility.margin_usd - rationality.violation_usd:.3g} USD"
    ]
    if envy.type >= 0:
        parts.append(
            f"closest to envy is type {envy.type + 1} of item {envy.item + 1} at operator "
            f"{envy.operator + 1}, by {envy.violation_usd:.3g} USD"
        )
    return "; ".join(parts)


def _deviation_sentence(operator: int, deviation: Deviation | None) -> str:
    if deviation is None:
        return (
            f"operator {operator + 1}: no gain to name, users do not come to rest at the menus as "
            "they are"
        )
    return (
        f"operator {operator + 1} could gain at least {deviation.gain_usd_per_s:.3g} USD/s "
        f"(on {deviation.baseline_usd_per_s:.3g}) with another menu; "
        f"{deviation.evaluations} menus tried, {deviation.discarded} discarded"
    )


def _selection_sentence(blocking: Blocking, matching: str) -> str:
    if np.isneginf(blocking.gain_usd):
        return f"{matching}: no users"
    where, better = (
        "opting out" if m == OUT else f"operator {m + 1}"
        for m in (blocking.operator, blocking.better)
    )
    verdict = "is" if blocking.equilibrium else "is not"
    who = f"type {blocking.type + 1}"
    if blocking.quality is not None:
        who += f" of quality type {blocking.quality + 1}"
    return (
        f"{matching} {verdict} a selection equilibrium: {who} at "
        f"{where} gains {blocking.gain_usd:.3g} USD per task with {better}"
    )
