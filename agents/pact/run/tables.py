"""The tables of a PACT run: what the menu promised beside what was measured."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from airan_market.agents.pact.run.catalogue import STATIONS
from airan_market.agents.pact.run.clearing import PactClearing
from airan_market.agents.rounds.books import by_stage
from airan_market.sim.arrays import FloatArray
from airan_market.sim.engines.occupancy import Occupancy

MONEY = (
    "revenue_usd",
    "cost_usd",
    "liability_usd",
    "provider_utility_promised_usd",
    "provider_utility_realised_usd",
    "user_utility_promised_usd",
    "user_utility_realised_usd",
)


def rounds_table(clearing: PactClearing, rounds: int) -> pd.DataFrame:
    """One row per round, task, type and service that its users took; one without a service if none.

    Users of the class `PactUser` think alike: then a type has one row a round. Promised utilities
    are those of as many requests as were made, at the promised quality and the expected cost;
    realised ones are at the quality that these requests had, with v of a negative quality taken as
    v(0) (`board.valued`), and at the costs and damages that came.

    Parameters
    ----------
    clearing : PactClearing
    rounds : int
        Rounds finished.
    """
    booked, catalogue, population = clearing.by_type, clearing.catalogue, clearing.population
    users = clearing.users[: rounds + 1]
    nobody = ~users.any(axis=2, keepdims=True)
    round_, type_, service = np.nonzero(np.concatenate([users, nobody], axis=2)[1:])
    round_ += 1
    took = service < len(catalogue.names)
    s = np.where(took, service, 0)
    here = (round_, type_, s)

    def of_item(values: FloatArray) -> FloatArray:
        return np.where(took, values[s], np.nan)

    def of_round(values: FloatArray) -> FloatArray:
        return np.where(took, values[round_, s], np.nan)

    requests = booked.requests[here]
    latency, share = booked.mean_latency_s()[here], booked.satisfied_share()[here]
    measured = np.where(took, catalogue.measured_quality(s, share, latency), np.nan)
    price = of_round(clearing.price_usd)
    promised_cost = of_item(catalogue.cost_usd + catalogue.liability_usd)
    revenue, cost, liability = (
        getattr(booked, name)[here] for name in ("revenue_usd", "cost_usd", "liability_usd")
    )
    promised_worth = population.worth_usd(type_, of_item(catalogue.quality))
    realised_worth = population.worth_usd(type_, measured)
    number = requests.astype(float)
    return pd.DataFrame(
        {
            "round": round_,
            "market": population.market[type_] + 1,
            "type": population.number[type_] + 1,
            "theta_usd": population.theta_usd[type_],
            "users": clearing.users[here],
            "service": pd.arrays.IntegerArray(s + 1, ~took),
            "requests": requests,
            "ended": booked.ended[here],
            "satisfied": booked.satisfied[here],
            "liability_events": booked.unmet[here],
            "latency_promised_s": of_item(catalogue.latency_s),
            "latency_measured_s": latency,
            "satisfaction_promised": of_item(catalogue.satisfaction),
            "satisfaction_measured": share,
            "quality_promised": of_item(catalogue.quality),
            "quality_shown": of_round(clearing.shown_quality),
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
    )


def _sum(requests: FloatArray, each_usd: FloatArray) -> FloatArray:
    """Total of requests; nothing where there are none, whatever their worth."""
    return np.where(requests > 0, requests * np.where(requests > 0, each_usd, 0.0), 0.0)


def market_table(reports: pd.DataFrame, rounds: pd.DataFrame) -> pd.DataFrame:
    """One row per round: who took part, and all that changed hands."""
    counts = ["requests", "ended", "satisfied", "liability_events"]
    totals = rounds.groupby("round")[[*counts, *MONEY]].sum()
    table = reports[["round", "users", "users_out"]].set_index("round").join(totals)
    for kind in ("promised", "realised"):
        both = table[f"provider_utility_{kind}_usd"] + table[f"user_utility_{kind}_usd"]
        table[f"social_welfare_{kind}_usd"] = both
    return table.reset_index()


def items_table(
    clearing: PactClearing, rounds: int, horizon_s: float, stations: Sequence[Occupancy]
) -> pd.DataFrame:
    """One row per round and service: promised and measured quality, load of every station.

    A load is the work that arrived in the round over what the servers can do in it; utilisation
    and waiting requests are means over the time of the round.

    Parameters
    ----------
    clearing : PactClearing
    rounds : int
        Rounds finished.
    horizon_s : float
        Length of a round.
    stations : sequence of Occupancy
        Of rounds 1, 2, …
    """
    booked, catalogue = clearing.by_service, clearing.catalogue
    played = slice(1, rounds + 1)
    services, shape = len(catalogue.names), (-1, len(STATIONS))
    load = clearing.busy_s[played] / (catalogue.servers * horizon_s)
    columns = {
        "round": np.repeat(np.arange(1, rounds + 1), services),
        "service": np.tile(np.arange(1, services + 1), rounds),
        "requests": booked.requests[played],
        "ended": booked.ended[played],
        "latency_promised_s": np.tile(catalogue.latency_s, rounds),
        "latency_measured_s": booked.mean_latency_s()[played],
        "quality_promised": np.tile(catalogue.quality, rounds),
        "quality_shown": clearing.shown_quality[played],
        "quality_measured": clearing.measured_quality()[played],
        "price_usd": clearing.price_usd[played],
        **by_stage(
            STATIONS,
            load=load.reshape(shape),
            utilisation=np.reshape([span.utilisation for span in stations], shape),
            waiting_requests=np.reshape([span.waiting for span in stations], shape),
        ),
    }
    return pd.DataFrame({name: np.ravel(values) for name, values in columns.items()})
