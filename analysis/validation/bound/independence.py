r"""How wrong it is to multiply the transforms of two stations, over load, servers and priority.

The preemptive-resume law of one station is exact. That of a tandem is computed as if a task's
sojourns at its stations were independent. With one server a station the highest type meets
independent sojourns (Reich 1957); a lower type leaves the first station just when few tasks above
it are there, and meets the second in a biased state; with more servers tasks overtake one another.

`map` compares a formula with a formula. Here the truth has to be simulated: two equal stations, at
latencies that the law of independent stages says are exceeded with given probabilities. Time is in
mean service times, so the table is of no market; `airan-market validate` makes it where two stages
of one operator queue (`queue_twice`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from airan_market.analysis.validation.offered import Offered, latency_of
from airan_market.analysis.verdict import UNDECIDED, Verdict, of_bound
from airan_market.sim.estimation.experiment import replicate
from airan_market.sim.estimation.intervals import family_level
from airan_market.sim.estimation.tandem import TandemModel
from airan_market.sim.theory.erlang import erlang_c
from airan_market.sim.theory.preemptive import class_end_to_end_tail

#: Servers, loads Λ / (c μ) and positions Λ / λ of the lower of two types; 1: it is alone.
SERVERS = (1, 2, 4, 16)
LOADS = (0.5, 0.7, 0.8, 0.9)
POSITIONS = (1, 2, 9)
#: What the law of independent stages says of the latencies that are looked at.
LEVELS = (0.1, 0.01)
REPLICATIONS = 24
#: Tasks of all types that are played in each cell, over all replications.
TASKS = 3_000_000
WARM_UP_PART = 0.2
#: A stage queues when one task in a hundred finds all its servers busy.
QUEUES = 0.01
#: Verdicts on the law of independent stages.
WORDS = {
    Verdict.HOLDS: "too high beyond doubt",
    Verdict.FAILS: "too low beyond doubt",
    Verdict.UNDECIDED: UNDECIDED,
}
HIGH, LOW = WORDS[Verdict.HOLDS], WORDS[Verdict.FAILS]


def queue_twice(site: Offered) -> bool:
    """Whether two stages of an operator queue, so that their independence matters.

    Examples
    --------
    >>> from airan_market.analysis.validation.offered import offered
    >>> from airan_market.scenarios import load_scenario
    >>> [queue_twice(offered(load_scenario(name), seed=1)[0])
    ...  for name in ("bound_fails", "two_bottlenecks")]
    [False, True]
    """
    load = site.own_rate_per_s.sum() / site.service_rate_per_s
    below = np.minimum(load, site.servers * (1 - 1e-9))  # saturated: all wait
    return int((erlang_c(site.servers, below) > QUEUES).sum()) > 1


def summarise_independence(rows: pd.DataFrame) -> list[dict[str, object]]:
    """A row per position and level: tails, how many are too low and too high, the worst of each."""
    answers: list[dict[str, object]] = []
    for (position, level), group in rows.groupby(["position", "independent"], sort=True):
        low, high = (group[group["verdict"] == word] for word in (LOW, HIGH))
        answers.append(
            {
                "position": float(position),
                "independent": float(level),
                "tails": len(group),
                "too_low": len(low),
                "too_high": len(high),
                "lowest_error": float(low["error"].min()) if len(low) else None,
                "highest_error": float(high["error"].max()) if len(high) else None,
            }
        )
    return answers


def independence_table(
    level: float,
    *,
    seed: int,
    servers: Sequence[int] = SERVERS,
    loads: Sequence[float] = LOADS,
    positions: Sequence[float] = POSITIONS,
    levels: Sequence[float] = LEVELS,
    replications: int = REPLICATIONS,
    tasks: float = TASKS,
    on_done: Callable[[str], None] = lambda what: None,
) -> pd.DataFrame:
    """The law of independent stages against two simulated stations in a row.

    Parameters
    ----------
    level : float
        With which all intervals of the table together cover their truths (Bonferroni).
    seed : int
    servers, loads, positions : sequence
        c of each station, Λ / (c μ) of all types, and Λ / λ of the lowest, at least 1.
    levels : sequence of float
        P(T > t) by independent stages at the latencies that are looked at, in (0, 1).
    replications : int
    tasks : float
        Of all types in each cell, the warm-up included.
    on_done : function
        Told of each number of servers and load as it is finished.

    Returns
    -------
    DataFrame
        A row per servers, load, position and level: `latency_s` (in mean service times),
        `independent` = P(T > t) as if the stages were independent, `probability, ci_low, ci_high`
        simulated, `error` = independent/probability - 1, `verdict`, `replications`, `tasks`.

    Examples
    --------
    >>> rows = independence_table(0.95, seed=1, servers=[1], loads=[0.5], positions=[1],
    ...                           levels=[0.1], tasks=2e4)
    >>> rows[["independent", "verdict"]].round(6).to_numpy().tolist()
    [[0.1, 'undecided']]
    """
    each = family_level(len(servers) * len(loads) * len(positions) * len(levels), level)
    believed = np.asarray(levels, dtype=float)
    rows = []
    for c in servers:
        for load in loads:
            for position in positions:
                own = load * c / position
                rates = np.array([own] if position == 1 else [load * c - own, own])
                stations = np.array([c, c, 1]), np.array([1.0, 1.0, np.inf])
                law = np.array([c, c]), np.ones(2), rates

                def tail(latency_s: np.ndarray, law: tuple = law) -> np.ndarray:
                    at = np.broadcast_to(latency_s, (law[2].size, latency_s.size))
                    return class_end_to_end_tail(at, *law)[-1]

                latency = latency_of(tail, believed, 2.0)
                horizon = tasks / replications / (load * c)
                found = replicate(
                    TandemModel(*stations, rates),
                    np.broadcast_to(latency, (rates.size, latency.size)),
                    seed=seed,
                    replications=replications,
                    horizon_s=horizon,
                    warmup=WARM_UP_PART * horizon,
                )
                seen, low, high = (band[-1] for band in found.interval(each))
                rows += [
                    {
                        "servers": c,
                        "load": load,
                        "position": position,
                        "latency_s": latency[k],
                        "independent": believed[k],
                        "probability": seen[k],
                        "ci_low": low[k],
                        "ci_high": high[k],
                        "error": believed[k] / seen[k] - 1 if seen[k] > 0 else np.inf,
                        "verdict": WORDS[of_bound(believed[k], low[k], high[k])],
                        "replications": replications,
                        "tasks": int(found.tasks[:, -1].sum()),
                    }
                    for k in range(believed.size)
                ]
            on_done(f"independence, {c} server{'s' * (c > 1)} a station, load {load:g}")
    return pd.DataFrame(rows)
