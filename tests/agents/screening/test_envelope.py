"""Designs under an exact tail: density, envelope, and what the envelope may cost."""

import numpy as np
import pytest
from scipy.integrate import quad

from airan_market.agents.belief.fcfs_law import FcfsLaw
from airan_market.agents.screening.envelope import EnvelopePieces, bends
from airan_market.agents.screening.monotone import maximise_monotone
from airan_market.sim.theory.end_to_end import end_to_end_tail

SERVERS = np.array([[9, 4, 20]] * 4, dtype=float)
RATES = np.array([[270.0, 110.0, 180.0]] * 4)
LOADS = np.array([0.0, 200.0, 380.0, 438.0])  # of 440 that the GPUs can do
LAW = FcfsLaw(SERVERS, RATES, LOADS)
ALL = np.arange(4)
LOWER, UPPER = 1e-3, 2.0


def tail(latency_s: float, n: int) -> float:
    return float(end_to_end_tail(latency_s, SERVERS[n], RATES[n], LOADS[n]))


def pieces(slope: list[float], weight: list[float]) -> EnvelopePieces:
    return EnvelopePieces.over(
        LAW, np.array(slope), np.array(weight), np.zeros(4, dtype=bool), LOWER, UPPER
    )


@pytest.mark.parametrize("latency_s", [1e-3, 0.01, 0.02, 0.1, 0.5])
def test_density_is_the_derivative_of_the_tail(latency_s: float) -> None:
    """Central differences of fourth order, whose own error is what is allowed."""
    h = 5e-5 * np.array([-2, -1, 1, 2])
    for n in ALL:
        values = [tail(latency_s + step, n) for step in h]
        slope = (values[0] - 8 * values[1] + 8 * values[2] - values[3]) / 6e-4
        assert LAW.density(np.array([latency_s]), np.array([n]))[0] == pytest.approx(
            -slope, abs=5e-7
        )


def test_density_without_load_is_hypoexponential() -> None:
    """No load, no waiting: the density of a sum of Exp(270), Exp(110) and Exp(180)."""
    for t in (0.0, 1e-4, 0.02, 0.2):
        exact = sum(
            mu
            * np.exp(-mu * t)
            * np.prod([other / (other - mu) for other in RATES[0] if other != mu])
            for mu in RATES[0]
        )
        found = LAW.density(np.array([t]), np.array([0]))[0]
        assert found == pytest.approx(exact, rel=1e-9, abs=1e-9)


def test_density_integrates_to_the_fall_of_the_tail() -> None:
    mass, _ = quad(
        lambda t: float(LAW.density(np.array([t]), np.array([2]))[0]), 0.01, 0.3, limit=200
    )
    assert mass == pytest.approx(tail(0.01, 2) - tail(0.3, 2), abs=1e-9)


def test_line_touches_the_tail_from_below() -> None:
    bend = bends(LAW, ALL, LOWER, UPPER)
    assert ((bend > LOWER) & (bend < UPPER)).all()
    density = LAW.density(bend, ALL)
    for n in ALL:
        start = tail(LOWER, n)
        assert start - density[n] * (bend[n] - LOWER) == pytest.approx(tail(bend[n], n), abs=1e-9)
        for t in np.linspace(LOWER, 3 * bend[n], 60):
            assert start - density[n] * (t - LOWER) <= tail(t, n) + 1e-12


def test_no_bend_where_the_tail_is_concave_throughout() -> None:
    """Up to 5 ms the density still rises: the envelope is the chord."""
    assert bends(LAW, ALL, LOWER, 5e-3).tolist() == [5e-3] * 4
    short = EnvelopePieces.over(
        LAW, np.full(4, 0.1), np.full(4, 1.0), np.zeros(4, dtype=bool), LOWER, 5e-3
    )
    chord = [(tail(LOWER, n) - tail(5e-3, n)) / 4e-3 for n in ALL]
    assert short.steepest_per_s == pytest.approx(chord, rel=1e-9)
    assert short.maximisers().tolist() == [5e-3] * 4  # 1 · chord > 0.1


@pytest.mark.parametrize("slope", [0.0, 1e-3, 1.0, 20.0, 39.0, 60.0, 500.0])
def test_singles_are_global_maxima(slope: float) -> None:
    grid = np.geomspace(LOWER, UPPER, 4000)
    terms = pieces([slope] * 4, [1.5] * 4)
    single = terms.maximisers()
    for n in ALL:
        values = -slope * grid - 1.5 * end_to_end_tail(grid, SERVERS[n], RATES[n], LOADS[n])
        mine = -slope * single[n] - 1.5 * tail(single[n], n)
        assert mine >= values.max() - 1e-12
        assert terms.argmax(n, n + 1) == pytest.approx(single[n], abs=1e-8)


def grid_optimum(slope: list[float], weight: list[float]) -> float:
    """Dynamic programming over all monotone menus on a grid, on the tails themselves."""
    grid = np.geomspace(LOWER, UPPER, 3000)
    best = np.zeros(grid.size)
    for n in ALL:
        value = -slope[n] * grid - weight[n] * end_to_end_tail(grid, SERVERS[n], RATES[n], LOADS[n])
        best = np.maximum.accumulate(best) + value
    return float(best.max())


def value_of(slope: list[float], weight: list[float], latency_s: np.ndarray) -> float:
    tails = np.array([tail(t, n) for n, t in enumerate(latency_s)])
    return float((-np.array(slope) * latency_s - np.array(weight) * tails).sum())


@pytest.mark.parametrize(
    ("slope", "weight"),
    [
        pytest.param([4.0, 2.0, 1.0, 0.5], [1.0] * 4, id="in order"),
        pytest.param([2.0, 3.0, 4.0, 0.3], [1.0] * 4, id="pooled"),
        pytest.param([1.0, 9.0, 0.1, 3.0], [1.0, 0.2, 2.0, 0.0], id="pooled, a term without risk"),
    ],
)
def test_pooled_menus_are_optimal_for_the_tails(slope: list[float], weight: list[float]) -> None:
    terms = pieces(slope, weight)
    latency_s = maximise_monotone(terms, LOWER, UPPER)
    assert terms.gap(latency_s) == 0
    assert value_of(slope, weight, latency_s) >= grid_optimum(slope, weight) - 1e-12


@pytest.mark.parametrize(
    ("slope", "weight"),
    [([0.5, 1.0, 2.0, 4.0], [1.0] * 4), ([0.2, 0.3, 0.4, 20.0], [1.0, 1.0, 1.0, 5.0])],
)
def test_gap_bounds_what_a_menu_on_a_straight_part_misses(
    slope: list[float], weight: list[float]
) -> None:
    """A type near saturation is pooled to where its tail is not convex: not quite optimal."""
    terms = pieces(slope, weight)
    latency_s = maximise_monotone(terms, LOWER, UPPER)
    missed = grid_optimum(slope, weight) - value_of(slope, weight, latency_s)
    assert 1e-5 < missed <= float(terms.gap(latency_s)) < 0.05
