"""The chain of a tagged task against exact laws and against the full engine.

Every statistical test has a fixed seed and says how often it would fail by chance on a fresh one.
"""

from functools import cache

import numpy as np
import pytest
from scipy import stats
from scipy.sparse import csr_matrix
from scipy.sparse.linalg import spsolve

from airan_market.sim import simulate
from airan_market.sim.rare.journey import journey_of
from airan_market.sim.rare.tagged import tagged_tasks
from airan_market.sim.rare.tilt import log_stationary, station_tilt
from airan_market.sim.streams import stream
from airan_market.sim.theory.end_to_end import end_to_end_tail
from airan_market.sim.theory.preemptive import class_end_to_end_tail
from airan_market.sim.theory.priority import tandem_class_sojourn_mean
from airan_market.sim.theory.sojourn import sojourn_tail
from airan_market.sim.workload import Workload

SERVERS = [3, 2, 5]
SERVICE_RATE_PER_S = [4.0, 6.0, 2.5]
ARRIVAL_RATE_PER_S = [2.5, 3.5, 3.0]  # loads 0.75, 0.75, 0.72
TANDEM = SERVERS, SERVICE_RATE_PER_S, ARRIVAL_RATE_PER_S
FALSE_ALARM = 1e-3
PATHS = 40_000


def tagged_latencies(*where, **how):
    return tagged_tasks(*where, **how)[0]


def tasks_found(*where, **how):
    return tagged_tasks(*where, until_s=0.0, **how)[1]


def normal_limit(comparisons):
    """Distance in standard errors that all comparisons together pass with FALSE_ALARM."""
    return stats.norm.isf(FALSE_ALARM / (2 * comparisons))


def tail_distance(latency_s, t, exact):
    """Return |frequency - exact| in standard errors of the exact law, for each t."""
    frequency = (latency_s[:, None] > t).mean(0)
    return np.abs(frequency - exact) / np.sqrt(exact * (1 - exact) / latency_s.size)


# ---- what a task finds ----


def number_law(servers, mu, arrivals, greatest):
    """P(number at an M/M/c station = j), j <= greatest."""
    log_pi, log_rho = log_stationary(servers, mu, arrivals)
    beyond = log_pi[-1] + log_rho * np.arange(1, greatest - servers + 1)
    return np.exp(np.append(log_pi, beyond))


def misfit(values, law):
    """Chi-square p value of whole numbers against a law, cells of at least 10 expected."""
    expected = law * values.size
    enough = expected >= 10
    observed = np.bincount(values, minlength=law.size)[: law.size]
    rest = max(values.size - expected[enough].sum(), 1e-9)
    both = np.append(observed[enough], values.size - observed[enough].sum())
    square = (
        (both - np.append(expected[enough], rest)) ** 2 / np.append(expected[enough], rest)
    ).sum()
    return stats.chi2.sf(square, enough.sum())


@cache
def found():
    return tasks_found(*TANDEM, 2, seed=5, paths=PATHS)


def test_numbers_found_are_those_of_stationary_stations():
    """Types up to its own at the three stages, and higher types at the first two (Burke).

    Five chi-square tests at FALSE_ALARM / 5 each.
    """
    both, high = found().sum(1), found()[:, 0]
    for u in range(3):
        law = number_law(SERVERS[u], SERVICE_RATE_PER_S[u], 9.0, 80)
        assert misfit(both[:, u], law) > FALSE_ALARM / 5
    for u in range(2):
        law = number_law(SERVERS[u], SERVICE_RATE_PER_S[u], 6.0, 80)
        assert misfit(high[:, u], law) > FALSE_ALARM / 5


def test_types_split_by_chance_are_not_what_a_task_finds():
    """The negative control: each task of a higher type with probability 6/9, as in an M/M/∞."""
    both = found().sum(1)
    split = stream(5, "split").binomial(both, 6 / 9)
    for u in range(2):
        law = number_law(SERVERS[u], SERVICE_RATE_PER_S[u], 6.0, 80)
        assert misfit(split[:, u], law) < 1e-12


