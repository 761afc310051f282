import numpy as np
import pytest

from airan_market.analysis.validation.ladder import FIRST_COME, PRIORITY, ladder
from airan_market.analysis.validation.offered import grid
from airan_market.analysis.validation.truth import (
    REPLICATIONS,
    SPLITTING,
    Effort,
    Truth,
    _paths,
    observe,
)
from airan_market.scenarios import InputError
from airan_market.sim.estimation.intervals import family_level

SMALL = Effort(replications=20, relative=0.2, budget_tasks=3e5, paths=1280, points=3)


@pytest.fixture(scope="module")
def seen(site):
    latency_s = grid(site, SMALL.points)
    tails = ladder(site, latency_s)
    return latency_s, tails, observe(site, latency_s, tails[PRIORITY], SMALL, seed=1)


def test_both_means_cover_the_exact_law(seen):
    """One GPU and plenty of radio: independence is nearly exact. 8 intervals, 1 % false alarms."""
    latency_s, tails, truth = seen
    p, low, high = truth.interval(family_level(latency_s.size, 0.99))
    assert truth.rare.any()
    assert not truth.rare.all()
    assert ((low <= tails[PRIORITY]) & (tails[PRIORITY] <= high)).all()
    assert (p > 0).all()


def test_control_the_first_come_law_of_the_low_type_is_not_covered(seen):
    latency_s, tails, truth = seen
    _, low, _ = truth.interval(family_level(latency_s.size, 0.99))
    assert (tails[FIRST_COME][1] < low[1]).all()


def test_the_means_are_chosen_by_theory_and_named(seen):
    _, tails, truth = seen
    tasks = SMALL.budget_tasks / 4 * np.array([800, 100]) / 900
    expected_late = tails[PRIORITY] * tasks[:, np.newaxis]
    assert (truth.rare == (expected_late < 500)).all()
    assert (truth.how() == np.where(truth.rare, SPLITTING, REPLICATIONS)).all()
    replications, counted = truth.effort()
    assert (replications[truth.rare] == 32).all()
    assert (counted[truth.rare] >= SMALL.paths).all()
    assert (replications[~truth.rare] == len(truth.plain)).all()
    # the agreed latency of type 1, rare here, gets more paths than the rest of its tail
    assert counted[0, 0] == 4 * counted[0, -1]


def test_the_same_seed_gives_the_same_truth(make_site):
    site = make_site(own=(20.0, 20.0), agreed=(0.05, 0.1))
    effort = Effort(replications=4, relative=0.5, budget_tasks=2e4, paths=64, points=1)
    latency_s = grid(site, effort.points)
    expected = ladder(site, latency_s)[PRIORITY]
    one, again, other = (
        observe(site, latency_s, expected, effort, seed=seed).interval(0.9) for seed in (1, 1, 2)
    )
    assert all(np.array_equal(*pair, equal_nan=True) for pair in zip(one, again, strict=True))
    assert not (one[0] == other[0]).any()


def test_types_that_saturate_the_operator_change_nothing_for_those_above(make_site):
    effort = Effort(replications=4, relative=0.5, budget_tasks=2e4, paths=640, points=1)
    busy = make_site(own=(20.0, 30.0, 900.0), agreed=(0.02, 0.05, 0.1))
    alone = make_site(own=(20.0, 30.0, 0.0), agreed=(0.02, 0.05, 0.1))
    found = []
    for site in (busy, alone):
        latency_s = grid(site, effort.points)
        expected = ladder(site, latency_s)[PRIORITY]
        found.append(observe(site, latency_s, expected, effort, seed=3))
    p, low, high = found[0].interval(0.95)
    assert np.isnan([p[2], low[2], high[2]]).all()
    assert np.array_equal(p[:2], found[1].interval(0.95)[0][:2], equal_nan=True)
    assert np.isfinite(p[:2, 0]).all()
    assert [truth.looked_at.tolist() for truth in found] == [[True, True, False]] * 2
    assert found[0].notes() == []


def test_the_warm_up_is_found_or_given(make_site):
    site = make_site(own=(20.0, 20.0), agreed=(0.05, 0.1))
    small = {"replications": 4, "relative": 0.5, "budget_tasks": 2e4, "paths": 64, "points": 1}
    latency_s = grid(site, 1)
    expected = ladder(site, latency_s)[PRIORITY]
    found, given = (
        observe(site, latency_s, expected, Effort(**small, warmup_s=warmup_s), seed=1).spent()
        for warmup_s in (None, 7.5)
    )
    assert given["warmup_s"] == 7.5
    assert 0 <= found["warmup_s"] < found["horizon_s"] / 2
    assert given["horizon_s"] == pytest.approx(2e4 / 4 / 4 / 40)
    assert given["tasks"] == pytest.approx(given["replications"] * 40 * 31.35, rel=0.1)
    with pytest.raises(InputError, match=r"must be below 31.25 s, the length of a replication"):
        observe(site, latency_s, expected, Effort(**small, warmup_s=40.0), seed=1)


def test_an_operator_without_traffic_is_not_played(make_site):
    site = make_site(own=(0.0, 0.0), agreed=(0.1, 0.2))
    truth = observe(site, grid(site, 1), np.ones((2, 2)), SMALL, seed=1)
    assert truth.plain is None
    assert np.isnan(truth.interval(0.95)[0]).all()


def test_intervals_of_rare_events_stay_positive_and_widen_with_the_level():
    one = np.ones((1, 1))
    truth = Truth(one, one > 0, 1e-8 * one, 0.8e-8 * one, one.astype(int), 32, None, one[0] > 0)
    p, low, high = truth.interval(0.95)
    assert 0 < low < p < high < 1
    assert low * high == pytest.approx(p * p, rel=1e-12)  # even on a logarithmic axis
    wider = truth.interval(0.999)
    assert wider[1] < low
    assert wider[2] > high


def test_an_estimate_without_an_error_is_no_estimate():
    one = np.ones((1, 1))
    truth = Truth(one, one > 0, np.nan * one, np.nan * one, one.astype(int), 32, None, one[0] > 0)
    assert np.isnan(truth.interval(0.95)).all()
    assert truth.untrusted() == 1


def test_paths_become_fewer_where_each_meets_very_many_tasks(make_site):
    site = make_site(own=(20.0, 30.0, 25.0))
    assert _paths(site, 2, 1.0, 8000) == 8000
    assert _paths(site, 2, 1e3, 8000) == 1333  # 1e8 / (75 · 1000)
    assert _paths(site, 2, 1e9, 8000) == 640


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ({"replications": 1}, "replications = 1: must be at least 2"),
        ({"paths": 63}, "paths = 63: must be at least 64"),
        ({"points": 0}, "points = 0: must be at least 1"),
        ({"relative": 0.0}, "precision = 0.0: must be a finite number above 0"),
        ({"relative": float("inf")}, "precision = inf: must be a finite number above 0"),
        ({"warmup_s": -1.0}, "warmup = -1.0: must be a finite number, at least 0"),
        ({"budget_tasks": 999}, "tasks = 999: must be at least 1000"),
        ({"budget_tasks": float("nan")}, "tasks = nan: must be at least 1000"),
    ],
)
def test_efforts_that_make_no_sense(setting, says):
    with pytest.raises(InputError, match=says.replace("(", r"\(")):
        Effort(**setting)
