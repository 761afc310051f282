"""How wrong the beliefs get when work is not exponential and arrivals are not Poisson.

Every law has the loads of the solved market; only the variability differs. Bursts and recorded
arrivals are shared by all types of an operator, as they are in a market. The intervals are those of
`sim.estimation.proportions`, which know that late tasks come in bursts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from airan_market.analysis.validation.offered import Offered
from airan_market.analysis.validation.verdicts import VIOLATED, verdicts
from airan_market.sim.estimation.estimates import Replications
from airan_market.sim.estimation.experiment import replicate
from airan_market.sim.estimation.intervals import family_level
from airan_market.sim.estimation.tandem import TandemModel
from airan_market.sim.traffic.arrival_laws import ArrivalLaw, Bursts, Poisson
from airan_market.sim.traffic.work_laws import Deterministic, Exponential, Lognormal, TaskLaw

if TYPE_CHECKING:
    from airan_market.scenarios import Scenario

USUAL = "Poisson, exponential"  # what the theory is about; in the table to compare with
OWN = "this scenario's own"
#: A coefficient of variation of 2 is between the measured work of LLM requests and heavy tails.
LOGNORMAL_CV = 2.0
#: A quarter of the time at twice the rate of the rest, half a second at a stretch.
BURSTS = Bursts(ratio=2.0, share=0.25, mean_s=0.5)
#: Part of the span of a replication that is not measured, for it starts empty.
WARM_UP_PART = 0.2
REPLICATIONS = 24
TASKS = 1_500_000


@dataclass(frozen=True, eq=False)
class Law:
    """Laws of arrivals and of work, and what they are called."""

    name: str
    arrivals: ArrivalLaw
    work: TaskLaw


def laws(scenario: Scenario, trace: Path | None = None) -> list[Law]:
    """Laws to try: work without and with much variation, bursts, a trace of requests if there is.

    Parameters
    ----------
    scenario : Scenario
        Its own laws come last, when they are not the paper's: those of `task.law` and
        `simulation.arrivals`.
    trace : Path, optional
        Requests in the format "azure-llm-2023"; by default the scenario's own, if it names one.

    Raises
    ------
    airan_market.sim.traffic.trace_file.TraceError
        When the trace cannot be read.
    """
    from airan_market.agents.primitives.traffic import laws_of, laws_of_requests
    from airan_market.scenarios import TraceArrivals

    found = [
        Law(USUAL, Poisson(), Exponential()),
        Law("deterministic work", Poisson(), Deterministic()),
        Law(f"lognormal work, cv {LOGNORMAL_CV:g}", Poisson(), Lognormal(LOGNORMAL_CV)),
        Law("bursts of arrivals", BURSTS, Exponential()),
    ]
    arrivals = scenario.simulation.arrivals
    own_trace = arrivals if isinstance(arrivals, TraceArrivals) else None
    if trace is not None or own_trace is not None:
        work, recorded = laws_of(scenario) if trace is None else laws_of_requests(trace)
        found += [
            Law("measured work", Poisson(), work),
            Law("measured work and arrivals", recorded, work),
        ]
    if own_trace is None and not is_usual(scenario):
        own_work, own_arrivals = laws_of(scenario)
        found.append(Law(OWN, own_arrivals, own_work))
    return found


def is_usual(scenario: Scenario) -> bool:
    """Whether a scenario asks for Poisson arrivals and exponential work.

    Examples
    --------
    >>> from airan_market.scenarios import load_scenario
    >>> is_usual(load_scenario("bound_fails"))
    True
    >>> is_usual(load_scenario("bound_fails", ["task.law=deterministic"]))
    False
    """
    return scenario.task.law == "exponential" and scenario.simulation.arrivals == "poisson"


def play_law(
    site: Offered,
    law: Law,
    *,
    seed: int,
    replications: int = REPLICATIONS,
    tasks: int = TASKS,
) -> Replications | None:
    """Replications of an operator's traffic under other laws, judged at the agreed latencies.

    Parameters
    ----------
    site : Offered
    law : Law
    seed : int
        Equal seeds give other laws the same chance where they can use it, and any number of
        threads the same answer.
    replications : int
        R, each from an empty system.
    tasks : int
        To be expected in all replications together, the warm-up included.

    Returns
    -------
    Replications or None
        With one latency a type, (N, 1); types that cannot be looked at have no tasks. None when
        that is so for all of them.
    """
    looked_at = np.isin(np.arange(site.types), site.looked_at)
    rates = np.where(looked_at, site.own_rate_per_s, 0.0)
    if not rates.any():
        return None
    horizon_s = tasks / replications / float(rates.sum())
    return replicate(
        TandemModel(site.servers, site.service_rate_per_s, rates, law.work, law.arrivals),
        np.where(looked_at, site.agreed_s, 0.0)[:, np.newaxis],
        seed=seed,
        replications=replications,
        horizon_s=horizon_s,
        warmup=WARM_UP_PART * horizon_s,
    )


def beyond_table(
    places: Sequence[Offered],
    laws: Sequence[Law],
    level: float,
    *,
    seed: int,
    replications: int = REPLICATIONS,
    tasks: int = TASKS,
    on_done: Callable[[str], None] = lambda what: None,
) -> pd.DataFrame:
    """The operators' beliefs against what happens under other laws, at the agreed latency.

    Parameters
    ----------
    places : sequence of Offered
    laws : sequence of Law
    level : float
        With which all intervals of the table together cover their truths (Bonferroni).
    seed, replications, tasks
        As in `play_law`, for each operator and law.
    on_done : function
        Told of each law and operator as it is finished.

    Returns
    -------
    DataFrame
        A row per law, operator and type that can be looked at: `law, operator, type, latency_s,
        belief` (of the scenario), `probability, ci_low, ci_high, verdict`, `ratio` =
        belief/probability, `replications, tasks`.
    """
    pairs = sum(site.looked_at.size for site in places) * len(laws)
    each = family_level(max(pairs, 1), level)
    rows = []
    for law in laws:
        for site in places:
            found = play_law(site, law, seed=seed, replications=replications, tasks=tasks)
            if found is None:
                continue
            seen, low, high = (band[:, 0] for band in found.interval(each))
            for n in site.looked_at:
                belief = float(site.belief[n])
                rows.append(
                    {
                        "law": law.name,
                        "operator": site.operator + 1,
                        "type": int(n) + 1,
                        "latency_s": site.agreed_s[n],
                        "belief": belief,
                        "probability": seen[n],
                        "ci_low": low[n],
                        "ci_high": high[n],
                        "verdict": str(verdicts(belief, low[n], high[n])),
                        "ratio": belief / seen[n] if seen[n] > 0 else np.inf,
                        "replications": replications,
                        "tasks": int(found.tasks[:, n].sum()),
                    }
                )
            on_done(f"{law.name}, {site.name}")
    return pd.DataFrame(rows)


def summarise_beyond(rows: pd.DataFrame) -> pd.DataFrame:
    """A row per law: pairs, how many are violated beyond doubt, least belief/probability, where."""
    answers = []
    for law, group in rows.groupby("law", sort=False):
        worst = group.loc[group["ratio"].idxmin()]
        answers.append(
            {
                "law": law,
                "pairs": len(group),
                "violated": int((group["verdict"] == VIOLATED).sum()),
                "least_ratio": float(worst["ratio"]),
                "operator": int(worst["operator"]),
                "type": int(worst["type"]),
                "belief": float(worst["belief"]),
                "probability": float(worst["probability"]),
            }
        )
    return pd.DataFrame(answers)
