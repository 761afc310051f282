"""How often the intervals of replications hold the truth, which theory knows to many digits.

Every test repeats an experiment and counts the intervals that hold the truth. With a coverage of
0.95 fewer hits than `fewest(...)` happen with probability 1e-4; so often a test fails by chance on
fresh seeds (the seeds are fixed). The negative controls have to miss that number.
"""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from controls.stations import LastStation, TailStation
from scipy import optimize, stats

import airan_market.sim.estimation.replication as module
from airan_market.sim.engines.capacity import CapacityChanges
from airan_market.sim.engines.simpy_engine import run_simpy
from airan_market.sim.engines.station import Station
from airan_market.sim.estimation.experiment import Replications, replicate, until_precise
from airan_market.sim.estimation.proportions import clopper_pearson, cluster_proportion
from airan_market.sim.estimation.tandem import TandemModel
from airan_market.sim.theory.preemptive import class_end_to_end_tail
from airan_market.sim.theory.priority import class_sojourn_mean, tandem_class_sojourn_mean
from airan_market.sim.theory.sojourn import sojourn_tail

LEVEL, FALSE_ALARM = 0.95, 1e-4


def fewest(experiments, coverage=LEVEL):
    """Least number of hits that is no cause for alarm."""
    return stats.binom.ppf(FALSE_ALARM, experiments, coverage)


def station(servers, load, shares=(1.0,)):
    """One station, service rate 1/s, types with these shares of the arrivals."""
    return TandemModel.one_station(servers, 1.0, load * servers * np.array(shares))


@cache
def exact_latencies(servers, load, shares, probabilities):
    """Latency that each type exceeds with each probability, `sim.theory.preemptive`, (N, T), s."""
    rates = load * servers * np.array(shares)

    def excess(t, n, p):
        return float(class_end_to_end_tail(t, servers, 1.0, rates)[n, 0]) - p

    latency_s = np.zeros((len(shares), len(probabilities)))
    for n, row in enumerate(latency_s):
        for j, p in enumerate(probabilities):
            far = 1.0
            while excess(far, n, p) > 0:
                far *= 2
            row[j] = optimize.brentq(excess, 0.0, far, (n, p), xtol=1e-12, rtol=1e-12)
    latency_s.setflags(write=False)
    return latency_s


def groups(found, size):
    """Cut replications in experiments of `size` replications each."""
    rows = ("exceedances", "tasks", "unfinished", "latency_sum_s", "played_tasks")
    rows = (*rows, "reference_exceedances")
    for begin in range(0, len(found) - size + 1, size):
        part = slice(begin, begin + size)
        yield replace(
            found,
            latencies_s=found.latencies_s[part],
            **{name: getattr(found, name)[part] for name in rows},
        )


def probability_hits(experiments, truth, band_of=Replications.interval):
    """Number of experiments, and of intervals that hold the truth, (N, T)."""
    held = []
    for found in experiments:
        _, low, high = band_of(found)
        held.append((low <= truth) & (truth <= high))
    return len(held), np.sum(held, axis=0)


def mean_hits(experiments, truth_s):
    held = []
    for found in experiments:
        _, low_s, high_s = found.means()
        held.append((low_s <= truth_s) & (truth_s <= high_s))
    return len(held), np.sum(held, axis=0)


# ---- quick: replications are cut in experiments of ten ----

SHARES, COMMON = (0.3, 0.3, 0.4), (0.1, 0.01)


@cache
def preemptive():
    """Three types at load 0.7, 60 experiments of 10 replications of 1500 tasks."""
    model = station(2, 0.7, SHARES)
    rate = model.arrival_rates_per_s.sum()
    return replicate(
        model,
        exact_latencies(2, 0.7, SHARES, COMMON),
        seed=7,
        replications=600,
        horizon_s=2000 / rate,
        warmup=500 / rate,
        keep_latencies=True,
    )


def test_probabilities_of_all_types_are_covered():
    count, hits = probability_hits(groups(preemptive(), 10), np.array(COMMON))
    assert count == 60
    assert (hits >= fewest(count)).all()


