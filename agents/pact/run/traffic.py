"""Requests of PACT users: when they come, how large they are, what they need of the stations."""

from __future__ import annotations

from airan_market.agents.primitives.traffic import DrawnTraffic, work_law
from airan_market.scenarios import PactScenario
from airan_market.sim.arrays import FloatArray, IntArray
from airan_market.sim.traffic.work_laws import EmpiricalTasks, TaskLaw


def drawn_requests(scenario: PactScenario, seed: int, users_by_type: IntArray) -> DrawnTraffic:
    """Poisson requests of every user with relative sizes, drawn round by round from named streams.

    Everybody's requests are drawn, whatever the user takes, so that two runs can be compared on the
    same requests.
    """
    traffic = scenario.traffic
    law = work_law(traffic.law)
    return DrawnTraffic(seed, users_by_type, traffic.requests_per_user_per_s, law)


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
    >>> import numpy as np
    >>> from airan_market.sim.traffic.work_laws import Exponential
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
