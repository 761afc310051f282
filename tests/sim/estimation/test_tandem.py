import numpy as np
import pytest
from controls.arrivals import dispersion
from scipy import stats

from airan_market.sim.estimation.tandem import TandemModel
from airan_market.sim.streams import stream
from airan_market.sim.traffic.arrival_laws import Bursts, Recorded
from airan_market.sim.traffic.arrival_stream import PoissonArrivals
from airan_market.sim.traffic.work_laws import Deterministic, Exponential, StageLaws
from airan_market.sim.workload import Workload

MODEL = TandemModel([3, 2, 5], [4.0, 6.0, 2.5], [2.5, 3.5, 3.0])


def test_loads_and_saturation_count_the_types_above():
    model = TandemModel([1, 2, 1], [10.0, 2.0, np.inf], [1.0, 2.5, 0.5])
    assert model.loads.tolist() == [0.4, 1.0, 0.0]
    assert model.saturated.tolist() == [False, False, True]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"servers": [1, 2]}, "servers has shape"),
        ({"servers": [1, 2], "service_rate_per_s": [1.0, 2.0]}, r"shape \(2,\), allowed \(3,\)"),
        ({"servers": [1, 2, 0]}, "servers = 0.0"),
        ({"service_rate_per_s": [1.0, 0.0, 1.0]}, "service_rate_per_s = 0.0"),
        ({"service_rate_per_s": [1.0, -np.inf, 1.0]}, "service_rate_per_s = -inf"),
        ({"service_rate_per_s": [1.0, np.nan, 1.0]}, "service_rate_per_s = nan"),
        ({"arrival_rates_per_s": [1.0, -0.5]}, "arrival_rates_per_s = -0.5"),
        ({"arrival_rates_per_s": [np.inf]}, "arrival_rates_per_s = inf"),
        ({"arrival_rates_per_s": []}, "one rate a type"),
        ({"arrival_rates_per_s": 3.0}, "one rate a type"),
        ({"service_law": "erlang"}, "service_law = 'erlang'"),
        ({"arrival_law": "weibull"}, "arrival_law = 'weibull'"),
    ],
)
def test_bad_cases_are_refused_by_name_and_value(settings, message):
    good = {"servers": [1, 1, 1], "service_rate_per_s": [1.0] * 3, "arrival_rates_per_s": [0.5]}
    with pytest.raises(ValueError, match=message):
        TandemModel(**(good | settings))


def p_values(work, until_s):
    """p of each type's number and times, and of the service times of each stage."""
    rates = MODEL.arrival_rates_per_s * until_s
    spread = (np.bincount(work.type, minlength=3) - rates) / np.sqrt(rates)
    return [
        *(2 * stats.norm.sf(np.abs(spread))),
        *(stats.kstest(work.arrival_s[work.type == n] / until_s, "uniform").pvalue for n in (0, 2)),
        *(
            stats.kstest(work.service_s[:, stage] * MODEL.service_rate_per_s[stage], "expon").pvalue
            for stage in range(3)
        ),
    ]


def test_tasks_have_the_laws_of_the_case():
    """Eight tests at 1e-4 each: false alarm below 1e-3 for a fresh seed (the seed is fixed)."""
    work = MODEL.arrivals(3, 0).until(2000.0)
    assert len(work) > 17_000
    assert min(p_values(work, 2000.0)) > 1e-4
    types = [work.service_s[work.type == n, 1] for n in range(3)]
    assert stats.ks_2samp(types[0], types[2]).pvalue > 1e-4


@pytest.mark.parametrize("wrong", ["rate", "times", "services"])
def test_the_test_of_the_laws_sees_a_wrong_draw(wrong):
    work = MODEL.arrivals(3, 0).until(2000.0)
    columns = work.columns()
    if wrong == "rate":
        rows = np.arange(len(work)) % 12 > 0
        columns = {name: values[rows] for name, values in columns.items()}
    if wrong == "times":
        columns["arrival_s"] = 2000.0 * (work.arrival_s / 2000.0) ** 1.1
    if wrong == "services":
        columns["service_s"] = work.service_s * 1.05
    assert min(p_values(Workload(**columns), 2000.0)) < 1e-4


def test_spans_leave_no_mark_on_the_tasks():
    """To the bit, over spans longer and shorter than a block of gaps, and empty ones."""
    whole, cut = MODEL.arrivals(5, 2).until(300.0), MODEL.arrivals(5, 2)
    parts = [cut.until(t) for t in (0.0, 0.1, 0.1, 40.0, 40.5, 299.0, 300.0)]
    assert len(parts[0]) == len(parts[2]) == 0
    assert Workload.concat(*parts).equals(whole)


def test_a_gap_drawn_before_a_cut_is_not_drawn_again():
    """Negative control of the test above: starting afresh at the cut is another process."""
    whole = PoissonArrivals(stream(1, "cuts"), 2.0).until(300.0)
    early = PoissonArrivals(stream(1, "cuts"), 2.0).until(40.0)
    assert np.array_equal(whole[: len(early)], early)
    afresh = 40.0 + PoissonArrivals(stream(1, "cuts"), 2.0).until(260.0)
    assert not np.array_equal(whole[len(early) :], afresh[: len(whole) - len(early)])


