"""Three readings of a mixed matching for whole users."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from airan_market.agents.matching.assignment import (
    OUT,
    draw,
    follow_projection,
    largest_remainder,
    split_proportionally,
)

strategies = st.lists(st.floats(0.01, 1.0), min_size=1, max_size=5).map(
    lambda weights: np.array(weights) / (sum(weights) + 0.1)
)


@given(strategies, st.floats(0, 1, exclude_max=True))
def test_a_draw_falls_in_its_own_interval(probabilities: np.ndarray, uniform: float) -> None:
    operator = draw(probabilities, uniform)
    edges = np.concatenate([[0.0], np.cumsum(probabilities)])
    if operator == OUT:
        assert uniform >= edges[-1]
    else:
        assert edges[operator] <= uniform < edges[operator + 1]


def frequency_test(probabilities: list[float], used: list[float]) -> bool:
    """Do draws from `used` look like `probabilities`? False alarm 1e-3 per call."""
    uniforms = np.random.default_rng(5).random(4000)
    drawn = np.array([draw(used, u) for u in uniforms])
    outcomes = [*range(len(probabilities)), OUT]
    expected = [*probabilities, 1 - sum(probabilities)]
    level = 1e-3 / len(outcomes)
    return all(
        binomtest(int((drawn == outcome).sum()), drawn.size, p).pvalue > level
        for outcome, p in zip(outcomes, expected, strict=True)
    )


def test_draws_follow_the_strategy() -> None:
    """Bonferroni over outcomes, false-alarm rate 1e-3; the seed is fixed."""
    assert frequency_test([0.2, 0.3, 0.4], [0.2, 0.3, 0.4])


def test_draws_from_another_strategy_are_caught() -> None:
    assert not frequency_test([0.2, 0.3, 0.4], [0.25, 0.3, 0.35])


@given(st.lists(st.floats(0, 10), min_size=1, max_size=9), st.integers(0, 500))
def test_largest_remainder_keeps_total_and_quota(weights: list[float], total: int) -> None:
    if sum(weights) <= 0:
        if total:
            with pytest.raises(ValueError, match="all are 0"):
                largest_remainder(weights, total)
        return
    whole = largest_remainder(weights, total)
    quota = np.array(weights) / sum(weights) * total
    assert whole.sum() == total
    assert (np.abs(whole - quota) < 1 + 1e-9).all()


def test_largest_remainder_by_hand() -> None:
    assert largest_remainder([1, 1, 1], 4).tolist() == [2, 1, 1]
    assert largest_remainder([47, 16, 15.8, 12, 6.1, 3.1], 10).tolist() == [5, 2, 1, 1, 1, 0]


@pytest.mark.parametrize("weights", [[-1.0, 2.0], [float("nan"), 1.0]])
def test_impossible_weights_are_refused(weights: list[float]) -> None:
    with pytest.raises(ValueError, match="weights"):
        largest_remainder(weights, 3)


def test_proportional_split_by_hand() -> None:
    matching = [[0.5, 0.0], [0.3, 1.0]]
    dealt = split_proportionally(matching, [10, 2])
    assert dealt.tolist() == [0] * 5 + [1] * 3 + [OUT] * 2 + [1, 1]


def test_projection_sends_whole_types() -> None:
    assert follow_projection([2, OUT, 0], [1, 2, 0]).tolist() == [2, OUT, OUT]
