"""One station's sojourn against derivations from the queue itself, and 80-digit arithmetic."""

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import gammaincc

from airan_market.sim.theory.erlang import erlang_c
from airan_market.sim.theory.sojourn import sojourn_mean, sojourn_mgf, sojourn_tail, waiting_law

# (servers, service rate, arrival rate), no two numbers alike, waits shorter and longer than service
STATIONS = [
    (1, 2.5, 1.7),
    (3, 0.7, 1.9),
    (12, 111.0, 1266.0),
    (48, 5.5, 121.0),
    (194, 6.25, 1210.0),
]
property_test = settings(max_examples=80)


def exact_waiting_law(servers, service_rate, arrival_rate):
    load, inverse = mp.mpf(arrival_rate) / mp.mpf(service_rate), mp.mpf(1)
    for k in range(1, servers + 1):
        inverse = 1 + inverse * k / load
    loss = 1 / inverse
    delay = servers * loss / (servers - load * (1 - loss))
    return delay, servers * mp.mpf(service_rate) - mp.mpf(arrival_rate)


def exact_tail(t, servers, service_rate, arrival_rate):
    """Eq. (4) as printed, in 80 digits."""
    with mp.workdps(80):
        delay, r = exact_waiting_law(servers, service_rate, arrival_rate)
        mu, t = mp.mpf(service_rate), mp.mpf(t)
        if r == mu:
            return (1 + delay * mu * t) * mp.exp(-mu * t)
        factor = delay * mu / (r - mu)
        return (1 + factor) * mp.exp(-mu * t) - factor * mp.exp(-r * t)


def relative_error(value, exact):
    with mp.workdps(80):
        return float(abs(mp.mpf(float(value)) / exact - 1))


def tail_from_the_queue(t, servers, service_rate, arrival_rate):
    """P(T > t) from the stationary number of tasks found on arrival, wait by wait.

    A task that finds j ≥ c tasks waits for j - c + 1 completions at rate cμ, an Erlang variable.
    """
    load = arrival_rate / service_rate
    # stationary weights from the balance equations, far enough that the rest is below 1e-16
    count = servers + int(45 / -np.log(load / servers))
    log_weight = np.concatenate(
        [[0], np.cumsum(np.log(load / np.minimum(np.arange(1, count), servers)))]
    )
    weight = np.exp(log_weight - log_weight.max())
    waiting = (weight / weight.sum())[servers:]
    completions = np.arange(1, len(waiting) + 1)

    def wait_tail(s):
        return waiting @ gammaincc(completions, servers * service_rate * s)

    def integrand(s):
        return service_rate * np.exp(-service_rate * (t - s)) * wait_tail(s)

    return np.exp(-service_rate * t) + quad(integrand, 0, t, epsabs=1e-13, epsrel=1e-12)[0]


@pytest.mark.parametrize("station", STATIONS)
@pytest.mark.parametrize("times_mean", [0.2, 1.0, 3.0])
def test_tail_derived_from_the_queue(station, times_mean):
    t = times_mean * float(sojourn_mean(*station))
    assert sojourn_tail(t, *station) == pytest.approx(tail_from_the_queue(t, *station), abs=1e-11)


def test_that_derivation_tells_another_arrival_rate_apart():
    """Negative control: the same check on a load lower by one part in a million fails."""
    servers, service_rate, arrival_rate = STATIONS[2]
    other = tail_from_the_queue(0.05, servers, service_rate, arrival_rate * (1 - 1e-6))
    assert abs(sojourn_tail(0.05, *STATIONS[2]) - other) > 1e-8


# one server never waits at a greater rate than it serves at
@pytest.mark.parametrize("k", range(1, 17))
@pytest.mark.parametrize(
    ("servers", "service_rate", "sign"),
    [(1, 3.0, -1), (2, 0.75, -1), (2, 0.75, 1), (48, 5.5, -1), (48, 5.5, 1)],
)
def test_tail_where_waiting_and_service_rate_nearly_coincide(servers, service_rate, sign, k):
    arrival_rate = servers * service_rate - service_rate * (1 + sign * 10.0**-k)
    for t in np.array([0.01, 1.0, 30.0, 600.0]) / service_rate:
        exact = exact_tail(t, servers, service_rate, arrival_rate)
        value = sojourn_tail(t, servers, service_rate, arrival_rate)
        assert relative_error(value, exact) < 1e-9


