import numpy as np
import pytest

from airan_market.analysis.validation.ladder import (
    CHERNOFF,
    FIRST_COME,
    OPTIMISED,
    PRIORITY,
    THEORIES,
    ladder,
)
from airan_market.analysis.validation.offered import grid


def test_each_bound_lies_above_what_it_bounds(make_site):
    site = make_site()
    tails = ladder(site, grid(site, 12))
    assert set(tails) == set(THEORIES)
    # a bound may touch what it bounds, and then rounding decides
    assert (tails[CHERNOFF] >= tails[OPTIMISED] * (1 - 1e-12)).all()
    assert (tails[OPTIMISED] >= tails[FIRST_COME] * (1 - 1e-12)).all()
    assert all((tail <= 1).all() for tail in tails.values())


def test_the_highest_type_is_served_first_come_first_served(make_site):
    site = make_site()
    tails = ladder(site, grid(site, 12))
    assert tails[PRIORITY][0] == pytest.approx(tails[FIRST_COME][0], rel=1e-9)
    # and the lowest is not: this is what the test could miss
    assert tails[PRIORITY][2, -1] > 10 * tails[FIRST_COME][2, -1]


def test_a_saturated_type_is_always_late(make_site):
    site = make_site(own=(20.0, 90.0), agreed=(0.1, 0.2))
    tails = ladder(site, np.full((2, 3), 0.5))
    for method in THEORIES:
        assert tails[method][1].tolist() == [1.0] * 3
        assert (tails[method][0] < 0.01).all()
