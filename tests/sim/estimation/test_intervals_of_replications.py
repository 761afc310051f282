from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airan_market.sim.estimation.intervals import batched, mean_band, mean_interval
from airan_market.sim.estimation.proportions import (
    carried_design_effects,
    cluster_proportion,
    design_effects,
    exceedance_band,
)

RNG = np.random.default_rng(2)
TRIALS = RNG.integers(80, 120, 15)
EVENTS = RNG.binomial(TRIALS[:, None], RNG.beta(2, [8, 40], (15, 2)))


def test_design_effects_are_those_of_a_cluster_proportion():
    for column in range(2):
        single = cluster_proportion(EVENTS[:, column], TRIALS)
        assert single.note == ""
        found = design_effects(EVENTS, TRIALS)[column]
        assert found == pytest.approx(single.design_effect, rel=1e-12)


def test_band_is_korn_graubard_where_nothing_is_carried():
    effects = np.maximum(design_effects(EVENTS, TRIALS), 1.0)
    band = exceedance_band(EVENTS, TRIALS, effects, 0.9)
    for column in range(2):
        single = cluster_proportion(EVENTS[:, column], TRIALS, 0.9)
        found = band.estimate[column], band.low[column], band.high[column]
        assert found == pytest.approx((single.estimate, single.low, single.high), rel=1e-10)


def test_design_effects_are_carried_to_longer_latencies_in_any_order():
    events = np.array([[0, 40, 1], [0, 0, 1], [0, 2, 0], [0, 1, 1]])
    trials = np.full(4, 100)
    middle = design_effects(events, trials)[1]
    assert middle > 20
    carried = carried_design_effects(events, trials, [3.0, 1.0, 2.0])
    assert carried.tolist() == pytest.approx([middle, middle, middle])
    # the latency with 40 events in one replication is now the longest: nothing to carry
    assert carried_design_effects(events, trials, [1.0, 3.0, 2.0])[[0, 2]].tolist() == [1.0, 1.0]


def test_nothing_observed_still_has_an_upper_limit_that_knows_the_bursts():
    none = np.zeros((20, 1))
    trials = np.full(20, 1000)
    alone = exceedance_band(none, trials, [1.0]).high[0]
    bursty = exceedance_band(none, trials, [50.0]).high[0]
    assert exceedance_band(none, trials, [50.0]).low[0] == 0.0
    assert alone == pytest.approx(3.7 / 20_000 * (2.093 / 1.96) ** 2, rel=0.01)
    assert bursty == pytest.approx(50 * alone, rel=0.02)


def test_all_observed_has_a_lower_limit_below_one():
    band = exceedance_band(np.full((5, 1), 9), np.full(5, 9), [1.0])
    assert band.high[0] == band.estimate[0] == 1.0
    assert 0.8 < band.low[0] < 1.0


@pytest.mark.parametrize(("replications", "tasks"), [(1, 50), (3, 0)])
def test_with_one_replication_or_no_task_nothing_is_known(replications, tasks):
    events = np.full((replications, 1), tasks // 5)
    band = exceedance_band(events, np.full(replications, tasks), [1.0])
    assert (band.low[0], band.high[0]) == (0.0, 1.0)
    assert np.isnan(band.estimate[0]) == (tasks == 0)
    assert carried_design_effects(events, np.full(replications, tasks), [1.0])[0] == 1.0


@given(
    st.lists(
        st.tuples(st.integers(0, 30), st.integers(0, 30), st.integers(1, 30)).map(
            lambda row: (min(row[:2]), max(row[:2]), max(row))
        ),
        min_size=2,
        max_size=9,
    )
)
def test_bands_hold_the_estimate_and_are_monotone(rows):
    """Fewer events never have a higher limit, when latencies are nested as they must be."""
    table = np.array(rows)
    events, trials = table[:, [1, 0]], table[:, 2]
    effects = carried_design_effects(events, trials, [1.0, 2.0])
    assert effects[1] >= effects[0] >= 1
    p, low, high = exceedance_band(events, trials, effects)
    assert ((low >= 0) & (low <= p + 1e-12) & (p <= high + 1e-12) & (high <= 1)).all()
    assert low[1] <= low[0] + 1e-12


def test_means_of_equal_replications_are_students():
    values = np.array([2.0, 3.5, 1.25, 4.0])
    single = mean_interval(values, 0.9)
    band = mean_band(30 * values[:, None], np.full((4, 1), 30), 0.9)
    found = band.estimate[0], band.low[0], band.high[0]
    assert found == pytest.approx((single.mean, single.low, single.high), rel=1e-12)


def test_the_ratio_weighs_tasks_and_not_replications():
    band = mean_band([[10.0], [300.0]], [[10], [100]])
    assert band.estimate[0] == pytest.approx(310 / 110)


def test_means_that_are_not_known_are_nan():
    band = mean_band([[1.0, np.nan], [1.0, 2.0]], [[0, 1], [0, 1]])
    assert np.isnan(band.estimate).all()
    assert np.isnan(mean_band([[1.0]], [[2]]).low[0])
    assert mean_band([[1.0]], [[2]]).estimate[0] == 0.5


@pytest.mark.parametrize("call", [exceedance_band, lambda y, n, d, level: mean_band(y, y, level)])
def test_a_level_is_between_zero_and_one(call):
    with pytest.raises(ValueError, match="level = 1"):
        call(EVENTS, TRIALS, [1.0, 1.0], 1.0)


@pytest.mark.parametrize(
    ("spans", "sizes"),
    [
        (0, []),
        (1, [1]),
        (3, [1, 1, 1]),
        (7, [1] * 7),
        (9, [2, 2, 2, 3]),
        (10, [2] * 5),
        (47, [4, 5, 5] * 3 + [5]),
    ],
)
def test_batches_are_of_neighbours_and_lose_nothing(spans, sizes):
    counts = np.arange(1.0, spans + 1)
    found = batched(np.ones(spans))
    assert sorted(found.tolist()) == sorted(sizes)
    assert batched(counts).sum() == counts.sum()
    edges = np.cumsum([0, *found]).astype(int)
    expected = [counts[a:b].sum() for a, b in pairwise(edges)]
    assert batched(counts).tolist() == expected


def test_batches_of_less_than_two_are_refused():
    with pytest.raises(ValueError, match="most = 1: allowed at least 2"):
        batched([1, 2, 3, 4], most=1)
