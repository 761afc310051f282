"""The figures a person asks for first, with confidence intervals: `summary.json`."""

from __future__ import annotations

from math import fsum
from typing import Any

import numpy as np
import pandas as pd

from airan_market.analysis.dynamics.story import Story, moves
from airan_market.analysis.runs.violations import WORDS, violation_table
from airan_market.analysis.store.reader import Run
from airan_market.scenarios import Scenario
from airan_market.sim.estimation.intervals import mean_interval

SCHEMA_VERSION = 1
LEVEL = 0.95


def summarise(run: Run, level: float = LEVEL) -> dict[str, Any]:
    """Summarise a run.

    Parameters
    ----------
    run : Run
        An opened run directory.
    level : float
        Confidence level of every interval, in (0, 1).

    Returns
    -------
    dict
        Plain numbers, strings, lists and dicts, fit for JSON; null where there is no value.
        Operators and types count from 1.

        - `operator_utility_usd_per_s`, `social_welfare_usd_per_s`: `expected` and `realised`,
          each with `last_round` and the `mean` over rounds with its t interval (`low`, `high`);
          rounds follow the iterations of the mechanism, so a mean mixes in the way to its outcome;
        - `operators`: per operator its name, the same utilities, load and violations;
        - `violations`: `total` and `cells` (per operator and type), see
          `analysis.runs.violations.violation_table`; `verdicts` counts the cells by verdict;
        - `tasks`: tasks under contract, undecided ones, warm-up tasks;
        - `opted_out_users`: in the last round, and the mean over rounds with interval;
        - `money`: what users paid and operators received, what operators refunded and users
          got back, each summed from its own table (tasks and rounds), and the differences;
        - `over_time`, of a market with events, strategies or the like: `analysis.dynamics.story`;
        - `settlement`: the last round's residual, the tolerance, and whether it is met.
    """
    manifest, market = run.manifest, run.market.sort_values("round")
    total = violation_table(run.rounds, run.tally, by=(), level=level)
    cells = violation_table(run.rounds, run.tally, level=level)
    path = {"over_time": Story(run).summary()} if moves(run.scenario) else {}
    counts = {word: int((cells["verdict"] == word).sum()) for word in WORDS.values()}
    return plain(
        {
            "schema_version": SCHEMA_VERSION,
            "scenario": manifest.scenario,
            "scenario_hash": manifest.scenario_hash,
            "seed": manifest.seed,
            "engine": manifest.engine,
            "status": manifest.status,
            "rounds": manifest.rounds,
            "rounds_planned": manifest.rounds_planned,
            "confidence_level": level,
            "operator_utility_usd_per_s": _both(market, "operator_utility", level),
            "social_welfare_usd_per_s": _both(market, "social_welfare", level),
            "operators": _operators(run, level),
            "violations": {
                "total": _records(total)[0] if len(total) else None,
                "verdicts": counts,
                "cells": _records(cells),
            },
            "tasks": _tasks(run.tally),
            "opted_out_users": _over_rounds(market["opted_out_users"], level),
            "money": _money(run.rounds, run.tally),
            "settlement": _settlement(market, run.scenario),
            **path,
            "notes": list(manifest.notes),
        }
    )


def _over_rounds(values: pd.Series, level: float) -> dict[str, float]:
    numbers = values.to_numpy(dtype=float)
    interval = mean_interval(numbers, level)
    return {
        "last_round": float(numbers[-1]) if numbers.size else np.nan,
        "mean": interval.mean,
        "low": interval.low,
        "high": interval.high,
    }


def _both(frame: pd.DataFrame, what: str, level: float) -> dict[str, dict[str, float]]:
    return {
        kind: _over_rounds(frame[f"{what}_{kind}_usd_per_s"], level)
        for kind in ("expected", "realised")
    }


def _operators(run: Run, level: float) -> list[dict[str, Any]]:
    violated = violation_table(run.rounds, run.tally, by=("operator",), level=level)
    by_operator = {record["operator"]: record for record in _records(violated)}
    entries = []
    for number, operator in enumerate(run.scenario.operators, start=1):
        own = run.operators[run.operators["operator"] == number].sort_values("round")
        entries.append(
            {
                "operator": number,
                "name": operator.name,
                "utility_usd_per_s": _both(own, "operator_utility", level),
                "offered_tasks_per_s": _over_rounds(own["offered_tasks_per_s"], level),
                "load_expected_tasks_per_s": _last(own["load_expected_tasks_per_s"]),
                "capacity_tasks_per_s": _last(own["capacity_tasks_per_s"]),
                "shadow_price_usd": _last(own["shadow_price_usd"]),
                "violations": by_operator.get(number),  # none when it served nobody
            }
        )
    return entries


def _tasks(tally: pd.DataFrame) -> dict[str, int]:
    contract, warm_up = tally[tally["round"] > 0], tally[tally["round"] == 0]
    return {
        "under_contract": int(contract["tasks"].sum()),
        "undecided": int((contract["tasks"] - contract["decided"]).sum()),
        "warm_up": int(warm_up["tasks"].sum()),
    }


def _money(rounds: pd.DataFrame, tally: pd.DataFrame) -> dict[str, float]:
    paid, returned = fsum(tally["price_usd"]), fsum(tally["refund_usd"])
    received, refunded = fsum(rounds["revenue_usd"]), fsum(rounds["refunds_usd"])
    return {
        "paid_by_users_usd": paid,
        "received_by_operators_usd": received,
        "paid_less_received_usd": paid - received,
        "refunded_by_operators_usd": refunded,
        "refunds_received_by_users_usd": returned,
        "refunded_less_received_usd": refunded - returned,
    }


def _settlement(market: pd.DataFrame, scenario: Scenario) -> dict[str, Any]:
    residual, tolerance = _last(market["residual"]), scenario.mechanism.tolerance
    return {
        "residual": residual,
        "tolerance": tolerance,
        "settled": bool(residual <= tolerance) if np.isfinite(residual) else None,
    }


def _last(values: pd.Series) -> float:
    return float(values.iloc[-1]) if len(values) else np.nan


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return plain(frame.to_dict("records"))


def plain(value: Any) -> Any:
    """Only what JSON knows: NumPy numbers become Python's, NaN, NA and infinities become null."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if value is pd.NA or (isinstance(value, float) and not np.isfinite(value)):
        return None
    return value
