"""Two types with service rates of their own: equal rates, one server, chains, simulation."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from most_queue.theory.priority.preemptive.mmk_prty_exact import MMkPriorityExact
from scipy import sparse, stats
from scipy.sparse.linalg import expm_multiply, spsolve

from airan_market.sim.engines.engine import simulate
from airan_market.sim.streams import stream
from airan_market.sim.theory.inversion import euler
from airan_market.sim.theory.own_rates import LowerType, own_rates_mean, own_rates_tail
from airan_market.sim.theory.preemptive import class_end_to_end_tail
from airan_market.sim.theory.priority import class_sojourn_mean
from airan_market.sim.workload import Workload

# servers, service rates, arrival rates
CASES = {
    "light above heavy": (3, [2.0, 0.5], [2.0, 0.6]),
    "heavy above light": (3, [0.5, 2.0], [0.7, 2.0]),
    "near saturation": (2, [1.0, 3.0], [1.2, 2.1]),
    "nearly full above": (4, [1.0, 5.0], [3.5, 1.0]),
    "hardly anything above": (4, [1.0, 0.3], [1e-6, 0.9]),
    "hardly anything below": (5, [1.0, 0.2], [3.0, 1e-6]),
}
each_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


@pytest.mark.parametrize(
    ("servers", "rate", "arrivals"),
    [
        (1, 7.0, [3.0, 2.0]),
        (2, 1.0, [1.0, 0.7]),
        (3, 2.0, [0.0, 5.0]),
        (3, 2.0, [4.0, 0.0]),
        (5, 1.0, [4.5, 0.3]),
        (12, 2.0, [10.0, 11.0]),
    ],
)
def test_with_equal_rates_it_is_the_law_of_preemptive(servers, rate, arrivals):
    t = np.array([0.0, 1e-3, 0.1, 0.5, 2.0, 5.0, 20.0, 60.0]) / rate
    found = own_rates_tail(t, servers, [rate, rate], arrivals)
    np.testing.assert_allclose(
        found, class_end_to_end_tail(t, servers, rate, arrivals), rtol=0, atol=1e-11
    )
    np.testing.assert_allclose(
        own_rates_mean(servers, [rate, rate], arrivals),
        class_sojourn_mean(servers, rate, arrivals),
        rtol=1e-11,
    )


@settings(max_examples=30, deadline=None)
@given(
    mu=st.tuples(st.floats(0.1, 10), st.floats(0.1, 10)),
    load=st.tuples(st.floats(1e-9, 0.6), st.floats(1e-9, 0.35)),
)
def test_one_server_has_the_mean_of_the_textbook(mu, load):
    """Mean of a preemptive-resume M/G/1 queue, exponential services of two means."""
    first, second = load
    expected = 1 / mu[1] / (1 - first) + (first / mu[0] + second / mu[1]) / (
        (1 - first) * (1 - first - second)
    )
    found = own_rates_mean(1, mu, np.array(load) * mu)
    np.testing.assert_allclose(found, [1 / mu[0] / (1 - first), expected], rtol=1e-9)


@pytest.mark.parametrize(
    "case", [(1, [5.0, 2.5], [2.0, 0.5]), (2, [3.0, 1.0], [2.0, 0.4]), (3, [0.5, 2.0], [0.4, 1.0])]
)
def test_means_are_those_of_most_queue(case):
    """Its chain is truncated, at a mass below 1e-9 here."""
    servers, mu, arrivals = case
    chain = MMkPriorityExact(n=servers, truncation=[30, 80])
    chain.set_sources(arrivals)
    chain.set_servers(mu)
    means = [float(moments[0]) for moments in chain.run().v]
    assert chain.boundary_mass < 1e-9
    np.testing.assert_allclose(own_rates_mean(*case), means, rtol=3e-6)


def tail_of_chains(t, servers, mu, arrivals, size):
    """P(T_2 > t) by a truncated stationary chain and exponentials of a tagged task's generator."""
    i, j = (axis.ravel() for axis in np.indices(size))
    number = np.arange(i.size).reshape(size)
    high, low = np.minimum(i, servers), np.minimum(j, np.maximum(servers - i, 0))
    alone = np.where(i + j < servers, mu[1], 0.0)

    def generator(arrive, leave):
        moves = [
            (i < size[0] - 1, (1, 0), np.full(i.size, arrivals[0])),
            (i > 0, (-1, 0), high * mu[0]),
            (j < size[1] - 1, (0, 1), np.full(i.size, arrive)),
            (j > 0, (0, -1), low * mu[1]),
        ]
        matrix = sparse.lil_matrix((i.size, i.size))
        for there, (up, along), rate in moves:
            a, b = i[there], j[there]
            matrix[number[a, b], number[a + up, b + along]] += rate[there]
        out = np.asarray(matrix.sum(axis=1)).ravel() + leave
        return (matrix - sparse.diags(out)).tocsc()

    whole = generator(arrivals[1], 0.0).T.tolil()
    whole[-1] = 1.0
    found = spsolve(whole.tocsc(), np.eye(1, i.size, i.size - 1)[0])
    tagged = generator(0.0, alone)
    return np.array([found @ expm_multiply(tagged * time, np.ones(i.size)) for time in t])


