"""Laws of arrivals: rate, dispersion in closed form, one path of phases for everybody."""

import numpy as np
import pytest
from controls.arrivals import dispersion
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from airan_market.sim.streams import stream
from airan_market.sim.traffic.arrival_laws import (
    Bursts,
    PhaseIntensity,
    Poisson,
    Recorded,
    before_end,
    marked_arrivals,
)

BURSTS = Bursts(ratio=9.0, share=0.25, mean_s=0.5)
RING = Recorded([0.0, 0.1, 0.2, 0.25, 2.0, 2.05, 5.0, 9.0, 9.3])
LAWS = [Poisson(), BURSTS, RING]


def named(*key):
    return stream(11, "arrival law", *key)


@pytest.mark.parametrize("law", LAWS)
def test_times_lie_in_the_span_and_the_same_stream_gives_the_same_bytes(law):
    times_s = law.arrivals(named(), 40.0, 5.0, 3.0)
    assert np.array_equal(times_s, law.arrivals(named(), 40.0, 5.0, 3.0))
    assert times_s.min() >= 5.0
    assert times_s.max() < 8.0
    assert law.arrivals(named(), 0.0, 5.0, 3.0).size == 0
    assert law.arrivals(named(), 40.0, 5.0, 0.0).size == 0


def test_poisson_arrivals_draw_what_they_always_drew():
    rng = named()
    expected = 4.0 + 10.0 * rng.random(rng.poisson(24.0 * 10.0))
    rng = named()
    assert np.array_equal(Poisson().arrivals(rng, 24.0, 4.0, 10.0), expected[: len(expected)])
    rng = named()
    tasks = rng.poisson(24.0 * 10.0)
    assert np.array_equal(
        Poisson().arrivals(named(), 24.0, 4.0, 10.0), 4.0 + 10 * rng.random(tasks)
    )


def counts(law, rate_per_s, window_s, draws):
    return np.array([len(law.arrivals(named(k), rate_per_s, 0.0, window_s)) for k in range(draws)])


def rate_and_dispersion_z(number, law, rate_per_s, window_s):
    """Standard scores of mean and dispersion; the error of the second from the sample."""
    mean, ratio = rate_per_s * window_s, dispersion(law, rate_per_s, window_s)
    squares = (number - mean) ** 2
    return (
        (number.mean() - mean) / np.sqrt(ratio * mean / len(number)),
        (squares.mean() - ratio * mean) / (squares.std() / np.sqrt(len(number))),
    )


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("window_s", [0.2, 3.0])
def test_rate_and_dispersion_are_those_of_the_closed_form(law, window_s):
    """Two tests at 5 standard errors: false alarm below 1e-5 for a fresh seed."""
    number = counts(law, 20.0, window_s, 4000)
    assert max(map(abs, rate_and_dispersion_z(number, law, 20.0, window_s))) < 5


def test_the_test_of_dispersion_sees_a_wrong_law():
    """Poisson counts are not bursts, bursts not Poisson, a start in calm not stationary."""
    poisson, bursts = counts(Poisson(), 20.0, 3.0, 4000), counts(BURSTS, 20.0, 3.0, 4000)
    assert abs(rate_and_dispersion_z(poisson, BURSTS, 20.0, 3.0)[1]) > 5
    assert abs(rate_and_dispersion_z(bursts, Poisson(), 20.0, 3.0)[1]) > 5
    calm_first = [
        len(
            PhaseIntensity(np.array([0.0, 0.2]), np.array([BURSTS.levels[1]])).arrivals(
                r, 20.0, 0, 0.2
            )
        )
        for r in map(named, range(4000))
    ]
    assert abs(rate_and_dispersion_z(np.array(calm_first), BURSTS, 20.0, 0.2)[0]) > 5


