"""The paper's section VII computed again: sweeps over many Dirichlet draws, kept cell by cell.

A cell is one setting of one sweep under one reading: all mechanisms on the same draws of the users'
types. Draw d takes its shares from the stream of seed d, so every cell with as many types and the
same Dirichlet parameter has the same users, under any reading. Draw −1 is no draw: the market that
the reading is fitted to, in every cell with as many types and no other law of the shares. Cells are
computed in any number of processes and written one file each, whole or not at all; a cell whose
file fits what is asked for (scenario, draws, source code) is not computed again.

Assumed where the paper is silent: with N other than 8 types, β falls linearly from the largest to
the smallest of the scenario.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from airan_market.agents.contract.utility import Accounts
from airan_market.agents.mechanism.agreement import Agreement
from airan_market.agents.primitives.primitives import Primitives
from airan_market.agents.solution.solver import arrive
from airan_market.analysis.reproduction.claim import PLACES
from airan_market.analysis.reproduction.published import DIRICHLET
from airan_market.analysis.store.cell_store import code_mark, fill, mark_of
from airan_market.scenarios import (
    InputError,
    Reading,
    Scenario,
    dump_toml,
    load_reading,
    load_scenario,
    shipped_readings,
)
from airan_market.scenarios.registry import MECHANISMS

SCENARIO = "teleoperation"
DRAWS = 100
DEFAULT = "default"
FITTED = -1  # in place of the number of a draw
EVERY = "all"  # readings that ship
OURS = "ours"

#: Sweep → its settings.
SWEEPS: dict[str, tuple[float, ...]] = {
    DEFAULT: (0.0,),
    "users": (30, 60, 90, 120, 150),
    "types": (4, 6, 8, 10, 12),
    "refund": (0.5, 0.75, 1.0, 1.25, 1.5),
    "violation_cost": (0.5, 0.75, 1.0, 1.25, 1.5),
    "dirichlet": (0.1, 1.0, 10.0, 100.0),
    "zeta": (0.7, 0.75, 0.8, 0.85, 0.9, 0.95),
}
#: What `--only` accepts, and the sweeps it stands for.
GROUPS: dict[str, tuple[str, ...]] = {
    "table1": (DEFAULT,),
    "fig3": (DEFAULT,),
    "fig4": ("users", "types"),
    "fig5": ("refund", "violation_cost"),
    "fig6": ("dirichlet", "zeta"),
}


@dataclass(frozen=True)
class Cell:
    """One setting of one sweep over draws 0, 1, …, `draws` − 1, and the fitted market."""

    sweep: str
    setting: float
    draws: int
    reading: Reading = field(default=Reading(OURS), hash=False)

    @property
    def name(self) -> str:
        """Name of its file without the ending."""
        return f"{self.reading.name}-{self.sweep}-{self.setting:g}"


def readings(names: Sequence[str]) -> list[Reading]:
    """Readings by name or file; "all" stands for those that ship, nothing for ours.

    Raises
    ------
    InputError
        When two have one name, or one says that it used a claim of a place that is none.
    ScenarioError
        When one cannot be read.

    Examples
    --------
    >>> [reading.name for reading in readings(["exact"])]
    ['exact']
    """
    shipped = sorted(shipped_readings(), key=lambda name: name != OURS)
    wanted: list[str] = []
    for name in names or [OURS]:
        wanted += shipped if name == EVERY else [name]
    found = {name: load_reading(name) for name in wanted}
    for name, reading in found.items():
        for place in (*reading.used, *reading.used_for_users):
            if place not in PLACES:
                raise InputError(f"{name}: used = {place}: allowed are {', '.join(PLACES)}")
    if len({reading.name for reading in found.values()}) < len(found):
        raise InputError(f"--reading = {', '.join(found)}: two readings have one name")
    return list(found.values())


def cells(
    only: Sequence[str] = (), draws: int = DRAWS, wanted: Sequence[Reading] = (Reading(OURS),)
) -> list[Cell]:
    """The cells of the groups or sweeps named, all of them when none is, under every reading.

    Raises
    ------
    InputError
        When a name is unknown or there are no draws.

    Examples
    --------
    >>> [cell.name for cell in cells(["zeta"], draws=5)][:2]
    ['ours-zeta-0.7', 'ours-zeta-0.75']
    """
    known = {**{name: (name,) for name in SWEEPS}, **GROUPS}
    for name in only:
        if name not in known:
            raise InputError(f"--only = {name}: allowed are {', '.join(known)}")
    if draws < 1:
        raise InputError(f"--draws = {draws}: must be at least 1")
    sweeps = {sweep for name in only for sweep in known[name]} if only else set(SWEEPS)
    return [
        Cell(sweep, setting, draws, reading)
        for reading in wanted
        for sweep, settings in SWEEPS.items()
        if sweep in sweeps
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


def scenario_of(cell: Cell, base: Scenario, draw: int = 0) -> Scenario:
    """The scenario of a cell: the base under its reading, with Dirichlet shares and the setting.

    Draw `FITTED` has the shares of the market that the reading is fitted to instead.

    Examples
    --------
    >>> scenario = scenario_of(Cell("types", 4, 1), load_scenario("teleoperation"))
    >>> [round(1e4 * b, 3) for b in scenario.users.latency_sensitivity_usd_per_s]
    [8.0, 5.667, 3.333, 1.0]
    """
    read = load_scenario(base, reading=cell.reading)
    plain = tomllib.loads(dump_toml(read if draw == FITTED else drawn(read)))
    users, economics, mechanism = plain["users"], plain["economics"], plain["mechanism"]
    if draw == FITTED and cell.reading.users:
        counts = np.array(cell.reading.users)
        users["shares"] = (counts / counts.sum()).tolist()
    setting = float(cell.setting)
    match cell.sweep:
        case "users":
            users["total"] = int(setting)
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


def is_fitted(cell: Cell, base: Scenario) -> bool:
    """Whether the market that the reading is fitted to stands in this cell, too.

    Examples
    --------
    >>> base = load_scenario("teleoperation")
    >>> [is_fitted(Cell(*at, 1), base) for at in (("types", 8), ("types", 4), ("dirichlet", 10))]
    [True, False, False]
    """
    types = len(base.users.latency_sensitivity_usd_per_s)
    known = len(cell.reading.users or base.users.shares or ())
    asked = int(cell.setting) if cell.sweep == "types" else types
    return cell.sweep != "dirichlet" and known == asked


def agreed(primitives: Primitives, mechanism: str) -> Agreement:
    """What a mechanism arrives at, menus in force at the loads of its matching."""
    settings = primitives.mechanism.model_copy(update={"name": mechanism})
    return arrive(replace(primitives, mechanism=settings))


def totals_usd_per_s(primitives: Primitives, found: Agreement) -> tuple[float, float]:
    """Expected utility of all operators and social welfare, USD/s, menus being in force."""
    worth = Accounts.of(primitives, found)
    return float(worth.operator_utility_usd_per_s.sum()), float(worth.social_welfare_usd_per_s)


def compute(
    cell: Cell, base: Scenario, mechanisms: Sequence[str] = tuple(MECHANISMS.ours)
) -> dict[str, Any]:
    """All rows of a cell as plain data.

    Returns
    -------
    dict
        `cell` (reading, sweep, setting, draws), and `rows`: draw, mechanism, the two totals,
        `converged` as in an Outcome, and for the default market `match_probability` and `latency_s`
        (M, N).
    """
    scenario, rows = scenario_of(cell, base), []
    for draw in range(FITTED if is_fitted(cell, base) else 0, cell.draws):
        if draw == FITTED:
            primitives = Primitives.from_scenario(scenario_of(cell, base, FITTED))
        else:
            primitives = Primitives.from_scenario(scenario, draw)
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
            if cell.sweep == DEFAULT:
                row["match_probability"] = found.match_probability.tolist()
                row["latency_s"] = found.menu.latency_s.tolist()
            rows.append(row)
    return {
        "cell": [cell.reading.name, cell.sweep, float(cell.setting), cell.draws],
        "rows": rows,
    }


def fingerprint(cell: Cell, base: Scenario, code: str = "") -> str:
    """Hash of all that a cell's numbers depend on: its scenarios, draws, mechanisms, the code."""
    markets = [dump_toml(scenario_of(cell, base))]
    if is_fitted(cell, base):
        markets.append(dump_toml(scenario_of(cell, base, FITTED)))
    return mark_of(markets, cell.name, cell.draws, *MECHANISMS.ours, code or code_mark([__name__]))


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
    code = code_mark([__name__])
    marks = {cell: fingerprint(cell, base, code) for cell in wanted}
    answers = fill(
        directory, marks, partial(compute, base=base), workers=processes, on_cell=on_cell
    )
    return [answers[cell] for cell in wanted]


def totals(answers: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Rows of cells as a frame.

    Returns
    -------
    DataFrame
        reading, sweep, setting, draw, mechanism, `operator utility` and `social welfare` (USD/s),
        converged; and, None outside the default market, match_probability and latency_s. The draw
        of the fitted market is `FITTED`.
    """
    rows = [
        dict(zip(("reading", "sweep", "setting"), answer["cell"], strict=False)) | row
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
