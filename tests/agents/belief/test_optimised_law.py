"""The Chernoff bound with the best exponent as a belief."""

import numpy as np
import pytest

from airan_market.agents.belief.belief import believe
from airan_market.agents.screening.monotone import maximise_monotone
from airan_market.sim.theory.chernoff import optimised_tail

SERVERS = np.array([[9, 4, 20], [7, 3, 15]], dtype=float)
RATES = np.array([[270.0, 110.0, 180.0], [250.0, 120.0, 190.0]])
LOADS = np.array([[100.0, 250.0, 400.0], [100.0, 300.0, 420.0]])
LOWER, UPPER = 1e-3, 2.0


def test_is_the_bound_of_the_queueing_floor() -> None:
    belief = believe("chernoff-optimised", SERVERS, RATES, LOADS, 0.9)
    at = np.full((2, 3), 0.05)
    for m, n in np.ndindex(2, 3):
        raw, _ = optimised_tail(0.05, SERVERS[m], RATES[m], LOADS[m, n])
        assert belief.raw(at)[m, n] == pytest.approx(float(raw), rel=1e-13)


def test_lies_between_the_exact_tail_and_the_bound_at_any_zeta() -> None:
    at = np.geomspace(LOWER, UPPER, 40)[:, np.newaxis, np.newaxis]
    best = believe("chernoff-optimised", SERVERS, RATES, LOADS, 0.9).probability(at)
    exact = believe("fifo", SERVERS, RATES, LOADS, 0.9).probability(at)
    assert (exact <= best * (1 + 1e-12)).all()
    for zeta in (0.1, 0.5, 0.9, 0.99):
        fixed = believe("chernoff", SERVERS, RATES, LOADS, zeta).probability(at)
        assert (best <= fixed * (1 + 1e-12)).all()
    assert (best[-1, 0] < 1e-3 * fixed[-1, 0]).all()  # and where it matters it is far better


def test_menu_is_the_best_of_all_on_a_grid() -> None:
    """Dynamic programming over all monotone menus of a grid, on the bounds themselves."""
    belief = believe("chernoff-optimised", SERVERS[:1], RATES[:1], LOADS[:1], 0.9)
    slope, weight = np.array([[3.0, 4.0, 0.5]]), np.array([[1.0, 1.0, 1.0]])
    pieces = belief.pieces(slope, weight, LOWER, UPPER)
    latency_s = maximise_monotone(pieces, LOWER, UPPER)
    assert latency_s[0, 0] == latency_s[0, 1]  # pooled

    def value(menus: np.ndarray) -> np.ndarray:
        return -slope * menus - weight * belief.raw(menus)

    grid = np.geomspace(LOWER, UPPER, 1500)
    by_type = value(np.tile(grid[:, np.newaxis, np.newaxis], (1, 1, 3)))[:, 0]
    best = np.zeros(grid.size)
    for n in range(3):
        best = np.maximum.accumulate(best) + by_type[:, n]
    assert pieces.gap(latency_s) == 0
    assert best.max() - 1e-12 <= value(latency_s).sum() <= best.max() + 1e-4
