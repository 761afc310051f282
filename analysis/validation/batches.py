"""GPUs that batch: how wrong the latencies are that M/M/c beliefs promise, and which is nearest.

An operator whose GPUs batch (`sim.engines.batching`) and who believes in an M/M/c station promises
the latency that the belief says all but a part `LATE` of the tasks keep. What the same part keeps
at the GPU itself is simulated, at the solved loads and at lower and higher ones of the same mix of
types. Two more promises are made of the very tasks of the simulation, sent through the M/M/c
station: one on the whole answer, one on the first token, which there is read where a service
begins, its prompt has been read and a token written in a full batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from airan_market.analysis.validation.offered import Offered, latency_of
from airan_market.analysis.verdict import UNDECIDED, Verdict, of_value
from airan_market.scenarios.registry import BELIEFS
from airan_market.scenarios.schema.checks.consistency import CONTINUOUS
from airan_market.sim.arrays import FloatArray
from airan_market.sim.estimation.intervals import family_level

if TYPE_CHECKING:
    from airan_market.scenarios import Scenario
    from airan_market.sim.engines.batching import ContinuousBatching
    from airan_market.sim.trace import Trace

#: Part of the tasks that may be late: a promise is to be kept nineteen times in twenty.
LATE = 0.05
#: Loads to look at besides the solved one, of the capacity of the fitted station.
LOADS = (0.4, 0.6, 0.8, 0.9)
REPLICATIONS = 10
#: Tasks of all replications of an operator at a load, at the most.
TASKS = 20_000
WARM_UP, COOL_DOWN = 0.2, 0.05  # parts of a replication whose tasks are not counted
#: Chance of not calling a settled queue one that grows.
GROWTH_LEVEL = 0.999
ANSWER, FIRST = "whole answer", "first token"
SAME_TASKS = "M/M/c, same tasks"
#: What a promise is, in place of too low and too high.
WORDS = {Verdict.BELOW: "too long", Verdict.ABOVE: "too short", Verdict.HOLDS: UNDECIDED,
         Verdict.UNDECIDED: UNDECIDED}  # fmt: skip
TOO_LONG, TOO_SHORT = WORDS[Verdict.BELOW], WORDS[Verdict.ABOVE]
GROWS, SHORT_RUN, NO_PROMISE = "latencies grow", "run too short", "promises none"
#: A queue forgets how it began in this many tasks of the types felt, over (1 − load)².
FORGETTING = 4.0


def batches(scenario: Scenario) -> bool:
    """Whether a scenario's GPUs batch.

    Examples
    --------
    >>> from airan_market.scenarios import load_scenario
    >>> batches(load_scenario("batching")), batches(load_scenario("teleoperation"))
    (True, False)
    """
    return scenario.simulation.discipline == CONTINUOUS


@dataclass(frozen=True, eq=False)
class Place:
    """An operator at a load.

    Attributes
    ----------
    site : Offered
    load : float
        Of all types, over the capacity of the fitted station.
    solved : bool
        Whether it is the load of the solved market.
    """

    site: Offered
    load: float
    solved: bool

    @property
    def rates_per_s(self) -> FloatArray:
        """Tasks/s of each type, (N,)."""
        own = self.site.own_rate_per_s
        return own if self.solved else own * self.load * self.site.capacity_per_s / own.sum()


@dataclass(frozen=True, eq=False)
class Played:
    """Latencies of one replication at the GPU that batches and at the M/M/c station.

    Attributes
    ----------
    type : (n,) array of int
    added : (N,) array
        Of each type, tasks under way when the last one arrives more than half-way there.
    true_s, fitted_s : dict
        By what is promised, `ANSWER` and `FIRST`: (n,) arrays, s.
    """

    type: np.ndarray
    added: FloatArray
    true_s: dict[str, FloatArray]
    fitted_s: dict[str, FloatArray]


def places(sites: Sequence[Offered], loads: Sequence[float] = LOADS) -> list[Place]:
    """Operators with traffic at their solved load and at the others."""
    return [
        Place(site, load, solved)
        for site in sites
        if site.own_rate_per_s.sum() > 0
        for load, solved in (
            (site.load_per_s[-1] / site.capacity_per_s, True),
            *((load, False) for load in loads),
        )
    ]


def batch_table(
    scenario: Scenario,
    sites: Sequence[Offered],
    level: float,
    *,
    seed: int,
    tasks: int = TASKS,
    replications: int = REPLICATIONS,
    loads: Sequence[float] = LOADS,
    on_done: Callable[[str], None] = lambda what: None,
) -> pd.DataFrame:
    """Promised latencies and those that are kept, by operator, load, type, promise and belief.

    Parameters
    ----------
    scenario : Scenario
        Whose GPUs batch.
    sites : sequence of Offered
    level : float
        With which all intervals of the table together cover their truths (Bonferroni).
    seed : int
    tasks, replications : int
        Of each operator and load, the beginning and the end of a replication included.
    loads : sequence of float
        Besides the solved one.
    on_done : function
        Told of each operator and load as it is finished.

    Returns
    -------
    DataFrame
        `operator, type, load, solved, promise` ("whole answer" or "first token"), `belief`,
        `late` (part of the tasks), `promised_s` (infinite where the belief has no capacity left),
        `true_s` with `true_low_s` and `true_high_s`, `error` = promised/true − 1 with `error_low`
        and `error_high`, `late_simulated` (part of the tasks later than promised), `verdict`,
        `replications, tasks`. Where latencies grow through the run, or the load is so high that
        its beginning is still felt, there is no truth.
    """
    every = places(sites, loads)
    each = family_level(max(2 * sum(place.site.types for place in every), 1), level)
    rows: list[dict[str, Any]] = []
    for place in every:
        played = [
            play(scenario, place, seed, run, tasks / replications) for run in range(replications)
        ]
        rows += _rows(place, _promises(scenario, place, seed), played, each, tasks / replications)
        on_done(f"{place.site.name}: batches at {place.load:.0%} load")
    return pd.DataFrame(rows)


def play(scenario: Scenario, place: Place, seed: int, run: int, tasks: float) -> Played:
    """One replication: the same tasks at the GPU that batches and at the M/M/c station."""
    from airan_market.agents.primitives.traffic import laws_of
    from airan_market.sim.engines.batching_counted import timed
    from airan_market.sim.engines.engine import simulate
    from airan_market.sim.estimation.tandem import TandemModel

    site, rates = place.site, place.rates_per_s
    model = TandemModel(site.servers, site.service_rate_per_s, rates, *laws_of(scenario))
    span_s = tasks / rates.sum()
    work = model.arrivals(seed, run, "batches").until(span_s)
    until_s = span_s + float(work.service_s.sum()) + 1.0  # by then every task is through
    station, first_token_s = timed(_station(scenario, site.operator))
    servers = site.servers[np.newaxis]
    true, _ = simulate(work, servers, until_s=until_s, station=station)
    fitted, _ = simulate(work, servers, until_s=until_s)
    inside = (true.arrival_s >= WARM_UP * span_s) & (true.arrival_s < (1 - COOL_DOWN) * span_s)
    first_s = np.array([first_token_s[number] for number in true.task.tolist()]) - true.arrival_s
    begun_s = _first_token_s(station, fitted) - fitted.arrival_s
    return Played(
        true.type[inside],
        _under_way(true, span_s, site.types) - _under_way(true, span_s / 2, site.types),
        {ANSWER: true.latency_s[inside], FIRST: first_s[inside]},
        {ANSWER: fitted.latency_s[inside], FIRST: begun_s[inside]},
    )


def _under_way(trace: Trace, time_s: float, types: int) -> FloatArray:
    there = (trace.arrival_s < time_s) & (trace.stage_end_s[:, -1] >= time_s)
    return np.bincount(trace.type[there], minlength=types).astype(np.float64)


def _station(scenario: Scenario, operator: int) -> type[ContinuousBatching]:
    """The discipline of a scenario, for this operator alone."""
    from airan_market.agents.primitives.stations import engine_of

    station: type[ContinuousBatching] = engine_of(scenario)["station"]
    own = station.radio_token_s[operator : operator + 1]
    return type(station.__name__, (station,), {"radio_token_s": own})


def _first_token_s(station: type[ContinuousBatching], fitted: Trace) -> FloatArray:
    """When an M/M/c station would have written the first token of its tasks, s."""
    asked = station.settings
    prompt: FloatArray | float = asked.prompt_tokens
    if asked.bits_per_token is not None:
        prompt = np.rint(fitted.service_s[:, 0] / station.radio_token_s[0][0])
    begun_s = fitted.stage_end_s[:, 1] - fitted.service_s[:, 1]
    return begun_s + prompt * asked.prompt_token_s + asked.token_s


def _promises(scenario: Scenario, place: Place, seed: int) -> dict[str, FloatArray]:
    """Latencies that beliefs say all but `LATE` keep, by belief, (N,), s."""
    from airan_market.agents.belief import believe
    from airan_market.agents.primitives.traffic import laws_of
    from airan_market.sim.estimation.pilot import PilotRun

    site = place.site
    load_per_s = np.cumsum(place.rates_per_s)
    pilot = PilotRun(*laws_of(scenario), seed)
    names = dict.fromkeys([*BELIEFS.ours, scenario.mechanism.belief])
    stages = site.servers.astype(np.float64), site.service_rate_per_s
    return {
        name: latency_of(
            believe(name, *stages, load_per_s, site.zeta, pilot).probability,
            np.full(site.types, LATE),
            float((1 / site.service_rate_per_s).sum()),
        )
        for name in names
    }


def _rows(
    place: Place,
    promised: dict[str, FloatArray],
    played: list[Played],
    level: float,
    tasks: float,
) -> list[dict[str, Any]]:
    rows = []
    for n in range(place.site.types):
        mine = [one.type == n for one in played]
        counted = int(sum(m.sum() for m in mine))
        common = {
            "operator": place.site.operator + 1,
            "type": n + 1,
            "load": place.load,
            "solved": place.solved,
            "replications": len(played),
            "tasks": counted,
        }
        if min(m.sum() for m in mine) < 1 / LATE:
            continue  # too few to know one in twenty
        unknown = ""
        if _grows(np.array([one.added[n] for one in played])):
            unknown = GROWS
        elif not _forgets(place, n, tasks):
            unknown = SHORT_RUN
        for what in (ANSWER, FIRST):
            truth = [one.true_s[what][m] for one, m in zip(played, mine, strict=True)]
            fitted = [one.fitted_s[what][m] for one, m in zip(played, mine, strict=True)]
            says = {SAME_TASKS: _quantile(fitted, level)[0]}
            if what == ANSWER:
                says = {name: latency[n] for name, latency in promised.items()} | says
            for belief, promise_s in says.items():
                row = {"promise": what, "belief": belief, "late": LATE, "promised_s": promise_s}
                rows.append(common | row | _judged(promise_s, truth, level, unknown))
    return rows


def _quantile(latencies: list[FloatArray], level: float) -> tuple[float, float, float]:
    """Latency that `LATE` pass, and its interval: Student's of its logarithm over replications."""
    from airan_market.sim.estimation.intervals import student

    logs = np.log([np.quantile(one, 1 - LATE) for one in latencies])
    width = student(len(logs) - 1, level) * logs.std(ddof=1) / np.sqrt(len(logs))
    middle = logs.mean()
    low, high = np.exp([middle - width, middle + width])
    return float(np.exp(middle)), float(low), float(high)


