"""What the menu promised and what was measured, with intervals: `summary.json` of a PACT run.

Intervals take rounds as the units that differ by chance: a mean over requests is Σ y_i / Σ n_i over
k rounds, with linearised variance k/(k−1) Σ (y_i − m n_i)² / n² and Student's t with k − 1 degrees
(Cochran 1977, "Sampling Techniques", section 6.4). Requests of one round may resemble each other as
they like; what one round's queue leaves to the next is not accounted for.
"""

from __future__ import annotations

from math import fsum
from typing import Any

import pandas as pd

from airan_market.analysis.runs.summary import LEVEL, SCHEMA_VERSION, plain
from airan_market.analysis.store.reader import PactRun
from airan_market.analysis.verdict import UNDECIDED, Verdict, of_value
from airan_market.sim.estimation.intervals import MeanInterval, mean_interval, ratio_interval
from airan_market.sim.estimation.proportions import cluster_proportion

#: Verdicts on a promise as they are told.
WORDS = {
    Verdict.HOLDS: "as promised",
    Verdict.BELOW: "below",
    Verdict.ABOVE: "above",
    Verdict.UNDECIDED: UNDECIDED,
}
ROUNDING = 1e-9  # latencies are differences of clock times
SIDES = ("provider_utility", "user_utility", "social_welfare")


def verdict(promised: float, interval: MeanInterval) -> str:
    """How a promise stands to the interval of what was measured.

    Examples
    --------
    >>> verdict(0.5, MeanInterval(0.4, 0.35, 0.45, 0.95, 9))
    'below'
    """
    return WORDS[of_value(promised, interval.low, interval.high, ROUNDING)]


def type_table(rounds: pd.DataFrame, level: float = LEVEL) -> pd.DataFrame:
    """One row per type that made requests: promised and measured, means over requests.

    Parameters
    ----------
    rounds : DataFrame
        Columns of `rounds.parquet`.
    level : float
        Of the intervals.

    Returns
    -------
    DataFrame
        `market, type, theta_usd, users, service` (of the last round), `requests,
        liability_events`, then `X_promised, X_measured, X_low, X_high, X_verdict` for X in
        `quality, latency_s, satisfaction`, and for X in `provider_utility_usd, user_utility_usd,
        liability_usd` a request's `X_promised` (not of liability), `X_measured, X_low, X_high`.
    """
    rows = []
    for (market, type_), own in rounds[rounds["requests"] > 0].groupby(["market", "type"]):
        last = own.iloc[-1]
        row: dict[str, Any] = {
            "market": market,
            "type": type_,
            "theta_usd": last["theta_usd"],
            "users": int(last["users"]),
            "service": None if pd.isna(last["service"]) else int(last["service"]),
            "requests": own["requests"].sum(),
            "liability_events": own["liability_events"].sum(),
            "price_usd": own["revenue_usd"].sum() / own["requests"].sum(),
        }
        rows.append(row | _promises(own, level) | _money(own, level))
    table = pd.DataFrame(rows)
    return table.astype({"service": "Int64"}) if rows else table


def _promises(own: pd.DataFrame, level: float) -> dict[str, Any]:
    """Quality, response time and satisfaction of the requests that ended."""
    row: dict[str, Any] = {}
    ended = own["ended"].to_numpy(dtype=float)
    for what, unit in (("quality", ""), ("latency", "_s"), ("satisfaction", "")):
        promised = own[f"{what}_promised{unit}"].to_numpy(dtype=float)
        measured = own[f"{what}_measured{unit}"].to_numpy(dtype=float)
        some = ended > 0
        found = ratio_interval((measured * ended)[some], ended[some], level)
        if what == "satisfaction":
            share = cluster_proportion(own["satisfied"], own["ended"], level)
            found = MeanInterval(share.estimate, share.low, share.high, level, share.clusters)
        expected = float((promised * ended)[some].sum() / max(ended.sum(), 1.0))
        row |= _entry(f"{what}{unit}", expected, found)
        row[f"{what}{unit}_verdict"] = verdict(expected, found)
    return row


def _money(own: pd.DataFrame, level: float) -> dict[str, Any]:
    """What a request brought each side, and what it cost in liability."""
    row: dict[str, Any] = {}
    for side in SIDES[:2]:
        promised = fsum(own[f"{side}_promised_usd"]) / own["requests"].sum()
        found = ratio_interval(own[f"{side}_realised_usd"], own["requests"], level)
        row |= _entry(f"{side}_usd", promised, found)
    found = ratio_interval(own["liability_usd"], own["requests"], level)
    row |= _entry("liability_usd", None, found)
    return row


def _entry(name: str, promised: float | None, found: MeanInterval) -> dict[str, Any]:
    entry = {f"{name}_measured": found.mean, f"{name}_low": found.low, f"{name}_high": found.high}
    return entry if promised is None else {f"{name}_promised": promised} | entry


