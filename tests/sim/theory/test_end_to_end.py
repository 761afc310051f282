"""End-to-end tail against the phase-type chain, convolution, gamma laws, and its properties."""

import itertools

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.linalg import expm
from scipy.special import gammaincc

from airan_market.sim.theory import end_to_end
from airan_market.sim.theory.end_to_end import BLOCK, GREATEST_STAGES, end_to_end_tail
from airan_market.sim.theory.inversion import LEAST_DENSITY, Contour
from airan_market.sim.theory.sojourn import sojourn_mean, sojourn_tail, waiting_law

property_test = settings(max_examples=80)

# the paper's servers, and rates at which the GPU is the bottleneck
SERVERS = np.array([(48, 24, 194), (43, 16, 172), (28, 12, 115)])
RATES = np.array([230.0, 111.0, 57.0])


def chain(servers, service_rate, arrival_rate, number=float):
    """Sub-generator of the phases: each stage serves, then with probability P waits, then ends.

    Serving before waiting leaves the sum as it is. Rows are the phases, the absorbing one left out.
    """
    size = 2 * len(servers)
    generator = [[number(0)] * (size + 2) for _ in range(size)]
    for stage, (c, mu) in enumerate(zip(servers, service_rate, strict=True)):
        delay, r = (number(float(x)) for x in waiting_law(c, mu, arrival_rate))
        mu, row = number(float(mu)), 2 * stage
        generator[row][row], generator[row + 1][row + 1] = -mu, -r
        generator[row][row + 1], generator[row][row + 2] = mu * delay, mu * (1 - delay)
        generator[row + 1][row + 2] = r
    return [row[:size] for row in generator]


def exact_tail(t, *stages):
    """Row sum of the matrix exponential of the chain, in 60 digits."""
    with mp.workdps(60):
        generator = mp.matrix(chain(*stages, number=mp.mpf)) * mp.mpf(float(t))
        return mp.fsum(mp.expm(generator, method="taylor")[0, :])


def double_tail(t, *stages):
    """The same in double precision, by SciPy's scaling and squaring."""
    return expm(np.array(chain(*stages)) * t)[0].sum()


def relative_error(value, exact):
    with mp.workdps(60):
        return float(abs(mp.mpf(float(value)) / exact - 1))


def mean(servers, service_rate, arrival_rate):
    return float(sojourn_mean(servers, service_rate, arrival_rate).sum())


ACCURACY_CASES = {
    "the paper's first operator": (SERVERS[0], RATES, 2300.0),
    "the paper's third operator, GPU at 0.95": (SERVERS[2], RATES, 1266.0),
    "six rates that coincide": ([2, 2, 2], [3.0, 3.0, 3.0], 3.0),
    "three pairs that coincide": ([2, 3, 5], [3.0, 1.5, 0.75], 3.0),
    "rates over nine orders of magnitude": ([7, 10_000, 3], [1e4, 1.0, 1e-3], 0.0025),
    "one stage": ([5], [1.5], 7.0),
    "two stages": ([5, 1], [1.5, 8.0], 7.0),
    "five stages alike": ([1] * 5, [3.0] * 5, 1.7),
    "eight stages": ([1, 2] * 4, [3.0, 2.0] * 4, 1.7),
    "ten stages alike": ([1] * 10, [3.0] * 10, 2.9),
}


@pytest.mark.parametrize("name", ACCURACY_CASES)
def test_relative_accuracy_against_sixty_digits(name):
    stages = ACCURACY_CASES[name]
    delay_rates = waiting_law(*stages)[1]
    slowest = min(np.min(stages[1]), np.min(delay_rates))
    for t in (1e-6 * mean(*stages), mean(*stages), 4 * mean(*stages), 50 / slowest, 600 / slowest):
        exact = exact_tail(t, *stages)
        assert exact > 1e-300
        assert relative_error(end_to_end_tail(t, *stages), exact) < 1e-12


@pytest.mark.parametrize("k", range(1, 17))
def test_rates_that_nearly_coincide(k):
    """All six rates within 10^-k of one another, waiting and service rates alternating."""
    gap = 10.0**-k
    servers, service_rate = [2, 2, 2], 3.0 * (1 + gap * np.array([0.3, -0.6, 1.0]))
    for t in (0.7, 5.0):
        exact = exact_tail(t, servers, service_rate, 3.0)
        assert relative_error(end_to_end_tail(t, servers, service_rate, 3.0), exact) < 1e-12