def _grows(added: FloatArray) -> bool:
    """Whether a queue grows: more under way at the end than half-way, beyond doubt."""
    from airan_market.sim.estimation.intervals import student

    width = student(len(added) - 1, 2 * GROWTH_LEVEL - 1) * added.std(ddof=1) / np.sqrt(len(added))
    return bool(added.mean() > width)


def _forgets(place: Place, n: int, tasks: float) -> bool:
    """Whether the beginning that is not counted is long enough for a replication of `tasks`."""
    felt_per_s = place.rates_per_s[: n + 1].sum()
    load = felt_per_s / place.site.capacity_per_s
    begun = WARM_UP * tasks * felt_per_s / place.rates_per_s.sum()
    return bool(load < 1 and begun >= FORGETTING / (1 - load) ** 2)


def _judged(
    promise_s: float, truth: list[FloatArray], level: float, unknown: str
) -> dict[str, Any]:
    late = float(np.mean(np.concatenate(truth) > promise_s))
    answer: dict[str, Any] = dict.fromkeys(
        ("true_s", "true_low_s", "true_high_s", "error", "error_low", "error_high"), np.nan
    )
    if unknown:
        return answer | {"late_simulated": late, "verdict": unknown}
    true_s, low_s, high_s = _quantile(truth, level)
    answer |= {"true_s": true_s, "true_low_s": low_s, "true_high_s": high_s}
    if not np.isfinite(promise_s):
        return answer | {"late_simulated": 0.0, "verdict": NO_PROMISE}
    error, error_low, error_high = promise_s / np.array([true_s, high_s, low_s]) - 1
    verdict = WORDS[of_value(promise_s, low_s, high_s)]
    return answer | {"error": error, "error_low": error_low, "error_high": error_high,
                     "late_simulated": late, "verdict": verdict}  # fmt: skip


