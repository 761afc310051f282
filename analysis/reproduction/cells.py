"""The paper's section VII computed again: sweeps over many Dirichlet draws, kept cell by cell.

A cell is one setting of one sweep: all mechanisms on the same draws of the users' types. Draw d
takes its shares from the stream of seed d, so every cell with as many types and the same Dirichlet
parameter has the same users. GSMC is computed in both readings, with types split by the quotas and
with types kept whole. Cells are computed in any number of processes and written one file
each, whole or not at all; a cell whose file fits what is asked for (scenario, draws, source code)
is not computed again.

Assumed where the paper is silent: with N other than 8 types, β falls linearly from the largest to
the smallest of the scenario; users are whole (largest remainder).
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from airan_market.agents.contract.utility import Accounts
from airan_market.agents.mechanism.agreement import Agreement
from airan_market.agents.primitives.population import type_shares
from airan_market.agents.primitives.primitives import Primitives
from airan_market.agents.solution.solver import arrive
from airan_market.analysis.reproduction.published import DIRICHLET, WHOLE_TYPES
from airan_market.analysis.store.cell_store import code_mark, fill, mark_of
from airan_market.scenarios import InputError, Scenario, dump_toml, load_scenario
from airan_market.scenarios.registry import MECHANISMS

SCENARIO = "teleoperation"
DRAWS = 100
DEFAULT, FITTED = "default", "fitted"  # many draws, and the shares of the scenario file

#: What a cell computes: our mechanisms, and GSMC once more with its types kept whole.
METHODS = (*MECHANISMS.ours, WHOLE_TYPES)

#: Sweep → its settings. `users_truncated` is the market of the smallest size with user counts cut
#: down to whole users, for the question whether the paper did so; `users_fractional` has them not
#: rounded at all.
SWEEPS: dict[str, tuple[float, ...]] = {
    FITTED: (0.0,),
    DEFAULT: (0.0,),
    "users": (30, 60, 90, 120, 150),
    "users_truncated": (30,),
    "users_fractional": (30,),
    "types": (4, 6, 8, 10, 12),
    "refund": (0.5, 0.75, 1.0, 1.25, 1.5),
    "violation_cost": (0.5, 0.75, 1.0, 1.25, 1.5),
    "dirichlet": (0.1, 1.0, 10.0, 100.0),
    "zeta": (0.7, 0.75, 0.8, 0.85, 0.9, 0.95),
}
#: What `--only` accepts, and the sweeps it stands for.
GROUPS: dict[str, tuple[str, ...]] = {
    "table1": (FITTED, DEFAULT),
    "fig3": (FITTED, DEFAULT),
    "fig4": ("users", "users_truncated", "users_fractional", "types"),
    "fig5": ("refund", "violation_cost"),
    "fig6": ("dirichlet", "zeta"),
}


@dataclass(frozen=True)
class Cell:
    """One setting of one sweep over draws 0, 1, …, `draws` − 1."""

    sweep: str
    setting: float
    draws: int

    @property
    def name(self) -> str:
        """Name of its file without the ending."""
        return f"{self.sweep}-{self.setting:g}"


def cells(only: Sequence[str] = (), draws: int = DRAWS) -> list[Cell]:
    """The cells of the groups or sweeps named, all of them when none is.

    Raises
    ------
    InputError
        When a name is unknown or there are no draws.

    Examples
    --------
    >>> [cell.name for cell in cells(["users_truncated"], draws=5)]
    ['users_truncated-30']
    """
    known = {**{name: (name,) for name in SWEEPS}, **GROUPS}
    for name in only:
        if name not in known:
            raise InputError(f"--only = {name}: allowed are {', '.join(known)}")
    if draws < 1:
        raise InputError(f"--draws = {draws}: must be at least 1")
    wanted = {sweep for name in only for sweep in known[name]} if only else set(SWEEPS)
    return [
        Cell(sweep, setting, 1 if sweep == FITTED else draws)
        for sweep, settings in SWEEPS.items()
        if sweep in wanted
        for setting in settings
    ]


def drawn(market: Scenario, alpha: float = DIRICHLET) -> Scenario:
    """The market with shares from a Dirichlet law, by default the paper's, drawn by the seed.

    Examples
    --------
    >>> drawn(load_scenario("teleoperation")).users.dirichlet_alpha
    10.0
    """
    plain = tomllib.loads(dump_toml(market))
    plain["users"].pop("shares", None)
    plain["users"]["dirichlet_alpha"] = alpha
    return load_scenario(plain)


def scenario_of(cell: Cell, base: Scenario) -> Scenario:
    """The scenario of a cell: the base with Dirichlet shares and the cell's setting.

    Examples
    --------
    >>> scenario = scenario_of(Cell("types", 4, 1), load_scenario("teleoperation"))
    >>> [round(1e4 * b, 3) for b in scenario.users.latency_sensitivity_usd_per_s]
    [8.0, 5.667, 3.333, 1.0]
    """
    plain = tomllib.loads(dump_toml(base if cell.sweep == FITTED else drawn(base)))
    users, economics, mechanism = plain["users"], plain["economics"], plain["mechanism"]
    setting = float(cell.setting)
    match cell.sweep:
        case "users" | "users_truncated" | "users_fractional":
            users["total"] = int(setting)
            users["whole_users"] = cell.sweep != "users_fractional"
        case "types":
            beta = users["latency_sensitivity_usd_per_s"]
            users["latency_sensitivity_usd_per_s"] = np.linspace(
                beta[0], beta[-1], int(setting)
            ).tolist()
        case "refund":
            economics["refund_usd"] *= setting
        case "violation_cost":
            economics["violation_cost_usd"] *= setting
        case "dirichlet":
            users["dirichlet_alpha"] = setting
        case "zeta":
            mechanism["chernoff_zeta"] = setting
    return load_scenario(plain)


def primitives_of(cell: Cell, scenario: Scenario, draw: int) -> Primitives:
    """The market of one draw of a cell."""
    primitives = Primitives.from_scenario(scenario, draw)
    if cell.sweep == "users_truncated":
        counts = np.floor(type_shares(scenario.users, draw) * scenario.users.total)
        return replace(primitives, users=counts)
    return primitives


def agreed(primitives: Primitives, method: str) -> Agreement:
    """What one of `METHODS` arrives at, menus in force at the loads of its matching."""
    chosen = {"name": "gsmc", "gsmc_unit": "type"} if method == WHOLE_TYPES else {"name": method}
    settings = primitives.mechanism.model_copy(update=chosen)
    return arrive(replace(primitives, mechanism=settings))


def totals_usd_per_s(primitives: Primitives, found: Agreement) -> tuple[float, float]:
    """Expected utility of all operators and social welfare, USD/s, menus being in force."""
    worth = Accounts(primitives, found.menu, found.match_probability)
    return float(worth.operator_utility_usd_per_s.sum()), float(worth.social_welfare_usd_per_s)


def compute(cell: Cell, base: Scenario, mechanisms: Sequence[str] = METHODS) -> dict[str, Any]:
    """All rows of a cell as plain data.

    Returns
    -------
    dict
        `cell`, and `rows`: draw, mechanism, the two totals, `converged` as in an Outcome, and for
        the default market `match_probability` and `latency_s` (M, N).
    """
    scenario = scenario_of(cell, base)
    rows = []
    for draw in range(cell.draws):
        primitives = primitives_of(cell, scenario, draw)
        for mechanism in mechanisms:
            found = agreed(primitives, mechanism)
            operator_usd_per_s, welfare_usd_per_s = totals_usd_per_s(primitives, found)
            row: dict[str, Any] = {
                "draw": draw,
                "mechanism": mechanism,
                "operator_usd_per_s": operator_usd_per_s,
                "welfare_usd_per_s": welfare_usd_per_s,
                "converged": bool(found.converged),
            }
            if cell.sweep in (DEFAULT, FITTED):
                row["match_probability"] = found.match_probability.tolist()
                row["latency_s"] = found.menu.latency_s.tolist()
            rows.append(row)
    return {"cell": [cell.sweep, float(cell.setting), cell.draws], "rows": rows}


def fingerprint(cell: Cell, base: Scenario, mechanisms: Sequence[str] = METHODS) -> str:
    """Hash of all that a cell's numbers depend on: its scenario, draws, mechanisms, the code."""
    market = dump_toml(scenario_of(cell, base))
    return mark_of(market, cell.name, cell.draws, *mechanisms, code_mark([__name__]))


