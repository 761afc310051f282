import numpy as np
import pytest

from airan_market.sim.estimation.warm_up import truncation, warm_up_of


def naive(series, batch=5):
    """MSER by its definition, batch by batch."""
    k = len(series) // batch
    y = [np.mean(series[i * batch : (i + 1) * batch]) for i in range(k)]
    values = [np.sum((y[d:] - np.mean(y[d:])) ** 2) / (k - d) ** 2 for d in range(k // 2 + 1)]
    best = min(range(len(values)), key=values.__getitem__)
    return best * batch, values[best]


@pytest.mark.parametrize("seed", range(8))
def test_truncation_is_the_definition(seed):
    rng = np.random.default_rng(seed)
    series = 1e3 + rng.exponential(size=203) + 5 * np.exp(-np.arange(203) / 20)
    found = truncation(series)
    assert found.observations == naive(series)[0]
    assert found.statistic == pytest.approx(naive(series)[1], rel=1e-9)


def test_batches_of_one_are_plain_mser():
    series = np.concatenate([np.full(7, 4.0), np.tile([0.0, 1.0], 40)])
    assert truncation(series, batch=1).observations == naive(series, 1)[0] == 7


def test_a_transient_is_dropped_and_a_stationary_series_is_kept():
    """Mean cuts over 200 series of 1000: AR(1) with and without a start eight deviations away."""
    rng = np.random.default_rng(3)
    cuts = {0.0: [], 8.0: []}
    for start, found in cuts.items():
        for _ in range(200):
            x, noise = start, rng.standard_normal(1000)
            series = np.empty(1000)
            for i in range(1000):
                x = 0.9 * x + np.sqrt(1 - 0.81) * noise[i]
                series[i] = x
            found.append(truncation(series).observations)
    # exp(-20 / 9.5) of the start is left after 20 observations
    assert 15 < np.median(cuts[8.0]) < 60
    assert np.median(cuts[0.0]) < np.median(cuts[8.0])


def test_minimum_at_the_boundary_has_a_name():
    rising = np.linspace(0.0, 1.0, 400)
    found = truncation(rising)
    assert (found.observations, found.settled) == (200, False)


def test_equal_values_lose_nothing():
    assert truncation(np.full(100, 0.1)).observations == 0


@pytest.mark.parametrize(
    ("series", "message"),
    [
        (np.zeros(19), "at least 20"),
        (np.zeros((40, 2)), "one axis"),
        ([*np.zeros(30), np.nan], "series = nan"),
    ],
)
def test_bad_series_are_refused(series, message):
    with pytest.raises(ValueError, match=message):
        truncation(series)


def test_a_batch_has_at_least_one_observation():
    with pytest.raises(ValueError, match="batch = 0"):
        truncation(np.zeros(30), batch=0)


def pilots(transient, tasks=(400, 400), noise=1.0):
    """Ten pilots of two types; type 2's latency decays from `transient` to 0 within 100 s."""
    rng = np.random.default_rng(5)
    arrival_s, latency_s = [], []
    for _ in range(10):
        times = [np.sort(rng.uniform(0, 1000.0, count)) for count in tasks]
        means = [0 * times[0], transient * np.maximum(0, 1 - times[1] / 100.0)]
        arrival_s.append(times)
        latency_s.append([mean + noise * rng.standard_normal(len(mean)) for mean in means])
    return arrival_s, latency_s, 1000.0


def test_the_slowest_type_sets_the_warm_up():
    found = warm_up_of(*pilots(10.0))
    assert found.notes == ()
    assert found.warm_up_s == found.type_warm_up_s[1]
    assert 60.0 < found.warm_up_s < 130.0
    assert found.type_warm_up_s[0] < 60.0


def test_the_cut_is_turned_into_the_mean_arrival_over_the_pilots():
    """The tenth task comes at 10 s in one pilot, at 20 s and at 60 s in the others."""
    latency_s = np.concatenate([np.full(10, 9.0), np.resize([1.0, 2.0], 90)])
    arrival_s = [[gap * np.arange(100.0)] for gap in (1.0, 2.0, 6.0)]
    assert warm_up_of(arrival_s, [[latency_s]] * 3, 700.0).warm_up_s == 30.0


def test_a_type_that_cannot_be_judged_and_one_that_has_not_settled_are_named():
    few = warm_up_of(*pilots(10.0, (3, 400)))
    assert "Type 1: " in few.notes[0]
    assert "too few" in few.notes[0]
    assert np.isnan(few.type_warm_up_s[0])
    assert few.warm_up_s == few.type_warm_up_s[1]
    arrival_s, latency_s, horizon_s = pilots(10.0)
    pairs = zip(arrival_s, latency_s, strict=True)
    growing = [[values[0], values[1] + times[1]] for times, values in pairs]
    found = warm_up_of(arrival_s, growing, horizon_s)
    assert len(found.notes) == 1
    assert "Type 2: MSER-5 has its minimum at the boundary" in found.notes[0]
    assert 450.0 < found.warm_up_s < 550.0


def test_latencies_that_never_end_are_not_settled():
    arrival_s, latency_s, horizon_s = pilots(10.0)
    latency_s[3][1][-5:] = np.inf
    found = warm_up_of(arrival_s, latency_s, horizon_s)
    assert "Type 2" in found.notes[0]
    assert "never" in found.notes[0]
    assert found.warm_up_s == found.type_warm_up_s[0]