def joint_law(servers, mu, high, own, size):
    """Stationary law of (higher, own) at one station by solving the balance equations."""
    h, k = np.indices((size, size))
    state = h * size + k
    busy = np.minimum(h, servers)
    rows, columns, rates = [], [], []
    for step, rate in [
        ((1, 0), np.full(h.shape, high)),
        ((0, 1), np.full(h.shape, own)),
        ((-1, 0), mu * busy),
        ((0, -1), mu * np.minimum(k, servers - busy)),
    ]:
        to = h + step[0], k + step[1]
        inside = (rate > 0) & (to[0] < size) & (to[1] < size)
        rows.append(state[inside])
        columns.append((to[0] * size + to[1])[inside])
        rates.append(rate[inside])
    entries = np.concatenate(rates), (np.concatenate(rows), np.concatenate(columns))
    flow = csr_matrix(entries, (state.size, state.size))
    balance = (flow.T - csr_matrix(np.diag(np.asarray(flow.sum(axis=1)).ravel()))).tolil()
    balance[0] = 1.0
    law = spsolve(balance.tocsc(), np.eye(state.size)[0]).reshape(h.shape)
    assert law[-1].sum() + law[:, -1].sum() < 1e-9
    return law


def test_which_tasks_are_found_together_at_the_uplink():
    """Joint law of higher and own types at a station of its own, one chi-square test.

    The stage behind it has to be there for the types at the first to matter; being fed by it, it
    changes nothing at the first.
    """
    size = 40
    high, own = tasks_found([2, 2], [3.0, 4.0], [2.0, 1.0], 1, seed=6, paths=PATHS)[:, :, 0].T
    law = joint_law(2, 3.0, 2.0, 1.0, size).ravel()
    assert max(high.max(), own.max()) < size
    assert misfit(high * size + own, law) > FALSE_ALARM
    shuffled = stream(6, "shuffle").permutation(own)  # the marginals alone are not enough
    assert misfit(high * size + shuffled, law) < 1e-12


# ---- latencies where the law is known ----


@pytest.mark.parametrize("type_", [0, 1, 2])
def test_one_station(type_):
    """Four tail probabilities of each type of a station against the exact preemptive law."""
    t = np.array([0.1, 0.4, 1.0, 2.0])
    latency_s = tagged_latencies([3], [4.0], ARRIVAL_RATE_PER_S, type_, seed=7, paths=PATHS)
    exact = class_end_to_end_tail(t, 3, 4.0, ARRIVAL_RATE_PER_S)
    assert tail_distance(latency_s, t, exact[type_]).max() < normal_limit(12)
    other = exact[(type_ + 1) % 3]
    assert tail_distance(latency_s, t, other).max() > 2 * normal_limit(12)


def test_the_lowest_type_is_not_served_first_come_first_served():
    t = np.array([0.1, 0.4, 1.0, 2.0])
    latency_s = tagged_latencies([3], [4.0], ARRIVAL_RATE_PER_S, 2, seed=7, paths=PATHS)
    assert tail_distance(latency_s, t, sojourn_tail(t, 3, 4.0, 9.0)).max() > 2 * normal_limit(12)


@pytest.mark.parametrize("servers", [[1, 1, 1], [3, 4], [2, 1, 3]], ids=str)
def test_the_top_type_where_stages_are_independent(servers):
    """Only the first and the last stage have several servers: sojourns are independent.

    Reich (1963), Burke (1969). Four probabilities, false alarm FALSE_ALARM for all cases together.
    """
    mu = 6.0 / np.array(servers) * np.array([1.0, 1.2, 0.9])[: len(servers)]
    t = np.array([0.5, 1.5, 3.0, 5.0])
    latency_s = tagged_latencies(servers, mu, [3.5, 9.0], 0, seed=8, paths=PATHS)
    exact = end_to_end_tail(t, servers, mu, 3.5)
    assert tail_distance(latency_s, t, exact).max() < normal_limit(12)
    slower = end_to_end_tail(t, servers, 0.97 * mu, 3.5)
    assert tail_distance(latency_s, t, slower).max() > normal_limit(12)


