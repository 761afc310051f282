"""Settling, overshoot, cycles and concentration: each with a path of which the answer is known."""

import numpy as np
import pytest

from airan_market.analysis.dynamics.measures import (
    FALSE_ALARM,
    concentration,
    cycle,
    fisher_tail,
    shocks,
)
from airan_market.sim.streams import stream


def test_a_path_that_never_comes_to_rest_has_not_settled() -> None:
    path = np.array([1.0] * 4 + [2.0, 1.0] * 6)
    (shock,) = shocks(path, [(5, ("x",))])
    assert shock.settled_after is None


def test_two_changes_each_have_their_own_rounds() -> None:
    path = np.array([1.0, 1.0, 3.0, 3.0, 3.0, 1.2, 1.0, 1.0, 1.0, 1.0])
    first, second = shocks(path, [(3, ("up",)), (6, ("down",))])
    assert (first.settled_after, second.settled_after) == (0, 1)
    assert first.overshoot == second.overshoot == 0.0


def test_a_cycle_in_noise_is_found_with_its_period() -> None:
    rng, rounds = stream(1, "a test"), np.arange(48)
    path = 0.01 * rounds + np.sin(2 * np.pi * rounds / 6) + 0.5 * rng.standard_normal(48)
    assert cycle(path) == pytest.approx(6.0)


def test_noise_is_called_a_cycle_as_rarely_as_is_said() -> None:
    """Negative control: of 4,000 paths of noise 1 %; four standard errors are 0.63 %."""
    rng = stream(1, "false alarms")
    alarms = sum(cycle(rng.standard_normal(33)) is not None for _ in range(4000))
    error = np.sqrt(FALSE_ALARM * (1 - FALSE_ALARM) / 4000)
    assert abs(alarms / 4000 - FALSE_ALARM) < 4 * error


def test_the_law_of_the_largest_ordinate_by_simulation() -> None:
    """40,000 draws of seven exponentials; four standard errors."""
    draws = stream(2, "fisher").standard_exponential((40_000, 7))
    share = draws.max(axis=1) / draws.sum(axis=1)
    for level in (0.3, 0.5, 0.7):
        p = fisher_tail(level, 7)
        assert abs((share > level).mean() - p) < 4 * np.sqrt(p * (1 - p) / 40_000)


def test_a_short_path_and_a_still_one_have_no_cycle() -> None:
    assert cycle(np.sin(np.arange(8.0))) is None
    assert cycle(np.ones(40)) is None


def test_nobody_is_not_concentrated() -> None:
    assert np.isnan(concentration(np.zeros(3)))
