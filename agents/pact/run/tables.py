"""The tables of a PACT run: what the menu promised beside what was measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from airan_market.agents.matching.assignment import OUT
from airan_market.agents.pact.run.board import valued
from airan_market.agents.pact.run.catalogue import STATIONS
from airan_market.sim.arrays import FloatArray

if TYPE_CHECKING:
    from airan_market.agents.pact.run.model import PactSimulation

MONEY = (
    "revenue_usd",
    "cost_usd",
    "liability_usd",
    "provider_utility_promised_usd",
    "provider_utility_realised_usd",
    "user_utility_promised_usd",
    "user_utility_realised_usd",
)


def rounds_table(market: PactSimulation) -> pd.DataFrame:
    """One row per round, task and type.

    Promised utilities are those of as many requests as were made, at the promised quality and the
    expected cost; realised ones are at the quality that the type's requests of the round had, with
    v of a negative quality taken as v(0) (`board.valued`), and at the costs and damages that came.
    """
    booked, catalogue = market.clearing.by_type, market.catalogue
    rounds = np.arange(1, market.round + 1)
    types = market.theta_usd.size
    service = market.service_of_type[rounds]
    took = (service != OUT) & (market.users_by_type > 0)
    s = np.where(took, service, 0)

    def of_item(values: FloatArray) -> FloatArray:
        return np.where(took, values[s], np.nan)

    def of_round(values: FloatArray) -> FloatArray:
        return np.where(took, values[rounds[:, None], s], np.nan)

    requests = booked.requests[rounds]
    latency, share = booked.mean_latency_s()[rounds], booked.satisfied_share()[rounds]
    measured = np.where(took, catalogue.measured_quality(s, share, latency), np.nan)
    price = of_round(market.price_usd)
    promised_cost = of_item(catalogue.cost_usd + catalogue.liability_usd)
    revenue, cost, liability = (
        getattr(booked, name)[rounds] for name in ("revenue_usd", "cost_usd", "liability_usd")
    )
    promised_worth = _worth(market, of_item(catalogue.quality))
    realised_worth = _worth(market, measured)
    number = requests.astype(float)
    columns = {
        "round": np.repeat(rounds, types),
        "market": np.tile(market.market_of_type + 1, rounds.size),
        "type": np.tile(market.number_of_type + 1, rounds.size),
        "theta_usd": np.tile(market.theta_usd, rounds.size),
        "users": np.where(took, market.users_by_type, 0),
        "service": pd.array(np.where(took, service + 1, 0).ravel(), dtype="Int64"),
        "requests": requests,
        "ended": booked.ended[rounds],
        "satisfied": booked.satisfied[rounds],
        "liability_events": booked.unmet[rounds],
        "latency_promised_s": of_item(catalogue.latency_s),
        "latency_measured_s": latency,
        "satisfaction_promised": of_item(catalogue.satisfaction),
        "satisfaction_measured": share,
        "quality_promised": of_item(catalogue.quality),
        "quality_shown": of_round(market.shown_quality),
        "quality_measured": measured,
        "price_usd": price,
        "revenue_usd": revenue,
        "cost_usd": cost,
        "liability_usd": liability,
        "provider_utility_promised_usd": _sum(number, price - promised_cost),
        "provider_utility_realised_usd": revenue - cost - liability,
        "user_utility_promised_usd": _sum(number, promised_worth - price),
        "user_utility_realised_usd": _sum(number, realised_worth) - revenue,
    }
    table = pd.DataFrame({name: np.ravel(values) for name, values in columns.items()})
    table["service"] = table["service"].astype("Int64").mask(table["service"] == 0)
    return table


def _sum(requests: FloatArray, each_usd: FloatArray) -> FloatArray:
    """Total of requests; nothing where there are none, whatever their worth."""
    return np.where(requests > 0, requests * np.where(requests > 0, each_usd, 0.0), 0.0)


def _worth(market: PactSimulation, quality: FloatArray) -> FloatArray:
    """θ v(q) of every round and type."""
    worth = np.full(quality.shape, np.nan)
    for number, own in enumerate(market.markets):
        types = market.market_of_type == number
        worth[:, types] = valued(own.valuation, quality[:, types])
    return market.theta_usd * worth


def market_table(reports: pd.DataFrame, rounds: pd.DataFrame) -> pd.DataFrame:
    """One row per round: who took part, and all that changed hands."""
    counts = ["requests", "ended", "satisfied", "liability_events"]
    totals = rounds.groupby("round")[[*counts, *MONEY]].sum()
    table = reports.set_index("round").join(totals)
    for kind in ("promised", "realised"):
        both = table[f"provider_utility_{kind}_usd"] + table[f"user_utility_{kind}_usd"]
        table[f"social_welfare_{kind}_usd"] = both
    return table.reset_index()


def items_table(market: PactSimulation) -> pd.DataFrame:
    """One row per round and service: promised and measured quality, load of every station.

    A load is the work that arrived in the round over what the servers can do in it.
    """
    booked, catalogue = market.clearing.by_service, market.catalogue
    rounds = np.arange(1, market.round + 1)
    services = len(catalogue.names)
    horizon_s = market.scenario.simulation.horizon_s
    load = market.clearing.busy_s[rounds] / (catalogue.servers * horizon_s)
    columns = {
        "round": np.repeat(rounds, services),
        "service": np.tile(np.arange(1, services + 1), rounds.size),
        "requests": booked.requests[rounds],
        "ended": booked.ended[rounds],
        "latency_promised_s": np.tile(catalogue.latency_s, rounds.size),
        "latency_measured_s": booked.mean_latency_s()[rounds],
        "quality_promised": np.tile(catalogue.quality, rounds.size),
        "quality_shown": market.shown_quality[rounds],
        "quality_measured": market.clearing.measured_quality()[rounds],
        "price_usd": market.price_usd[rounds],
        **{f"{name}_load": load[:, :, i] for i, name in enumerate(STATIONS)},
    }
    return pd.DataFrame({name: np.ravel(values) for name, values in columns.items()})
