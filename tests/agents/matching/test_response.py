"""Mixed responses, damping, shadow prices and the projection."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airan_market.agents.matching.assignment import OUT
from airan_market.agents.matching.load import cumulative_load, demand_weight
from airan_market.agents.matching.response import (
    adjusted_utility,
    damp,
    mixed_response,
    opt_out_probability,
    project,
    temperature,
)
from airan_market.agents.matching.shadow_price import update_shadow_price

drawn = settings(max_examples=80)
UTILITIES = st.lists(st.floats(-1e-2, 1e-2), min_size=1, max_size=6).map(np.array)


@drawn
@given(UTILITIES, st.floats(-1e-2, 1e-2), st.floats(1e-320, 1e6))
def test_response_is_a_distribution_at_any_temperature(
    utility: np.ndarray, out: float, tau: float
) -> None:
    z = mixed_response(utility, out, tau)
    assert np.isfinite(z).all()
    assert (z >= 0).all()
    assert z.sum() <= 1 + 1e-15
    better = utility[:, np.newaxis] > utility
    assert (z[:, np.newaxis] >= z)[better].all()  # a better operator is never less likely


@drawn
@given(UTILITIES, st.floats(-1e-2, 1e-2), st.floats(1e-3, 1e3))
def test_response_is_the_printed_formula_where_that_can_be_evaluated(
    utility: np.ndarray, out: float, tau: float
) -> None:
    weights = np.exp(utility / tau)
    expected = weights / (np.exp(out / tau) + weights.sum())
    assert mixed_response(utility, out, tau) == pytest.approx(expected, rel=1e-12)


def test_cold_users_take_the_best_and_hot_users_anything() -> None:
    utility = np.array([[1.0, -2.0], [3.0, -1.0]])
    assert mixed_response(utility, 0.0, 1e-300).tolist() == [[0.0, 0.0], [1.0, 0.0]]
    assert mixed_response(utility, 0.0, 1e300) == pytest.approx(np.full((2, 2), 1 / 3))


def test_cold_users_split_ties_evenly() -> None:
    assert mixed_response(np.array([0.0, 0.0, 0.0]), 0.0, 1e-12).tolist() == [0.25] * 3


def test_one_type_responds_as_in_the_market() -> None:
    utility = np.array([[1e-4, 2e-4], [3e-4, 1e-4]])
    together = mixed_response(utility, 1e-4, 5e-5)
    for n in range(2):
        assert mixed_response(utility[:, n], 1e-4, 5e-5).tolist() == together[:, n].tolist()


@pytest.mark.parametrize("tau", [0.0, -1.0, np.nan])
def test_temperature_must_be_positive(tau: float) -> None:
    with pytest.raises(ValueError, match="temperature_usd"):
        mixed_response(np.zeros(2), 0.0, tau)


def test_geometric_schedule() -> None:
    found = [temperature(k, 5, 1e-4, 1e-5) for k in range(1, 6)]
    assert found[0] == 1e-4
    assert found[-1] == pytest.approx(1e-5, rel=1e-15)
    assert np.diff(np.log(found)) == pytest.approx(np.full(4, np.log(0.1) / 4))
    assert temperature(1, 1, 1e-4, 1e-5) == 1e-5


def test_load_is_cumulative_over_the_types_before() -> None:
    z = np.array([[0.5, 0.2, 0.1], [0.1, 0.3, 0.4]])
    demand = np.array([10.0, 20.0, 50.0])
    expected = np.array([[5.0, 9.0, 14.0], [1.0, 7.0, 27.0]])
    assert cumulative_load(z, demand) == pytest.approx(expected)


def test_weight_keeps_a_floor() -> None:
    z = np.array([[0.5, 0.0]])
    assert demand_weight(z, np.array([10.0, 20.0]), 0.05) == pytest.approx(
        np.array([[10 * (0.95 * 0.5 + 0.05), 1.0]])
    )
    assert demand_weight(z, np.array([10.0, 20.0]), 0.0).tolist() == [[5.0, 0.0]]


def test_penalty_counts_all_users_of_the_type_against_the_effective_capacity() -> None:
    """ω_m I_n δ / λ̄_m, per operator and type, at numbers that tell the symbols apart."""
    utility = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    price, demand, capacity = (
        np.array([0.5, 3.0]),
        np.array([7.0, 11.0, 13.0]),
        np.array([2.0, 5.0]),
    )
    found = adjusted_utility(utility, price, demand, capacity)
    for m, n in np.ndindex(2, 3):
        assert found[m, n] == pytest.approx(utility[m, n] - price[m] * demand[n] / capacity[m])
    alone = adjusted_utility(utility[:, 1], price, 11.0, capacity)
    assert alone.tolist() == found[:, 1].tolist()


def test_shadow_price_rises_with_excess_and_stays_positive() -> None:
    price = update_shadow_price(
        np.array([0.0, 0.3, 0.01]), np.array([12.0, 5.0, 5.0]), np.array([10.0, 10.0, 10.0]), 0.5
    )
    assert price == pytest.approx([0.1, 0.05, 0.0])


def test_damping() -> None:
    found = damp(np.array([0.2, 0.8]), np.array([1.0, 0.0]), 0.35)
    assert found == pytest.approx([0.65 * 0.2 + 0.35, 0.65 * 0.8])
    assert damp(np.array([0.2]), np.array([0.7]), 1.0).tolist() == [0.7]


def test_opting_out_never_has_a_negative_probability() -> None:
    z = np.full((3, 1), 1 / 3 + 1e-16)
    assert opt_out_probability(z).tolist() == [0.0]


CAPACITY = np.array([5.0, 9.0, 9.0])


@pytest.mark.parametrize(
    ("z", "expected"),
    [
        pytest.param([0.5, 0.1, 0.1], 0, id="largest"),
        pytest.param([0.1, 0.1, 0.1], OUT, id="opting out is a choice"),
        pytest.param([0.25, 0.25, 0.25], 1, id="tie: larger capacity, then lower number"),
        pytest.param([0.25, 0.25 - 4e-16, 0.25 + 4e-16], 1, id="tie but for rounding"),
        pytest.param([0.5, 0.0, 0.0], 0, id="tie with opting out: an operator"),
        pytest.param([0.25, 0.25, 0.26], 2, id="no tie"),
    ],
)
def test_projection_and_its_ties(z: list[float], expected: int) -> None:
    assert project(np.array(z)[:, np.newaxis], CAPACITY).tolist() == [expected]


def test_projection_follows_a_permutation_of_the_operators() -> None:
    z = np.array([[0.25, 0.1, 0.3], [0.25, 0.1, 0.4], [0.25, 0.1, 0.1]])
    capacity = np.array([5.0, 9.0, 7.0])
    original = project(z, capacity)
    order = np.array([2, 0, 1])
    permuted = project(z[order], capacity[order])
    back = np.append(order, OUT)
    assert back[permuted].tolist() == original.tolist()
