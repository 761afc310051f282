"""The clearing house of a PACT run: books every request and holds it to what was promised."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from airan_market.agents.matching.assignment import OUT
from airan_market.agents.pact.run.board import PactBoard
from airan_market.agents.pact.run.catalogue import STATIONS, Catalogue
from airan_market.agents.pact.run.population import PactPopulation
from airan_market.agents.rounds.books import add_at, by_stage, round_of
from airan_market.sim.arrays import FloatArray, IntArray
from airan_market.sim.trace import Trace
from airan_market.sim.workload import Workload


@dataclass(frozen=True, eq=False)
class Booked:
    """What requests that arrived in a round came to, arrays (rounds + 1, …); row 0 is the warm-up.

    Attributes
    ----------
    requests, ended, satisfied, unmet : array of int
        Requests that arrived; of them those that ended, and of these those whose answer met what
        the user expected and those whose did not.
    latency_s : array
        Sum over those that ended.
    revenue_usd, cost_usd : array
        Prices paid and costs without liability, on arrival.
    liability_usd : array
        Damages of unmet answers and premiums, when a request ended.
    """

    requests: IntArray
    ended: IntArray
    satisfied: IntArray
    unmet: IntArray
    latency_s: FloatArray
    revenue_usd: FloatArray
    cost_usd: FloatArray
    liability_usd: FloatArray

    @classmethod
    def nothing(cls, *shape: int) -> Booked:
        """Zeros for rounds and groups, such as services."""
        requests, ended, satisfied, unmet = (np.zeros(shape, dtype=np.int64) for _ in range(4))
        latency, revenue, cost, liability = (np.zeros(shape) for _ in range(4))
        return cls(requests, ended, satisfied, unmet, latency, revenue, cost, liability)

    def add(self, where: tuple[IntArray, ...], **amounts: NDArray) -> None:
        """Add amounts of requests at (round, group)."""
        for name, values in amounts.items():
            add_at(getattr(self, name), where, values)

    def mean_latency_s(self) -> FloatArray:
        """Mean over the requests that ended, NaN where none did."""
        return _over(self.latency_s, self.ended)

    def satisfied_share(self) -> FloatArray:
        """Satisfied over ended requests, NaN where none ended."""
        return _over(self.satisfied, self.ended)


def _over(sums: NDArray, counts: IntArray) -> FloatArray:
    return np.divide(sums, counts, out=np.full(counts.shape, np.nan), where=counts > 0)


class PactClearing:
    """Books of a run by type and service.

    A request pays on arrival, at the price of its round; whether its answer met what the user
    expected is known when it ends, and with it the damages. What arrives in the warm-up is served
    and answered, but neither paid nor counted.

    Parameters
    ----------
    catalogue : Catalogue
    population : PactPopulation
    starts_s : array (rounds + 2,)
        Start of each round, and the end of the last; round 0 is the warm-up.

    Attributes
    ----------
    by_type, by_service : Booked
        By (round, type, service) and by (round, service).
    price_usd, shown_quality : array (rounds + 1, S)
        What boards said; NaN for a service that was not offered.
    users : array (rounds + 1, K, S) of int
        Users of each type that took each service.
    busy_s : array (rounds + 1, S, 3)
        Time that the requests of a round need at the stations of a service.
    """

    def __init__(
        self, catalogue: Catalogue, population: PactPopulation, starts_s: FloatArray
    ) -> None:
        self.catalogue = catalogue
        self.population = population
        self._starts_s = starts_s
        rounds, services = starts_s.size - 1, len(catalogue.names)
        groups = (rounds, population.theta_usd.size, services)
        self.by_type = Booked.nothing(*groups)
        self.by_service = Booked.nothing(rounds, services)
        self.users = np.zeros(groups, dtype=np.int64)
        self.busy_s = np.zeros((rounds, services, len(STATIONS)))
        self.price_usd = np.full((rounds, services), np.nan)
        self.shown_quality = self.price_usd.copy()
        self._luck = np.empty(0)  # of every request offered, by number
        self.requests_by_user = np.zeros(population.type_of_user.size, dtype=np.int64)
        self.paid_by_user_usd = np.zeros(population.type_of_user.size)

    def agree(self, round_: int, boards: Sequence[PactBoard], service_of_user: IntArray) -> None:
        """Put the boards of a round into force, and what users took of them."""
        for board in boards:
            self.price_usd[round_, board.service] = board.price_usd
            self.shown_quality[round_, board.service] = board.quality
        taken = service_of_user != OUT
        add_at(self.users[round_], (self.population.type_of_user[taken], service_of_user[taken]))

    def draw_answers(self, uniforms: FloatArray) -> None:
        """Settle by chance which of the next requests will be met: those below A."""
        self._luck = np.concatenate([self._luck, uniforms])

    def admit(self, round_: int, workload: Workload) -> None:
        """Book the requests that arrive in a round."""
        np.add.at(self.busy_s[round_], workload.operator, workload.service_s)
        if round_ == 0 or not len(workload):
            return
        price_usd = self.price_usd[round_, workload.operator]
        self._book(
            np.full(len(workload), round_), workload.user, workload.operator,
            requests=np.ones(len(workload)), revenue_usd=price_usd,
            cost_usd=self._cost_usd(workload.operator, workload.service_s),
        )  # fmt: skip
        add_at(self.requests_by_user, [workload.user])
        add_at(self.paid_by_user_usd, [workload.user], price_usd)

    def settle(self, trace: Trace) -> pd.DataFrame:
        """Book what ended; returns its rows of `tasks.parquet`, numbers 1-based."""
        catalogue, population, service = self.catalogue, self.population, trace.operator
        round_ = round_of(self._starts_s, trace.arrival_s)
        met = self._luck[trace.task] < catalogue.satisfaction[service]
        liability = np.where(met, 0.0, catalogue.damages_usd[service])
        liability = liability + catalogue.premium_usd[service]
        paid = round_ > 0
        self._book(
            round_[paid], trace.user[paid], service[paid],
            ended=np.ones(int(paid.sum())), satisfied=met[paid], unmet=~met[paid],
            latency_s=trace.latency_s[paid], liability_usd=liability[paid],
        )  # fmt: skip
        type_ = population.type_of_user[trace.user]
        return pd.DataFrame(
            {
                "task": trace.task + 1,
                "round": round_,
                "market": population.market[type_] + 1,
                "type": population.number[type_] + 1,
                "user": trace.user + 1,
                "service": service + 1,
                "arrival_s": trace.arrival_s,
                **by_stage(STATIONS, service_s=trace.service_s, end_s=trace.stage_end_s),
                "latency_s": trace.latency_s,
                "satisfied": met,
                "price_usd": np.where(paid, self.price_usd[round_, service], np.nan),
                "cost_usd": np.where(paid, self._cost_usd(service, trace.service_s), np.nan),
                "liability_usd": np.where(paid, liability, np.nan),
            }
        )

    def _cost_usd(self, service: IntArray, service_s: FloatArray) -> FloatArray:
        """What requests cost without liability: computation in proportion to their own work."""
        mean_s = self.catalogue.mean_s[service, -1]
        size = np.divide(service_s[:, -1], mean_s, out=np.ones(len(service)), where=mean_s > 0)
        return self.catalogue.computation_usd[service] * size + self.catalogue.fixed_usd[service]

    def _book(
        self, round_: IntArray, user: IntArray, service: IntArray, **amounts: NDArray
    ) -> None:
        self.by_type.add((round_, self.population.type_of_user[user], service), **amounts)
        self.by_service.add((round_, service), **amounts)

    def measured_quality(self) -> FloatArray:
        """Quality of every service's requests by round of arrival, NaN where none ended."""
        service = np.arange(len(self.catalogue.names))
        return self.catalogue.measured_quality(
            service, self.by_service.satisfied_share(), self.by_service.mean_latency_s()
        )