def test_means_of_all_types_are_covered():
    truth_s = class_sojourn_mean(2, 1.0, station(2, 0.7, SHARES).arrival_rates_per_s)
    count, hits = mean_hits(groups(preemptive(), 10), truth_s)
    assert (hits >= fewest(count)).all()


def test_quantiles_of_all_types_are_covered():
    truth_s = exact_latencies(2, 0.7, SHARES, COMMON)
    held = []
    for found in groups(preemptive(), 10):
        _, low_s, high_s = found.quantiles([0.9, 0.99])
        held.append((low_s <= truth_s) & (truth_s <= high_s))
    assert (np.sum(held, axis=0) >= fewest(len(held))).all()


def test_the_whole_of_it_is_precise():
    """All 600 replications: known to 2 and 10 %, and within the interval at 1 - 1e-3/6 (Bonferroni:
    false alarm below 1e-3 for all six)."""
    probability, low, high = preemptive().interval(1 - 1e-3 / 6)
    assert ((low <= COMMON) & (high >= COMMON)).all()
    assert ((high - low) / probability < [0.2, 0.6]).all()


def test_means_of_a_tandem():
    """Three types, three stages; false alarm below 1e-3 for all three together."""
    model = TandemModel([3, 2, 5], [4.0, 6.0, 2.5], [2.5, 3.5, 3.0])
    found = replicate(model, [1.0], seed=5, replications=40, horizon_s=400.0, warmup=60.0)
    truth_s = tandem_class_sojourn_mean(
        model.servers, model.service_rate_per_s, model.arrival_rates_per_s
    )
    mean_s, low_s, high_s = found.means(1 - 1e-3 / 3)
    assert ((low_s <= truth_s) & (truth_s <= high_s)).all()
    assert ((high_s - low_s) / mean_s < 0.2).all()


# ---- negative controls ----


def test_first_come_does_not_pass_for_preemptive():
    """The law of types 1 to n together, first come first served, is not that of type n."""
    rates = station(2, 0.7, SHARES).arrival_rates_per_s
    latency_s = exact_latencies(2, 0.7, SHARES, COMMON)
    wrong = np.array([sojourn_tail(latency_s[n], 2, 1.0, rates[: n + 1].sum()) for n in range(3)])
    np.testing.assert_allclose(wrong[0], COMMON, rtol=1e-9)  # type 1 has nobody above it
    count, hits = probability_hits(groups(preemptive(), 10), wrong)
    assert (hits[0] >= fewest(count)).all()
    assert hits[2, 1] < fewest(count)
    low = preemptive().interval(1 - 1e-3 / 6).low
    assert (wrong[1:, 1] < low[1:, 1]).all()


def test_tasks_taken_as_independent_do_not_cover():
    """The binomial interval must fail where queues are long: M/M/4 at load 0.9."""
    model, latency_s = station(4, 0.9), exact_latencies(4, 0.9, (1.0,), (0.1,))
    found = replicate(
        model, latency_s, seed=7, replications=300, horizon_s=3000 / 3.6, warmup=1500 / 3.6
    )

    def binomial(found):
        return 0.1, *np.array(clopper_pearson(found.exceedances[:, 0].sum(), found.tasks.sum()))

    count, hits = probability_hits(groups(found, 10), 0.1)
    assert hits[0, 0] >= fewest(count)
    count, hits = probability_hits(groups(found, 10), 0.1, binomial)
    assert hits < 0.6 * count


def test_without_a_warm_up_high_load_is_not_covered():
    """M/M/1 at load 0.9, 400 tasks from empty, 40 replications: biased towards short queues."""
    model, latency_s = station(1, 0.9), exact_latencies(1, 0.9, (1.0,), (0.1,))
    truth_s = class_sojourn_mean(1, 1.0, model.arrival_rates_per_s)
    settings = {"seed": 7, "replications": 400}
    hits = {}
    for warm_up in (0.0, 2000 / 0.9):
        found = replicate(
            model, latency_s, warmup=warm_up, horizon_s=warm_up + 400 / 0.9, **settings
        )
        hits[warm_up > 0] = [
            float(probability_hits(groups(found, 40), 0.1)[1][0, 0]),
            float(mean_hits(groups(found, 40), truth_s)[1][0]),
        ]
    assert min(hits[True]) >= fewest(10)
    assert max(hits[False]) < fewest(10)


