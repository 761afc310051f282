"""The tables of a run: contracts of every round beside what became of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from itertools import groupby

import numpy as np
import pandas as pd

from airan_market.agents.contract.menu import Menu
from airan_market.agents.contract.utility import Accounts
from airan_market.agents.market.announcement import Terms
from airan_market.agents.market.clearing import ClearingHouse
from airan_market.agents.market.ledger import KINDS
from airan_market.agents.rounds.books import by_stage
from airan_market.sim.arrays import FloatArray, IntArray
from airan_market.sim.engines.occupancy import Occupancy
from airan_market.sim.workload import STAGES

UTILITIES = (
    "operator_utility_expected_usd_per_s",
    "operator_utility_realised_usd_per_s",
    "user_utility_expected_usd_per_s",
    "user_utility_realised_usd_per_s",
)


@dataclass(frozen=True, eq=False)
class Tables:
    """Tables of a run; `docs/tables.md` says what is in every column.

    `tasks` is None when a sink took them.
    """

    rounds: pd.DataFrame
    market: pd.DataFrame
    operators: pd.DataFrame
    tasks: pd.DataFrame | None = None


def rounds_table(
    agreed: Sequence[Terms], clearing: ClearingHouse, horizon_s: float
) -> pd.DataFrame:
    """Contracts of every round beside what the clearing house has booked of them.

    `violation_rate` is violations over decided tasks, missing when there are none; realised
    utilities charge the violations known so far.

    Parameters
    ----------
    agreed : sequence of Terms
        Those of rounds 1, 2, …
    """
    latency_s, price_usd, believed, z, rate, profit, surplus, worth = _by_round(
        agreed,
        lambda terms: terms.menu.latency_s,
        lambda terms: terms.menu.price_usd,
        lambda terms: terms.menu.violation_probability,
        lambda terms: terms.match_probability,
        lambda terms: terms.tasks_per_s,
        lambda terms: terms.operator_profit_usd,
        lambda terms: terms.user_utility_usd,
        _worth_usd,
    )
    played = slice(1, len(agreed) + 1)
    tasks, violations, decided = (
        counts[played] for counts in (clearing.tasks, clearing.violations, clearing.decided)
    )
    price, refund, loss, running = (clearing.ledger.operator_side(k)[played] for k in KINDS)
    number = np.indices(z.shape)
    columns = {
        "round": number[0] + 1,
        "operator": number[1] + 1,
        "type": number[2] + 1,
        "latency_s": latency_s,
        "price_usd": price_usd,
        "violation_belief": believed,
        "match_probability": z,
        "users": np.array([terms.users for terms in agreed]),
        "offered_tasks_per_s": tasks / horizon_s,
        "tasks": tasks,
        "violations": violations,
        "violation_rate": violations / np.where(decided > 0, decided, np.nan),
        "revenue_usd": price,
        "refunds_usd": refund,
        "violation_cost_usd": refund + loss,
        "running_cost_usd": running,
        "operator_utility_expected_usd_per_s": rate * profit,
        "operator_utility_realised_usd_per_s": clearing.ledger.operator_balance_usd()[played]
        / horizon_s,
        "user_utility_expected_usd_per_s": rate * surplus,
        "user_utility_realised_usd_per_s": (
            tasks * worth + clearing.misfit_usd[played] - price + refund
        )
        / horizon_s,
    }
    return pd.DataFrame({name: np.ravel(values) for name, values in columns.items()})


def market_table(reports: pd.DataFrame, rounds: pd.DataFrame) -> pd.DataFrame:
    """One row per round: the model's reports with the realised totals of `rounds`."""
    totals = rounds.groupby("round")[list(UTILITIES)].sum().loc[reports["round"]]
    operators = totals["operator_utility_realised_usd_per_s"].to_numpy()
    columns = {
        **{name: reports[name] for name in ("round", "temperature", "residual", "opted_out_users")},
        "operator_utility_expected_usd_per_s": reports["operator_utility_expected_usd_per_s"],
        "operator_utility_realised_usd_per_s": operators,
        "social_welfare_expected_usd_per_s": reports["social_welfare_expected_usd_per_s"],
        "social_welfare_realised_usd_per_s": operators
        + totals["user_utility_realised_usd_per_s"].to_numpy(),
    }
    return pd.DataFrame(columns)


def operator_table(
    agreed: Sequence[Terms],
    under_way: Sequence[IntArray],
    stations: Sequence[Occupancy],
    rounds: pd.DataFrame,
) -> pd.DataFrame:
    """One row per round and operator: what it announced, how full it was, totals of `rounds`."""
    totals = rounds.groupby(["round", "operator"], as_index=False)[
        ["offered_tasks_per_s", *UTILITIES[:2]]
    ].sum()
    columns = {
        "round": totals["round"],
        "operator": totals["operator"],
        "shadow_price_usd": [terms.board.shadow_price_usd for terms in agreed],
        "capacity_tasks_per_s": [terms.board.effective_capacity_per_s for terms in agreed],
        "load_expected_tasks_per_s": _by_round(
            agreed, lambda terms: terms.tasks_per_s.sum(axis=-1)
        )[0],
        "offered_tasks_per_s": totals["offered_tasks_per_s"],
        "under_way_tasks": under_way[: len(agreed)],
        **by_stage(
            STAGES,
            utilisation=np.reshape([span.utilisation for span in stations], (-1, len(STAGES))),
            waiting_tasks=np.reshape([span.waiting for span in stations], (-1, len(STAGES))),
        ),
        **{name: totals[name] for name in UTILITIES[:2]},
    }
    return pd.DataFrame({name: np.ravel(values) for name, values in columns.items()})


def _worth_usd(terms: Accounts) -> FloatArray:
    """What the agreed latency leaves of the value of a task, before price and refund."""
    market = terms.primitives
    waiting = market.latency_sensitivity_usd_per_s * terms.menu.latency_s
    return market.value_by_type_usd - waiting


def _by_round(
    agreed: Sequence[Terms], *wanted: Callable[[Accounts], FloatArray]
) -> list[FloatArray]:
    """Figures of every round, arrays (R, M, ...), each reckoned under the conditions of its round.

    Rounds of equal conditions are reckoned at once.
    """
    found: list[list[FloatArray]] = [[] for _ in wanted]
    for _, group in groupby(agreed, key=lambda terms: id(terms.conditions)):
        terms = list(group)
        menus = [[getattr(t.board.menu, field.name) for t in terms] for field in fields(Menu)]
        accounts = Accounts(
            terms[0].conditions.primitives,
            Menu(*(np.array(values) for values in menus)),
            np.array([t.match_probability for t in terms]),
            None if terms[0].by_quality is None else np.array([t.by_quality for t in terms]),
        )
        for values, figure in zip(found, wanted, strict=True):
            values.append(figure(accounts))
    return [np.concatenate(values) if values else np.empty((0, 0, 0)) for values in found]
