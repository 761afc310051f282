"""How wrong the beliefs get when work is not exponential and arrivals are not Poisson.

Every law has the loads of the solved market; only the variability differs. Bursts and recorded
arrivals are shared by all types of an operator, as they are in a market. The intervals take
replications for what is independent, not tasks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.intervals import cluster_proportion
from analysis.validation.offered import Offered
from analysis.validation.verdicts import VIOLATED, family_level, verdicts
from sim.arrival_laws import ArrivalLaw, Bursts, Poisson, Recorded, marked_arrivals
from sim.engine import simulate
from sim.laws import Deterministic, EmpiricalTasks, Exponential, Lognormal, TaskLaw
from sim.processors import processors
from sim.streams import stream
from sim.workload import Workload

if TYPE_CHECKING:
    from scenarios import Scenario

IntArray = NDArray[np.int64]

USUAL = "Poisson, exponential"  # what the theory is about; in the table to compare with
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
    sim.request_trace.TraceError
        When the trace cannot be read.
    """
    from agents.traffic import arrival_law, work_law
    from scenarios import TraceArrivals
    from sim.request_trace import read_azure_llm_2023

    found = [
        Law(USUAL, Poisson(), Exponential()),
        Law("deterministic work", Poisson(), Deterministic()),
        Law(f"lognormal work, cv {LOGNORMAL_CV:g}", Poisson(), Lognormal(LOGNORMAL_CV)),
        Law("bursts of arrivals", BURSTS, Exponential()),
    ]
    arrivals = scenario.simulation.arrivals
    own_trace = arrivals if isinstance(arrivals, TraceArrivals) else None
    if trace is None and own_trace is not None:
        trace = Path(own_trace.trace)
    if trace is not None:
        requests = read_azure_llm_2023(trace)
        work = EmpiricalTasks.of_requests(requests)
        recorded = Recorded(requests.arrival_s)
        found += [
            Law("measured work", Poisson(), work),
            Law("measured work and arrivals", recorded, work),
        ]
    if own_trace is None and not is_usual(scenario):
        own = arrival_law(scenario.simulation), work_law(scenario.task)
        found.append(Law("this scenario's own", *own))
    return found


def is_usual(scenario: Scenario) -> bool:
    """Whether a scenario asks for Poisson arrivals and exponential work.

    Examples
    --------
    >>> from scenarios import load_scenario
    >>> is_usual(load_scenario("bound_fails"))
    True
    >>> is_usual(load_scenario("bound_fails", ["task.law=deterministic"]))
    False
    """
    return scenario.task.law == "exponential" and scenario.simulation.arrivals == "poisson"


def late_tasks(
    site: Offered,
    law: Law,
    latency_s: NDArray[np.float64],
    *,
    seed: int,
    replications: int = REPLICATIONS,
    tasks: int = TASKS,
) -> tuple[IntArray, IntArray]:
    """Tasks that took longer than a latency, and tasks, by replication and type, (R, N) each.

    Parameters
    ----------
    site : Offered
    law : Law
    latency_s : array (N,)
    seed : int
        Equal seeds give other laws the same chance where they can use it, and any number of
        threads the same answer.
    replications : int
        R, each from an empty system.
    tasks : int
        To be expected in all replications together, the warm-up included.
    """
    rates = np.where(np.isin(np.arange(site.types), site.looked_at), site.own_rate_per_s, 0.0)
    if not rates.any():
        return np.zeros((2, replications, site.types), dtype=np.int64)  # type: ignore[return-value]
    horizon_s = tasks / replications / float(rates.sum())

    def play(replication: int) -> tuple[IntArray, IntArray]:
        keys = site.operator, replication
        arrival_s, type_ = marked_arrivals(
            law.arrivals, stream(seed, "beyond arrivals", *keys), rates, 0.0, horizon_s
        )
        nobody = np.zeros(arrival_s.size, dtype=np.int64)
        work = law.work.work(stream(seed, "beyond work", *keys), arrival_s.size)
        workload = Workload(
            task=np.arange(arrival_s.size), arrival_s=arrival_s, type=type_, operator=nobody,
            user=nobody, service_s=work / site.service_rate_per_s,
        )  # fmt: skip
        # at its end every measured task is done, or later than its latency
        until_s = horizon_s + float(latency_s.max()) + 1e-9 * horizon_s
        trace, state = simulate(
            workload, site.servers[np.newaxis], until_s=until_s, engine="compiled"
        )
        types = np.concatenate([trace.type, state.type])
        arrived_s = np.concatenate([trace.arrival_s, state.arrival_s])
        took_s = np.concatenate([trace.latency_s, np.full(len(state), np.inf)])
        measured = arrived_s >= WARM_UP_PART * horizon_s
        late = measured & (took_s > latency_s[types])
        count = [np.bincount(types[chosen], minlength=site.types) for chosen in (late, measured)]
        return count[0], count[1]

    with ThreadPoolExecutor(processors()) as pool:
        counted = list(pool.map(play, range(replications)))
    return np.array([late for late, _ in counted]), np.array([all_ for _, all_ in counted])


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
        As in `late_tasks`, for each operator and law.
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
            late, counted = late_tasks(
                site, law, site.agreed_s, seed=seed, replications=replications, tasks=tasks
            )
            for n in site.looked_at:
                seen = cluster_proportion(late[:, n], counted[:, n], each)
                belief = float(site.belief[n])
                rows.append(
                    {
                        "law": law.name,
                        "operator": site.operator + 1,
                        "type": int(n) + 1,
                        "latency_s": site.agreed_s[n],
                        "belief": belief,
                        "probability": seen.estimate,
                        "ci_low": seen.low,
                        "ci_high": seen.high,
                        "verdict": str(verdicts(belief, seen.low, seen.high)),
                        "ratio": belief / seen.estimate if seen.estimate > 0 else np.inf,
                        "replications": replications,
                        "tasks": int(counted[:, n].sum()),
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