def test_means_end_to_end():
    """Three exact means (Buzen and Bondi 1983); false alarm FALSE_ALARM for all together."""
    mean_s = tandem_class_sojourn_mean(*TANDEM)
    for type_ in range(3):
        latency_s = tagged_latencies(*TANDEM, type_, seed=9, paths=PATHS)
        error_s = latency_s.std() / np.sqrt(PATHS)
        assert abs(latency_s.mean() - mean_s[type_]) < normal_limit(3) * error_s
        assert 20 * error_s < mean_s[type_]


# ---- against the engine ----

LATENCIES_S = np.array([[0.5, 1.0, 2.0, 3.0], [0.5, 1.5, 2.5, 4.0], [1.0, 3.0, 6.0, 10.0]])
WARM_UP_S, MEASURED_S, REPLICATIONS = 60.0, 600.0, 100


def late_tasks(replication):
    """Tasks (3 types,) and late ones (3 types, 4 latencies) of a run of the full engine."""
    rng = stream(11, "tagged against engine", replication)
    horizon_s = MEASURED_S + 2 * WARM_UP_S
    tasks = rng.poisson(sum(ARRIVAL_RATE_PER_S) * horizon_s)
    work = Workload.arriving(
        np.sort(rng.uniform(0, horizon_s, tasks)),
        rng.choice(3, size=tasks, p=np.array(ARRIVAL_RATE_PER_S) / sum(ARRIVAL_RATE_PER_S)),
        rng.exponential(1 / np.array(SERVICE_RATE_PER_S), (tasks, 3)),
    )
    trace, state = simulate(work, [SERVERS], until_s=1e5, engine="compiled")
    assert len(state) == 0
    inside = (trace.arrival_s >= WARM_UP_S) & (trace.arrival_s < WARM_UP_S + MEASURED_S)
    trace = trace.select(inside)
    late = trace.latency_s[:, None] > LATENCIES_S[trace.type]
    return np.bincount(trace.type, minlength=3), np.array(
        [late[trace.type == n].sum(0) for n in range(3)]
    )


@cache
def engine_runs():
    runs = [late_tasks(r) for r in range(REPLICATIONS)]
    return tuple(np.array(column) for column in zip(*runs, strict=True))


def engine_distance(type_, latency_s):
    """Distance of tagged tasks from the engine in standard errors of both, for each latency.

    Late tasks less p × tasks has mean zero over replications if p is right.
    """
    tasks, late = engine_runs()
    p = (latency_s[:, None] > LATENCIES_S[type_]).mean(0)
    excess = late[:, type_] - p * tasks[:, type_, None]
    engine_error = excess.std(0, ddof=1) / np.sqrt(REPLICATIONS)
    own_error = np.sqrt(p * (1 - p) / latency_s.size) * tasks[:, type_].mean()
    return np.abs(excess.mean(0)) / np.hypot(engine_error, own_error)


@pytest.mark.parametrize("type_", [0, 1, 2])
def test_tails_are_those_of_the_engine(type_):
    """Twelve tail probabilities down to 1e-3; false alarm FALSE_ALARM for all together."""
    latency_s = tagged_latencies(*TANDEM, type_, seed=10, paths=PATHS)
    assert engine_distance(type_, latency_s).max() < normal_limit(12)


