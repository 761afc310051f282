"""Traffic: where the demand of a round comes from, and which way the tasks of a user go."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from scenarios import Operator, Scenario, TraceArrivals
from sim.demand import Demand, poisson_demand, trace_demand
from sim.request_trace import read_azure_llm_2023

FloatArray = NDArray[np.float64]


class Traffic(Protocol):
    """A source of demand."""

    def demand(self, round_: int, start_s: float, duration_s: float, first_task: int) -> Demand:
        """Tasks that all users ask for in [start_s, start_s + duration_s)."""
        ...

    def notes(self) -> list[str]:
        """Plain sentences that a reader of the run should know."""
        ...


def traffic_of(scenario: Scenario, seed: int, users_by_type: NDArray[np.int64]) -> Traffic:
    """Poisson or recorded traffic, as the scenario asks.

    Raises
    ------
    sim.request_trace.TraceError
        When the recorded requests cannot be read.
    """
    arrivals = scenario.simulation.arrivals
    if isinstance(arrivals, TraceArrivals):
        return RecordedTraffic(scenario, arrivals, seed, users_by_type)
    return PoissonTraffic(scenario, seed, users_by_type)


class PoissonTraffic:
    """Poisson arrivals and exponential work, drawn from named streams."""

    def __init__(self, scenario: Scenario, seed: int, users_by_type: NDArray[np.int64]) -> None:
        task = scenario.task
        self._seed = seed
        self._users_by_type = users_by_type
        self._rate_per_s = scenario.users.tasks_per_user_per_s
        self._mean_work = [task.input_bits, task.work_flop, task.output_bits]

    def demand(self, round_: int, start_s: float, duration_s: float, first_task: int) -> Demand:
        """Draw the tasks of a round."""
        return poisson_demand(
            self._seed,
            round_,
            start_s,
            duration_s,
            self._users_by_type,
            self._rate_per_s,
            self._mean_work,
            first_task,
        )

    def notes(self) -> list[str]:
        """Nothing to say: demand is what the scenario promises."""
        return []


class RecordedTraffic:
    """Requests of a recorded trace, played at `speed_up` times their pace."""

    def __init__(
        self,
        scenario: Scenario,
        arrivals: TraceArrivals,
        seed: int,
        users_by_type: NDArray[np.int64],
    ) -> None:
        self._scenario = scenario
        self._arrivals = arrivals
        self._seed = seed
        self._users_by_type = users_by_type
        self._trace = read_azure_llm_2023(arrivals.trace)

    def demand(self, round_: int, start_s: float, duration_s: float, first_task: int) -> Demand:
        """Take the requests of a round."""
        return trace_demand(
            self._trace,
            self._seed,
            start_s,
            duration_s,
            self._users_by_type,
            speed_up=self._arrivals.speed_up,
            bits_per_token=self._arrivals.bits_per_token,
            flop_per_token=self._arrivals.flop_per_token,
            first_task=first_task,
        )

    def notes(self) -> list[str]:
        """Compare the trace with what the scenario says of its users and tasks."""
        scenario, trace = self._scenario, self._trace
        simulation, users = scenario.simulation, scenario.users
        end_s = simulation.warmup_s + simulation.rounds * simulation.horizon_s
        arrival_s = trace.arrival_s / self._arrivals.speed_up
        played = int((arrival_s < end_s).sum())
        length_s = float(arrival_s[-1])
        busy_s = min(length_s, end_s) or 1.0  # one request alone has no rate
        total = trace.context_tokens + trace.generated_tokens
        gpu_flop = float(total.mean()) * self._arrivals.flop_per_token
        promised_per_s = users.total * users.tasks_per_user_per_s
        return [
            f"The trace {Path(self._arrivals.trace).name} offers {played / busy_s:.4g} tasks/s; "
            f"the scenario's users promise {promised_per_s:.4g} tasks/s.",
            f"{played} of {len(trace)} requests are played, {length_s:.4g} s of traffic at "
            f"{self._arrivals.speed_up:g} times its pace; the run ends at {end_s:g} s.",
            f"The mean work of a request is {gpu_flop:.4g} FLOP; the scenario's operators design "
            f"for {scenario.task.work_flop:.4g} FLOP.",
        ]


def rates_of(operators: tuple[Operator, ...]) -> FloatArray:
    """Rate of one server by operator and stage, (M, 3): bit/s, FLOP/s, bit/s."""
    return np.array(
        [[o.uplink.rate_bps, o.gpu.rate_flop_per_s, o.downlink.rate_bps] for o in operators]
    )


def servers_of(operators: tuple[Operator, ...]) -> NDArray[np.int64]:
    """Servers by operator and stage, (M, 3)."""
    return np.array(
        [[o.uplink.servers, o.gpu.servers, o.downlink.servers] for o in operators], dtype=np.int64
    )