def reproduce(
    directory: Path,
    wanted: Sequence[Cell],
    *,
    base: Scenario | None = None,
    processes: int | None = None,
    on_cell: Callable[[Cell, int, int], None] = lambda cell, done, of: None,
) -> list[dict[str, Any]]:
    """Answers of all cells wanted, those missing computed (`analysis.store.cell_store.fill`).

    The default market, `base`, is the one that ships unless told.
    """
    base = load_scenario(SCENARIO) if base is None else base
    marks = {cell: fingerprint(cell, base) for cell in wanted}
    answers = fill(
        directory, marks, partial(compute, base=base), workers=processes, on_cell=on_cell
    )
    return [answers[cell] for cell in wanted]


def totals(answers: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Rows of cells as a frame.

    Returns
    -------
    DataFrame
        sweep, setting, draw, mechanism, `operator utility` and `social welfare` (USD/s),
        converged; and, None outside the default market, match_probability and latency_s.
    """
    rows = [
        {"sweep": answer["cell"][0], "setting": answer["cell"][1], **row}
        for answer in answers
        for row in answer["rows"]
    ]
    frame = pd.DataFrame(rows)
    return frame.rename(
        columns={
            "operator_usd_per_s": "operator utility",
            "welfare_usd_per_s": "social welfare",
        }
    )
