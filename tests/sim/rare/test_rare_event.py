"""Rare-event estimates against exact tails, their standard errors, and what they save.

Every statistical test has a fixed seed and says how often it would fail by chance on a fresh one.
"""

from functools import cache
from statistics import mean, stdev

import numpy as np
import pytest
from rival_methods import METHODS, importance_factors
from scipy import stats

from airan_market.sim.rare.journey import journey_of
from airan_market.sim.rare.rare_event import BATCHES, rare_tail
from airan_market.sim.rare.stationary_law import StationaryLaw
from airan_market.sim.streams import stream
from airan_market.sim.theory.end_to_end import end_to_end_tail
from airan_market.sim.theory.preemptive import class_end_to_end_tail

FALSE_ALARM = 1e-3

#: name: servers, service rates, arrival rates, type
STATIONS = {
    "one server, top type": ([1], [7.0], [3.0, 2.0], 0),
    "one server, lowest type": ([1], [7.0], [3.0, 2.0, 1.5], 2),
    "waiting decides": ([12], [1.0], [3.0, 4.0, 4.5], 2),
    "own service decides": ([20], [1.0], [6.0, 5.0, 4.0], 2),
    "two roots nearly equal": ([4], [1.0], [1.0, 2.0], 1),
    "the first of its type": ([3], [1.0], [2.2, 0.0], 1),
}
#: The top type where stages are independent: several servers at the first and the last stage only.
TANDEMS = {
    "three single servers": ([1, 1, 1], [7.0, 6.0, 8.0], [3.0, 1.0], 0),
    "two stages": ([3, 4], [2.0, 1.8], [4.0, 0.5], 0),
    "three stages": ([2, 1, 3], [3.0, 6.5, 2.0], [4.5], 0),
    "nobody else": ([2, 3, 1], [3.0, 1.0, 2.0], [0.0], 0),
}
EXACT = {**STATIONS, **TANDEMS}
#: These take a minute.
LONG = {"load 0.98": ([5], [2.0], [4.9, 2.9, 2.0], 2)}
TARGETS = (1e-2, 1e-4, 1e-6, 1e-7, 1e-9)
#: A tandem without an exact law: three types, three servers and more at every stage.
TANDEM = [3, 2, 5], [4.0, 6.0, 2.5], [2.5, 3.5, 3.0]


def exact_tail(case, t, slower=1.0):
    servers, mu, rates, type_ = {**EXACT, **LONG}[case]
    mu = np.array(mu) / slower
    if len(servers) == 1:
        return class_end_to_end_tail(t, servers[0], mu[0], rates)[type_]
    return end_to_end_tail(t, servers, mu, sum(rates[: type_ + 1]))


@cache
def latencies_of(case):
    """Latencies at which the exact tail is at the targets (bisection)."""
    low, high = np.zeros(len(TARGETS)), np.full(len(TARGETS), 1e4)
    for _ in range(60):
        middle = (low + high) / 2
        above = exact_tail(case, middle) > TARGETS
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return low


@cache
def estimate(case, method="splitting", seed=1, paths=6400):
    where = {**EXACT, **LONG}[case]
    return rare_tail(latencies_of(case), *where, seed=seed, paths=paths, method=METHODS[method])


def limit(comparisons, batches=BATCHES):
    """Standard errors that all comparisons together stay within, but for FALSE_ALARM."""
    return stats.t.isf(FALSE_ALARM / (2 * comparisons), batches - 1)


def distance(tail, exact):
    return np.abs(tail.probability - exact) / tail.standard_error


@pytest.mark.parametrize("case", EXACT)
def test_unbiased_where_the_answer_is_exact(case):
    """Five probabilities from 1e-2 to 1e-9; false alarm FALSE_ALARM for all 50 together.

    A model 10 % slower must be refused, and every standard error be below 20 %.
    """
    tail = estimate(case)
    exact = exact_tail(case, latencies_of(case))
    comparisons = len(EXACT) * len(TARGETS)
    assert (tail.standard_error < 0.2 * exact).all()
    assert (tail.largest_share < 6 / BATCHES).all()
    assert distance(tail, exact).max() < limit(comparisons)
    slower = exact_tail(case, latencies_of(case), 1.1)
    assert distance(tail, slower).max() > limit(comparisons)


