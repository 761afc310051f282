"""The operator's belief: eqs. (10)-(12) by hand, as a bound, inside its domain at every share."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airan_market.sim.theory.chernoff import (
    chernoff_coefficients,
    chernoff_tail,
    log_mgf_slopes,
    optimised_tail,
    violation_probability,
)
from airan_market.sim.theory.end_to_end import end_to_end_tail
from airan_market.sim.theory.sojourn import sojourn_mgf, sojourn_tail, waiting_law

SERVERS = np.array([(48, 24, 194), (43, 16, 172), (28, 12, 115)])
RATES = np.array([230.0, 111.0, 57.0])
property_test = settings(max_examples=80)

stages_drawn = st.integers(1, 4).flatmap(
    lambda size: st.tuples(
        st.lists(st.integers(1, 10_000), min_size=size, max_size=size),
        st.lists(st.floats(1e-3, 1e3), min_size=size, max_size=size),
        st.floats(0, 1 - 1e-9),
    )
)
zeta_drawn = st.floats(1e-6, 1, exclude_max=True)


def stable_stages(drawn):
    servers, rates, utilisation = np.array(drawn[0]), np.array(drawn[1]), drawn[2]
    return servers, rates, utilisation * float((servers * rates).min())


def is_bound(log_gain, exponent_per_s, stages):
    """Whether the expression covers the exact tail at latencies from none to deep in the tail."""
    t = np.concatenate([[0], np.geomspace(1e-3, 300, 40)]) / exponent_per_s
    raw = chernoff_tail(t, log_gain, exponent_per_s)
    return bool(np.all(raw * (1 + 1e-9) + 1e-300 >= end_to_end_tail(t, *stages)))


def test_coefficients_worked_by_hand():
    """Two servers of rate 3 with λ = 3 (P = 1/3, r = 3), one of rate 5 (P = 3/5, r = 2).

    min(3 - 3/2, 5 - 3) = 3/2; at ζ = 2/3, η = 1.
    """
    log_gain, exponent = chernoff_coefficients([2, 1], [3.0, 5.0], 3.0, 2 / 3)
    first = (2 / 3 + (1 / 3) * 3 / (3 - 1)) * 3 / (3 - 1)
    second = (2 / 5 + (3 / 5) * 2 / (2 - 1)) * 5 / (5 - 1)
    assert exponent == pytest.approx(1.0, rel=1e-14)
    assert log_gain == pytest.approx(np.log(first * second), rel=1e-13)
    expected = first * second * np.exp(-2.5)
    assert chernoff_tail(2.5, log_gain, exponent) == pytest.approx(expected, rel=1e-13)


@property_test
@given(stages_drawn, zeta_drawn)
def test_gain_is_the_product_of_generating_functions(drawn, zeta):
    servers, rates, arrival = stable_stages(drawn)
    log_gain, exponent = chernoff_coefficients(servers, rates, arrival, zeta)
    product = np.prod(sojourn_mgf(exponent, servers, rates, arrival))
    assert np.exp(log_gain) == pytest.approx(product, rel=1e-11)
    assert exponent == pytest.approx(zeta * np.min(rates - arrival / servers), rel=1e-5)


@property_test
@given(stages_drawn, st.sampled_from([1e-9, 0.5, 0.9, 1 - 1e-9, 1 - 2.0**-53]))
def test_exponent_is_inside_the_domain_of_every_stage(drawn, zeta):
    servers, rates, arrival = stable_stages(drawn)
    log_gain, exponent = chernoff_coefficients(servers, rates, arrival, zeta)
    _, r = waiting_law(servers, rates, arrival)
    assert 0 < exponent < np.minimum(rates, r).min()
    assert np.isfinite(log_gain)
    assert log_gain >= 0


@property_test
@given(stages_drawn, st.floats(0.01, 0.999))
def test_is_an_upper_bound_of_the_exact_tail(drawn, zeta):
    stages = stable_stages(drawn)
    assert is_bound(*chernoff_coefficients(*stages, zeta), stages)


def test_an_exponent_outside_the_domain_is_no_bound():
    """Negative control: eq. (11) taken beyond min(μ, r), where it is a number without meaning."""
    servers, rates, arrival = stages = SERVERS[2], RATES, 1266.0
    delay, r = waiting_law(servers, rates, arrival)
    eta = 1.05 * rates.min()  # just past the downlink's rate, all others beyond
    assert eta < np.sort(np.concatenate([rates, r]))[1]
    gain = np.prod(np.abs(((1 - delay) + delay * r / (r - eta)) * rates / (rates - eta)))
    assert not is_bound(np.log(gain), eta, stages)


def test_a_dropped_bottleneck_is_no_bound():
    """Negative control: the coefficients without the slowest of three single servers.

    With many servers the bound is so slack that it can survive such a mistake.
    """
    servers, rates, arrival = stages = np.array([1, 1, 1]), np.array([9.0, 5.0, 7.0]), 4.0
    assert is_bound(*chernoff_coefficients(*stages, 0.9), stages)
    kept = [0, 2]
    partial = chernoff_coefficients(servers[kept], rates[kept], arrival, 0.9)
    assert is_bound(*partial, (servers[kept], rates[kept], arrival))
    assert not is_bound(*partial, stages)


def test_the_default_market_where_belief_and_tail_part():
    """The case of the specification: operator 3, GPU load 0.95, agreement 0.78 s, ζ = 0.9.

    First-come tail at the GPU of about 1e-24, Chernoff belief about 2e-2.
    """
    gpu_rate = 40e12 / 3.6e11
    rates = np.array([10 * gpu_rate, gpu_rate, 10 * gpu_rate])
    arrival = 0.95 * 12 * gpu_rate
    belief = chernoff_tail(0.78, *chernoff_coefficients(SERVERS[2], rates, arrival, 0.9))
    assert 1.5e-2 < belief < 2.6e-2
    assert 1e-24 < sojourn_tail(0.78, 12, gpu_rate, arrival) < 1e-22


@pytest.mark.parametrize("arrival", [12 * 111.0, 12 * 111.0 + 1e-9, 1e6])
def test_a_saturated_stage_means_certain_violation(arrival):
    log_gain, exponent = chernoff_coefficients(SERVERS[2], RATES, arrival, 0.9)
    assert (float(log_gain), float(exponent)) == (0, 0)
    assert chernoff_tail([0.0, 1.0, 1e9], log_gain, exponent).tolist() == [1, 1, 1]
    # another operator at the same load keeps its own belief
    both = chernoff_coefficients(SERVERS[[2, 0]], RATES, arrival, 0.9)
    alone = chernoff_coefficients(SERVERS[0], RATES, arrival, 0.9)
    assert [x[0] for x in both] == [0, 0]
    assert [float(x[1]) for x in both] == [float(x) for x in alone]


def test_the_expression_exceeds_one_and_the_charge_does_not():
    log_gain, exponent = chernoff_coefficients(SERVERS[0], RATES, 2300.0, 0.9)
    t = np.linspace(0, 0.5, 6)
    raw = chernoff_tail(t, log_gain, exponent)
    assert raw[0] == pytest.approx(np.exp(log_gain), rel=1e-14)
    assert raw[0] > 1 > raw[-1]
    charged = violation_probability(raw)
    assert charged[0] == 1
    assert charged[-1] == raw[-1]
    assert violation_probability([0.0, 1.0, np.inf]).tolist() == [0, 1, 1]
    # a straight line in the logarithm
    np.testing.assert_allclose(np.diff(np.log(raw)), -exponent * 0.1, rtol=1e-12)


def test_arguments_broadcast():
    arrival = np.linspace(100, 1200, 8)
    log_gain, exponent = chernoff_coefficients(SERVERS[:, np.newaxis], RATES, arrival, 0.9)
    assert log_gain.shape == exponent.shape == (3, 8)
    single = chernoff_coefficients(SERVERS[1], RATES, arrival[5], 0.9)
    assert (log_gain[1, 5], exponent[1, 5]) == single
    assert np.ndim(single[0]) == 0
    by_share = chernoff_coefficients(SERVERS[1], RATES, arrival, np.full(8, 0.9))
    np.testing.assert_array_equal(by_share[0], log_gain[1])
    assert chernoff_tail(np.ones((5, 1, 1)), log_gain, exponent).shape == (5, 3, 8)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([2, 3], [3.0, 1.0], 1.0, 0.0), r"zeta = 0\.0: must be a number strictly between"),
        (([2, 3], [3.0, 1.0], 1.0, 1.0), r"zeta = 1\.0: "),
        (([2, 3], [3.0, 1.0], 1.0, [0.9, 1.2]), r"zeta = 1\.2: "),
        (([2, 3], [3.0, 1.0], 1.0, np.nan), r"zeta = nan: "),
        (([2, 0], [3.0, 1.0], 1.0, 0.9), r"servers = 0\.0: "),
        (([2, 3], [3.0, 0.0], 1.0, 0.9), r"service_rate_per_s = 0\.0: "),
        (([2, 3], [3.0, 1.0], -1.0, 0.9), r"arrival_rate_per_s = -1\.0: "),
        ((2, 3.0, 1.0, 0.9), r"servers has shape \(\): must have a last axis"),
    ],
)
def test_values_outside_the_domain_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        chernoff_coefficients(*arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.nan, 0.1, 1.0), "latency_s = nan"),
        ((1.0, np.inf, 1.0), "log_gain = inf"),
        ((1.0, 0.1, [1.0, np.nan]), "exponent_per_s = nan"),
    ],
)
def test_no_number_in_the_expression_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        chernoff_tail(*arguments)


@pytest.mark.parametrize("value", [-1e-9, np.nan])
def test_what_is_no_probability_expression_is_refused(value):
    with pytest.raises(ValueError, match=rf"raw = {value}: "):
        violation_probability([0.5, value])


def test_best_exponent_of_equal_stages_by_hand():
    """k single servers, each exponential of rate a: η = a - k/t, p = (at/k)^k exp(k - at)."""
    t = np.array([0.5, 0.75, 0.7501, 1.0, 6.0, 80.0])
    raw, exponent = optimised_tail(t, [1, 1, 1], [7.0] * 3, 3.0)
    eta = np.maximum(4 - 3 / t, 0)
    assert exponent == pytest.approx(eta, rel=1e-12)
    assert raw == pytest.approx((1 - eta / 4) ** -3.0 * np.exp(-eta * t), rel=1e-13)
    assert raw[:2].tolist() == [1.0, 1.0]


@property_test
@given(stages_drawn)
def test_best_exponent_is_no_worse_than_any_other_and_still_a_bound(drawn):
    servers, rates, arrival = stages = stable_stages(drawn)
    end = np.minimum(rates, waiting_law(servers, rates, arrival)[1]).min()
    t = np.concatenate([[0], np.geomspace(1e-2, 300, 40)]) / end
    raw, exponent = optimised_tail(t, *stages)
    assert ((exponent >= 0) & (exponent < end)).all()
    for share in (0.01, 0.3, 0.9, 0.999):
        logs = np.log(sojourn_mgf(share * end, servers, rates, arrival)).sum()
        assert (raw <= np.exp(logs - share * end * t) * (1 + 1e-9)).all()
    assert (raw * (1 + 1e-9) + 1e-300 >= end_to_end_tail(t, *stages)).all()
    for zeta in (0.5, 0.9):
        fixed = violation_probability(chernoff_tail(t, *chernoff_coefficients(*stages, zeta)))
        assert (raw <= fixed * (1 + 1e-9)).all()


@property_test
@given(stages_drawn)
def test_optimised_bound_is_log_concave_and_bends_once(drawn):
    """-p' = η p is the slope; it rises while η² (ln G)'' < 1 and falls from then on."""
    servers, rates, arrival = stages = stable_stages(drawn)
    probability, r = waiting_law(servers, rates, arrival)
    mean = float((1 / rates + probability / r).sum())
    t = mean + np.geomspace(1e-3, 60, 200) / np.minimum(rates, r).min()
    raw, exponent = optimised_tail(t, *stages)
    assert (np.diff(exponent) >= -1e-12 * exponent[1:]).all()
    density = exponent * raw
    _, curvature = log_mgf_slopes(exponent, rates, probability, r)
    convex = exponent**2 * curvature > 1
    assert (np.diff(convex.astype(int)) >= 0).all()
    change = np.diff(density) / np.maximum(density[1:], 1e-300)
    both = convex[1:] & convex[:-1]
    assert (change[both] <= 1e-9).all()
    assert (change[~convex[1:] & ~convex[:-1]] >= -1e-9).all()


def test_optimised_bound_of_a_saturated_stage_is_one():
    raw, exponent = optimised_tail([0.0, 1e6], [2, 9], [1.0, 1.0], [2.0, 2.5])
    assert raw.tolist() == [1.0, 1.0]
    assert exponent.tolist() == [0.0, 0.0]


def test_optimised_bound_vanishes_at_endless_latencies():
    raw, exponent = optimised_tail([1e3, 1e30, 1e100], [2, 9], [1.0, 1.0], 1.5)
    assert end_to_end_tail(1e3, [2, 9], [1.0, 1.0], 1.5) < raw[0] < 1e-200
    assert raw[1:].tolist() == [0.0, 0.0]
    assert (exponent < 0.5).all()


def test_optimised_bound_refuses_what_is_outside_its_domain():
    with pytest.raises(ValueError, match=r"latency_s = -1\.0"):
        optimised_tail(-1.0, [1], [1.0], 0.5)
