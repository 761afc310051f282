from dataclasses import fields, replace

import numpy as np
import pytest

import airan_market.sim.estimation.experiment as module
from airan_market.sim.estimation.estimates import paired_difference, upper_quantiles
from airan_market.sim.estimation.experiment import Replications, replicate, until_precise
from airan_market.sim.estimation.replication import Experiment
from airan_market.sim.estimation.tandem import TandemModel
from airan_market.sim.traffic.arrival_laws import Bursts
from airan_market.sim.traffic.work_laws import Deterministic

MODEL = TandemModel([3, 2, 5], [4.0, 6.0, 2.5], [2.5, 3.5, 3.0])
LATENCY_S = np.array([[0.5, 1.0, 2.0], [0.5, 1.5, 3.0], [1.0, 3.0, 8.0]])
SPAN = {"horizon_s": 100.0, "warmup": 20.0}


def found(model=MODEL, latency_s=LATENCY_S, seed=1, replications=6, **settings):
    return replicate(model, latency_s, seed=seed, replications=replications, **(SPAN | settings))


def same(one, other):
    """To the bit, kept latencies among it."""
    for item in fields(Replications):
        a, b = getattr(one, item.name), getattr(other, item.name)
        if isinstance(a, np.ndarray):
            assert a.tobytes() == b.tobytes(), item.name
            assert a.dtype == b.dtype
    kept = [part.tobytes() for row in one.latencies_s for part in row]
    return kept == [part.tobytes() for row in other.latencies_s for part in row]


def brute(model, latency_s, seed, replication, warm_up_s, horizon_s):
    """Count from one long run, to which the measured span is nothing special."""
    trace, state = model.play(seed, replication, 2 * horizon_s)
    assert not (state.arrival_s < horizon_s).any()
    inside = (trace.arrival_s >= warm_up_s) & (trace.arrival_s < horizon_s)
    trace = trace.select(inside)
    types = range(len(latency_s))
    later = [
        [(trace.latency_s[trace.type == n] > t).sum() for t in latency_s[n].tolist()] for n in types
    ]
    sums = [trace.latency_s[trace.type == n].sum() for n in types]
    return np.array(later), np.bincount(trace.type, minlength=len(types)), np.array(sums)


def test_counts_are_those_of_a_run_that_knows_no_end():
    """The measured span ends in the middle of traffic; every task of it is followed to its end."""
    result = found()
    for r in range(len(result)):
        later, tasks, sums = brute(MODEL, LATENCY_S, 1, r, 20.0, 100.0)
        assert np.array_equal(result.exceedances[r], later)
        assert np.array_equal(result.tasks[r], tasks)
        np.testing.assert_allclose(result.latency_sum_s[r], sums, rtol=1e-12)
    assert result.unfinished.sum() == 0
    assert (result.played_tasks > result.tasks.sum(1)).all()


def test_a_task_that_takes_exactly_as_long_is_not_later():
    kept = found(replications=1, keep_latencies=True).latencies_s[0][0]  # sorted
    exact = found(latency_s=[kept[10]], replications=1)
    assert exact.exceedances[0, 0, 0] == kept.size - 11


def test_a_latency_far_beyond_the_horizon_costs_nothing():
    """Once the last measured task is done nothing is left to decide."""
    far = found(latency_s=[1.0, 1e7])
    assert np.array_equal(far.exceedances[..., 0], found(latency_s=[1.0]).exceedances[..., 0])
    assert far.exceedances[..., 1].sum() == 0
    assert far.played_tasks.max() < 2 * far.tasks.sum(1).max()


def test_to_look_only_at_tasks_that_are_done_would_be_wrong():
    """Negative control of the test above: the late ones among the last would be missing."""
    model = TandemModel.one_station(1, 1.0, [0.9])
    result = found(model, [5.0], horizon_s=60.0)
    for r in range(len(result)):
        trace, _ = model.play(1, r, 60.0)
        trace = trace.select(trace.arrival_s >= 20.0)
        if (trace.latency_s > 5.0).sum() < result.exceedances[r, 0, 0]:
            return
    pytest.fail("no replication shows the difference")


@pytest.mark.parametrize("workers", [2, 5])
def test_the_number_of_workers_leaves_no_mark(workers):
    settings = {"keep_latencies": True, "warmup": "mser5"}
    assert same(found(workers=1, **settings), found(workers=workers, **settings))


def test_both_engines_find_the_same():
    assert same(
        found(replications=2, engine="simpy", keep_latencies=True),
        found(replications=2, keep_latencies=True),
    )


def test_more_replications_leave_the_first_ones_as_they_were():
    few, many = found(replications=3), found(replications=6)
    assert np.array_equal(few.exceedances, many.exceedances[:3])
    assert not np.array_equal(many.exceedances[0], many.exceedances[1])
    assert not np.array_equal(many.exceedances, found(seed=2).exceedances)