@pytest.mark.parametrize("case", ["one server, top type", "own service decides"])
def test_importance_sampling_is_unbiased_too(case):
    """Twisted rates, at one station, 1e-2 to 1e-9; false alarm FALSE_ALARM for all together."""
    tail = estimate(case, "importance", paths=3200)
    exact = exact_tail(case, latencies_of(case))
    assert distance(tail, exact).max() < limit(2 * len(TARGETS))


# ---- wrong weights ----


@pytest.mark.parametrize(("case", "target"), [("waiting decides", 2), ("two stages", 1)])
def test_a_missing_likelihood_ratio_is_seen(case, target):
    """Leave one factor out of the weight of twisted paths: start, arrivals or one service.

    The right weights pass at a false alarm of FALSE_ALARM.
    """
    servers, mu, rates, type_ = EXACT[case]
    law = StationaryLaw(journey_of(servers, mu, rates, type_))
    t = latencies_of(case)[target : target + 1]
    factors, _ = importance_factors(law, t, 6400, stream(1, "wrong weights"))
    exact = exact_tail(case, t)[0]

    def off(weights):
        means = np.exp(weights).reshape(BATCHES, -1).mean(1)
        return abs(means.mean() - exact) / (means.std(ddof=1) / np.sqrt(BATCHES))

    assert off(factors.sum(2)) < limit(1)
    late = np.isfinite(factors[:, 0, 0])
    twisted = np.flatnonzero(factors[late, 0].any(0))
    assert twisted.size == 3  # the top type has no arrivals that matter
    for i in twisted:
        assert off(np.delete(factors, i, axis=2).sum(2)) > limit(1)


@pytest.mark.parametrize("stage", [0, 1, 2])
def test_a_start_that_is_not_weighted_is_seen(stage, monkeypatch):
    """Splitting with the weight of one stage's tilted start left out."""
    right = StationaryLaw.start

    def wrong(self, eta):
        start = right(self, eta)
        table, log_step = start.table.copy(), start.log_step.copy()
        table[stage], log_step[stage] = 0.0, 0.0
        return start._replace(table=table, log_step=log_step)

    monkeypatch.setattr(StationaryLaw, "start", wrong)
    case = "three single servers"
    t = latencies_of(case)[:2]
    tail = rare_tail(t, *EXACT[case], seed=1, paths=3200)
    assert distance(tail, exact_tail(case, t)).max() > limit(2)


def test_what_no_path_has_seen_is_in_no_error():
    """Twenty servers at load 0.35: one task in 100,000 waits, hardly ever a path of 6400.

    Service alone is then integrated exactly, and the error of the answer, a few millionths of it,
    is far more than the standard error says.
    """
    t = np.array([18.0])
    where = [20], [1.0], [4.0, 3.0], 1
    tail = rare_tail(t, *where, seed=1)
    exact = class_end_to_end_tail(t, *(part[0] for part in where[:2]), where[2])[1]
    assert tail.standard_error[0] < 1e-4 * exact[0]
    assert abs(tail.probability[0] / exact[0] - 1) < 1e-4


def with_promise_times(factor, monkeypatch):
    right = StationaryLaw.promise

    def bad(self, parts):
        promise = right(self, parts)
        return promise._replace(table=promise.table * factor, log_step=promise.log_step * factor)

    monkeypatch.setattr(StationaryLaw, "promise", bad)
    t = latencies_of("waiting decides")[:3]
    tail = rare_tail(t, *EXACT["waiting decides"], seed=2, paths=6400, batches=64)
    return tail, exact_tail("waiting decides", t)


@pytest.mark.parametrize("factor", [0.7, 1.4])
def test_a_wrong_promise_costs_precision_and_no_bias(factor, monkeypatch):
    """V is a guess: made wrong on purpose it must not move the answer."""
    wrong, exact = with_promise_times(factor, monkeypatch)
    assert distance(wrong, exact).max() < limit(6, 64)


