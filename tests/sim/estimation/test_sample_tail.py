"""Tails from samples: shape, consistency, data inside, exponential outside."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate

from airan_market.sim.estimation.sample_tail import EXCEEDANCES, LEVELS, MODE, SampleTail
from airan_market.sim.streams import stream


def named(*key):
    return stream(23, "sample tail", *key)


def gamma(size, shape=3.0, key=0):
    return named(key).gamma(shape, 0.01, size)


samples = st.lists(st.floats(1e-6, 1e3), min_size=1, max_size=200).map(np.array)


@settings(max_examples=50)
@given(samples, st.floats(1.0, 20.0))
def test_a_tail_falls_from_one_to_zero_and_its_density_has_one_mode(sample, autocorrelation_time):
    tail = SampleTail.of(sample, autocorrelation_time)
    x = tail.quantile_s
    assert (np.diff(x) > 0).all()
    end_s = 2 * x[-1] + 40 * float(tail.excess_s)
    grid = np.unique(np.concatenate([np.linspace(0, end_s, 300), x, (x[1:] + x[:-1]) / 2]))
    chance, density = tail.probability(grid), tail.density(grid)
    assert chance[0] == 1.0
    assert (np.diff(chance) <= 1e-12).all()
    assert ((chance >= 0) & (chance <= 1)).all()
    assert (density >= 0).all()
    mode = int(np.searchsorted(-LEVELS, -MODE))
    slack = 1e-6 * density.max()
    assert (np.diff(density[grid <= x[mode - 1]]) >= -slack).all()
    assert (np.diff(density[grid >= x[mode + 1]]) <= slack).all()


@pytest.mark.parametrize(
    "sample", [gamma(20_000), gamma(300), gamma(50_000, 0.7), np.arange(1, 9.0)]
)
def test_the_tail_is_the_integral_of_the_density(sample):
    """Trapezoidal rule on 200,000 steps, from 0 to far beyond the data."""
    tail = SampleTail.of(sample)
    grid = np.linspace(0.0, 2 * tail.quantile_s[-1], 200_001)
    area = integrate.cumulative_trapezoid(tail.density(grid), grid, initial=0.0)
    assert 1 - area[::1000] == pytest.approx(tail.probability(grid[::1000]), abs=2e-5)


def test_inside_the_data_the_tail_is_that_of_the_sample():
    """Off the mode, where nothing is pooled, to the last digits of the quantiles."""
    sample = gamma(50_000)
    tail = SampleTail.of(sample)
    inside = (LEVELS <= 0.3) & (LEVELS >= 0.01)
    at = np.quantile(sample, 1 - LEVELS[inside])
    assert tail.probability(at) == pytest.approx(LEVELS[inside], rel=0.02)


def test_beyond_the_data_the_tail_is_exponential_with_the_mean_excess():
    sample = gamma(1000)
    tail = SampleTail.of(sample)
    level = LEVELS[LEVELS * 1000 >= EXCEEDANCES][-1]
    threshold = np.quantile(sample, 1 - level)
    excess = float((sample[sample > threshold] - threshold).mean())
    assert level == 0.05
    for further_s in (0.03, 0.1, 1.0):
        expected = level * np.exp(-further_s / excess)
        assert tail.probability(np.array(threshold + further_s)) == pytest.approx(
            expected, rel=0.05
        )


def test_latencies_that_are_alike_tell_fewer_levels():
    """100 of 20,000 alike: ten spells are a twentieth of the sample, the rest is extrapolated."""
    sample = gamma(20_000)
    spells, alone = SampleTail.of(sample, autocorrelation_time=100.0), SampleTail.of(sample)
    same = LEVELS >= 0.05
    assert spells.quantile_s[same] == pytest.approx(alone.quantile_s[same], rel=0.02)
    assert spells.quantile_s[-1] != pytest.approx(alone.quantile_s[-1], rel=1e-3)
    ratios = np.diff(spells.quantile_s[LEVELS <= 0.05]) / -np.diff(np.log(LEVELS[LEVELS <= 0.05]))
    assert ratios == pytest.approx(float(spells.excess_s), rel=1e-9)


def errors(draw, exact, at, samples=20):
    """Standard score of the mean of the tails of independent samples, at one latency."""
    tails = [float(SampleTail.of(draw(k)).probability(np.array(at))) for k in range(samples)]
    return (np.mean(tails) - exact) / (np.std(tails, ddof=1) / np.sqrt(samples))


def test_tails_of_exponential_samples_are_exact_on_average():
    """Student's t of 20 samples at 6: false alarm below 1e-5; a quarter more latency must fail.

    Inside the data, at its edge and beyond, where an exponential is what goes on.
    """
    for chance in (0.3, 0.02, 2e-4):
        at = -np.log(chance) * 0.01
        true = errors(lambda k: named(1, k).exponential(0.01, 5000), chance, at)
        wrong = errors(lambda k: named(1, k).exponential(0.0125, 5000), chance, at)
        assert abs(true) < 6 < abs(wrong)


def test_a_heavy_tail_is_underestimated_beyond_the_data():
    """Said in the module: a lognormal sample of 1,000, one in 10,000."""
    from scipy import stats

    law = stats.lognorm(1.5)
    tails = [SampleTail.of(law.rvs(1000, random_state=named(2, k))) for k in range(20)]
    at = np.array(law.isf(1e-4))
    assert np.mean([tail.probability(at) for tail in tails]) < 0.5e-4


def test_equal_latencies_are_an_atom():
    tail = SampleTail.of(np.full(500, 0.02))
    assert tail.probability(np.array([0.0199, 0.02 * (1 + 1e-6)])) == pytest.approx(
        [0.995, 0], abs=0.006
    )


def test_many_tails_are_evaluated_as_one_by_one():
    tails = [SampleTail.of(gamma(500, key=k)) for k in range(3)]
    stacked = SampleTail(
        np.array([tail.quantile_s for tail in tails]), np.array([tail.excess_s for tail in tails])
    )
    at = np.array([0.0, 0.03, 0.2])
    alone = [
        [float(f(x)) for f, x in zip((t.probability, t.density), (x, x), strict=True)]
        for t, x in zip(tails, at, strict=True)
    ]
    assert np.column_stack([stacked.probability(at), stacked.density(at)]).tolist() == alone
    assert stacked.probability(np.zeros((4, 1))).shape == (4, 3)


@pytest.mark.parametrize("sample", [[], [[1.0]], [0.0, 1.0], [-1.0], [np.nan], [np.inf]])
def test_what_is_no_sample_of_latencies_is_refused(sample):
    with pytest.raises(ValueError, match="latency_s: allowed"):
        SampleTail.of(np.array(sample, dtype=float))
