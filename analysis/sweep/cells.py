"""Cells of a sweep: pure functions of a resolved scenario, a seed and a command.

A cell's key is a hash of all that its numbers depend on: the scenario as TOML with every setting in
its place, the seed, the command and what is asked of it, and the source of the program. Its answer
is a small frame that begins with the columns of the design, one Parquet file of that key.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from airan_market.analysis.store.cell_store import code_mark
from airan_market.analysis.store.durable import written
from airan_market.scenarios import (
    PactScenario,
    Scenario,
    ScenarioWarning,
    dump_toml,
    load_pact,
    load_scenario,
)
from airan_market.scenarios.sweep import Sweep

PARTS = "parts"
_MODULES = ("airan_market.analysis.sweep.cells",)


@dataclass(frozen=True)
class Cell:
    """One market, seed and command.

    Attributes
    ----------
    number : int
        Its place in the design, from 0.
    key : str
        Hash of all that its numbers depend on, 64 hexadecimal digits.
    command : str
    market : str
        The resolved scenario as TOML.
    seed : int
    certificates : bool
    design : str
        JSON of the columns of the design.
    """

    number: int
    key: str
    command: str
    market: str
    seed: int
    certificates: bool
    design: str

    def path(self, directory: Path) -> Path:
        """Where its answer is, or will be."""
        return directory / PARTS / self.key[:2] / f"{self.key}.parquet"


def base_of(sweep: Sweep) -> Scenario | PactScenario:
    """The market of a sweep with what is set for all cells."""
    return _load(sweep, {}, None, None)


def cells(sweep: Sweep, first: int = 0) -> list[Cell]:
    """All cells of a sweep, point by point, numbered from `first`; every scenario is checked.

    Raises
    ------
    ScenarioError
        When a point makes no scenario.

    Examples
    --------
    >>> small = Sweep(scenario="teleoperation", seeds=2, grid={"users.total": [30, 60]})
    >>> [json.loads(cell.design) for cell in cells(small)][-1]
    {'cell': 3, 'seed': 2, 'mechanism': 'mixed', 'reading': '', 'users.total': 60}
    """
    code = code_mark(_MODULES)
    found: list[Cell] = []
    for point in sweep.points():
        for reading in (*sweep.readings,) or (None,):
            for mechanism in (*sweep.mechanisms,) or (None,):
                market = _load(sweep, point, reading, mechanism)
                text = dump_toml(market)
                named = market.mechanism.name if isinstance(market, Scenario) else ""
                for seed in sweep.seed_list():
                    columns = {"cell": first + len(found), "seed": seed, "mechanism": named,
                               "reading": reading or ""} | point  # fmt: skip
                    parts = [text, seed, sweep.command, sweep.certificates, code]
                    # the design says what columns are called, so it is part of the answer
                    parts.append(columns)
                    key = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
                    found.append(
                        Cell(
                            first + len(found),
                            key,
                            sweep.command,
                            text,
                            seed,
                            sweep.certificates,
                            json.dumps(columns),
                        )
                    )
    return found


def _load(
    sweep: Sweep, point: dict[str, Any], reading: str | None, mechanism: str | None
) -> Scenario | PactScenario:
    wanted = [f"{key}={json.dumps(value)}" for key, value in {**sweep.settings, **point}.items()]
    if mechanism is not None:
        wanted.append(f"mechanism.name={mechanism}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ScenarioWarning)
        if sweep.command == "pact":
            return load_pact(sweep.scenario, wanted)
        return load_scenario(sweep.scenario, wanted, reading=reading)


@lru_cache(maxsize=64)
def _market(text: str) -> Scenario | PactScenario:
    tables = tomllib.loads(text)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ScenarioWarning)
        return load_pact(tables) if "pact" in tables or "services" in tables else (
            load_scenario(tables))  # fmt: skip


def compute(cell: Cell) -> pd.DataFrame:
    """Answer of a cell: its columns of the design, then what the command says."""
    rows = ANSWERS[cell.command](_market(cell.market), cell.seed, cell.certificates)
    design = {
        key: json.dumps(value) if isinstance(value, list | dict) else value
        for key, value in json.loads(cell.design).items()
    }
    return pd.DataFrame([design | row for row in rows])


def keep(cell: Cell, directory: Path, answer: pd.DataFrame) -> None:
    """Write an answer under its final name, whole or not at all."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = cell.path(directory)
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pandas(answer, preserve_index=False).replace_schema_metadata(None)
    with written(path) as file:
        pq.write_table(table, file, compression="zstd")