@pytest.mark.parametrize("wrong", ["a stage slower", "a neighbour", "without higher types"])
def test_the_engine_refuses_another_chain(wrong):
    rates, mu, type_ = ARRIVAL_RATE_PER_S, list(SERVICE_RATE_PER_S), 2
    if wrong == "a stage slower":
        mu[1] *= 0.97
    elif wrong == "a neighbour":
        rates = [6.0, 0.0, 3.0 * 0.9]
    else:
        rates = [0.0, 0.0, 9.0]
    latency_s = tagged_latencies(SERVERS, mu, rates, type_, seed=10, paths=PATHS)
    assert engine_distance(type_, latency_s).max() > normal_limit(12)


# ---- the tilt of a station ----


@pytest.mark.parametrize(
    ("servers", "mu", "high", "eta"), [(1, 4.0, 1.5, 0.5), (3, 1.3, 2.0, 0.2), (24, 0.7, 9.0, 0.6)]
)
def test_the_tilt_solves_its_equations(servers, mu, high, eta):
    """On the chain cut far out, where the geometric continuation is not used."""
    count = servers + 400
    j = np.arange(count)
    served = j < servers
    down = mu * np.minimum(j, servers)
    equations = np.diag(down + high + mu * served - eta)
    equations -= np.diag(down[1:], -1) + np.diag(np.full(count - 1, high), 1)
    equations[-1, -1] -= high  # no more arrivals out there
    phi = np.linalg.solve(equations, mu * served)
    log_phi, log_step = station_tilt(servers, mu, high, eta)
    np.testing.assert_allclose(np.exp(log_phi), phi[:servers], rtol=1e-10)
    np.testing.assert_allclose(np.exp(log_step), phi[servers + 5] / phi[servers + 4], rtol=1e-10)


def test_no_tilt_beyond_the_greatest_exponent():
    assert station_tilt(2, 1.0, 0.5, 0.999)[0].size == 0
    assert station_tilt(1, 4.0, 1.0, 1.01)[0].size == 0  # (2 - 1)²
    assert station_tilt(1, 4.0, 1.0, 0.99)[0].size == 1


# ---- behaviour ----


def test_the_same_seed_gives_the_same_bytes():
    first, again = (tagged_latencies(*TANDEM, 2, seed=3, paths=100) for _ in range(2))
    assert first.tobytes() == again.tobytes()
    assert first.tobytes() != tagged_latencies(*TANDEM, 2, seed=4, paths=100).tobytes()


def test_the_first_of_no_tasks_finds_nobody():
    assert not tasks_found([1, 2], [1.0, 1.0], [0.0], 0, seed=1, paths=10).any()


def test_a_type_without_tasks_of_its_own():
    """Its first task: only higher types are ahead."""
    found = tasks_found([1, 2], [2.0, 1.0], [1.0, 0.0], 1, seed=1, paths=1000)
    assert found[:, 0].any()
    assert not found[:, 1].any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([2], [1.0], [1.0, 1.0], 1), r"type_ = 1: saturated at stage 0 \(2 tasks/s against 2\)"),
        (([2, 1], [1.0, 1.0], [1.0], 0), "saturated at stage 1"),
        (([2], [1.0], [1.0], 1), "type_ = 1: must be 0 to 0"),
        (([2], [1.0], [1.0], -1), "type_ = -1: must be 0 to 0"),
        (([2, 2], [1.0], [1.0], 0), r"service_rate_per_s \(1,\): must be \(S,\)"),
        (
            ([1] * 4, [1.0] * 4, [0.5], 0),
            r"servers has shape \(4,\): must be \(S,\), S from 1 to 3",
        ),
        (([0], [1.0], [0.5], 0), "servers = 0.0"),
        (([1], [1.0], 0.5, 0), "arrival_rates_per_s has shape"),
        (([1], [1.0], [-0.5], 0), "arrival_rates_per_s = -0.5"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        journey_of(*arguments)


def test_no_paths():
    with pytest.raises(ValueError, match="paths = 0: must be at least 1"):
        tagged_latencies([1], [1.0], [0.5], 0, seed=1, paths=0)