def test_equation_4_as_printed_loses_its_digits_there():
    """Negative control: evaluated as it stands in double precision, the check above fails."""
    servers, mu, t = 2, 0.75, 1.0
    lam = servers * mu - mu * (1 + 1e-12)
    delay, r = waiting_law(servers, mu, lam)
    factor = delay * mu / (r - mu)
    naive = (1 + factor) * np.exp(-mu * t) - factor * np.exp(-r * t)
    assert relative_error(naive, exact_tail(t, servers, mu, lam)) > 1e-6


def test_tail_where_the_two_rates_are_equal():
    servers, mu, lam = 2, 0.75, 0.75
    delay = float(erlang_c(servers, 1.0))
    t = np.array([0.0, 0.4, 2.0, 50.0])
    expected = (1 + delay * mu * t) * np.exp(-mu * t)
    np.testing.assert_allclose(sojourn_tail(t, servers, mu, lam), expected, rtol=1e-14)


@pytest.mark.parametrize("station", STATIONS)
def test_tail_keeps_its_relative_accuracy_far_out(station):
    _, r = waiting_law(*station)
    slowest = min(station[1], float(r))
    for exponent in (1e-9, 1e-3, 1.0, 40.0, 300.0, 680.0):
        t = exponent / slowest
        assert relative_error(sojourn_tail(t, *station), exact_tail(t, *station)) < 1e-9


def test_very_different_rates_do_not_overflow():
    assert sojourn_tail(1e6, 10_000, 1e-4, 0.3) == pytest.approx(np.exp(-100), rel=1e-12)
    assert sojourn_tail(1e9, 10_000, 1e-4, 0.3) == 0
    # waits at a rate of 1e-9 behind services at a rate of 1: after a long time the wait is all
    assert sojourn_tail(1e9, 1, 1.0, 1 - 1e-9) == pytest.approx(np.exp(-1.0), rel=1e-6)


def test_one_server_has_an_exponential_sojourn():
    t = np.linspace(0, 20, 7)
    np.testing.assert_allclose(sojourn_tail(t, 1, 2.5, 1.7), np.exp(-0.8 * t), rtol=1e-13)
    assert sojourn_mean(1, 2.5, 1.7) == pytest.approx(1 / 0.8, rel=1e-14)
    assert sojourn_mgf(0.3, 1, 2.5, 1.7) == pytest.approx(0.8 / 0.5, rel=1e-14)


def test_without_arrivals_the_sojourn_is_the_service():
    t = np.array([0.0, 0.3, 4.0])
    np.testing.assert_allclose(sojourn_tail(t, 3, 0.7, 0.0), np.exp(-0.7 * t), rtol=1e-15)
    assert sojourn_mean(3, 0.7, 0.0) == 1 / 0.7


@pytest.mark.parametrize("station", STATIONS)
def test_mean_is_the_integral_of_the_tail(station):
    integral, _ = quad(lambda x: sojourn_tail(x, *station), 0, np.inf, epsabs=1e-13, epsrel=1e-11)
    assert sojourn_mean(*station) == pytest.approx(integral, rel=1e-9)


@pytest.mark.parametrize("station", STATIONS)
@pytest.mark.parametrize("share", [-4.0, 0.4, 0.9])
def test_generating_function_is_the_integral_of_the_tail(station, share):
    """G(η) = 1 + η ∫ exp(ηt) P(T > t) dt."""
    _, r = waiting_law(*station)
    slowest = min(station[1], float(r))
    eta = share * slowest
    # past 50 mean lifetimes of the integrand's slowest part the rest is nil
    end = 50 / (slowest - eta)
    integral, _ = quad(
        lambda x: np.exp(eta * x) * sojourn_tail(x, *station), 0, end, epsrel=1e-12, limit=500
    )
    assert sojourn_mgf(eta, *station) == pytest.approx(1 + eta * integral, rel=1e-9)


stations_drawn = st.tuples(
    st.integers(1, 10_000), st.floats(1e-3, 1e3), st.floats(1e-3, 1 - 1e-9)
).map(lambda drawn: (drawn[0], drawn[1], drawn[0] * drawn[1] * drawn[2]))