def test_partial_fractions_lose_their_digits_there():
    """Negative control: the textbook sum over distinct rates fails the check above."""
    service_rate = np.array([4.0, 4.0 + 4e-5, 4.0 - 9e-5]) + 1.7  # one server each, rates μ - λ
    rates = service_rate - 1.7
    t = 0.7
    weight = [np.prod([b / (b - a) for b in rates if b != a]) for a in rates]
    naive = np.dot(weight, np.exp(-rates * t))
    exact = exact_tail(t, [1, 1, 1], service_rate, 1.7)
    assert relative_error(naive, exact) > 1e-9
    assert relative_error(end_to_end_tail(t, [1, 1, 1], service_rate, 1.7), exact) < 1e-12


@pytest.mark.parametrize("coarser", [{"density": 0.5}, {"least_size": 12.0}], ids=["nodes", "size"])
def test_a_coarser_contour_is_seen(monkeypatch, coarser):
    """Negative control: the accuracy test does fail on an inversion that is not converged."""
    monkeypatch.setattr(Contour, "of_stages", lambda stages: Contour(**coarser))
    stages = ACCURACY_CASES["six rates that coincide"]
    value = end_to_end_tail(mean(*stages), *stages)
    assert relative_error(value, exact_tail(mean(*stages), *stages)) > 1e-9


@pytest.mark.parametrize(
    ("stages", "coarser"), [(24, {"density": LEAST_DENSITY}), (40, {"size_step": 1e9})]
)
def test_many_stages_need_a_finer_and_wider_contour(monkeypatch, stages, coarser):
    """Negative control of the two rules for many stages: without either, digits are lost."""
    station = [1] * stages, [3.0] * stages, 2.9
    t = np.array([0.2, 1.0, 10.0]) * mean(*station)
    expected = gammaincc(stages, 0.1 * t)  # each sojourn is exponential of rate μ - λ
    np.testing.assert_allclose(end_to_end_tail(t, *station), expected, rtol=1e-11)
    contour = Contour.of_stages(stages)._replace(**coarser)
    monkeypatch.setattr(Contour, "of_stages", lambda stages: contour)
    assert np.abs(end_to_end_tail(t, *station) / expected - 1).max() > 1e-8


stages_drawn = st.integers(1, 4).flatmap(
    lambda size: st.tuples(
        st.lists(st.integers(1, 200), min_size=size, max_size=size),
        st.lists(st.floats(1e-3, 1e3), min_size=size, max_size=size),
        st.floats(0, 1 - 1e-6),
    )
)


def stable_stages(drawn):
    servers, rates, utilisation = np.array(drawn[0]), np.array(drawn[1]), drawn[2]
    return servers, rates, utilisation * float((servers * rates).min())


@property_test
@given(stages_drawn, st.floats(0, 4))
def test_equals_the_phase_type_chain(drawn, times_mean):
    stages = stable_stages(drawn)
    t = times_mean * mean(*stages)
    assert end_to_end_tail(t, *stages) == pytest.approx(double_tail(t, *stages), abs=1e-10)


@property_test
@given(stages_drawn, st.floats(0, 20), st.floats(1e-6, 3.0))
def test_tail_is_a_tail_of_a_sum(drawn, times_mean, step):
    servers, rates, arrival = stages = stable_stages(drawn)
    t = times_mean * mean(*stages)
    now, later = end_to_end_tail([t, t * (1 + step)], *stages)
    assert 0 <= later <= now * (1 + 1e-12)
    assert now <= 1
    assert now >= sojourn_tail(t, *stages).max() * (1 - 1e-12)
    assert end_to_end_tail(t, servers, rates, 0.9 * arrival) <= now * (1 + 1e-12)
    reverse = end_to_end_tail(t, servers[::-1], rates[::-1], arrival)
    assert reverse == pytest.approx(now, rel=1e-12, abs=1e-300)
    # Markov's inequality
    assert now * t <= mean(*stages) * (1 + 1e-12)