def test_mser5_chooses_by_pilots_that_are_not_measured():
    chosen = found(warmup="mser5", horizon_s=300.0)
    assert 0 < chosen.warm_up.warm_up_s < 150.0
    assert chosen.warm_up.type_warm_up_s.shape == (3,)
    fixed = found(warmup=chosen.warm_up.warm_up_s, horizon_s=300.0)
    assert np.array_equal(chosen.exceedances, fixed.exceedances)
    purposes = {
        purpose: MODEL.arrivals(1, 0, purpose).until(50.0).arrival_s[:9].tobytes()
        for purpose in (module.PILOT, module.MEASURED)
    }
    assert len(set(purposes.values())) == 2


def test_a_saturated_type_is_counted_and_named():
    """Its queue grows without end: every task late from some time on, and no mean."""
    model = TandemModel.one_station(2, 1.0, [0.8, 2.0])
    result = found(model, [5.0], horizon_s=200.0)
    assert model.saturated.tolist() == [False, True]
    assert (result.unfinished[:, 1] > 0).all()
    assert result.unfinished[:, 0].sum() == 0
    assert (result.exceedances[:, 1, 0] >= result.unfinished[:, 1]).all()
    assert result.interval().estimate[1, 0] > 0.8
    assert np.isnan(result.means().estimate[1])
    assert result.means().estimate[0] < 2.0
    assert "Type 2" in result.notes[-1]
    assert "never seen to end" in result.notes[-1]


def test_mser5_names_the_saturated_type_and_goes_by_the_other():
    model = TandemModel.one_station(2, 1.0, [0.8, 2.0])
    result = found(model, [5.0], horizon_s=200.0, warmup="mser5")
    assert any("Type 2" in note and "never end" in note for note in result.notes)
    assert result.warm_up.warm_up_s == result.warm_up.type_warm_up_s[0]


def test_other_laws_are_played():
    model = TandemModel(
        [3, 2, 5],
        [4.0, 6.0, 2.5],
        [2.5, 3.5, 3.0],
        service_law=Deterministic(),
        arrival_law=Bursts(ratio=9.0, share=0.25, mean_s=0.5),
    )
    result = found(model, keep_latencies=True)
    # nothing is faster than its three services
    assert result.quantiles([1e-9]).estimate.min() == pytest.approx(1 / 4 + 1 / 6 + 1 / 2.5)


def test_quantiles_are_order_statistics_with_limits_around_them():
    result = found(keep_latencies=True)
    shares = [0.5, 0.9, 0.99]
    latency_s, low_s, high_s = result.quantiles(shares)
    pooled = np.concatenate([row[2] for row in result.latencies_s])
    np.testing.assert_array_equal(latency_s[2], np.quantile(pooled, shares, method="inverted_cdf"))
    assert (low_s < latency_s).all()
    assert (latency_s < high_s).all()
    assert (np.diff(low_s, axis=1) >= 0).all()


def test_upper_quantiles_invert_the_empirical_tail():
    values = np.arange(10.0)
    assert upper_quantiles(values, np.array([0.0, 0.1, 0.15, 0.3, 1.0])).tolist() == [
        np.inf, 8.0, 8.0, 6.0, 0.0
    ]  # fmt: skip


def test_quantiles_need_latencies_and_shares_between_zero_and_one():
    with pytest.raises(ValueError, match="keep_latencies"):
        found(replications=1).quantiles([0.5])
    with pytest.raises(ValueError, match="shares"):
        found(replications=1, keep_latencies=True).quantiles([1.0])


def test_a_type_without_traffic_has_nothing_to_say():
    model = TandemModel([3, 2, 5], [4.0, 6.0, 2.5], [2.5, 0.0, 3.0])
    result = found(model, keep_latencies=True)
    probability, low, high = result.interval()
    assert np.isnan(probability[1]).all()
    assert (low[1] == 0).all()
    assert (high[1] == 1).all()
    assert np.isnan(result.quantiles([0.5]).estimate[1, 0])


# ---- sequential stopping ----

ONE = TandemModel.one_station(2, 1.0, [1.0])


def precise(**settings):
    settings = {"relative": 0.2, "budget_tasks": 1e6, "first": 4} | settings
    return until_precise(ONE, [2.0, 3.0], seed=1, horizon_s=200.0, warmup=20.0, **settings)


def test_it_stops_as_soon_as_it_looks_and_is_precise():
    result = precise()
    assert result.stopped == "precise"
    probability, low, high = result.interval()
    assert (high - low <= 0.4 * probability).all()
    looks = [4]
    while looks[-1] < len(result):
        looks.append(int(np.ceil(1.5 * looks[-1])))
    assert looks[-1] == len(result)
    assert len(looks) > 2
    again = replicate(ONE, [2.0, 3.0], seed=1, replications=looks[-2], horizon_s=200.0, warmup=20.0)
    assert not again.precise(0.2)