def summarise(run: PactRun, level: float = LEVEL) -> dict[str, Any]:
    """Summarise a PACT run; plain numbers, strings, lists and dicts, null where there is no value.

    Parameters
    ----------
    run : PactRun
    level : float
        Confidence level of every interval, in (0, 1).

    Returns
    -------
    dict
        - `types`: the rows of `type_table`; `verdicts` counts them by verdict on quality;
        - `items`: the same per service that was used, with the largest load of a station;
        - `provider_utility_usd`, `user_utility_usd`, `social_welfare_usd`: `promised`, `realised`
          and their `difference` (of the same requests), with intervals of the mean over rounds;
        - `requests`, `liability_events`, `liability_usd`, `users`, `users_out` (last round);
        - `capacity`: users for whom every promise holds within the tolerance, with interval, the
          service that breaks first, and all services; null when the run did not end;
        - `money`: what users paid, from the requests, what providers received, from the rounds.
    """
    manifest, market = run.manifest, run.market.sort_values("round")
    types = type_table(run.rounds, level)
    counts = {word: int((types["quality_verdict"] == word).sum()) for word in
              WORDS.values()} if len(types) else {}  # fmt: skip
    paid, received = (
        fsum(run.read_tasks(["price_usd"])["price_usd"].dropna()),
        fsum(run.rounds["revenue_usd"]),
    )
    return plain(
        {
            "schema_version": SCHEMA_VERSION,
            "kind": "pact",
            "scenario": manifest.scenario,
            "scenario_hash": manifest.scenario_hash,
            "seed": manifest.seed,
            "engine": manifest.engine,
            "status": manifest.status,
            "rounds": manifest.rounds,
            "rounds_planned": manifest.rounds_planned,
            "confidence_level": level,
            **{f"{side}_usd": _both(market, side, level) for side in SIDES},
            "users": int(market["users"].iloc[-1]) if len(market) else 0,
            "users_out": int(market["users_out"].iloc[-1]) if len(market) else 0,
            "requests": int(market["requests"].sum()),
            "liability_events": int(market["liability_events"].sum()),
            "liability_usd": fsum(market["liability_usd"]),
            "verdicts": counts,
            "types": types.to_dict("records"),
            "items": _items(run, level),
            "capacity": _capacity(run),
            "money": {
                "paid_by_users_usd": paid,
                "received_by_providers_usd": received,
                "paid_less_received_usd": paid - received,
            },
            "notes": list(manifest.notes),
        }
    )


def _both(market: pd.DataFrame, side: str, level: float) -> dict[str, dict[str, float]]:
    entry = {}
    for kind in ("promised", "realised"):
        found = mean_interval(market[f"{side}_{kind}_usd"], level)
        entry[kind] = {"mean": found.mean, "low": found.low, "high": found.high}
    gap = market[f"{side}_realised_usd"] - market[f"{side}_promised_usd"]
    found = mean_interval(gap, level)
    entry["difference"] = {"mean": found.mean, "low": found.low, "high": found.high}
    return entry


def _items(run: PactRun, level: float) -> list[dict[str, Any]]:
    names = [service.name for service in services_in_order(run)]
    rows = []
    for service, own in run.items[run.items["requests"] > 0].groupby("service"):
        row: dict[str, Any] = {"service": int(service), "name": names[int(service) - 1]}
        row["requests"] = own["requests"].sum()
        row["price_usd"] = own["price_usd"].iloc[-1]
        for what in ("quality", "latency"):
            unit = "_s" if what == "latency" else ""
            promised = float(own[f"{what}_promised{unit}"].iloc[0])
            total = own[f"{what}_measured{unit}"].fillna(0.0) * own["ended"]
            found = ratio_interval(total, own["ended"], level)
            row |= _entry(f"{what}{unit}", promised, found)
            row[f"{what}{unit}_verdict"] = verdict(promised, found)
        loads = own[[f"{station}_load" for station in ("transmission", "tokenisation",
                                                       "inference")]].mean()  # fmt: skip
        rows.append(row | {"load": loads.max(), "busiest": loads.idxmax().removesuffix("_load")})
    return rows


def services_in_order(run: PactRun) -> list[Any]:
    """The scenario's services in the order of their numbers in a run: task after task."""
    pact = run.scenario.pact
    if pact.tasks is None:
        return list(pact.services)
    return [s for task in pact.tasks for s in pact.services if s.task == task.name]


def _capacity(run: PactRun) -> dict[str, Any] | None:
    table = run.capacity
    if not len(table):
        return None
    names = [service.name for service in services_in_order(run)]
    rows = [
        row | {"name": names[int(row["service"]) - 1]}
        for row in table.astype(object).where(table.notna(), None).to_dict("records")
    ]
    bounded = [row for row in rows if row["users"] is not None]
    first = min(bounded, key=lambda row: row["users"], default=None)
    keys = ("users", "users_low", "users_high", "users_theory", "service", "name")
    # of several services that break at about as many users, the interval of the first
    head = dict.fromkeys(keys) if first is None else {key: first[key] for key in keys}
    return head | {"tolerance": rows[0]["tolerance"], "services": rows}