def test_a_perverse_promise_is_seen_in_the_diagnostic(monkeypatch):
    """It prefers the hopeless: one batch in 64 makes up a fifth and more of the sum."""
    wrong, _ = with_promise_times(-0.3, monkeypatch)
    assert wrong.largest_share.max() > 0.2
    monkeypatch.undo()
    right, _ = with_promise_times(1.0, monkeypatch)
    assert right.largest_share.max() < 0.1


# ---- a tandem ----


@pytest.mark.parametrize("type_", [0, 1, 2])
def test_methods_agree_on_a_tandem(type_):
    """Splitting against crude, at about 1e-2 and 1e-3, and against importance sampling at 1e-6.

    False alarm FALSE_ALARM for the nine comparisons together.
    """
    seconds = [[1.8, 2.6, 6.0], [2.3, 3.2, 6.5], [6.0, 9.0, 16.0]][type_]
    ours = rare_tail(seconds, *TANDEM, type_, seed=4, paths=6400)
    crude = rare_tail(seconds[:2], *TANDEM, type_, seed=5, paths=32_000, method=METHODS["crude"])
    last = seconds[2:]
    twisted = rare_tail(last, *TANDEM, type_, seed=6, paths=6400, method=METHODS["importance"])
    other = np.append(crude.probability, twisted.probability)
    error = np.append(crude.standard_error, twisted.standard_error)
    assert 2e-7 < ours.probability[2] < 5e-6
    assert 5e-4 < other[1] < 2e-2
    assert (error < 0.3 * other).all()
    far = np.abs(ours.probability - other) / np.hypot(ours.standard_error, error)
    assert far.max() < limit(9)