@pytest.mark.parametrize(
    "case", [(2, [3.0, 1.0], [2.0, 0.5]), (3, [0.5, 2.0], [0.5, 1.5]), (1, [1.0, 4.0], [0.4, 0.9])]
)
def test_tails_are_those_of_truncated_chains(case):
    t = np.array([0.05, 0.7, 3.0, 12.0])
    np.testing.assert_allclose(
        own_rates_tail(t, *case)[1], tail_of_chains(t, *case, (40, 220)), rtol=0, atol=1e-9
    )


@each_case
def test_the_mean_is_that_of_littles_law(case):
    """The number comes from the stationary law, the sojourn from the path of a tagged task."""
    servers, mu, arrivals = case
    law = LowerType.of(servers, np.array(mu), np.array(arrivals))
    np.testing.assert_allclose(law.mean_number, arrivals[1] * law.mean_s, rtol=1e-10)


@each_case
def test_the_law_is_one(case):
    """Loads add up in the stationary law; a tail falls from 1, and its integral is the mean."""
    servers, mu, arrivals = case
    law = LowerType.of(servers, np.array(mu), np.array(arrivals))
    beyond = law._beyond(np.zeros(1))[0]
    whole = law.levels.sum(axis=1) + beyond
    np.testing.assert_allclose(whole.sum(), 1.0, rtol=1e-11)
    phase, level = np.arange(servers), np.arange(len(whole))[:, np.newaxis]
    served = (law.levels * np.minimum(level, servers - phase)).sum()
    np.testing.assert_allclose(served, arrivals[1] / mu[1], rtol=1e-9)
    t = np.linspace(0.0, 3 * law.mean_s, 5)
    tail = own_rates_tail(t, servers, mu, arrivals)[1]
    assert tail[0] == 1
    assert (np.diff(tail) < 0).all()


def test_a_saturated_type_waits_for_ever_and_leaves_the_other_alone():
    found = own_rates_tail([1.0, 5.0], 2, [1.0, 0.5], [1.0, 0.5])
    alone = own_rates_tail([1.0, 5.0], 2, [1.0, 0.5], [1.0, 0.0])
    assert (found[1] == 1).all()
    assert np.array_equal(found[0], alone[0])
    assert own_rates_mean(2, [1.0, 0.5], [2.0, 0.1]).tolist() == [np.inf, np.inf]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((201, [1.0, 1.0], [1.0, 1.0]), "servers = 201.0: must be one number, 1 to 200"),
        (([1, 2], [1.0, 1.0], [1.0, 1.0]), r"servers = \[1.0, 2.0\]: must be one number"),
        ((1, [1.0], [1.0, 1.0]), r"service_rates_per_s has shape \(1,\): must be \(2,\)"),
        ((1, [1.0, 1.0], [1.0, -1.0]), "arrival_rates_per_s = -1.0: must be a number from 0"),
        ((1, [1.0, 1.0], [0.9, 0.0999]), r"a load of 0.9999 servers is too near to saturation"),
    ],
)
def test_what_is_outside_the_domain_is_told(arguments, said):
    with pytest.raises(ValueError, match=said):
        own_rates_tail(1.0, *arguments)


def test_the_series_inverts_what_is_known():
    """Of an exponential and of a gamma law of shape 1/2, whose transform has a branch point."""
    from scipy.special import erfc

    for t in (1e-4, 0.3, 2.0, 30.0):
        assert abs(euler(lambda z: 1 / (1 + z), t) - np.exp(-t)) < 1e-12
        tail = euler(lambda z: (1 - 1 / np.sqrt(1 + z)) / z, t)
        assert abs(tail - erfc(np.sqrt(t))) < 1e-11