def test_two_stages_by_convolution():
    """P(T¹ + T² > t) = P(T¹ > t) + ∫ f¹(u) P(T² > t - u) du, f¹ written from eq. (4)."""
    servers, rates, lam = [3, 12], [0.7, 0.4], 1.9
    delay, r = (x[0] for x in waiting_law(servers, rates, lam))
    mu = rates[0]
    factor = delay * mu / (r - mu)

    def density(u):
        return (1 + factor) * mu * np.exp(-mu * u) - factor * r * np.exp(-r * u)

    for t in (0.5, 4.0, 15.0):
        convolved, _ = quad(
            lambda u, t=t: density(u) * sojourn_tail(t - u, 12, 0.4, lam), 0, t, epsabs=1e-13
        )
        expected = sojourn_tail(t, 3, mu, lam) + convolved
        assert end_to_end_tail(t, servers, rates, lam) == pytest.approx(expected, abs=1e-11)


@pytest.mark.parametrize("name", ["the paper's first operator", "six rates that coincide"])
def test_integral_is_the_sum_of_means(name):
    stages = ACCURACY_CASES[name]
    integral, _ = quad(lambda t: end_to_end_tail(t, *stages), 0, 60 * mean(*stages), epsrel=1e-11)
    assert integral == pytest.approx(mean(*stages), rel=1e-10)


@pytest.mark.parametrize("station", [(1, 2.5, 1.7), (3, 0.7, 1.9), (194, 6.25, 1210.0)])
def test_one_stage_is_the_station(station):
    servers, rate, arrival = station
    t = np.linspace(0, 100 * sojourn_mean(*station), 50)
    tails = end_to_end_tail(t, [servers], [rate], arrival)
    np.testing.assert_allclose(tails, sojourn_tail(t, *station), rtol=1e-12)


def test_single_servers_alike_make_an_erlang_variable():
    t = np.linspace(0, 40, 30)
    tails = end_to_end_tail(t, [1] * 3, [2.5] * 3, 1.7)
    np.testing.assert_allclose(tails, gammaincc(3, 0.8 * t), rtol=1e-12)


def test_a_stage_left_out_is_seen():
    """Negative control: two stages of three differ by far more than any tolerance here."""
    whole = end_to_end_tail(0.02, SERVERS[0], RATES, 2300.0)
    part = end_to_end_tail(0.02, SERVERS[0][:2], RATES[:2], 2300.0)
    assert whole - part > 0.1


def test_a_saturated_stage_makes_every_latency_too_short():
    arrival = [100.0, 12 * 111.0, 5000.0]  # none, just, and far over the capacity of the GPU
    tails = end_to_end_tail([[0.0], [50.0]], SERVERS[2], RATES, arrival)
    assert tails[0].tolist() == [1, 1, 1]
    assert tails[1, 0] < 1e-300
    assert tails[1, 1:].tolist() == [1, 1]


def test_no_latency_at_all_is_always_exceeded():
    assert end_to_end_tail(0.0, SERVERS, RATES, 100.0) == pytest.approx([1, 1, 1], abs=1e-12)


def test_rounding_does_not_lift_a_tail_over_one(monkeypatch):
    t = np.geomspace(1e-9, 1e-3, 500)
    tails = end_to_end_tail(t, SERVERS[0], RATES, 2300.0)
    assert tails.max() <= 1
    monkeypatch.setattr(end_to_end, "GREATEST_TAIL", np.inf)  # the cap is at work, if only just
    uncapped = end_to_end_tail(t, SERVERS[0], RATES, 2300.0).max()
    assert 1 < uncapped < 1 + 1e-12


def test_past_the_horizon_the_tail_is_zero():
    """The horizon stands where the tail has long been below the smallest double."""
    stages = [1] * 3, [2.5] * 3, 1.7
    horizon = (1000 + 20 * 3) / 0.8
    before = np.array([0.66, 0.75, 0.9, 0.999]) * horizon
    assert end_to_end_tail(before[0], *stages) > 0
    assert end_to_end_tail(before[1:], *stages).max() == 0
    assert end_to_end_tail([1.001 * horizon, 1e100], *stages).tolist() == [0, 0]
    # many stages reach deeper in units of the slowest rate, and keep their digits there
    deep = end_to_end_tail(850.0, [1] * GREATEST_STAGES, [3.0] * GREATEST_STAGES, 2.0)
    with mp.workdps(60):
        exact = mp.gammainc(GREATEST_STAGES, 850, regularized=True)
        assert 1e-305 < exact < 1e-295
        assert abs(mp.mpf(float(deep)) / exact - 1) < 1e-11
        stages = np.arange(1, GREATEST_STAGES + 1)  # 2S phases alike are the slowest to end
        bounds = [mp.gammainc(2 * s, 1000 + 20 * s, regularized=True) for s in stages.tolist()]
    assert max(bounds) < mp.mpf("1e-330")


