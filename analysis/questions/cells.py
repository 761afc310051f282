"""The three questions beyond the paper, cut into cells that can be computed one by one.

``rent``
    how much a participation margin recovers, for all operators or for one alone (`rent`);
``anarchy``
    welfare of the outcome against a central planner's (`anarchy`), at the shares of the scenario
    and over draws of them from the paper's Dirichlet law;
``beliefs``
    the same market under every belief, expected and realised (`beliefs`).
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from airan_market.agents.primitives.primitives import Primitives
from airan_market.analysis.questions import anarchy, beliefs, rent
from airan_market.analysis.questions.realised import Span
from airan_market.analysis.reproduction.cells import drawn
from airan_market.analysis.store.cell_store import code_mark, mark_of
from airan_market.scenarios import InputError, Scenario, dump_toml, load_scenario

RENT, ANARCHY, BELIEFS = "rent", "anarchy", "beliefs"
QUESTIONS = (RENT, ANARCHY, BELIEFS)
DRAWS = 12
SEED = 1
REPLICATIONS = 20
SPAN = Span(horizon_s=40.0, warmup_s=10.0)
#: Parts of the service value to which margins reach: on a curve, and where every operator has its
#: own. Welfare hardly grows beyond, and the wider the box the less thorough the search. A margin
#: for all, and play, go up to the whole service value.
CURVE_PART, OWN_PART = 0.12, 0.25
CURVE_POINTS = 61
FITTED = "fitted"
_MODULES = tuple(
    f"airan_market.analysis.questions.{noun}"
    for noun in ("anarchy", "beliefs", "cells", "realised", "rent")
)


@dataclass(frozen=True)
class Cell:
    """One piece of one question about one market, written out as TOML."""

    question: str
    part: str
    market: str
    replications: int

    @property
    def name(self) -> str:
        """Name of its file without the ending."""
        return f"{self.question}-{self.part}"

    @property
    def mark(self) -> str:
        """Hash of all that its numbers depend on."""
        return mark_of(
            self.question, self.part, self.market, self.replications, code_mark(_MODULES)
        )


def cells(
    base: Scenario,
    only: Sequence[str] = (),
    *,
    draws: int = DRAWS,
    replications: int = REPLICATIONS,
) -> list[Cell]:
    """The cells of the questions named, of all when none is; those that take long first.

    Raises
    ------
    InputError
        When a question is unknown, or a number is out of its domain.

    Examples
    --------
    >>> [cell.name for cell in cells(load_scenario("teleoperation"), ["anarchy"], draws=1)]
    ['anarchy-fitted', 'anarchy-split', 'anarchy-draw-0']
    """
    for name in only:
        if name not in QUESTIONS:
            raise InputError(f"--only = {name}: allowed are {', '.join(QUESTIONS)}")
    if draws < 0:
        raise InputError(f"--draws = {draws}: must be at least 0")
    if replications < 2:
        raise InputError(f"--replications = {replications}: must be at least 2")
    parts = {
        BELIEFS: list(reversed(beliefs.NAMES)),
        RENT: ["play", *(f"own margins {goal}" for goal in rent.GOALS), "curve", "best"],
        ANARCHY: [FITTED, "split", *(f"draw-{draw}" for draw in range(draws))],
    }
    market = dump_toml(base)
    return [
        Cell(question, part.replace(" ", "-"), market, replications if question == BELIEFS else 0)
        for question, names in parts.items()
        if question in (only or QUESTIONS)
        for part in names
    ]


def compute(cell: Cell) -> Any:
    """Answer of a cell as plain data."""
    market = load_scenario(tomllib.loads(cell.market))
    if cell.question == RENT:
        return _rent(Primitives.from_scenario(market, SEED), cell.part)
    if cell.question == BELIEFS:
        primitives = Primitives.from_scenario(market, SEED)
        return beliefs.play_belief(
            primitives, cell.part, seed=SEED, replications=cell.replications, span=SPAN
        ).to_json()
    if cell.part.startswith("draw-"):
        draw = int(cell.part.removeprefix("draw-"))
        primitives = Primitives.from_scenario(drawn(market), draw)
        return anarchy.anarchy_table(primitives, seed=SEED).to_dict("records")
    table = anarchy.split_table if cell.part == "split" else anarchy.anarchy_table
    return table(Primitives.from_scenario(market, SEED), seed=SEED).to_dict("records")


def _rent(primitives: Primitives, part: str) -> Any:
    most = float(primitives.service_value_usd.max())
    if part == "curve":
        margins = np.linspace(0.0, CURVE_PART * most, CURVE_POINTS)
        return rent.rent_curve(primitives, margins).to_dict("records")
    if part == "play":
        rounds, settled = rent.margin_play(primitives, most, rent.ROUNDS)
        return {"rounds": rounds.to_dict("records"), "settled": settled}
    if part == "best":
        return _best(primitives, most)
    (goal,) = (goal for goal in rent.GOALS if part.endswith(goal.replace(" ", "-")))
    margins, _ = rent.best_margins(primitives, OWN_PART * most, goal, rent.EVALUATIONS)
    found = rent.accounts(primitives, margins)
    return {
        "goal": goal,
        "margins_usd": margins.tolist(),
        "operators_usd_per_s": found.operator_utility_usd_per_s.tolist(),
        "welfare_usd_per_s": rent.total_of(found, rent.WELFARE),
    }


def _best(primitives: Primitives, most: float) -> list[dict[str, Any]]:
    """Best margin of all for either goal, and of each operator alone: a row each."""
    rows = []
    nobody = np.zeros(primitives.operators)
    for goal in rent.GOALS:
        best = rent.best_common_margin(primitives, most, goal)
        rows.append((0, goal, best, np.full(primitives.operators, best.margin_usd)))
    for m in range(primitives.operators):
        best = rent.best_own_margin(primitives, m, nobody, most)
        alone = np.where(np.arange(primitives.operators) == m, best.margin_usd, 0.0)
        rows.append((m + 1, "own utility", best, alone))
    answer = []
    for who, goal, best, margins in rows:
        found = rent.accounts(primitives, margins)
        answer.append(
            {
                "who": who,
                "goal": goal,
                "margin_usd": best.margin_usd,
                "without_usd_per_s": best.without_usd_per_s,
                "with_usd_per_s": best.value_usd_per_s,
                "operator_utility_usd_per_s": rent.total_of(found, rent.OPERATORS),
                "social_welfare_usd_per_s": rent.total_of(found, rent.WELFARE),
                "opt_out_type_1": rent.out_of_type_1(found),
            }
        )
    return answer
