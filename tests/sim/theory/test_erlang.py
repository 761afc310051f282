"""Erlang's formulas against hand values, the recursion, 60-digit arithmetic, and properties."""

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airan_market.sim.theory.erlang import OVERLOAD_DEVIATIONS, erlang_b, erlang_c

SERVERS = (1, 2, 3, 15, 16, 48, 194, 1000, 10_000)
property_test = settings(max_examples=80)


def recursive_loss(servers, offered_load):
    """B by the recursion over servers, for one c and an array of loads."""
    loss = np.ones_like(offered_load)
    for k in range(1, servers + 1):
        loss = offered_load * loss / (k + offered_load * loss)
    return loss


def exact_loss(servers, offered_load):
    with mp.workdps(60):
        load, inverse = mp.mpf(offered_load), mp.mpf(1)
        for k in range(1, servers + 1):
            inverse = 1 + inverse * k / load
        return 1 / inverse


def exact_delay(servers, offered_load, loss):
    with mp.workdps(60):
        load = mp.mpf(offered_load)
        return servers * loss / (servers - load * (1 - loss))


def relative_error(value, exact):
    with mp.workdps(60):
        return float(abs(mp.mpf(float(value)) / exact - 1))


def loads(servers):
    """Light to heavy loads, dense around the number of servers and the seam of the two methods."""
    deviations = np.array([-8, -3, -0.5, 0, 0.5, 3, 4.9999, 5.0001, 8])
    near = servers + deviations * np.sqrt(servers)
    return np.concatenate([servers * np.array([1e-3, 0.1, 0.499, 0.501, 2, 50]), near[near > 0]])


def test_values_worked_by_hand():
    assert erlang_b(1, 0.7) == pytest.approx(0.7 / 1.7, rel=1e-14)
    assert erlang_b(3, 2.0) == pytest.approx((8 / 6) / (1 + 2 + 2 + 8 / 6), rel=1e-14)
    # M/M/2: C = 2 ρ²/(1 + ρ) with ρ = a/2
    assert erlang_c(2, 1.4) == pytest.approx(2 * 0.7**2 / 1.7, rel=1e-14)


@pytest.mark.parametrize("servers", SERVERS)
def test_loss_equals_the_recursion(servers):
    load = loads(servers)
    expected = recursive_loss(servers, load)
    normal = expected > 1e-290  # below that the recursion itself underflows on its way
    assert normal.sum() >= 8
    np.testing.assert_allclose(erlang_b(servers, load)[normal], expected[normal], rtol=1e-11)


def test_the_recursion_tells_the_number_of_servers_apart():
    """Negative control of the tolerance: one server of ten thousand less is another answer."""
    load = np.array([9_500.0])
    off = abs(erlang_b(10_000, load) / recursive_loss(9_999, load) - 1)
    assert off > 1e-3


@pytest.mark.parametrize("servers", SERVERS)
def test_relative_accuracy_against_sixty_digits(servers):
    for load in loads(servers):
        exact = exact_loss(servers, load)
        if exact > 1e-300:
            assert relative_error(erlang_b(servers, load), exact) < 1e-12, load
            if load < servers:
                exact = exact_delay(servers, load, exact)
                assert relative_error(erlang_c(servers, load), exact) < 1e-12, load


@pytest.mark.parametrize(
    ("servers", "load"), [(1, 1e-290), (5, 1e-55), (194, 2.3), (10_000, 7_260.0), (10_000, 1e12)]
)
def test_relative_accuracy_at_the_ends_of_the_range(servers, load):
    """Probabilities down to 1e-290, and an overload in which both Poisson terms underflow."""
    assert relative_error(erlang_b(servers, load), exact_loss(servers, load)) < 1e-12


def test_the_two_methods_meet_at_the_seam():
    servers = np.array(SERVERS, float)
    seam = servers + OVERLOAD_DEVIATIONS * np.sqrt(servers)
    below, above = erlang_b(servers, seam), erlang_b(servers, np.nextafter(seam, np.inf))
    np.testing.assert_allclose(above, below, rtol=1e-12)


def test_probabilities_too_small_for_a_double_are_zero():
    assert erlang_b(10_000, 1.0) == 0
    assert erlang_c(10_000, 1.0) == 0


def test_no_load():
    assert erlang_b([1, 24], 0.0).tolist() == [0, 0]
    assert erlang_c([1, 24], 0.0).tolist() == [0, 0]


@pytest.mark.parametrize("servers", SERVERS)
def test_a_saturated_station_delays_every_task(servers):
    saturated = servers * np.array([1.0, 1.0 + 1e-15, 3.0, 1e6])
    assert erlang_c(servers, saturated).tolist() == [1, 1, 1, 1]
    assert erlang_c(servers, np.nextafter(float(servers), 0)) == pytest.approx(1, abs=1e-10)
    assert erlang_c(servers, 0.9 * servers) < 1


servers_drawn = st.integers(1, 10_000)
utilisation_drawn = st.floats(1e-3, 2.0)


@property_test
@given(servers_drawn, utilisation_drawn)
def test_one_more_server_follows_the_recursion(servers, utilisation):
    load = servers * utilisation
    loss, next_loss = erlang_b([servers, servers + 1], load)
    expected = load * loss / (servers + 1 + load * loss)
    assert next_loss == pytest.approx(expected, rel=1e-11, abs=1e-300)


@property_test
@given(servers_drawn, utilisation_drawn, st.floats(1e-6, 1.0))
def test_bounds_and_monotony(servers, utilisation, step):
    load = servers * utilisation
    loss, more_load, more_servers = erlang_b(
        [servers, servers, servers + 1], [load, load * (1 + step), load]
    )
    assert 0 <= loss <= 1
    assert loss <= more_load * (1 + 1e-12)
    assert more_servers <= loss * (1 + 1e-12)
    delay, delay_at_more_load = erlang_c(servers, [load, load * (1 + step)])
    assert loss * (1 - 1e-12) <= delay <= 1 + 1e-12
    assert delay <= delay_at_more_load * (1 + 1e-12)


def test_arguments_broadcast():
    assert erlang_b([[1], [2], [3]], np.linspace(0, 1, 4)).shape == (3, 4)
    assert np.ndim(erlang_c(2, 1.0)) == 0
    assert erlang_c(np.empty(0), 1.0).shape == (0,)


@pytest.mark.parametrize("formula", [erlang_b, erlang_c])
@pytest.mark.parametrize(
    ("servers", "load", "message"),
    [
        (0, 1.0, r"servers = 0\.0: must be a whole number"),
        (2.5, 1.0, r"servers = 2\.5: "),
        (-3, 1.0, r"servers = -3\.0: "),
        ([4, np.nan], 1.0, r"servers = nan: "),
        (np.inf, 1.0, r"servers = inf: "),
        (2, -0.5, r"offered_load = -0\.5: must be a number from 0"),
        (2, [0.1, np.nan], r"offered_load = nan: "),
        (2, np.inf, r"offered_load = inf: "),
        ("two", 1.0, r"servers = 'two': must be a number"),
        (2, None, r"offered_load = nan: "),
    ],
)
def test_values_outside_the_domain_are_named(formula, servers, load, message):
    with pytest.raises(ValueError, match=message):
        formula(servers, load)