def test_what_it_finds_is_what_as_many_replications_find():
    result = precise(keep_latencies=True)
    plain = replicate(
        ONE, [2.0, 3.0], seed=1, replications=len(result), horizon_s=200.0, warmup=20.0,
        keep_latencies=True,
    )  # fmt: skip
    assert same(result, plain)


def test_the_budget_is_kept():
    result = precise(relative=1e-3, budget_tasks=5000.0)
    assert result.stopped == "budget"
    assert 4500 < result.played_tasks.sum() < 5500
    assert len(precise(relative=1e-3, budget_tasks=1.0)) == 4  # the first step is always made


def test_only_what_is_wanted_has_to_be_precise():
    wanted = precise(wanted=[[True, False]])
    assert len(wanted) < len(precise())
    assert not wanted.precise(0.2)


# ---- progress and interruption ----


def test_progress_is_told_in_the_calling_thread():
    seen = []
    found(on_replication=lambda done, of: seen.append((done, of)))
    assert seen == [(done, 6) for done in range(1, 7)]
    seen.clear()
    precise(on_replication=lambda done, of: seen.append((done, of)), budget_tasks=2500.0)
    assert [done for done, _ in seen] == list(range(1, len(seen) + 1))
    assert all(done <= of for done, of in seen)


def test_an_interruption_keeps_the_first_replications():
    def interrupt(done, of):
        if done == 3:
            raise KeyboardInterrupt

    result = found(on_replication=interrupt, workers=1, replications=50)
    assert result.stopped == "interrupted"
    assert 3 <= len(result) < 50
    whole = found(replications=len(result))
    assert np.array_equal(result.exceedances, whole.exceedances)
    sequence = precise(relative=1e-3, on_replication=interrupt, workers=1, first=50)
    assert sequence.stopped == "interrupted"
    assert 3 <= len(sequence) < 50


def test_an_interruption_before_anything_is_done_goes_on(monkeypatch):
    def interrupted(plan, replication):
        raise KeyboardInterrupt

    monkeypatch.setattr(Experiment, "measure", interrupted)
    with pytest.raises(KeyboardInterrupt):
        found()


def test_a_fault_in_a_replication_is_raised(monkeypatch):
    def broken(plan, replication):
        raise OSError("replication is broken")

    monkeypatch.setattr(Experiment, "measure", broken)
    with pytest.raises(OSError, match="broken"):
        found()


# ---- common random numbers ----


def test_pairs_under_one_seed_know_a_difference_better():
    """One server more at the GPU, at the same chance and at another one."""
    other = TandemModel([3, 3, 5], [4.0, 6.0, 2.5], [2.5, 3.5, 3.0])
    settings = {"replications": 20}
    one, two = found(**settings), found(other, **settings)
    paired = paired_difference(one, two)
    apart = paired_difference(one, replace(found(other, seed=2, **settings), seed=1))
    widths = [(band.high - band.low)[2] for band in (paired, apart)]
    assert (widths[0] < 0.5 * widths[1])[:2].all()  # at 8 s nearly all owe it to their own work
    assert (paired.low[2] > 0)[:2].all()
    np.testing.assert_allclose(paired.estimate, one.interval().estimate - two.interval().estimate)


def test_pairs_have_to_match():
    for other in (found(seed=2), found(replications=5), found(warmup=10.0)):
        with pytest.raises(ValueError, match="allowed the same seed"):
            paired_difference(found(), other)
    with pytest.raises(ValueError, match="two replications"):
        paired_difference(found(replications=1), found(replications=1))


# ---- bad input ----


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"latency_s": [[1.0], [2.0]]}, "latency_s: shape"),
        ({"latency_s": [1.0, np.nan]}, "latency_s = nan"),
        ({"latency_s": [1.0, -1.0]}, "latency_s = -1"),
        ({"replications": 0}, "replications = 0"),
        ({"workers": 0}, "workers = 0"),
        ({"horizon_s": np.inf}, "horizon_s = inf"),
        ({"warmup": 100.0}, "warmup = 100"),
        ({"warmup": -1.0}, "warmup = -1"),
        ({"warmup": "mser"}, "warmup = 'mser'"),
        ({"engine": "fast"}, "engine = 'fast'"),
    ],
)
def test_bad_settings_are_refused_by_name_and_value(settings, message):
    with pytest.raises(ValueError, match=message):
        found(**settings)


@pytest.mark.parametrize("settings", [{"relative": 0.0}, {"growth": 1.0}, {"first": 1}])
def test_bad_stopping_rules_are_refused(settings):
    with pytest.raises(ValueError, match="allowed above 0, above 1"):
        precise(**settings)
