"""The engine against the exact results for M/M/c stations with preemptive-resume priority.

The tandem of these tests has three types with arrival rates of their own and a different number of
servers and rate at every stage. It is simulated in independent replications on a fixed seed; each
test states how often it would fail by chance on a fresh one.
"""

from functools import cache

import numpy as np
import pytest
from controls.stations import TailStation
from scipy import stats

from airan_market.sim.engines.disciplines import FirstComeFirstServed, NonPreemptive
from airan_market.sim.engines.engine import simulate
from airan_market.sim.engines.station import Station
from airan_market.sim.streams import stream
from airan_market.sim.theory.erlang import erlang_c
from airan_market.sim.theory.priority import class_sojourn_mean, tandem_class_sojourn_mean
from airan_market.sim.theory.sojourn import sojourn_tail
from airan_market.sim.workload import Workload

SERVERS = np.array([3, 2, 5])
SERVICE_RATE_PER_S = np.array([4.0, 6.0, 2.5])
ARRIVAL_RATE_PER_S = np.array([2.5, 3.5, 3.0])  # loads 0.75, 0.75, 0.72
WARM_UP_S = 60.0  # the slowest station forgets its start in about 5 s
MEASURED_S = 400.0
LATER_THAN_S = np.array([0.5, 0.4, 0.9])  # sojourns of a quarter to a third of the tasks are
REPLICATIONS = 60
FALSE_ALARM = 1e-3


def workload(replication, measured_s=MEASURED_S, service_factor=(1.0, 1.0, 1.0)):
    """Return Poisson arrivals on [0, 2 warm-ups + measured) with exponential services.

    `service_factor` makes types differ in mean service time, which the theory does not allow.
    """
    rng = stream(11, "engine theory", replication)
    horizon_s = measured_s + 2 * WARM_UP_S
    tasks = rng.poisson(ARRIVAL_RATE_PER_S.sum() * horizon_s)
    type_ = rng.choice(3, size=tasks, p=ARRIVAL_RATE_PER_S / ARRIVAL_RATE_PER_S.sum())
    service_s = rng.exponential(1 / SERVICE_RATE_PER_S, (tasks, 3))
    return Workload(
        task=np.arange(tasks),
        arrival_s=np.sort(rng.uniform(0, horizon_s, tasks)),
        type=type_,
        operator=np.zeros(tasks, dtype=int),
        user=np.zeros(tasks, dtype=int),
        service_s=service_s * np.array(service_factor)[type_, None],
    )


def served(work, station=Station, servers=SERVERS):
    """Return the trace of a run until every task is done.

    The discipline of the paper by the compiled engine, which is SimPy's to the bit
    (`test_compiled_engine`); all others by SimPy.
    """
    trace, state = simulate(
        work,
        [servers],
        until_s=1e5,
        **({} if station is Station else {"engine": "simpy", "station": station}),
    )
    assert len(state) == 0
    return trace


@cache
def measured(station, replication, measured_s):
    """Return (3 types,) tasks, (3 stages, 3 types) summed sojourns, s, and how many are late."""
    trace = served(workload(replication, measured_s), station)
    trace = trace.select(
        (trace.arrival_s >= WARM_UP_S) & (trace.arrival_s < WARM_UP_S + measured_s)
    )
    sojourn_s = trace.stage_end_s - trace.stage_arrival_s
    totals = [
        np.array([np.bincount(trace.type, column, minlength=3) for column in values.T])
        for values in (sojourn_s, (sojourn_s > LATER_THAN_S).astype(float))
    ]
    return np.bincount(trace.type, minlength=3), *totals


def replications(station=Station, count=REPLICATIONS, measured_s=MEASURED_S, late=False):
    """Return tasks (R, 3) and summed sojourns, s, or late tasks, (R, 3 stages, 3 types)."""
    runs = [measured(station, r, measured_s) for r in range(count)]
    return np.array([run[0] for run in runs]), np.array([run[2 if late else 1] for run in runs])


def theory():
    """Return exact mean sojourns of the types at every stage, (3, 3), s."""
    return np.array(
        [
            class_sojourn_mean(c, rate, ARRIVAL_RATE_PER_S)
            for c, rate in zip(SERVERS, SERVICE_RATE_PER_S, strict=True)
        ]
    )


