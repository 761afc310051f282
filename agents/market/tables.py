"""The tables of a run: contracts of every round beside what became of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from airan_market.agents.contract.utility import Accounts
from airan_market.agents.market.clearing import ClearingHouse
from airan_market.agents.primitives.primitives import Primitives

KEYS = ("round", "operator", "type")
CONTRACT_COLUMNS = (
    *KEYS,
    "latency_s",
    "price_usd",
    "violation_belief",
    "match_probability",
    "users",
    "offered_tasks_per_s",
    "operator_utility_expected_usd_per_s",
    "user_utility_expected_usd_per_s",
)
ROUNDS_COLUMNS = (
    *CONTRACT_COLUMNS[:9],
    "tasks",
    "violations",
    "violation_rate",
    "revenue_usd",
    "refunds_usd",
    "violation_cost_usd",
    "running_cost_usd",
    "operator_utility_expected_usd_per_s",
    "operator_utility_realised_usd_per_s",
    "user_utility_expected_usd_per_s",
    "user_utility_realised_usd_per_s",
)
UTILITIES = (
    "operator_utility_expected_usd_per_s",
    "operator_utility_realised_usd_per_s",
    "user_utility_expected_usd_per_s",
    "user_utility_realised_usd_per_s",
)


@dataclass(frozen=True, eq=False)
class Tables:
    """Tables of a run; numbers of rounds, operators and types are 1-based.

    Attributes
    ----------
    rounds : DataFrame
        One row per round, operator and type: the contract, what was believed, what happened.
    market : DataFrame
        One row per round.
    operators : DataFrame
        One row per round and operator.
    tasks : DataFrame or None
        One row per task, when they were kept in memory.
    """

    rounds: pd.DataFrame
    market: pd.DataFrame
    operators: pd.DataFrame
    tasks: pd.DataFrame | None = None


def contract_rows(
    round_: int, terms: Accounts, users: NDArray[np.int64]
) -> Iterator[dict[str, Any]]:
    """Contracts of one round, a row per operator and type.

    Parameters
    ----------
    round_ : int
    terms : Accounts
        Menus (M, N) in force and the matching behind them.
    users : array (M, N) of int
        Users that each operator and type got.
    """
    menu, match_probability, rate = terms.menu, terms.match_probability, terms.tasks_per_s
    profit_usd, user_usd = terms.operator_profit_usd, terms.user_utility_usd
    for m, n in np.ndindex(rate.shape):
        yield {
            "round": round_,
            "operator": m + 1,
            "type": n + 1,
            "latency_s": menu.latency_s[m, n],
            "price_usd": menu.price_usd[m, n],
            "violation_belief": menu.violation_probability[m, n],
            "match_probability": match_probability[m, n],
            "users": users[m, n],
            "offered_tasks_per_s": users[m, n] * terms.primitives.task_rate_per_user_per_s,
            "operator_utility_expected_usd_per_s": rate[m, n] * profit_usd[m, n],
            "user_utility_expected_usd_per_s": rate[m, n] * user_usd[m, n],
        }


def rounds_table(
    contracts: pd.DataFrame, clearing: ClearingHouse, primitives: Primitives, horizon_s: float
) -> pd.DataFrame:
    """Join the contracts with what the clearing house has booked of them.

    `violation_rate` is violations over decided tasks, missing when there are none; realised
    utilities charge the violations known so far.
    """
    where = tuple(contracts[key].to_numpy(dtype=int) - (key != "round") for key in KEYS)
    ledger = clearing.ledger
    sums = {kind: ledger.operator_side(kind)[where] for kind in ("price", "refund", "loss")}
    running = ledger.operator_side("running")[where]
    tasks, decided = clearing.tasks[where], clearing.decided[where]
    value = primitives.service_value_usd[where[1]]
    waiting = primitives.latency_sensitivity_usd_per_s[where[2]] * contracts["latency_s"]
    table = contracts.assign(
        tasks=tasks,
        violations=clearing.violations[where],
        violation_rate=clearing.violations[where] / np.where(decided > 0, decided, np.nan),
        revenue_usd=sums["price"],
        refunds_usd=sums["refund"],
        violation_cost_usd=sums["refund"] + sums["loss"],
        running_cost_usd=running,
        operator_utility_realised_usd_per_s=ledger.operator_balance_usd()[where] / horizon_s,
        user_utility_realised_usd_per_s=(tasks * (value - waiting) - sums["price"] + sums["refund"])
        / horizon_s,
    )
    return table[list(ROUNDS_COLUMNS)]


def market_table(model: pd.DataFrame, rounds: pd.DataFrame) -> pd.DataFrame:
    """One row per round: the model's reports with the realised totals of `rounds`."""
    totals = rounds.groupby("round")[list(UTILITIES)].sum()
    operators = totals["operator_utility_realised_usd_per_s"]
    welfare = operators + totals["user_utility_realised_usd_per_s"]
    table = model.assign(
        operator_utility_realised_usd_per_s=operators.to_numpy(),
        social_welfare_realised_usd_per_s=welfare.to_numpy(),
    )
    return table[
        [
            "round",
            "temperature",
            "residual",
            "opted_out_users",
            "operator_utility_expected_usd_per_s",
            "operator_utility_realised_usd_per_s",
            "social_welfare_expected_usd_per_s",
            "social_welfare_realised_usd_per_s",
        ]
    ].reset_index(drop=True)


def operator_table(reports: pd.DataFrame, rounds: pd.DataFrame) -> pd.DataFrame:
    """One row per round and operator: the agents' reports with the totals of `rounds`."""
    totals = rounds.groupby(["round", "operator"], as_index=False)[
        ["offered_tasks_per_s", *UTILITIES[:2]]
    ].sum()
    table = reports.reset_index(drop=True).merge(totals, on=["round", "operator"])
    return table[
        [
            "round",
            "operator",
            "shadow_price_usd",
            "capacity_tasks_per_s",
            "load_expected_tasks_per_s",
            "offered_tasks_per_s",
            "under_way_tasks",
            "operator_utility_expected_usd_per_s",
            "operator_utility_realised_usd_per_s",
        ]
    ]