STATION = (3, np.array([2.0, 0.5]), np.array([2.0, 0.6]))
REPLICATIONS, FALSE_ALARM, LATER_THAN_S = 40, 1e-3, np.array([0.5, 4.0])
WARM_UP_S, MEASURED_S = 60.0, 600.0


@cache
def played(replication, equal=False):
    """Tasks (2,), summed sojourns, s, and how many are late, in a run of one station.

    `equal`: all tasks are served at the rate that makes the same load.
    """
    servers, mu, arrivals = STATION
    rng = stream(5, "own rates", replication)
    tasks = rng.poisson(arrivals.sum() * (MEASURED_S + 2 * WARM_UP_S))
    type_ = rng.choice(2, size=tasks, p=arrivals / arrivals.sum())
    mean_s = np.full(2, (arrivals / mu).sum() / arrivals.sum()) if equal else 1 / mu
    service_s = np.zeros((tasks, 3))
    service_s[:, 1] = rng.exponential(mean_s[type_])
    arrival_s = np.sort(rng.uniform(0, MEASURED_S + 2 * WARM_UP_S, tasks))
    work = Workload.arriving(arrival_s, type_, service_s)
    trace, _ = simulate(work, [[1, servers, 1]], until_s=1e5)
    trace = trace.select(
        (trace.arrival_s >= WARM_UP_S) & (trace.arrival_s < WARM_UP_S + MEASURED_S)
    )
    late = trace.latency_s > LATER_THAN_S[trace.type]
    return np.array(
        [np.bincount(trace.type, w, 2) for w in (np.ones(len(trace)), trace.latency_s, late)]
    )


def distances(equal):
    """How far means and tails of the types are from the law, in units of what is allowed.

    As in `tests/sim/engines/test_engine_theory`: sums less their expectation have no bias, and all
    four comparisons together fail by chance with probability FALSE_ALARM.
    """
    runs = np.array([played(r, equal) for r in range(REPLICATIONS)])
    tail = own_rates_tail(LATER_THAN_S, *STATION)
    law = np.array([own_rates_mean(*STATION), [tail[0, 0], tail[1, 1]]])
    excess = runs[:, 1:] - law * runs[:, :1]
    t = excess.mean(0) / (excess.std(0, ddof=1) / np.sqrt(REPLICATIONS))
    return np.abs(t) / stats.t.ppf(1 - FALSE_ALARM / 8, REPLICATIONS - 1)


def test_simulation_agrees():
    """Means and tails of both types; false alarm below 1e-3."""
    assert distances(equal=False).max() < 1


def test_simulation_with_equal_rates_does_not():
    """Negative control: the same load, but every task of the mean size."""
    assert (distances(equal=True).max(axis=1) > 3).all()


def test_three_types_are_simulated():
    """Beyond two types there is no law here: the engine against the chain of most-queue.

    False alarm below 1e-3 for the three means together.
    """
    servers, mu, arrivals = 2, np.array([3.0, 1.0, 2.0]), np.array([1.5, 0.5, 1.0])
    chain = MMkPriorityExact(n=servers, truncation=[14, 16, 40])
    chain.set_sources(arrivals.tolist())
    chain.set_servers(mu.tolist())
    means = np.array([float(moments[0]) for moments in chain.run().v])
    rows = []
    for replication in range(REPLICATIONS):
        rng = stream(6, "three types", replication)
        tasks = rng.poisson(arrivals.sum() * (MEASURED_S + 2 * WARM_UP_S))
        type_ = rng.choice(3, size=tasks, p=arrivals / arrivals.sum())
        service_s = np.zeros((tasks, 3))
        service_s[:, 1] = rng.exponential(1 / mu[type_])
        arrival_s = np.sort(rng.uniform(0, MEASURED_S + 2 * WARM_UP_S, tasks))
        work = Workload.arriving(arrival_s, type_, service_s)
        trace, _ = simulate(work, [[1, servers, 1]], until_s=1e5)
        inside = np.abs(trace.arrival_s - WARM_UP_S - MEASURED_S / 2) < MEASURED_S / 2
        trace = trace.select(inside)
        rows.append(np.bincount(trace.type, trace.latency_s - means[trace.type], 3))
    excess = np.array(rows)
    t = excess.mean(0) / (excess.std(0, ddof=1) / np.sqrt(REPLICATIONS))
    assert (np.abs(t) < stats.t.ppf(1 - FALSE_ALARM / 6, REPLICATIONS - 1)).all()
