"""Traffic: where the demand of a round comes from, and which way the tasks of a user go."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from airan_market.agents.primitives.services import WORK, by_type
from airan_market.scenarios import (
    BurstArrivals,
    LognormalWork,
    Scenario,
    TokenWork,
    TraceArrivals,
    TraceWork,
)
from airan_market.scenarios.registry import BELIEFS
from airan_market.sim.arrays import FloatArray
from airan_market.sim.streams import stream
from airan_market.sim.traffic.arrival_laws import ArrivalLaw, Bursts, Intensity, Poisson, Recorded
from airan_market.sim.traffic.demand import POISSON, Demand, drawn_demand, recorded_demand
from airan_market.sim.traffic.request_trace import (
    RequestTrace,
    read_azure_llm_2023,
    read_mooncake_2025,
    read_tasks,
)
from airan_market.sim.traffic.servegen import read_servegen_2025
from airan_market.sim.traffic.trace_file import TraceError, stamp
from airan_market.sim.traffic.work_laws import (
    Deterministic,
    EmpiricalTasks,
    Exponential,
    Lognormal,
    TaskLaw,
    Tokens,
)

Law = TypeVar("Law")


class Traffic(Protocol):
    """A source of demand."""

    def demand(self, round_: int, start_s: float, duration_s: float, first_task: int) -> Demand:
        """Tasks that all users ask for in [start_s, start_s + duration_s)."""
        ...

    def mean_tasks(self, start_s: float, duration_s: float) -> float:
        """Mean number of tasks in a span."""
        ...

    def under(
        self, users_by_type: NDArray[np.int64], tasks_per_user_per_s: float | FloatArray
    ) -> Traffic:
        """The traffic of those who are present in a round, at the rate at which they ask."""
        ...

    @property
    def notes(self) -> Sequence[str]:
        """Plain sentences that a reader of the run should know."""
        ...


def traffic_of(scenario: Scenario, seed: int, users_by_type: NDArray[np.int64]) -> Traffic:
    """Drawn or recorded traffic, as the scenario asks.

    Raises
    ------
    airan_market.sim.traffic.trace_file.TraceError
        When the recorded requests cannot be read.
    """
    scenario = scenario.folded
    task, simulation, asked = scenario.task, scenario.simulation, scenario.simulation.arrivals
    if isinstance(asked, TraceArrivals):
        trace = _recorded(asked, seed, tuple(users_by_type.tolist()))
        return RecordedTraffic(trace, _of_trace(scenario, asked, trace))
    arrivals = arrival_law(asked)
    end_s = simulation.warmup_s + simulation.rounds * simulation.horizon_s
    return DrawnTraffic(
        seed,
        users_by_type,
        scenario.users.tasks_per_user_per_s
        if scenario.services is None
        else by_type(scenario, "tasks_per_user_per_s"),
        work_law(task.law),
        (task.input_bits, task.work_flop, task.output_bits)
        if scenario.services is None
        else np.stack([by_type(scenario, key) for key in WORK], axis=-1),
        # a little more: the rounds' starts are sums, which round in another way
        arrivals.intensity(stream(seed, "bursts"), end_s * (1 + 1e-9)),
        _unlike(scenario, arrivals, _asked_per_s(scenario, users_by_type)),
    )


def work_law(law: LognormalWork | TokenWork | TraceWork | str) -> TaskLaw:
    """Law of the demands of a task over their means, as a scenario asks.

    Raises
    ------
    airan_market.sim.traffic.trace_file.TraceError
        When its file of requests cannot be read, or has no context or no answer in it.

    Examples
    --------
    >>> from airan_market.scenarios import load_scenario
    >>> work_law(load_scenario("teleoperation", ["task.law.lognormal_cv=2"]).task.law)
    Lognormal(cv=2.0)
    """
    if isinstance(law, LognormalWork):
        return Lognormal(law.lognormal_cv)
    if isinstance(law, TokenWork):
        return Tokens(**dict(law))
    if isinstance(law, TraceWork):
        columns = [0, 2, 2] if law.work_of == "answer" else [0, 1, 2]
        return _of_requests(
            law.trace, law.format, lambda trace: EmpiricalTasks(trace.work[:, columns])
        )
    return Deterministic() if law == "deterministic" else Exponential()


def arrival_law(arrivals: BurstArrivals | str) -> Poisson | Bursts:
    """Law of arrivals that are drawn, as a scenario asks.

    Examples
    --------
    >>> from airan_market.scenarios import load_scenario
    >>> bursts = load_scenario("teleoperation", ["simulation.arrivals.burst_ratio=4"])
    >>> arrival_law(bursts.simulation.arrivals)
    Bursts(ratio=4.0, share=0.1, mean_s=1.0)
    """
    if isinstance(arrivals, BurstArrivals):
        return Bursts(arrivals.burst_ratio, arrivals.burst_share, arrivals.burst_mean_s)
    return Poisson()


def laws_of(scenario: Scenario) -> tuple[TaskLaw, ArrivalLaw]:
    """Laws of work and arrivals of a scenario, or of its recorded requests.

    Recorded requests come at their recorded times, stretched to the load in question, and need
    what one of them, drawn at random, needed.

    Raises
    ------
    airan_market.sim.traffic.trace_file.TraceError
        When a file of requests cannot be read, or has no law in it.

    Examples
    --------
    >>> from airan_market.scenarios import load_scenario
    >>> laws_of(load_scenario("teleoperation"))
    (Exponential(), Poisson())
    """
    arrivals = scenario.simulation.arrivals
    if isinstance(arrivals, TraceArrivals):
        return laws_of_requests(arrivals.trace, arrivals.format)
    return work_law(scenario.task.law), arrival_law(arrivals)


def laws_of_requests(
    path: str | Path, format_: str = "azure-llm-2023"
) -> tuple[TaskLaw, ArrivalLaw]:
    """Laws of the requests of a file; see `laws_of`."""
    return _of_requests(
        path, format_, lambda trace: (EmpiricalTasks(trace.work), Recorded(trace.arrival_s))
    )


def _of_requests(
    path: str | Path, format_: str, law_of: Callable[[RequestTrace | Demand], Law]
) -> Law:
    trace = _read(str(path), format_, None, 0, stamp(path))
    try:
        return law_of(trace)
    except ValueError as error:
        raise TraceError([f"{path}: {error}"]) from None


_REQUESTS = {
    "azure-llm-2023": read_azure_llm_2023,
    "mooncake-2025": read_mooncake_2025,
    "servegen-2025": read_servegen_2025,
}


@lru_cache(maxsize=2)
def _read(
    path: str, format_: str, users: tuple[int, ...] | None, seed: int, stamp: int
) -> RequestTrace | Demand:
    if format_ == "tasks":
        return read_tasks(path, users, seed)
    return _REQUESTS[format_](path)


def knows_traffic(belief: str) -> bool:
    """Whether a belief may reckon with other traffic than Poisson arrivals of exponential work.

    Of those that others bring nothing is known.

    Examples
    --------
    >>> knows_traffic("fifo"), knows_traffic("measured"), knows_traffic("mine")
    (False, True, True)
    """
    return belief == "measured" or belief not in BELIEFS.ours


@dataclass(frozen=True, eq=False)
class DrawnTraffic:
    """Arrivals and work drawn from named streams; one intensity for all types and the whole run.

    Attributes
    ----------
    seed : int
    users_by_type : array (N,) of int
    tasks_per_user_per_s : float, or array (N,)
    law : TaskLaw
    mean_work : sequence of 3 float, or array (N, 3)
        By default work is relative, over its mean.
    intensity : Intensity
    notes : sequence of str
        As in `Traffic`.
    first_user : array (N,) of int, optional
        As of `drawn_demand`.
    """

    seed: int
    users_by_type: NDArray[np.int64]
    tasks_per_user_per_s: float | FloatArray
    law: TaskLaw
    mean_work: Sequence[float] | FloatArray = (1.0, 1.0, 1.0)
    intensity: Intensity = POISSON
    notes: Sequence[str] = ()
    first_user: NDArray[np.int64] | None = None

    def demand(self, round_: int, start_s: float, duration_s: float, first_task: int) -> Demand:
        """Draw the tasks of a round."""
        return drawn_demand(
            self.seed,
            round_,
            start_s,
            duration_s,
            self.users_by_type,
            self.tasks_per_user_per_s,
            self.mean_work,
            first_task,
            intensity=self.intensity,
            law=self.law,
            first_user=self.first_user,
        )

    def under(
        self, users_by_type: NDArray[np.int64], tasks_per_user_per_s: float | FloatArray
    ) -> DrawnTraffic:
        """Those present are the first of every type, and keep their numbers."""
        first = np.cumsum(self.users_by_type) - self.users_by_type
        return replace(
            self,
            users_by_type=users_by_type,
            tasks_per_user_per_s=tasks_per_user_per_s,
            first_user=first if self.first_user is None else self.first_user,
        )

    def mean_tasks(self, start_s: float, duration_s: float) -> float:
        """Mean number of tasks in a span: users × rate × duration, bursts or not."""
        if np.ndim(self.tasks_per_user_per_s):
            return float((self.users_by_type * self.tasks_per_user_per_s).sum()) * duration_s
        return float(self.users_by_type.sum()) * float(self.tasks_per_user_per_s) * duration_s


def _asked_per_s(scenario: Scenario, users_by_type: NDArray[np.int64]) -> float:
    if scenario.services is None:
        return float(users_by_type.sum()) * scenario.users.tasks_per_user_per_s
    return float((users_by_type * by_type(scenario, "tasks_per_user_per_s")).sum())


def _unlike(scenario: Scenario, arrivals: ArrivalLaw, rate_per_s: float) -> list[str]:
    """Say what of drawn traffic operators do not reckon with."""
    law, belief = scenario.task.law, scenario.mechanism.belief
    unlike = [] if law == "exponential" else [f"work is {_law_text(law)}"]
    if isinstance(arrivals, Bursts):
        dispersion = arrivals.dispersion(rate_per_s, scenario.simulation.horizon_s)
        unlike.append(
            f"arrivals come in bursts (the number of all users' tasks in a round has "
            f"{dispersion:.3g} times the variance of Poisson arrivals)"
        )
    if not unlike or knows_traffic(belief):
        return []
    return [
        f"In the traffic {' and '.join(unlike)}; the belief {belief!r} reckons with Poisson "
        "arrivals and exponential work."
    ]


def _law_text(law: LognormalWork | TokenWork | TraceWork | str) -> str:
    if isinstance(law, TokenWork):
        return (
            f"lognormal prompts and answers with coefficients of variation {law.prompt_cv:g} and "
            f"{law.answer_cv:g}"
        )
    if isinstance(law, LognormalWork):
        return f"lognormal with coefficient of variation {law.lognormal_cv:g}"
    if isinstance(law, TraceWork):
        return f"that of the requests of {Path(law.trace).name}"
    return law


@dataclass(frozen=True, eq=False)
class RecordedTraffic:
    """Tasks of a trace, at the pace that they are played at; the rest is as in `DrawnTraffic`."""

    trace: Demand
    notes: Sequence[str] = ()

    def demand(self, round_: int, start_s: float, duration_s: float, first_task: int) -> Demand:
        """Take the tasks of a round."""
        return self.trace.between(start_s, start_s + duration_s, first_task)

    def under(
        self, users_by_type: NDArray[np.int64], tasks_per_user_per_s: float | FloatArray
    ) -> RecordedTraffic:
        """Itself: what was recorded was asked for."""
        return self

    def mean_tasks(self, start_s: float, duration_s: float) -> float:
        """Number of the tasks recorded in a span."""
        return len(self.trace.between(start_s, start_s + duration_s, 0))


def _recorded(arrivals: TraceArrivals, seed: int, users: tuple[int, ...]) -> Demand:
    """Tasks of a trace at the pace they are played at; requests are tasks by their tokens."""
    trace = _read(arrivals.trace, arrivals.format, users, seed, stamp(arrivals.trace))
    if isinstance(trace, RequestTrace):
        bits, flop = arrivals.bits_per_token, arrivals.flop_per_token
        work = trace.work * np.array([bits, flop, bits], dtype=np.float64)
        trace = recorded_demand(trace.arrival_s, work, users, seed)
    return replace(trace, arrival_s=trace.arrival_s / arrivals.speed_up)


def _of_trace(scenario: Scenario, arrivals: TraceArrivals, trace: Demand) -> list[str]:
    """Compare a trace with what the scenario says of its users and tasks."""
    simulation, users = scenario.simulation, scenario.users
    end_s = simulation.warmup_s + simulation.rounds * simulation.horizon_s
    played = int((trace.arrival_s < end_s).sum())
    length_s = float(trace.arrival_s[-1])
    busy_s = min(length_s, end_s) or 1.0  # one request alone has no rate
    gpu_flop = float(trace.work[:, 1].mean())
    promised_per_s = users.total * users.tasks_per_user_per_s
    return [
        f"The trace {Path(arrivals.trace).name} offers {played / busy_s:.4g} tasks/s; "
        f"the scenario's users promise {promised_per_s:.4g} tasks/s.",
        f"{played} of {len(trace)} requests are played, {length_s:.4g} s of traffic at "
        f"{arrivals.speed_up:g} times its pace; the run ends at {end_s:g} s.",
        f"The mean work of a request is {gpu_flop:.4g} FLOP; the scenario's operators design "
        f"for {scenario.task.work_flop:.4g} FLOP.",
    ]
