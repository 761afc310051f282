"""The compiled Chernoff coefficients against the reference in NumPy, over the whole domain."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airan_market.agents.belief import chernoff_design as compiled_design
from airan_market.agents.belief.belief import believe
from airan_market.agents.belief.chernoff_design import delay_probability, stirling_error
from airan_market.sim.theory.chernoff import chernoff_coefficients
from airan_market.sim.theory.erlang import erlang_c

TOLERANCE = 1e-12
property_test = settings(max_examples=150)

stages_drawn = st.integers(1, 4).flatmap(
    lambda size: st.tuples(
        st.lists(st.integers(1, 10_000), min_size=size, max_size=size),
        st.lists(st.floats(1e-3, 1e3), min_size=size, max_size=size),
    )
)
# no load, any stable one, up to saturation but for 1e-12, saturation to the bit, and beyond
utilisation_drawn = st.one_of(
    st.just(0.0), st.floats(0, 1), st.floats(0, 12).map(lambda x: 1 - 10**-x), st.floats(1, 3)
)


@property_test
@given(stages_drawn, utilisation_drawn, st.floats(1e-6, 1, exclude_max=True))
def test_coefficients_are_those_of_the_reference(stages, utilisation, zeta):
    servers, rates = (np.array(part, float) for part in stages)
    load = np.array(utilisation * (servers * rates).min())
    expected = chernoff_coefficients(servers, rates, load, zeta)
    found = compiled_design.chernoff_coefficients(servers, rates, load, zeta)
    np.testing.assert_allclose(found, expected, rtol=TOLERANCE, atol=0)


@pytest.mark.parametrize("servers", [1, 2, 15, 16, 24, 194, 10_000, 1_000_000])
def test_delay_probability_up_to_a_million_servers(servers):
    light = servers * np.array([1e-3, 0.1, 0.499, 0.501, 0.9])
    near = servers * (1 - np.geomspace(1e-15, 1e-2, 14))
    load = np.concatenate([light, near])
    expected = erlang_c(servers, load)
    found = [delay_probability(float(servers), a) for a in load.tolist()]
    normal = expected > 1e-300
    assert normal.sum() >= 14
    np.testing.assert_allclose(np.array(found)[normal], expected[normal], rtol=TOLERANCE)


def test_control_a_sum_that_stops_early_is_caught(monkeypatch):
    """The same source, not compiled, with a sum that ends at probabilities of 1e-11."""
    expected = erlang_c(1000, 990.0)
    for name in ("delay_probability", "stirling_error"):
        monkeypatch.setattr(compiled_design, name, getattr(compiled_design, name).py_func)
    assert abs(compiled_design.delay_probability(1000.0, 990.0) / expected - 1) < TOLERANCE
    monkeypatch.setattr(compiled_design, "NEGLIGIBLE", 1e-11)
    assert abs(compiled_design.delay_probability(1000.0, 990.0) / expected - 1) > 10 * TOLERANCE


def test_stirling_error_meets_at_the_seam():
    """Below 16 from the factorial, from there on by its series."""
    factorial = 15.0 * 14 * 13 * 12 * 11 * 10 * 9 * 8 * 7 * 6 * 5 * 4 * 3 * 2
    log_factorial = {15.0: np.log(factorial), 16.0: np.log(16 * factorial)}
    for c, expected in log_factorial.items():
        smooth = (c + 0.5) * np.log(c) - c + 0.5 * np.log(2 * np.pi)
        assert smooth + stirling_error(c) == pytest.approx(expected, abs=1e-13)


@pytest.mark.parametrize("load", [1332.0, np.nextafter(1332.0, 2000.0), 1e6])
def test_a_saturated_stage_means_certain_violation(load):
    servers, rates = np.array([28.0, 12.0, 115.0]), np.array([230.0, 111.0, 57.0])
    log_gain, exponent = compiled_design.chernoff_coefficients(
        servers, rates, np.array([load, 100.0]), 0.9
    )
    assert (log_gain[0], exponent[0]) == (0, 0)
    assert exponent[1] > 0  # another load keeps its own belief


def test_a_load_that_rounds_to_the_number_of_servers():
    """C μ − λ is positive in doubles, but λ/μ rounds to c."""
    rng = np.random.default_rng(2)
    servers, rates = rng.integers(1, 300, 4000).astype(float), rng.uniform(0.1, 9.0, 4000)
    load = np.nextafter(servers * rates, 0)
    assert ((load / rates >= servers) & (servers * rates > load)).any()
    stations = servers[:, np.newaxis], rates[:, np.newaxis], load
    expected, found = (
        chernoff_coefficients(*stations, 0.9),
        compiled_design.chernoff_coefficients(*stations, 0.9),
    )
    np.testing.assert_allclose(found, expected, rtol=TOLERANCE, atol=0)


def test_arguments_broadcast_and_may_be_views_or_whole_numbers():
    servers = np.array([(48, 24, 194), (43, 16, 172), (28, 12, 115)])
    rates = np.array([230.0, 111.0, 57.0])
    load = np.linspace(100, 1200, 16)[::2]
    load.flags.writeable = False
    found = compiled_design.chernoff_coefficients(servers[::-1, np.newaxis], rates, load, 0.9)
    assert found[0].shape == found[1].shape == (3, 8)
    expected = chernoff_coefficients(servers[::-1, np.newaxis], rates, load, 0.9)
    np.testing.assert_allclose(found, expected, rtol=TOLERANCE)


@pytest.mark.parametrize("bad", [np.nan, -1.0])
def test_loads_outside_the_domain_are_named(bad):
    """Servers and rates are checked by the primitives; loads change with every iteration."""
    servers, rates = np.array([4.0, 7.0]), np.array([5.0, 3.0])
    with pytest.raises(ValueError, match=f"load_per_s = {bad}"):
        believe("chernoff", servers, rates, np.array([1.0, bad]), 0.9)