def bursty_rare():
    """M/M/4 at load 0.8, probability 1e-3: some 20 late tasks an experiment, in a burst or two."""
    return replicate(
        station(4, 0.8),
        exact_latencies(4, 0.8, (1.0,), (1e-3,)),
        seed=7,
        replications=400,
        horizon_s=2500 / 3.2,
        warmup=500 / 3.2,
    )


def test_design_effects_have_to_be_carried_to_rare_events():
    """Why `interval` does not use each probability's own design effect, as Korn and Graubard do."""

    def own(found):
        single = cluster_proportion(found.exceedances[:, 0, 0], found.tasks[:, 0])
        return single.estimate, single.low, single.high

    found = bursty_rare()
    count, hits = probability_hits(groups(found, 10), 1e-3)
    assert hits[0, 0] >= fewest(count)
    count, hits = probability_hits(groups(found, 10), 1e-3, own)
    assert hits < fewest(count)


def disciplined(monkeypatch, station_class, rates, probabilities, replications, tasks):
    """Replications of a single server under another discipline."""

    def simulate(workload, servers, *, until_s, state, engine):
        return run_simpy(
            workload,
            state,
            until_s=until_s,
            changes=CapacityChanges.none(),
            station=station_class,
        )

    model, total = TandemModel.one_station(1, 1.0, rates), sum(rates)
    latency_s = exact_latencies(1, total, tuple(np.array(rates) / total), probabilities)
    with monkeypatch.context() as patch:
        patch.setattr(module, "simulate", simulate)
        return replicate(
            model,
            latency_s,
            seed=3,
            replications=replications,
            horizon_s=(tasks + 200) / total,
            warmup=200 / total,
        )


@pytest.mark.parametrize("wrong", [False, True])
def test_the_order_inside_a_type_is_seen(monkeypatch, wrong):
    """False alarm below 1e-3 for the four probabilities of the right discipline together."""
    probabilities = (0.03, 0.01)
    found = disciplined(
        monkeypatch, LastStation if wrong else Station, (0.2, 0.5), probabilities, 20, 2500
    )
    _, low, high = found.interval(1 - 1e-3 / 4)
    held = (low <= probabilities) & (probabilities <= high)
    assert held.all() if not wrong else not held[1].any()


# ---- long: whole experiments, each with seeds, pilots and a warm-up of its own ----

EXPERIMENTS = 200
RARE = (0.1, 0.01, 1e-3)
# servers, load, shares, tasks of a replication, the first of them by MSER-5 not measured
LONG = [
    pytest.param(4, 0.5, (1.0,), 3000, id="M/M/4 at 0.5"),
    pytest.param(4, 0.8, (1.0,), 5000, id="M/M/4 at 0.8"),
    pytest.param(4, 0.95, (1.0,), 30_000, id="M/M/4 at 0.95"),
    pytest.param(3, 0.5, SHARES, 3000, id="three types at 0.5"),
    pytest.param(3, 0.8, SHARES, 5000, id="three types at 0.8"),
    pytest.param(3, 0.95, SHARES, 30_000, id="three types at 0.95"),
]