def summarise_batches(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """A row per promise and belief, the nearest first: how far off and in which direction.

    Judged is what is settled and where every belief of that promise promises something, so that
    all are judged on the same pairs of operator, load and type. `nearness` is the median of
    |ln promised/true|, what all are ordered by; `median_error`, `least_error`, `greatest_error`
    are of promised/true − 1.
    """
    answers = []
    for promise, group in rows.groupby("promise", sort=False):
        keys = ["operator", "load", "type"]
        whole = group.groupby(keys)["error"].transform(lambda error: error.notna().all())
        for belief, judged in group[whole.astype(bool)].groupby("belief", sort=False):
            error = judged["error"]
            answers.append(
                {
                    "promise": promise,
                    "belief": belief,
                    "pairs": len(judged),
                    "nearness": float(np.abs(np.log1p(error)).median()),
                    "median_error": float(error.median()),
                    "least_error": float(error.min()),
                    "greatest_error": float(error.max()),
                    "too_short": int((judged["verdict"] == TOO_SHORT).sum()),
                    "too_long": int((judged["verdict"] == TOO_LONG).sum()),
                    "greatest_late": float(judged["late_simulated"].max()),
                }
            )
    order = {ANSWER: 0, FIRST: 1}
    return sorted(answers, key=lambda row: (order[row["promise"]], row["nearness"]))
