"""How many users the promises of a PACT menu bear: congestion lowers quality until one is broken.

With U users a service whose item a share s of them takes gets Poisson requests of rate U s ρ, ρ the
requests of a user. Its mean response time is T + W(U), T what was promised, W the mean wait at its
three stations, and by (6) its quality falls by w_T W(U). The promise is kept up to a tolerance ε
while w_T W(U) ≤ ε; W does not fall with U, so the users it bears are found by bisection.

*Common random numbers.* For every replication the gaps between requests in units of their mean and
the sizes are drawn once and played at any rate. Then at one station of a fixed number of servers a
wait cannot fall when requests come faster (Kiefer and Wolfowitz 1955), so each replication's mean
moves smoothly with U, and users that hardly differ are compared on the same chance.

*What is measured is the wait*, not the response time: the time in service has a known mean, and
leaving its chance out costs nothing and makes the estimate exact where nobody waits.

*The interval* holds the users at which the lower and the upper t limit of the mean wait over
replications meet the tolerance. Where all laws are exponential the stations are M/M/c queues in
tandem, whose mean waits are known (Jackson 1957; `sim.theory.sojourn`): `users_theory`.

*How far off it is.* Held against 30 runs fifteen times as long, over 60 seeds, the users that the
shipped market's services 7 and 1 bear have a standard deviation of 0.8 % from seed to seed, and a
mean 0.1 and 0.2 % above the truth, which is within the error of that; the intervals hold it in 95
and 92 % of the seeds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from airan_market.agents.pact.contract.contract import NO_SERVICE
from airan_market.agents.pact.market import PactMarket
from airan_market.agents.pact.run.catalogue import Catalogue
from airan_market.agents.pact.run.traffic import station_times
from airan_market.agents.primitives.traffic import work_law
from airan_market.scenarios import PactScenario
from airan_market.sim.arrays import FloatArray
from airan_market.sim.engines.engine import simulate
from airan_market.sim.estimation.intervals import MeanInterval, mean_interval
from airan_market.sim.streams import stream
from airan_market.sim.theory.sojourn import sojourn_mean
from airan_market.sim.traffic.work_laws import Exponential, TaskLaw
from airan_market.sim.workload import Workload

REPLICATIONS = 10
REQUESTS = 4000  # of a replication
SETTLING = 1000  # of them, not measured: the stations start empty
LEVEL = 0.95
MOST_USERS = 10_000_000  # the most that a scenario may have
WHOLE = ["users", "users_low", "users_high", "users_theory"]
CURVE = (0.1, 0.25, 0.5, 0.7, 0.8, 0.9, 1.0, 1.05, 1.1)  # users over those a service bears


@dataclass(frozen=True, eq=False)
class ServiceQueue:
    """The stations of a service and what comes to them, at any rate.

    Parameters
    ----------
    parts_s : array (3, 2)
        As in `Catalogue`.
    servers : array (3,) of int
    law : TaskLaw
        Of sizes.
    rate_per_user_per_s : float
        Requests that come for each of the users of the whole run.
    seed, number : int
        Which chance; services have their own.
    """

    parts_s: FloatArray
    servers: NDArray[np.int64]
    law: TaskLaw
    rate_per_user_per_s: float
    seed: int
    number: int = 0

    @property
    def saturation_users(self) -> float:
        """Users at which some station has as much work as it can do; infinite without work."""
        mean_s = self.parts_s.sum(axis=1)
        with np.errstate(divide="ignore"):
            return float((self.servers / mean_s).min() / self.rate_per_user_per_s)

    @property
    def exponential(self) -> bool:
        """Whether theory knows the wait."""
        return isinstance(self.law, Exponential)

    def drawn(self) -> tuple[FloatArray, FloatArray]:
        """Gaps over their mean (R, n), and times at the stations (R, n, 3), s."""
        gaps, times = [], []
        for replication in range(REPLICATIONS):
            rng = stream(self.seed, "capacity", self.number, replication)
            gaps.append(rng.standard_exponential(REQUESTS))
            work = self.law.work(rng, REQUESTS)
            first = np.zeros(REQUESTS, dtype=np.int64)
            times.append(station_times(self.parts_s[None], first, work, self.law))
        return np.array(gaps), np.array(times)

    def waiting(self) -> Callable[[float], MeanInterval]:
        """Mean wait, s, as a function of users; what it computed once it remembers."""
        gaps, times = self.drawn()

        @cache
        def at(users: float) -> MeanInterval:
            waits = mean_waits_s(gaps, times, self.servers, users * self.rate_per_user_per_s)
            return mean_interval(waits, LEVEL)

        return at

    def waiting_theory_s(self, users: float) -> float:
        """Mean wait of exponential times: M/M/c stations in tandem; infinite when saturated."""
        mean_s = self.parts_s.sum(axis=1)
        busy = mean_s > 0
        rate_per_s = users * self.rate_per_user_per_s
        sojourn = sojourn_mean(self.servers[busy], 1 / mean_s[busy], rate_per_s)
        return float((sojourn - mean_s[busy]).sum())


def mean_waits_s(
    gaps: FloatArray, times_s: FloatArray, servers: NDArray[np.int64], rate_per_s: float
) -> FloatArray:
    """Mean wait of a request at three stations in a row, by replication, (R,), s.

    Parameters
    ----------
    gaps : array (R, n)
        Time between requests over its mean.
    times_s : array (R, n, 3)
        Time that they need at the stations.
    servers : array (3,) of int
    rate_per_s : float
        Requests per second, above 0.

    Returns
    -------
    array (R,)
        Of the requests after the first quarter, all served to their end.

    Examples
    --------
    Every second request finds the one before half done.

    >>> times = np.zeros((1, 8, 3))
    >>> times[..., 1] = 1.0
    >>> gaps = np.array([[2.0, 0.5] * 4])
    >>> mean_waits_s(gaps, times, np.array([1, 1, 1]), 1.0).tolist()
    [0.25]
    """
    replications, requests = gaps.shape
    arrival_s = (np.cumsum(gaps, axis=1) / rate_per_s).ravel()
    owner = np.repeat(np.arange(replications), requests)
    flat = times_s.reshape(-1, 3)
    workload = Workload.arriving(arrival_s, 0, flat, operator=owner)
    end_s = float(np.nextafter(arrival_s.max() + flat.sum() + 1.0, np.inf))
    each = np.tile(servers, (replications, 1))
    trace, _ = simulate(workload, each, until_s=end_s, engine="compiled")
    wait_s = trace.latency_s - trace.service_s.sum(axis=1)
    wait_s = wait_s[np.argsort(trace.operator, kind="stable")].reshape(replications, requests)
    return wait_s[:, requests * SETTLING // REQUESTS :].mean(axis=1)


def most_users(keeps: Callable[[int], bool], most: int) -> int:
    """Largest whole number up to `most` for which the promise is kept, 0 if it is for none.

    Parameters
    ----------
    keeps : callable (int) -> bool
        True up to some number of users, False from there on.
    most : int

    Examples
    --------
    >>> most_users(lambda users: users <= 41, 1000), most_users(lambda users: True, 1000)
    (41, 1000)
    """
    low, high = 0, most + 1
    while high - low > 1:
        middle = (low + high) // 2
        if keeps(middle):
            low = middle
        else:
            high = middle
    return low


@dataclass(frozen=True, eq=False)
class ServiceCapacity:
    """Users of the whole run whose requests one service bears within a tolerance of its quality.

    Parameters
    ----------
    queue : ServiceQueue
    service : int
        0-based.
    share : float
        Part of the users that take it.
    promised, speed_weight, tolerance : float
        q, w_T and ε.
    """

    queue: ServiceQueue
    service: int
    share: float
    promised: float
    speed_weight: float
    tolerance: float

    @cached_property
    def waiting(self) -> Callable[[float], MeanInterval]:
        """Mean wait at some number of users."""
        return self.queue.waiting()

    @cached_property
    def users(self) -> dict[str, int | None]:
        """Users borne, `users_low` and `users_high` of the interval, and `users_theory`.

        None when there is no bound up to `MOST_USERS`; theory only where all laws are exponential.
        """
        saturated = self.queue.saturation_users
        found: dict[str, int | None] = dict.fromkeys(WHOLE)
        if self.speed_weight > 0 and np.isfinite(saturated):
            bound_s = self.tolerance / self.speed_weight
            most = int(min(np.ceil(saturated) - 1, MOST_USERS))
            found["users"] = most_users(lambda u: self.waiting(u).mean <= bound_s, most)
            found["users_low"] = most_users(lambda u: self.waiting(u).high <= bound_s, most)
            found["users_high"] = most_users(lambda u: self.waiting(u).low <= bound_s, most)
            if self.queue.exponential:
                theory_s = self.queue.waiting_theory_s
                found["users_theory"] = most_users(lambda u: theory_s(u) <= bound_s, most)
        return found

    def point(self, users: int) -> dict[str, float | int | None]:
        """Quality at some number of users, a row of `capacity_curve`."""
        wait, theory = self.waiting(users), self.queue.waiting_theory_s
        return {
            "service": self.service + 1,
            "users": users,
            "quality_promised": self.promised,
            "quality_measured": self.promised - self.speed_weight * wait.mean,
            "quality_low": self.promised - self.speed_weight * wait.high,
            "quality_high": self.promised - self.speed_weight * wait.low,
            "quality_theory": self.promised - self.speed_weight * theory(users)
            if self.queue.exponential
            else None,
        }


def capacity_of(
    scenario: PactScenario,
    markets: tuple[PactMarket, ...],
    catalogue: Catalogue,
    seed: int,
) -> list[ServiceCapacity]:
    """Capacity of every service that the menus use, with users who choose as promised."""
    share = np.zeros(len(catalogue.names))
    for number, market in enumerate(markets):
        contract = market.contract(scenario.pact.liability_level)
        first = int(np.searchsorted(catalogue.market, number))
        used = contract.service != NO_SERVICE
        np.add.at(share, first + contract.service[used], market.share * contract.probability[used])
    traffic = scenario.traffic
    law = work_law(traffic.law)
    return [
        ServiceCapacity(
            ServiceQueue(
                catalogue.parts_s[s], catalogue.servers[s], law,
                share[s] * traffic.requests_per_user_per_s, seed, int(s),
            ),
            int(s), float(share[s]), float(catalogue.quality[s]), float(catalogue.speed_weight[s]),
            traffic.quality_tolerance,
        )
        for s in np.flatnonzero(share)
    ]  # fmt: skip


def capacity_tables(found: list[ServiceCapacity]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """One row per service, and quality along numbers of users; services 1-based.

    The numbers of users of a curve are parts of those that the service bears, below its saturation:
    beyond it there is no mean wait. A service without a bound has no curve.
    """
    table = pd.DataFrame(
        [
            {
                "service": c.service + 1, "share": c.share, "quality_promised": c.promised,
                "tolerance": c.tolerance, **c.users, "users_saturation": c.queue.saturation_users,
            }
            for c in found
        ],
        columns=["service", "share", "quality_promised", "tolerance", *WHOLE, "users_saturation"],
    )  # fmt: skip
    table[WHOLE] = table[WHOLE].astype("Int64")
    saturation = table["users_saturation"].astype(float)
    table["users_saturation"] = saturation.where(np.isfinite(saturation))
    curve = pd.DataFrame([c.point(users) for c in found for users in _grid(c)], columns=[
        "service", "users", "quality_promised", "quality_measured", "quality_low", "quality_high",
        "quality_theory",
    ])  # fmt: skip
    curve["quality_theory"] = curve["quality_theory"].astype(float)
    return table, curve


def _grid(c: ServiceCapacity) -> list[int]:
    borne = c.users["users"]
    wanted = () if borne is None else dict.fromkeys(max(round(part * borne), 1) for part in CURVE)
    return [users for users in wanted if users < c.queue.saturation_users]