def test_the_dispersion_of_bursts_in_limits_and_against_quadrature():
    assert BURSTS.dispersion(40.0, 0.0) == 1.0
    assert BURSTS.dispersion(40.0, 1e12) == pytest.approx(41.0, rel=1e-9)
    assert Bursts(1.0, 0.3, 2.0).dispersion(40.0, 7.0) == 1.0
    # Var N = λ t + λ² ∫∫ v e^(-s |x - y|), by the midpoint rule on a fine grid
    (high, low), p, b, t = BURSTS.levels, 0.25, 0.5, 1.3
    grid = (np.arange(4000) + 0.5) * t / 4000
    apart = np.abs(grid[:, np.newaxis] - grid)
    double = p * (1 - p) * (high - low) ** 2 * np.exp(-apart / ((1 - p) * b)).mean() * t**2
    assert BURSTS.dispersion(40.0, t) == pytest.approx(1 + 40.0 * double / t, rel=1e-6)
    # no step between the series for short windows and the formula
    below, above = (
        BURSTS.dispersion(1e9, 0.375e-8 * 0.999),
        BURSTS.dispersion(1e9, 0.375e-8 * 1.001),
    )
    assert above == pytest.approx(below, rel=1e-2)


def test_bursts_take_their_share_of_time_and_last_their_mean():
    """Lengths of about 10,000 phases of either kind: Kolmogorov-Smirnov at 1e-6 each."""
    phases = BURSTS.intensity(named(), 20_000.0)
    lasts_s = np.diff(phases.change_s)[:-1]
    burst = phases.level[:-1] == BURSTS.levels[0]
    assert set(phases.level) == set(BURSTS.levels)
    assert (burst[1:] != burst[:-1]).all()
    for kind, mean_s in ((burst, 0.5), (~burst, 1.5)):
        assert stats.kstest(lasts_s[kind] / mean_s, "expon").pvalue > 1e-6
        assert stats.kstest(lasts_s[kind] / (1.1 * mean_s), "expon").pvalue < 1e-6


def test_a_shorter_path_of_phases_is_the_beginning_of_a_longer():
    long, short = BURSTS.intensity(named(), 3000.0), BURSTS.intensity(named(), 40.0)
    assert len(long.change_s) > 2000  # more than one chunk
    assert np.array_equal(short.change_s, long.change_s[: len(short.change_s)])
    assert np.array_equal(short.level, long.level[: len(short.level)])
    assert short.change_s[-2] < 40.0 <= short.change_s[-1]
    assert np.array_equal(
        short.arrivals(named(1), 9.0, 30.0, 10.0), long.arrivals(named(1), 9.0, 30.0, 10.0)
    )
    assert BURSTS.intensity(named(), 0.0).level.size == 1


def test_the_same_chance_gives_nearly_the_tasks_of_poisson_pulled_into_bursts():
    """Common random numbers: at an even intensity the same times, but for rounding."""
    even = Bursts(1.0, 0.3, 0.1).intensity(named(), 20.0)
    bursty, plain = (
        even.arrivals(named(1), 50.0, 10.0, 10.0),
        Poisson().arrivals(named(1), 50.0, 10.0, 10.0),
    )
    assert bursty == pytest.approx(plain, rel=1e-12)


@given(st.floats(1.0, 1e6), st.floats(1e-3, 0.999), st.floats(0.01, 1e3), st.floats(0.0, 50.0))
def test_the_pace_of_bursts_is_1_on_average_and_never_turns_back(ratio, share, mean_s, start_s):
    law = Bursts(ratio, share, mean_s)
    high, low = law.levels
    assert share * high + (1 - share) * low == pytest.approx(1.0, rel=1e-12)
    assert high == pytest.approx(ratio * low, rel=1e-12)
    phases = law.intensity(named(), start_s + 2.0)
    times_s = phases.arrivals(named(1), 20.0, start_s, 2.0)
    assert ((times_s >= start_s) & (times_s < start_s + 2.0)).all()
    grid = np.linspace(0.0, start_s + 2.0, 50)
    assert (np.diff(phases.passed(grid)) >= 0).all()