@property_test
@given(stations_drawn, st.floats(0, 50), st.floats(1e-6, 10))
def test_tail_is_a_tail(station, times_service, step):
    servers, mu, lam = station
    t = times_service / mu
    now, later = sojourn_tail([t, t * (1 + step)], *station)
    assert 0 <= later <= now <= 1
    assert now >= np.exp(-mu * t) * (1 - 1e-12)
    assert sojourn_tail(0.0, *station) == 1
    assert sojourn_tail(t, servers + 1, mu, lam) <= now * (1 + 1e-12)
    assert sojourn_tail(t, servers, mu, 0.9 * lam) <= now * (1 + 1e-12)


@property_test
@given(stations_drawn)
def test_generating_function_has_the_mean_as_its_slope(station):
    mean = float(sojourn_mean(*station))
    step = 1e-5 / mean
    slope = (sojourn_mgf(step, *station) - sojourn_mgf(-step, *station)) / (2 * step)
    assert slope == pytest.approx(mean, rel=1e-6)
    assert sojourn_mgf(0.0, *station) == 1


def test_a_saturated_station_has_an_infinite_sojourn():
    arrival = np.array([6.0, 6.0 + 1e-12, 60.0])
    assert sojourn_tail(1e9, 2, 3.0, arrival).tolist() == [1, 1, 1]
    assert sojourn_mean(2, 3.0, arrival).tolist() == [np.inf] * 3
    assert sojourn_mgf([-1.0, 0.0, 50.0], 2, 3.0, arrival).tolist() == [0, 1, np.inf]
    probability, rate = waiting_law(2, 3.0, arrival)
    assert probability.tolist() == [1, 1, 1]
    assert rate.tolist() == [0, 0, 0]
    # up to saturation the tail rises to one
    assert sojourn_tail(5.0, 2, 3.0, 6.0 - 1e-12) == pytest.approx(1, abs=1e-10)


def test_rounding_does_not_lift_a_tail_over_one():
    """A case, one of millions tried, in which the sum of the two terms rounds to 1 + 2e-16."""
    assert sojourn_tail(0.9910220637612215, 1, 1.4358126773909405, 1.4358126773909403) == 1


@pytest.mark.parametrize(("eta", "station"), [(2.5, (3, 2.5, 1.0)), (1.0, (2, 3.0, 5.0))])
def test_generating_function_beyond_its_domain_is_refused(eta, station):
    with pytest.raises(ValueError, match=rf"eta_per_s = {eta}: must be below min"):
        sojourn_mgf([0.1, eta], *station)
    assert np.isfinite(sojourn_mgf(np.nextafter(eta, 0), *station))


def test_arguments_broadcast():
    t, servers, mu = np.ones((5, 1, 1)), np.array([[2], [3]]), np.array([2.0, 3.0, 4.0])
    assert sojourn_tail(t, servers, mu, 1.0).shape == (5, 2, 3)
    assert sojourn_mean(servers, mu, 1.0).shape == (2, 3)
    assert sojourn_mgf(0.1 * t, servers, mu, 1.0).shape == (5, 2, 3)
    assert np.ndim(sojourn_tail(1.0, 2, 3.0, 1.0)) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((-0.1, 2, 3.0, 1.0), r"latency_s = -0\.1: must be a number from 0"),
        ((np.nan, 2, 3.0, 1.0), r"latency_s = nan: "),
        ((np.inf, 2, 3.0, 1.0), r"latency_s = inf: "),
        ((1.0, 0, 3.0, 1.0), r"servers = 0\.0: "),
        ((1.0, 1.5, 3.0, 1.0), r"servers = 1\.5: "),
        ((1.0, 2, 0.0, 1.0), r"service_rate_per_s = 0\.0: "),
        ((1.0, 2, [3.0, -3.0], 1.0), r"service_rate_per_s = -3\.0: "),
        ((1.0, 2, np.inf, 1.0), r"service_rate_per_s = inf: "),
        ((1.0, 2, 3.0, -1.0), r"arrival_rate_per_s = -1\.0: "),
        ((1.0, 2, 3.0, np.nan), r"arrival_rate_per_s = nan: "),
    ],
)
def test_values_outside_the_domain_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        sojourn_tail(*arguments)
    if "latency_s" not in message:
        with pytest.raises(ValueError, match=message):
            sojourn_mean(*arguments[1:])
        with pytest.raises(ValueError, match=message):
            sojourn_mgf(*arguments)


def test_a_generating_function_argument_that_is_no_number_is_named():
    with pytest.raises(ValueError, match=r"eta_per_s = nan: must be a finite number"):
        sojourn_mgf(np.nan, 2, 3.0, 1.0)
