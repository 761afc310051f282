"""Requests of PACT users: when they come, how large they are, what they need of the stations."""

from __future__ import annotations

import numpy as np

from airan_market.agents.pact.run.catalogue import Catalogue
from airan_market.scenarios import LognormalWork, PactScenario, TraceWork
from airan_market.sim.arrays import FloatArray, IntArray
from airan_market.sim.traffic.demand import Demand, drawn_demand
from airan_market.sim.traffic.request_trace import TraceError, read_azure_llm_2023
from airan_market.sim.traffic.work_laws import (
    Deterministic,
    EmpiricalTasks,
    Exponential,
    Lognormal,
    TaskLaw,
)


def size_law(scenario: PactScenario) -> TaskLaw:
    """Law of what requests are over what they are on average, as the scenario asks.

    Raises
    ------
    airan_market.sim.traffic.request_trace.TraceError
        When its file of requests cannot be read, or has no context or no answer in it.

    Examples
    --------
    >>> from airan_market.scenarios import load_pact
    >>> size_law(load_pact("pact", ["traffic.law.lognormal_cv=2"]))
    Lognormal(cv=2.0)
    """
    law = scenario.traffic.law
    if isinstance(law, LognormalWork):
        return Lognormal(law.lognormal_cv)
    if isinstance(law, TraceWork):
        try:
            return EmpiricalTasks.of_requests(read_azure_llm_2023(law.trace))
        except TraceError:
            raise
        except ValueError as error:
            raise TraceError([f"{law.trace}: {error}"]) from None
    return Exponential() if law == "exponential" else Deterministic()


def station_times(
    parts_s: FloatArray, service: IntArray, work: FloatArray, law: TaskLaw
) -> FloatArray:
    """Time that requests need of a server of each station, s.

    Under a law of stations (deterministic, exponential, lognormal) each station's mean time is
    multiplied by its own number. Real requests have an input x and an output y times the mean, and
    all stations need x times their part for the input plus y times that for the output: (1)–(3)
    are linear in D_in and D_out.

    Parameters
    ----------
    parts_s : array (S, 3, 2)
        As in `Catalogue`.
    service : array (n,) of int
    work : array (n, 3)
        Drawn from the law; of a real request the first is x and the last y.
    law : TaskLaw

    Returns
    -------
    array (n, 3)

    Examples
    --------
    >>> parts = np.array([[[1.0, 2.0], [0.0, 4.0], [1.0, 1.0]]])
    >>> station_times(parts, np.array([0]), np.array([[2.0, 1.0, 0.5]]), Exponential()).tolist()
    [[6.0, 4.0, 1.0]]
    >>> real = EmpiricalTasks([[1.0, 1.0, 1.0]])
    >>> station_times(parts, np.array([0]), np.array([[2.0, 1.0, 0.5]]), real).tolist()
    [[3.0, 2.0, 2.5]]
    """
    if isinstance(law, EmpiricalTasks):
        return parts_s[service, :, 0] * work[:, :1] + parts_s[service, :, 1] * work[:, 2:]
    return parts_s.sum(axis=2)[service] * work


class PactTraffic:
    """Poisson requests of every user, drawn round by round from named streams.

    Everybody's requests are drawn, whatever the user takes, so that two runs can be compared on the
    same requests.
    """

    def __init__(self, scenario: PactScenario, seed: int, users_by_type: IntArray) -> None:
        self.law = size_law(scenario)
        self._seed = seed
        self._users_by_type = users_by_type
        self._rate_per_s = scenario.traffic.requests_per_user_per_s

    def demand(self, round_: int, start_s: float, duration_s: float, first_task: int) -> Demand:
        """Draw the requests of a round; its kinds of work are sizes over their means."""
        return drawn_demand(
            self._seed,
            round_,
            start_s,
            duration_s,
            self._users_by_type,
            self._rate_per_s,
            [1.0, 1.0, 1.0],
            first_task,
            law=self.law,
        )

    def times(self, demand: Demand, catalogue: Catalogue, service: IntArray) -> FloatArray:
        """Time that requests need at the stations of the services they go to, (n, 3), s."""
        work = np.column_stack([demand.input_bits, demand.work_flop, demand.output_bits])
        return station_times(catalogue.parts_s, service, work, self.law)