def test_a_span_that_the_path_does_not_cover_is_refused():
    phases = BURSTS.intensity(named(), 1.0)
    end_s = float(phases.change_s[-1])
    assert phases.arrivals(named(), 10.0, 0.0, end_s).max() < end_s
    with pytest.raises(ValueError, match="allowed 0 to"):
        phases.arrivals(named(), 10.0, 0.0, np.nextafter(end_s, np.inf))
    with pytest.raises(ValueError, match="change at most 10000000 times"):
        BURSTS.intensity(named(), 1e8)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"ratio": 0.5}, "ratio = 0.5"),
        ({"ratio": np.inf}, "ratio = inf"),
        ({"share": 0.0}, "share = 0.0"),
        ({"share": 1.0}, "share = 1.0"),
        ({"mean_s": 0.0}, "mean_s = 0.0"),
        ({"mean_s": np.nan}, "mean_s = nan"),
    ],
)
def test_bursts_out_of_their_domain_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        Bursts(**{"ratio": 2.0, "share": 0.5, "mean_s": 1.0, **wrong})


def test_a_recorded_ring_keeps_every_gap_and_goes_around():
    """Nine arrivals at rate 9: one turn a second, each gap of the trace once in it."""
    times_s = RING.arrivals(named(), 9.0, 100.0, 3.0)
    assert len(times_s) == 27
    assert (np.diff(times_s) >= 0).all()
    gaps = np.sort(np.diff(times_s)[:9])
    trace = np.diff(RING.arrival_s) / 9.3 * 8 / 9
    assert gaps == pytest.approx(np.sort([*trace, 1 / 9]), rel=1e-9)


def test_the_dispersion_of_a_ring_by_hand():
    """Two arrivals at 0 and 1 of a ring of 2: a window of 1/2 holds one or none, of 1 just one."""
    even = Recorded([0.0, 1.0])
    assert dispersion(even, 1.0, 0.5) == pytest.approx(0.5)
    assert dispersion(even, 1.0, 1.0) == pytest.approx(0.0, abs=1e-12)
    assert dispersion(even, 1.0, 2.5) == pytest.approx(0.25 / 2.5)
    together = Recorded([0.0, 0.0, 2.0])  # places 0, 0 and 2 of a ring of 3
    # a window of 1 holds two for 1, one for 1 and none for 1 of 3: mean 1, variance 2/3
    assert dispersion(together, 1.0, 1.0) == pytest.approx(2 / 3)


@pytest.mark.parametrize("times", [[], [1.0], [1.0, 1.0], [2.0, 1.0], [0.0, np.nan]])
def test_a_trace_without_a_rate_is_refused(times):
    with pytest.raises(ValueError, match="arrival_s: allowed"):
        Recorded(times)


@pytest.mark.parametrize("law", LAWS)
def test_marks_are_independent_of_times_and_have_their_shares(law):
    """Chi-squared of the types in either half of the span, at 1e-6."""
    times_s, types = marked_arrivals(law, named(), [300.0, 0.0, 100.0, 0.0], 0.0, 10.0)
    assert (np.diff(times_s) >= 0).all()
    assert types.dtype == np.int64
    for half in (times_s < 5.0, times_s >= 5.0):
        number = np.bincount(types[half], minlength=4)
        assert number[[1, 3]].tolist() == [0, 0]
        shares = number[[0, 2]]
        assert stats.chisquare(shares, shares.sum() * np.array([0.75, 0.25])).pvalue > 1e-6


@pytest.mark.parametrize("rates", [[], [-1.0], [np.nan], [[1.0]]])
def test_rates_of_marks_out_of_their_domain_are_refused(rates):
    with pytest.raises(ValueError, match="rates_per_s"):
        marked_arrivals(Poisson(), named(), rates, 0.0, 1.0)


def test_no_rate_no_arrivals():
    times_s, types = marked_arrivals(Poisson(), named(), [0.0, 0.0], 0.0, 1.0)
    assert times_s.size == types.size == 0


def test_a_time_rounded_onto_the_end_is_put_before_it():
    times_s = before_end(np.array([1e6 + 1.0]), 1e6, 1.0)
    assert times_s[0] == np.nextafter(1e6 + 1.0, 0)