@pytest.mark.parametrize("type_", [0, 2])
def test_a_hundred_times_fewer_tasks_than_crude_monte_carlo(type_):
    """Near 1e-7: crude Monte Carlo needs (1 - p)/(p ε²) tasks for the relative error ε."""
    seconds = [6.8, 20.5][type_ // 2]
    tail = rare_tail([seconds], *TANDEM, type_, seed=7, paths=3200)
    crude = rare_tail([0.5], *TANDEM, type_, seed=7, paths=6400, method=METHODS["crude"])
    p, error = tail.probability[0], tail.standard_error[0]
    assert 3e-8 < p < 3e-7
    tasks = (1 - p) / error**2 * p
    assert tasks > 100 * tail.paths
    # nor are the tasks dearer than that: crude events are counted up to the short latency only
    assert tasks * crude.events / crude.paths > 100 * tail.events
    # nor against a simulation of everybody, in which six events serve a task of any type
    total, own = sum(TANDEM[2][: type_ + 1]), TANDEM[2][type_]
    assert tasks * 6 * total / own > 100 * tail.events


def test_a_curve_is_a_tail():
    """Fifty latencies at once, P from 1 to below 1e-9, in any order; falling within the errors."""
    t = np.linspace(0.0, 12.0, 50)
    shuffled = stream(1, "order").permutation(50)
    tail = rare_tail(t[shuffled], *TANDEM, 0, seed=8, paths=3200)
    probability = np.empty(50)
    probability[shuffled] = tail.probability
    assert probability[0] == 1.0
    assert 0 < probability[-1] < 1e-9
    error = np.empty(50)
    error[shuffled] = tail.standard_error
    assert (np.diff(probability) < 4 * np.hypot(error[1:], error[:-1])).all()
    assert (error[1:] < 0.35 * probability[1:]).all()


# ---- honest standard errors ----


@pytest.mark.parametrize("batches", [2, 5, 32])
def test_the_standard_error_is_that_of_the_mean_of_the_batches(batches):
    """With a method whose batches are known: the estimator of a mean, from its textbook."""

    def drawn(law, t, size):
        return lambda rng: (rng.exponential(t), 1)

    t = [0.5, 1.5]
    tail = rare_tail(t, *TANDEM, 1, seed=9, paths=64, method=drawn, batches=batches)
    values = [stream(9, "rare event", 1, 0, batch).exponential(t) for batch in range(batches)]
    for i, batch in enumerate(zip(*values, strict=True)):
        assert tail.probability[i] == pytest.approx(mean(batch), rel=1e-12)
        error = stdev(batch) / batches**0.5
        assert tail.standard_error[i] == pytest.approx(error, rel=1e-12)
        assert tail.largest_share[i] == pytest.approx(max(batch) / sum(batch), rel=1e-12)


@pytest.mark.long
@pytest.mark.parametrize("case", ["own service decides", "one server, lowest type", "three stages"])
def test_intervals_cover_as_often_as_they_say(case):
    """95 % t intervals from the batches of 400 runs, each at 1e-4, 1e-7 and 1e-9.

    The number that covers the exact answer is binomial if the standard errors are honest; two-sided
    at FALSE_ALARM for the nine together. Half the default number of paths.
    """
    t = latencies_of(case)[[1, 3, 4]]
    exact = exact_tail(case, t)
    quantile = stats.t.ppf(0.975, BATCHES - 1)
    runs = [rare_tail(t, *EXACT[case], seed=100 + r, paths=3200) for r in range(400)]
    far = np.array([distance(tail, exact) for tail in runs])
    low, high = stats.binom.interval(1 - FALSE_ALARM / 9, 400, 0.95)
    covered = (far < quantile).sum(0)
    assert ((low <= covered) & (covered <= high)).all(), covered
    # the test sees errors that are half of what they should be, or twice
    assert ((far < quantile / 2).sum(0) < low).all()
    assert ((far < quantile * 2).sum(0) > high).all()


@pytest.mark.long
@pytest.mark.parametrize("case", {**EXACT, **LONG})
def test_unbiased_closely(case):
    """The same and more, 55 in all, three times as closely; false alarm FALSE_ALARM for all."""
    tail = estimate(case, paths=64_000)
    exact = exact_tail(case, latencies_of(case))
    assert (tail.standard_error < 0.07 * exact).all()
    assert distance(tail, exact).max() < limit(55)


# ---- behaviour ----


@pytest.mark.parametrize("method", METHODS)
def test_the_same_seed_gives_the_same_bytes_with_any_number_of_threads(method):
    t, effort = [0.0, 3.0, 0.5], {"paths": 320, "method": METHODS[method]}
    one, two = (rare_tail(t, *TANDEM, 1, seed=3, workers=w, **effort) for w in (1, 3))
    for a, b in zip(one[:2], two[:2], strict=True):
        assert a.tobytes() == b.tobytes()
    assert one.events == two.events
    other = rare_tail(t, *TANDEM, 1, seed=4, **effort)
    assert other.probability.tobytes() != one.probability.tobytes()


def test_at_latency_zero_every_task_is_under_way():
    tail = rare_tail([0.0], *TANDEM, 1, seed=3, paths=10)
    assert tail.probability[0] == 1.0
    assert tail.standard_error[0] == 0.0
    assert tail.paths == tail.events == 0


def test_nothing_seen_is_zero_and_says_so():
    tail = rare_tail([40.0], *TANDEM, 0, seed=3, paths=64, method=METHODS["crude"])
    assert tail.probability[0] == tail.standard_error[0] == 0.0
    assert np.isnan(tail.largest_share[0])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"type_": 3}, "type_ = 3: must be 0 to 2"),
        ({"arrival_rates_per_s": [2.5, 3.5, 6.0]}, "type_ = 2: saturated at stage 0"),
        ({"batches": 1}, "batches = 1: must be at least 2"),
        ({"paths": 0}, "paths = 0: must be at least 1"),
        ({"latency_s": [-1.0]}, "latency_s = -1.0"),
        ({"latency_s": [[1.0]]}, r"latency_s has shape \(1, 1\): must be \(T,\)"),
    ],
)
def test_bad_input(changed, message):
    servers, mu, rates = TANDEM
    arguments = {
        "latency_s": [1.0],
        "servers": servers,
        "service_rate_per_s": mu,
        "arrival_rates_per_s": rates,
        "type_": 2,
        "paths": 10,
    }
    with pytest.raises(ValueError, match=message):
        rare_tail(**{**arguments, **changed}, seed=1)