@pytest.mark.long
@pytest.mark.parametrize(("servers", "load", "shares", "tasks"), LONG)
def test_coverage(servers, load, shares, tasks):
    """200 experiments of 20 replications: probabilities 0.1, 0.01 and 1e-3, mean, two quantiles.

    Each coverage is at least nominal within its binomial error (false alarm 1e-4 each); that of the
    means, which are Student's, no more than nominal either. Probabilities are covered more often
    than nominal by design: few events, and design effects that are carried.
    """
    model = station(servers, load, shares)
    latency_s = exact_latencies(servers, load, shares, RARE)
    mean_s = class_sojourn_mean(servers, 1.0, model.arrival_rates_per_s)
    held = {"probability": [], "mean": [], "quantile": []}
    unsettled = 0
    for seed in range(EXPERIMENTS):
        found = replicate(
            model,
            latency_s,
            seed=1000 + seed,
            replications=20,
            horizon_s=tasks / model.arrival_rates_per_s.sum(),
            warmup="mser5",
            keep_latencies=True,
        )
        unsettled += bool(found.notes)  # they count all the same
        for name, truth, (_, low, high) in (
            ("probability", RARE, found.interval()),
            ("mean", mean_s, found.means()),
            ("quantile", latency_s[:, :2], found.quantiles([0.9, 0.99])),
        ):
            held[name].append((low <= truth) & (truth <= high))
    hits = {name: np.sum(rows, axis=0) for name, rows in held.items()}
    print({name: (count / EXPERIMENTS).tolist() for name, count in hits.items()}, unsettled)
    assert unsettled <= EXPERIMENTS / 20
    assert all((count >= fewest(EXPERIMENTS)).all() for count in hits.values())
    assert (hits["mean"] <= stats.binom.isf(FALSE_ALARM, EXPERIMENTS, LEVEL)).all()


@pytest.mark.long
@pytest.mark.parametrize("load", [0.95, 0.98])
def test_coverage_at_a_station_of_the_size_of_a_market(load):
    """Eight types at 24 servers, where only the lowest ones queue, down to 3e-4: 60 experiments.

    The design effect of the top type is 1, that of the lowest some hundreds. With each
    probability's own design effect the coverage of the lowest type's 3e-4 is below a half.
    """
    shares, probabilities = (0.125,) * 8, (0.5, 0.1, 0.03, 0.01, 3e-3, 1e-3, 3e-4)
    model, rate = station(24, load, shares), 24 * load
    found = replicate(
        model,
        exact_latencies(24, load, shares, probabilities),
        seed=3,
        replications=600,
        horizon_s=50_000 / rate,
        warmup=20_000 / rate,
    )
    count, hits = probability_hits(groups(found, 10), np.array(probabilities))
    print((hits / count).round(3).tolist())
    assert (hits >= fewest(count)).all()
    events, tasks = found.exceedances[:, 7, -1], found.tasks[:, 7]
    own = [
        cluster_proportion(events[begin : begin + 10], tasks[begin : begin + 10])
        for begin in range(0, 600, 10)
    ]
    assert sum(each.low <= 3e-4 <= each.high for each in own) < 0.5 * count


@pytest.mark.long
@pytest.mark.parametrize(
    ("probability", "relative", "least"), [(0.1, 0.2, LEVEL), (0.1, 0.1, LEVEL), (0.01, 0.3, LEVEL)]
)
def test_coverage_of_sequential_stopping(probability, relative, least):
    """200 experiments of M/M/4 at load 0.8 that stop when they are precise."""
    model, latency_s = station(4, 0.8), exact_latencies(4, 0.8, (1.0,), (probability,))
    hits = 0
    for seed in range(EXPERIMENTS):
        found = until_precise(
            model,
            latency_s,
            seed=5000 + seed,
            horizon_s=4000 / 3.2,
            relative=relative,
            budget_tasks=1e8,
            warmup=2000 / 3.2,
        )
        assert found.stopped == "precise"
        _, low, high = found.interval()
        hits += bool(low[0, 0] <= probability <= high[0, 0])
    print(hits / EXPERIMENTS)
    assert hits >= fewest(EXPERIMENTS, least)


@pytest.mark.long
@pytest.mark.parametrize("wrong", [False, True])
def test_a_place_lost_by_interruption_is_seen_in_the_law(monkeypatch, wrong):
    """False alarm below 1e-3 for the four probabilities of the right discipline together."""
    probabilities = (0.01, 0.003)
    found = disciplined(
        monkeypatch, TailStation if wrong else Station, (0.45, 0.35), probabilities, 40, 25_000
    )
    _, low, high = found.interval(1 - 1e-3 / 4)
    held = (low <= probabilities) & (probabilities <= high)
    assert held[0].all()
    assert held[1].all() if not wrong else not held[1].any()
