"""What `airan-market equilibrium` computes, cut into cells.

First the plays: operators that answer one another from every start, with prices tied to (25) or
with margins free, what was published, what a planner does, how operators that enter and rules of
the market change it. Then, for the profiles that were found: certificates, a push, simulation.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np

from airan_market.agents.contract.utility import Accounts
from airan_market.agents.equilibrium.answer import (
    Rules,
    best_answer,
    bound_of,
    certified_gains,
    evolved_gain,
)
from airan_market.agents.equilibrium.answering import ROUNDS, apart, play, returns, starts
from airan_market.agents.equilibrium.profile import Profile, accounts_of, settle_users
from airan_market.agents.mechanism.mixed import iterate
from airan_market.agents.planner.load_cost import OWN_LOAD
from airan_market.agents.planner.planner import plan_market
from airan_market.agents.primitives.primitives import Primitives
from airan_market.agents.solution.solver import arrive
from airan_market.analysis.questions.realised import Span, violation_rates
from airan_market.analysis.store.cell_store import code_mark, mark_of
from airan_market.scenarios import InputError, Scenario, dump_toml, load_scenario

TIED, FREE = "tied", "margins"
PUBLISHED, PLANNER = "published", "planner"
STARTS = 10
REPLICATIONS = 12
SPAN = Span(horizon_s=30.0, warmup_s=10.0)
MOST_OPERATORS = 8
REFUNDS = (0.0, 0.5, 2.0, 4.0)  # of the scenario's
CAPS = (0.05, 0.1, 0.2, 0.4)  # of the longest latency
FLOORS = (0.25, 0.5, 0.75, 0.9)  # of the mean price that was published
PUSHES = ((0.002, 0.5), (0.02, 0.5), (0.02, 1.0), (0.2, 0.5))  # size in L_max, step
PUSH_ROUNDS = 25
_MODULES = ("airan_market.analysis.equilibrium.cells", "airan_market.analysis.questions.realised")


@dataclass(frozen=True)
class Cell:
    """One piece about one market, written out as TOML; `more` is JSON."""

    part: str
    market: str
    seed: int
    more: str = "{}"

    @property
    def name(self) -> str:
        """Name of its file without the ending."""
        return self.part

    @property
    def mark(self) -> str:
        """Hash of all that its numbers depend on."""
        return mark_of(self.part, self.market, self.seed, self.more, code_mark(_MODULES))


def plays(
    base: Scenario, *, seed: int, count: int, margins: bool, studies: bool, rounds: int = ROUNDS
) -> list[Cell]:
    """The plays from every start; with `studies` also entry and rules. What takes long first.

    Raises
    ------
    InputError
        When there are no starts.
    """
    if count < 1:
        raise InputError(f"--starts = {count}: must be at least 1")
    kinds = (FREE, TIED) if margins else (TIED,)
    market = dump_toml(base)
    parts = [f"{kind}-start-{k}" for kind in kinds for k in range(count)]
    parts += [PUBLISHED, "path"]
    if base.mechanism.belief in OWN_LOAD:
        parts.append(PLANNER)
    if studies:
        parts += [f"{kind}-entry-{m}" for kind in kinds for m in range(MOST_OPERATORS, 1, -1)]
        parts += [f"tied-refund-{k}" for k in range(len(REFUNDS))]
        parts += [f"{kind}-cap-{k}" for kind in kinds for k in range(len(CAPS))]
        parts += [f"{kind}-floor-{k}" for kind in kinds for k in range(len(FLOORS))]
    more = json.dumps({"rounds": rounds})
    return [Cell(part, market, seed, more) for part in parts]


def closer(
    base: Scenario, profiles: Mapping[str, Mapping[str, Any]], *, seed: int, replications: int
) -> list[Cell]:
    """Look at the profiles found: certificates, pushes, and everything in simulation."""
    market, cells = dump_toml(base), []
    for kind, found in profiles.items():
        if kind in (TIED, FREE):
            for what in ("certificate", "push"):
                cells.append(Cell(f"{kind}-{what}", market, seed, json.dumps(found)))
        more = json.dumps(dict(found) | {"replications": replications})
        cells.append(Cell(f"{kind}-realised", market, seed, more))
    return cells


def compute(cell: Cell) -> Any:
    """Answer of a cell as plain data."""
    scenario = load_scenario(tomllib.loads(cell.market))
    primitives = Primitives.from_scenario(scenario, cell.seed)
    if cell.part == PUBLISHED:
        return _published(primitives)
    if cell.part == PLANNER:
        planned = plan_market(primitives, seed=cell.seed, bound=False)
        return worth(Accounts.of(primitives, planned))
    if cell.part == "path":
        return _path(primitives)
    kind, what, *number = cell.part.split("-")
    rules, more = Rules(margins=kind == FREE), json.loads(cell.more)
    if what == "start":
        begun = next(islice(starts(primitives, int(number[0]) + 1, cell.seed, rules),
                            int(number[0]), None))  # fmt: skip
        return _played(primitives, begun, rules, more["rounds"])
    if what == "realised":
        return _realised(primitives, more, cell.seed)
    if what in ("certificate", "push"):
        profile = Profile(np.array(more["latency_s"]), np.array(more["margin_usd"]))
        look = _certificate if what == "certificate" else _push
        return look(primitives, profile, rules, cell.seed)
    return _study(primitives, rules, what, int(number[0]), cell.seed, more["rounds"])


def worth(found: Accounts) -> dict[str, Any]:
    """What a market comes to, as plain data."""
    menu, margin = found.menu, found.primitives.participation_margin_usd
    classes = {} if found.by_quality is None else {"by_quality": found.by_quality.tolist()}
    return {
        "latency_s": menu.latency_s.tolist(),
        "margin_usd": margin.tolist(),
        "price_usd": menu.price_usd.tolist(),
        "violation_probability": menu.violation_probability.tolist(),
        "match_probability": found.match_probability.tolist(),
        "user_utility_usd": found.user_utility_usd.tolist(),
        "operators_usd_per_s": found.operator_utility_usd_per_s.tolist(),
        "welfare_usd_per_s": float(found.social_welfare_usd_per_s),
        **classes,
    }


def _published(primitives: Primitives) -> dict[str, Any]:
    mixed = primitives.mechanism.model_copy(update={"name": "mixed"})
    return worth(Accounts.of(primitives, arrive(replace(primitives, mechanism=mixed))))


def _played(primitives: Primitives, begun: Profile, rules: Rules, rounds: int) -> dict[str, Any]:
    found = play(primitives, begun, rules, rounds)
    market = replace(primitives, own_margin_usd=found.profile.margin_usd)
    accounts = Accounts.of(market, settle_users(primitives, found.profile))
    return worth(accounts) | {
        "settled": found.settled,
        "cycle_rounds": found.cycle_rounds,
        "gains_usd_per_s": found.gains_usd_per_s.max(axis=1).tolist(),
        "profits_usd_per_s": found.profit_usd_per_s.sum(axis=1).tolist(),
    }


def _path(primitives: Primitives) -> list[dict[str, Any]]:
    """What each of Algorithm 1's iterations leaves to gain, by another menu at its end."""
    states = list(iterate(primitives))
    shown = sorted({*range(1, len(states), 5), len(states) - 1})
    nothing = np.zeros(primitives.operators)
    rows = []
    for k in shown:
        profile = Profile(states[k].menu.latency_s, nothing)
        gains = [best_answer(primitives, profile, m).gain_usd_per_s
                 for m in range(primitives.operators)]  # fmt: skip
        found = accounts_of(primitives, profile)
        rows.append(
            {
                "iteration": k,
                "largest_gain_usd_per_s": max(gains),
                "operator_utility_usd_per_s": float(found.operator_utility_usd_per_s.sum()),
                "latency_s": profile.latency_s.tolist(),
            }
        )
    return rows