def distance(tasks, total_s, mean_s):
    """Return how far the replications are from a mean, in units of the allowed distance.

    In the stationary process the summed sojourn of the arrivals of an interval has expectation
    mean × expected number of arrivals, so sum - mean × number has expectation zero in every
    replication: a t statistic without the bias of a ratio. Allowed is the t quantile at which all
    comparisons together (Bonferroni) fail by chance with probability FALSE_ALARM.
    """
    excess_s = total_s - mean_s * tasks[:, None, :]
    count = len(tasks)
    t = excess_s.mean(0) / (excess_s.std(0, ddof=1) / np.sqrt(count))
    return np.abs(t) / stats.t.ppf(1 - FALSE_ALARM / (2 * t.size), count - 1)


def test_class_means_at_every_station_of_the_tandem():
    """Nine means (three stations, three types) against Buzen and Bondi (1983) and Burke.

    False alarm below 1e-3 for all nine together.
    """
    tasks, total_s = replications()
    assert distance(tasks, total_s, theory()).max() < 1


def test_class_means_from_arrival_to_end():
    """Three sums over the stations; false alarm below 1e-3 for all together."""
    tasks, total_s = replications()
    mean_s = tandem_class_sojourn_mean(SERVERS, SERVICE_RATE_PER_S, ARRIVAL_RATE_PER_S)
    assert distance(tasks, total_s.sum(1, keepdims=True), mean_s).max() < 1


def test_the_means_are_estimated_closely_enough_to_mean_something():
    """The half-widths of the intervals are below 3, 4 and 9 % of the means of the types."""
    tasks, total_s = replications()
    excess_s = total_s - theory() * tasks[:, None, :]
    quantile = stats.t.ppf(1 - FALSE_ALARM / 18, REPLICATIONS - 1)
    half_s = quantile * excess_s.std(0, ddof=1) / np.sqrt(REPLICATIONS) / tasks.mean(0)
    assert ((half_s / theory()).max(0) < [0.03, 0.04, 0.09]).all()


@pytest.mark.parametrize("wrong", [NonPreemptive, FirstComeFirstServed], ids=lambda c: c.__name__)
def test_the_means_see_a_wrong_discipline(wrong):
    """A third of the replications is enough to refuse it, at every station."""
    far = distance(*replications(wrong, 20), theory())
    assert (far.max(1) > 1).all()


def test_the_means_see_a_service_rate_that_is_off_by_five_percent():
    faster = np.array([class_sojourn_mean(3, 4.2, ARRIVAL_RATE_PER_S)])
    tasks, total_s = replications()
    assert distance(tasks, total_s[:, :1], faster).max() > 1


def test_the_means_cannot_see_the_order_inside_a_type():
    """Why there is also an exact comparison, task by task (test_simpy_engine, test_engine_ciw).

    What is left of an exponential service is exponential again, so the number of tasks of each type
    has the same law whichever task of the type is served, and Little's law gives the same mean.
    Yet of the lowest type more than a fifth of the tasks end at another time.
    """
    tasks, total_s = replications(TailStation, 20)
    assert distance(tasks, total_s, theory()).max() < 1
    right, wrong = (served(workload(0), station) for station in (Station, TailStation))
    lowest = right.type == 2
    assert (wrong.stage_end_s != right.stage_end_s)[lowest].any(1).mean() > 0.2


# ---- other disciplines ----


def first_come_tail():
    """Return P(sojourn > LATER_THAN_S), the same for every type, (3 stages, 1)."""
    rate_per_s = ARRIVAL_RATE_PER_S.sum()
    return sojourn_tail(LATER_THAN_S, SERVERS, SERVICE_RATE_PER_S, rate_per_s)[:, None]


def cobham():
    """Return exact mean sojourns at the first station without preemption, (1, 3 types), s.

    Cobham (1954): W_n = C(c, Λ_N/μ) / (cμ) / ((1 - σ_{n-1}) (1 - σ_n)), σ_n = Λ_n / (cμ).
    """
    c, mu = SERVERS[0], SERVICE_RATE_PER_S[0]
    sigma = np.concatenate([[0.0], np.cumsum(ARRIVAL_RATE_PER_S)]) / (c * mu)
    wait_s = erlang_c(c, sigma[-1] * c) / (c * mu) / ((1 - sigma[:-1]) * (1 - sigma[1:]))
    return (wait_s + 1 / mu)[None]


def test_first_come_first_served_has_the_law_of_eq_4_at_every_station():
    """Nine chances of a long sojourn (three stations, three types) against M/M/c and Burke.

    False alarm below 1e-3 for all nine together.
    """
    tasks, late = replications(FirstComeFirstServed, 30, late=True)
    assert distance(tasks, late, first_come_tail()).max() < 1