def do(cell: Cell, directory: str) -> tuple[str, str]:
    """Compute and keep a cell where it runs: its key, and the fault if there was one."""
    from airan_market.analysis.exits import unexpected_line

    try:
        keep(cell, Path(directory), compute(cell))
    except OSError:
        raise  # the disk, not the cell
    except Exception as error:
        return cell.key, unexpected_line(error)
    return cell.key, ""


def _solved(market: Any, seed: int, certificates: bool) -> list[dict[str, Any]]:
    from airan_market.agents.contract.utility import Accounts
    from airan_market.agents.matching.load import cumulative_load
    from airan_market.agents.primitives.primitives import Primitives
    from airan_market.agents.solution.solver import arrive, settle

    primitives = Primitives.from_scenario(market, seed)
    found = arrive(primitives)
    accounts = Accounts.of(primitives, found)
    tasks = accounts.tasks_per_s
    demand, served = primitives.demand_per_s.sum(), max(float(tasks.sum()), 1e-300)
    load = cumulative_load(found.match_probability, primitives.demand_per_s)[:, -1]
    if primitives.services is not None:
        load = primitives.bottleneck_load_per_s(found.match_probability)
    row = {
        "operator_utility_usd_per_s": float(accounts.operator_utility_usd_per_s.sum()),
        "social_welfare_usd_per_s": float(accounts.social_welfare_usd_per_s),
        "user_utility_usd_per_s": float((tasks * accounts.user_utility_usd).sum()),
        "served": float(tasks.sum() / demand) if demand else 0.0,
        "mean_latency_s": float((tasks * found.menu.latency_s).sum() / served),
        "violation_believed": float((tasks * found.menu.violation_probability).sum() / served),
        "greatest_load": float((load / primitives.capacity_per_s).max()),
        "iterations": int(found.iterations),
        "converged": bool(found.converged),
    }
    if certificates:
        deviations = settle(primitives).certificates.deviations
        gains = [d.gain_usd_per_s for d in deviations if d is not None]
        row["largest_gain_usd_per_s"] = max(gains, default=float("nan"))
    return [row]


def _played(market: Any, seed: int, certificates: bool) -> list[dict[str, Any]]:
    from airan_market.agents.market.model import Market

    rounds = Market(market, seed=seed).run().market
    return [dict(row) for row in rounds.to_dict("records")]


def _validated(market: Any, seed: int, certificates: bool) -> list[dict[str, Any]]:
    from airan_market.analysis.validation.validating import Wanted, validate

    wanted = Wanted(beyond=False, map=False, markets=False)
    found = validate(market, seed, wanted).verdicts
    return [dict(row) for row in found.to_dict("records")]


def _priced(market: Any, seed: int, certificates: bool) -> list[dict[str, Any]]:
    from airan_market.agents.pact import solve_pact

    fields = solve_pact(market).to_json()
    return [{name: value for name, value in fields.items() if isinstance(value, int | float)}]


def _rested(market: Any, seed: int, certificates: bool) -> list[dict[str, Any]]:
    from airan_market.agents.equilibrium.answer import Rules, bound_of, certified_gains
    from airan_market.agents.equilibrium.answering import play, starts
    from airan_market.agents.equilibrium.profile import accounts_of
    from airan_market.agents.primitives.primitives import Primitives

    primitives, rows = Primitives.from_scenario(market, seed), []
    for margins in (False, True):
        rules = Rules(margins=margins)
        found = play(primitives, list(starts(primitives, 2, seed, rules))[-1], rules)
        accounts = accounts_of(primitives, found.profile)
        own = accounts.operator_utility_usd_per_s
        row = {
            "margins": margins,
            "settled": found.settled,
            "cycle_rounds": found.cycle_rounds,
            "operator_utility_usd_per_s": float(own.sum()),
            "social_welfare_usd_per_s": float(accounts.social_welfare_usd_per_s),
        }
        if certificates:
            gains = certified_gains(primitives, found.profile, rules)
            row["largest_gain_usd_per_s"] = max(answer.gain_usd_per_s for answer in gains)
            most = [bound_of(primitives, found.profile, m, rules) - own[m] for m in range(len(own))]
            row["gain_at_most_usd_per_s"] = float(np.max(most))
        rows.append(row)
    return rows


#: What each command answers.
ANSWERS: dict[str, Callable[[Any, int, bool], Sequence[dict[str, Any]]]] = {
    "solve": _solved,
    "run": _played,
    "validate": _validated,
    "pact": _priced,
    "equilibrium": _rested,
}