def _certificate(
    primitives: Primitives, profile: Profile, rules: Rules, seed: int
) -> list[dict[str, Any]]:
    own = accounts_of(primitives, profile).operator_utility_usd_per_s
    return [
        {
            "operator": m + 1,
            "operator_utility_usd_per_s": float(own[m]),
            "gain_usd_per_s": answer.gain_usd_per_s,
            "evolved_gain_usd_per_s": evolved_gain(primitives, profile, m, rules, seed=seed),
            "gain_at_most_usd_per_s": bound_of(primitives, profile, m, rules) - float(own[m]),
        }
        for m, answer in enumerate(certified_gains(primitives, profile, rules))
    ]


def _push(primitives: Primitives, profile: Profile, rules: Rules, seed: int) -> list[Any]:
    return [
        {
            "push": size,
            "step": part,
            "rounds": PUSH_ROUNDS,
            "distance_after_over_before": returns(
                primitives, profile, rules, size=size, part=part, rounds=PUSH_ROUNDS, seed=seed
            ),
        }
        for size, part in PUSHES
    ]


def _realised(primitives: Primitives, more: Mapping[str, Any], seed: int) -> list[Any]:
    matching, latency_s = np.array(more["match_probability"]), np.array(more["latency_s"])
    return violation_rates(
        primitives, matching, latency_s, seed=seed, replications=more["replications"], span=SPAN
    ).tolist()


def _study(
    primitives: Primitives, rules: Rules, what: str, number: int, seed: int, rounds: int
) -> Any:
    """One market with more operators or another rule, from one start."""
    settings = primitives.mechanism
    if what == "entry":
        value: float = number
        primitives = primitives.of_operator(np.arange(number) % primitives.operators)
    elif what == "refund":
        value = REFUNDS[number] * primitives.refund_usd
        primitives = replace(primitives, refund_usd=value)
    elif what == "cap":
        value = max(CAPS[number] * settings.latency_max_s, settings.latency_min_s)
        primitives = replace(
            primitives, mechanism=settings.model_copy(update={"latency_max_s": value})
        )
    else:
        prices, sold = _sold(primitives)
        value = FLOORS[number] * float((prices * sold).sum() / sold.sum())
        rules = replace(rules, price_floor_usd=value)
    begun = list(starts(primitives, 2, seed, rules))[-1]
    if what == "floor":  # from prices that the floor allows
        begun = Profile(np.array(_published(primitives)["latency_s"]), 0.0 * begun.margin_usd)
    found = _played(primitives, begun, rules, rounds)
    if settings.belief in OWN_LOAD:
        planned = plan_market(primitives, seed=seed, starts=4, bound=False)
        found["planner_usd_per_s"] = planned.first_best_usd_per_s
    else:
        found["planner_usd_per_s"] = float("nan")
    return found | {"value": value}


def _sold(primitives: Primitives) -> tuple[Any, Any]:
    found = _published(primitives)
    return np.array(found["price_usd"]), np.array(found["match_probability"])


def distance(
    scenario: Scenario, seed: int, one: Mapping[str, Any], other: Mapping[str, Any]
) -> float:
    """Distance of two profiles as plain data, in units of L_max and α_1 q."""
    primitives = Primitives.from_scenario(scenario, seed)
    profiles = (Profile(np.array(p["latency_s"]), np.array(p["margin_usd"])) for p in (one, other))
    return apart(primitives, *profiles)