def test_extreme_values_give_neither_nan_nor_overflow():
    extremes = [1e-100, 1e-9, 1.0, 1e9, 1e100]
    for rate, arrival, servers in itertools.product(extremes, [0.0, *extremes], [1, 10_000]):
        tails = end_to_end_tail([0.0, *extremes], [servers, 2, 3], [rate, 1.0, 1e20], arrival)
        assert np.all((tails >= 0) & (tails <= 1))
        assert np.all(np.diff(tails) <= 1e-12)


def test_the_greatest_number_of_stages_stays_in_range():
    """Poles of order eighty, at latencies up to the horizon, where overflow threatens most."""
    stages = np.full(GREATEST_STAGES, 2), np.full(GREATEST_STAGES, 3.0), 3.0
    horizon = (1000 + 20 * GREATEST_STAGES) / 3.0
    tails = end_to_end_tail(np.linspace(0, horizon, 100), *stages)
    assert np.all((tails >= 0) & (tails <= 1))
    assert np.all(np.diff(tails) <= 1e-12)
    with pytest.raises(ValueError, match="servers has 41 stages: must have at most 40"):
        end_to_end_tail(1.0, [1] * (GREATEST_STAGES + 1), [3.0] * (GREATEST_STAGES + 1), 1.0)


def test_arguments_broadcast():
    arrival = np.linspace(100, 900, 8)
    t = np.linspace(0.01, 0.2, 5)
    tails = end_to_end_tail(t, SERVERS[:, np.newaxis, np.newaxis], RATES, arrival[:, np.newaxis])
    assert tails.shape == (3, 8, 5)
    for m, n, i in [(0, 0, 0), (1, 6, 2), (2, 7, 4)]:
        single = end_to_end_tail(t[i], SERVERS[m], RATES, arrival[n])
        assert np.ndim(single) == 0
        assert tails[m, n, i] == pytest.approx(single, rel=1e-13)
    assert end_to_end_tail(np.empty(0), SERVERS[0], RATES, 1.0).shape == (0,)


def test_blocks_are_put_together_in_order():
    t = np.linspace(0.001, 0.2, BLOCK + 7)
    arrival = np.where(np.arange(len(t)) % 5 == 0, 1e4, 1000.0)  # saturated ones among them
    tails = end_to_end_tail(t, SERVERS[0], RATES, arrival)
    assert (tails[::5] == 1).all()
    chosen = [1, BLOCK - 1, BLOCK + 3]
    singles = [float(end_to_end_tail(t[i], SERVERS[0], RATES, arrival[i])) for i in chosen]
    np.testing.assert_allclose(tails[chosen], singles, rtol=1e-13)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((-0.1, [2, 3], [3.0, 1.0], 1.0), r"latency_s = -0\.1: "),
        (([0.1, np.nan], [2, 3], [3.0, 1.0], 1.0), r"latency_s = nan: "),
        ((1.0, [2, 0], [3.0, 1.0], 1.0), r"servers = 0\.0: "),
        ((1.0, [2, 3], [3.0, -1.0], 1.0), r"service_rate_per_s = -1\.0: "),
        ((1.0, [2, 3], [3.0, 1.0], np.inf), r"arrival_rate_per_s = inf: "),
        ((1.0, 2, [3.0, 1.0], 1.0), r"servers has shape \(\): "),
        ((1.0, [2, 3], 3.0, 1.0), r"service_rate_per_s has shape \(\): "),
        ((1.0, [], [], 1.0), r"servers has shape \(0,\): "),
    ],
)
def test_values_outside_the_domain_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        end_to_end_tail(*arguments)
