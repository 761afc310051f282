"""What the page shows of a future: figures, each under a sentence that says what is to be seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from airan_market.agents.market.model import Market
from airan_market.analysis.dashboard.flow import flows
from airan_market.analysis.dashboard.future import Future
from airan_market.analysis.dashboard.load import load_lines, loads, pact_loads
from airan_market.analysis.dashboard.menu import (
    LATENCY,
    PRICE,
    market_items,
    menu_curves,
    pact_items,
)
from airan_market.analysis.pact_run import figures as pact_figures
from airan_market.analysis.pact_run.summary import WORDS, type_table
from airan_market.analysis.runs import figures as run_figures
from airan_market.analysis.runs.violations import violation_table
from airan_market.analysis.verdict import counted
from airan_market.analysis.wording import in_brackets, number, probability

OUT = "stays out"


@dataclass(frozen=True)
class Panel:
    """A figure and its message.

    Attributes
    ----------
    name : str
        What kind of figure it is, one word.
    title : str
        What it says, a sentence with its numbers.
    draw : function
        Makes the figure.
    """

    name: str
    title: str
    draw: Callable[[], Figure]


def panels(future: Future) -> list[Panel]:
    """Figures of a future of which a round is played; none before that."""
    if future.round == 0:
        return []
    if isinstance(future.market, Market):
        return _of_market(future, future.market)
    return _of_pact(future)


def _of_market(future: Future, market: Market) -> list[Panel]:
    tables, names = future.tables(), future.names
    rounds, last = tables.rounds, tables.rounds[tables.rounds["round"] == future.round]
    load = loads(market, tables.operators)
    users = _users(market)
    types = [f"type {number_}" for number_ in range(1, users.shape[0] + 1)]
    counted_tasks = future.count.table
    return [
        Panel("menus", menu_message(last),
              lambda: menu_curves(market_items(rounds), names, LATENCY, PRICE)),
        Panel("flows", flow_message(users, [*names, OUT]),
              lambda: flows(users, types, [*names, OUT])),
        Panel("loads", load_message(load, names), lambda: load_lines(load, names)),
        Panel("violations", violation_message(rounds, counted_tasks),
              lambda: run_figures.violations(rounds, counted_tasks, names, columns=1)),
        Panel("utilities", utility_message(tables.market),
              lambda: run_figures.utilities(tables.market, tables.operators, names, columns=1)),
    ]  # fmt: skip


def _of_pact(future: Future) -> list[Panel]:
    tables, names = future.tables(), future.names
    rounds, types = tables.rounds, type_table(tables.rounds)
    tasks = [market.name for market in future.market.markets]
    load = pact_loads(tables.items)
    users, sources = _pact_users(rounds[rounds["round"] == future.round], len(names), tasks)
    found = [
        Panel("menus", pact_menu_message(rounds[rounds["round"] == future.round]),
              lambda: menu_curves(pact_items(rounds), tasks if len(tasks) > 1 else ["services"],
                                  "quality (1)", "price (USD per request)")),
        Panel("flows", flow_message(users, [*names, OUT]),
              lambda: flows(users, sources, [*names, OUT])),
    ]  # fmt: skip
    if not len(types):
        return found
    return [
        *found,
        Panel("loads", load_message(load, names), lambda: load_lines(load, names)),
        Panel("promises", promise_message(types),
              lambda: pact_figures.promises(types, tasks, columns=1)),
        Panel("profit", profit_message(types),
              lambda: pact_figures.profit(types, tasks, columns=1)),
        Panel("utilities", pact_utility_message(tables.market),
              lambda: pact_figures.totals(tables.market, columns=1)),
    ]  # fmt: skip


def _users(market: Market) -> np.ndarray:
    """Users by type, and whom they take in the last round, nobody last; (N, M + 1)."""
    taken = market.terms.users.T
    out = market.terms.conditions.users - taken.sum(axis=1)
    return np.column_stack([taken, out])


def _pact_users(
    rounds: pd.DataFrame, services: int, tasks: list[str]
) -> tuple[np.ndarray, list[str]]:
    """The same of services, over the types of all tasks, and what these are called."""
    keys = list(rounds[["market", "type"]].drop_duplicates().itertuples(index=False, name=None))
    users = np.zeros((len(keys), services + 1))
    for row in rounds.itertuples():
        column = services if pd.isna(row.service) else int(row.service) - 1
        users[keys.index((row.market, row.type)), column] += row.users
    many = len(tasks) > 1
    return users, [f"{tasks[m - 1]} {n}" if many else f"type {n}" for m, n in keys]


def menu_message(last: pd.DataFrame) -> str:
    """What the first and the last type are offered in a round.

    Examples
    --------
    >>> frame = pd.DataFrame({"round": 4, "operator": [1, 2], "type": [1, 1],
    ...     "latency_s": [0.05, 0.06], "price_usd": [6e-4, 5e-4]})
    >>> menu_message(frame)
    'Round 4: type 1 is offered 0.05 to 0.06 s for 5 to 6 · 10⁻⁴ USD'
    """
    said = []
    for type_ in sorted({1, int(last["type"].max())}):
        own = last[last["type"] == type_]
        latency, price = _range(own["latency_s"]), _range(own["price_usd"] * 1e4)
        said.append(f"type {type_} is offered {latency} s for {price} · 10⁻⁴ USD")
    return f"Round {int(last['round'].iloc[0])}: {'; '.join(said)}"


def _range(values: pd.Series) -> str:
    low, high = number(float(values.min()), 3), number(float(values.max()), 3)
    return low if low == high else f"{low} to {high}"


def flow_message(users: np.ndarray, targets: list[str]) -> str:
    """Who has most users, and how many take nobody (the last target).

    Examples
    --------
    >>> flow_message(np.array([[3, 1, 2]]), ["north", "south", "stays out"])
    'Most users, 3 of 6, take north; 2 stay out'
    """
    totals = users.sum(axis=0)
    out = f"{totals[-1]:g} stay out"
    if not totals[:-1].any():
        return f"Nobody takes anybody; {out}"
    most = int(np.argmax(totals[:-1]))
    return f"Most users, {totals[most]:g} of {totals.sum():g}, take {targets[most]}; {out}"


def load_message(load: pd.DataFrame, names: list[str]) -> str:
    """Who is nearest to saturation in the last round."""
    last = load[load["round"] == load["round"].max()].dropna(subset="offered")
    if not len(last):
        return "Nobody serves"
    worst = last.loc[last["offered"].idxmax()]
    beyond = "beyond saturation" if worst["offered"] > 1 else "the fullest"
    name = names[int(worst["who"]) - 1]
    return f"{name} is {beyond}: {worst['offered']:.0%} of what it can serve came"


def violation_message(rounds: pd.DataFrame, count: pd.DataFrame) -> str:
    """How many promises were broken, with the interval, and how many were believed to be."""
    total = violation_table(rounds, count, by=())
    if not len(total) or not total["decided"].iloc[0]:
        return "No task was served under a contract"
    row = total.iloc[0].to_dict()
    return (
        f"{probability(row['simulated'])} of tasks missed the agreed latency"
        f"{in_brackets(row, probability)}; operators believed {probability(row['believed'])}"
    )


def utility_message(market: pd.DataFrame) -> str:
    """What the last round was worth."""
    last = market.iloc[-1]
    return (
        f"Welfare {_both(last, 'social_welfare', '_usd_per_s')} USD/s, "
        f"operators {_both(last, 'operator_utility', '_usd_per_s')}"
    )


def _both(last: pd.Series, what: str, unit: str, expected: str = "expected") -> str:
    realised = number(last[f"{what}_realised{unit}"], 3)
    return f"{realised} realised ({number(last[f'{what}_{expected}{unit}'], 3)} {expected})"


def pact_menu_message(last: pd.DataFrame) -> str:
    """From what to what the services that are taken reach."""
    taken = last[last["service"].notna()]
    if not len(taken):
        return f"Round {int(last['round'].iloc[0])}: nobody takes a service"
    quality, price = _range(taken["quality_promised"]), _range(taken["price_usd"])
    return f"Round {int(last['round'].iloc[0])}: quality {quality} is taken for {price} USD"


def promise_message(types: pd.DataFrame) -> str:
    """How measured quality stands to the promises."""
    verdicts = types["quality_verdict"].tolist()
    counts: dict[str, Any] = {word: verdicts.count(word) for word in WORDS.values()}
    said = counted(counts, "{count} {word}")
    return f"Quality against the promise, of {len(types)} types: {said}"


def profit_message(types: pd.DataFrame) -> str:
    """Which type a provider earns most with."""
    best = types.loc[types["provider_utility_usd_measured"].idxmax()]
    entry = {end: best[f"provider_utility_usd_{end}"] for end in ("low", "high")}
    return (
        f"A request of type {best['type']} brings most: "
        f"{number(best['provider_utility_usd_measured'], 3)} USD{in_brackets(entry)}"
    )


def pact_utility_message(market: pd.DataFrame) -> str:
    """What the last round was worth."""
    last = market.iloc[-1]
    return (
        f"Together {_both(last, 'social_welfare', '_usd', 'promised')} USD a round, "
        f"the provider {_both(last, 'provider_utility', '_usd', 'promised')}"
    )