def test_cases_under_one_seed_face_the_same_chance():
    """Servers, rates and another type's traffic leave a type's draws as they were."""
    other = TandemModel([9, 1, 1], [8.0, np.inf, 2.5], [5.0, 3.5, 0.0])
    here, there = MODEL.arrivals(1, 0).until(100.0), other.arrivals(1, 0).until(100.0)
    mine, its = here.select(here.type == 1), there.select(there.type == 1)
    assert np.array_equal(mine.arrival_s, its.arrival_s)
    assert np.array_equal(mine.service_s[:, 2], its.service_s[:, 2])
    np.testing.assert_allclose(mine.service_s[:, 0], 2 * its.service_s[:, 0], rtol=1e-15)
    assert (its.service_s[:, 1] == 0).all()
    first, twice = here.select(here.type == 0), there.select(there.type == 0)
    np.testing.assert_allclose(
        first.arrival_s[:50], 2 * twice.arrival_s[:50], rtol=1e-13
    )  # twice the rate
    assert not (there.type == 2).any()


def test_other_seeds_replications_and_purposes_are_other_draws():
    times = [
        MODEL.arrivals(*key).until(50.0).arrival_s[:20]
        for key in ((1, 0), (2, 0), (1, 1), (1, 0, "pilot"))
    ]
    assert len({tuple(row) for row in times}) == 4


def test_both_engines_play_the_same():
    simpy = MODEL.play(4, 1, 60.0, engine="simpy")
    compiled = MODEL.play(4, 1, 60.0)
    assert all(a.equals(b) for a, b in zip(simpy, compiled, strict=True))


def test_stages_without_work_are_passed_in_no_time():
    model = TandemModel.one_station(2, 5.0, [4.0, 4.0])
    trace, _ = model.play(1, 0, 200.0)
    assert len(trace) > 1500
    assert (trace.stage_end_s[:, 0] == trace.arrival_s).all()
    assert (trace.stage_end_s[:, 2] == trace.stage_end_s[:, 1]).all()
    assert (trace.latency_s > 0).all()
    assert trace.preemptions[:, 1].sum() > 0
    assert trace.preemptions[:, [0, 2]].sum() == 0


def test_another_law_of_service_leaves_the_arrivals_as_they_were():
    law = StageLaws(Exponential(), Deterministic(), Exponential())
    other = TandemModel([3, 2, 5], [4.0, 6.0, 2.5], [2.5, 3.5, 3.0], service_law=law)
    here, there = MODEL.arrivals(1, 0).until(50.0), other.arrivals(1, 0).until(50.0)
    assert np.array_equal(here.arrival_s, there.arrival_s)
    assert (there.service_s[:, 1] == 1 / 6.0).all()
    assert there.service_s[:, 0].std() > 0.1


BURSTS = Bursts(ratio=9.0, share=0.25, mean_s=0.5)
TRACE = Recorded(np.cumsum(np.random.default_rng(4).exponential(1.0, 500)))


@pytest.mark.parametrize("law", [BURSTS, TRACE], ids=["bursts", "trace"])
def test_other_laws_of_arrival_keep_the_rates_and_play_on_where_they_were_cut(law):
    """Numbers within 5 deviations of the law's own dispersion, spans sorted and half open."""
    model = TandemModel([3, 2, 5], [4.0, 6.0, 2.5], [2.5, 3.5, 3.0], arrival_law=law)
    tasks = model.arrivals(2, 0)
    ends_s = [0.0, 400.0, 400.0, 401.5, 2000.0]
    parts = [tasks.until(end_s) for end_s in ends_s]
    for start_s, end_s, part in zip([0.0, *ends_s], ends_s, parts, strict=False):
        assert ((part.arrival_s >= start_s) & (part.arrival_s < end_s)).all()
    whole = Workload.concat(*parts)
    expected = 9.0 * 2000.0
    spread = np.sqrt(expected * dispersion(law, 9.0, 2000.0)) + 1
    assert abs(len(whole) - expected) < 5 * spread
    share = np.bincount(whole.type, minlength=3) / len(whole)
    np.testing.assert_allclose(share, np.array([2.5, 3.5, 3.0]) / 9.0, atol=0.03)
    again = model.arrivals(2, 0)
    assert Workload.concat(*(again.until(end_s) for end_s in ends_s)).equals(whole)


def test_types_share_the_bursts():
    """Counts of two types in the same seconds are correlated, those of Poisson types are not."""
    model = TandemModel([3, 2, 5], [4.0, 6.0, 2.5], [20.0, 20.0], arrival_law=BURSTS)
    poisson = TandemModel([3, 2, 5], [4.0, 6.0, 2.5], [20.0, 20.0])
    correlations = []
    for each in (model, poisson):
        work = each.arrivals(2, 0).until(1000.0)
        counts = [
            np.histogram(work.arrival_s[work.type == n], bins=1000, range=(0, 1000))[0]
            for n in range(2)
        ]
        correlations.append(np.corrcoef(counts)[0, 1])
    assert correlations[0] > 0.5
    assert abs(correlations[1]) < 4 / np.sqrt(1000)


def test_a_law_that_cannot_be_continued_is_refused():
    class Forgetful:
        def arrivals(self, rng, rate_per_s, start_s, duration_s):
            return start_s + duration_s * rng.random(rng.poisson(rate_per_s * duration_s))

    model = TandemModel([3, 2, 5], [4.0, 6.0, 2.5], [2.5], arrival_law=Forgetful())
    tasks = model.arrivals(1, 0)
    tasks.until(50.0)
    with pytest.raises(ValueError, match="does not begin as the shorter did"):
        tasks.until(90.0)