def test_means_without_preemption_are_those_of_cobham():
    """Three mean sojourns at the first station, later ones have no Poisson arrivals by type.

    False alarm below 1e-3 for all three together.
    """
    tasks, total_s = replications(NonPreemptive, 30)
    assert distance(tasks, total_s[:, :1], cobham()).max() < 1


@pytest.mark.parametrize("other", [Station, NonPreemptive], ids=lambda c: c.__name__)
def test_the_law_of_eq_4_sees_another_discipline(other):
    tasks, late = replications(other, 20, late=True)
    assert (distance(tasks, late, first_come_tail()).max(1) > 1).all()


@pytest.mark.parametrize("other", [Station, FirstComeFirstServed], ids=lambda c: c.__name__)
def test_cobhams_means_see_another_discipline(other):
    tasks, total_s = replications(other, 20)
    assert distance(tasks, total_s[:, :1], cobham()).max() > 1


@pytest.mark.long
def test_class_means_closely():
    """The same nine means from 200 replications five times as long; false alarm below 1e-3."""
    tasks, total_s = replications(Station, 200, 5 * MEASURED_S)
    assert distance(tasks, total_s, theory()).max() < 1


# ---- Little's law ----


def little(trace_of, station_class=Station):
    """Return (time integral of the number present, summed sojourns), each (3 stages, 3 types)."""
    stations = []

    class Counting(station_class):
        """Integrates the number of each type at the station, event by event."""

        def __init__(self, *args):
            super().__init__(*args)
            self.area, self.seen_s = np.zeros(3), 0.0
            stations.append(self)

        def count(self):
            present = [len(a) + len(b) for a, b in zip(self.in_service, self.waiting, strict=True)]
            self.area += (self.clock.now - self.seen_s) * np.array(present)
            self.seen_s = self.clock.now

        def arrive(self, task):
            self.count()
            super().arrive(task)

        def complete(self, task):
            self.count()
            super().complete(task)

    trace = trace_of(Counting)
    sojourn_s = trace.stage_end_s - trace.stage_arrival_s
    total_s = [np.bincount(trace.type, sojourn_s[:, stage], minlength=3) for stage in range(3)]
    area = [station.area for station in sorted(stations, key=lambda station: station.stage)]
    return np.array(area), np.array(total_s)


@pytest.mark.parametrize("station_class", [Station, FirstComeFirstServed], ids=lambda c: c.__name__)
def test_littles_law_holds_on_the_path(station_class):
    """From empty to empty: ∫ N_n(t) dt = Σ sojourns of type n, at each station, to rounding.

    It holds for every discipline, so it tests the bookkeeping and not the order of service.
    """
    area, total_s = little(lambda counting: served(workload(0, 100.0), counting), station_class)
    np.testing.assert_allclose(area, total_s, rtol=1e-10)


def test_littles_law_sees_a_time_that_is_not_kept():
    class LateStation(Station):
        def complete(self, task):
            super().complete(task)
            task.end_s[self.stage] += 1e-3 * (1 + self.stage)

    area, total_s = little(lambda counting: served(workload(0, 100.0), counting), LateStation)
    assert (np.abs(area / total_s - 1) > 1e-4).all()


# ---- a conservation law ----


def difference(ranks, service_factor=(1.0, 1.0, 1.0), count=20, measured_s=100.0):
    """Return t of the paired change of the total sojourn when type n gets rank ranks[n]."""
    changes_s = []
    for r in range(count):
        work = workload(r, measured_s, service_factor)
        ranked = Workload(**{**work.columns(), "type": np.array(ranks)[work.type]})
        changes_s.append(served(ranked).latency_s.sum() - served(work).latency_s.sum())
    return np.mean(changes_s) / (np.std(changes_s, ddof=1) / np.sqrt(count))


LIMIT = stats.t.ppf(1 - FALSE_ALARM / 4, 19)  # two comparisons, two-sided


@pytest.mark.parametrize("ranks", [(2, 1, 0), (1, 2, 0)], ids=str)
def test_the_order_of_priority_does_not_change_the_mean_number_in_system(ranks):
    """Kleinrock (1976, section 3.4): with one service rate for all types the number of tasks at a
    station has one law, whatever the order. Paired over 20 replications; false alarm below 1e-3 for
    both orders together."""
    assert abs(difference(ranks)) < LIMIT


def test_with_service_rates_by_type_the_order_matters():
    """The negative control: types with mean service 1.6, 1 and 0.5, the shortest first or last."""
    assert difference((2, 1, 0), (1.6, 1.0, 0.5)) < -LIMIT
