"""Beliefs: what is charged, what is differentiated, and the terms that a design maximises."""

import numpy as np
import pytest

from airan_market.agents.belief.belief import believe
from airan_market.agents.screening.monotone import DerivativePieces, maximise_monotone
from airan_market.scenarios.registry import BELIEFS, RegistryError
from airan_market.sim.theory.chernoff import chernoff_coefficients
from airan_market.sim.theory.end_to_end import end_to_end_tail

SERVERS = np.array([[9, 4, 20], [7, 3, 15]], dtype=float)
RATES = np.array([[270.0, 110.0, 180.0], [250.0, 120.0, 190.0]])
LOADS = np.array([[100.0, 250.0, 400.0], [100.0, 300.0, 420.0]])  # last: GPU of operator 2 full
LOWER, UPPER = 1e-3, 2.0


def test_chernoff_is_the_bound_of_the_queueing_floor() -> None:
    belief = believe("chernoff", SERVERS, RATES, LOADS, 0.9)
    for m, n in np.ndindex(2, 3):
        gain, exponent = chernoff_coefficients(SERVERS[m], RATES[m], LOADS[m, n], 0.9)
        at = np.full((2, 3), 0.03)
        assert belief.raw(at)[m, n] == pytest.approx(np.exp(gain - exponent * 0.03), rel=1e-14)


@pytest.mark.parametrize("name", BELIEFS.ours)
def test_charged_is_at_most_one_and_saturated_is_one(name: str) -> None:
    belief = believe(name, SERVERS, RATES, LOADS, 0.9)
    assert belief.saturated.tolist() == [[False] * 3, [False, False, True]]
    at = np.full((2, 3), 1e-3)
    assert (belief.probability(at) <= 1).all()
    assert (belief.probability(at) == np.minimum(1, belief.raw(at))).all()
    assert belief.probability(np.full((2, 3), 1e3))[1, 2] == 1.0


def test_raw_chernoff_exceeds_one_at_short_latencies() -> None:
    belief = believe("chernoff", SERVERS, RATES, LOADS, 0.9)
    assert (belief.raw(np.zeros((2, 3)))[~belief.saturated] > 1).all()


def test_first_come_is_the_exact_tail_and_below_the_bound() -> None:
    exact, bound = (believe(name, SERVERS, RATES, LOADS, 0.9) for name in ("fifo", "chernoff"))
    at = np.full((2, 3), 0.04)
    alone = end_to_end_tail(0.04, SERVERS[0], RATES[0], LOADS[0, 1])
    assert exact.raw(at)[0, 1] == pytest.approx(alone, rel=1e-13)
    assert (exact.raw(at) <= bound.raw(at)).all()


@pytest.mark.parametrize("name", BELIEFS.ours)
def test_one_operator_alone_believes_the_same(name: str) -> None:
    at = np.full(3, 0.05)
    together = believe(name, SERVERS, RATES, LOADS, 0.9).raw(np.tile(at, (2, 1)))
    for m in range(2):
        alone = believe(name, SERVERS[m], RATES[m], LOADS[m], 0.9)
        assert alone.raw(at) == pytest.approx(together[m], rel=1e-13)


@pytest.mark.parametrize("name", BELIEFS.ours)
def test_terms_are_maximised_where_their_derivatives_vanish(name: str) -> None:
    """Designs against a numerical solve on difference quotients of the belief itself."""
    loads = LOADS[:1]
    belief = believe(name, SERVERS[:1], RATES[:1], loads, 0.9)
    slope, weight = np.array([[2.0, 1.0, 2.0]]), np.array([[2.0, 1.0, 3.0]])

    def marginal(x: float, first: int, last: int) -> float:
        h = 1e-5
        rise = (belief.raw(np.full((1, 3), x + h)) - belief.raw(np.full((1, 3), x - h))) / (2 * h)
        return float((-slope - weight * rise)[0, first:last].sum())

    designed = maximise_monotone(belief.pieces(slope, weight, LOWER, UPPER), LOWER, UPPER)[0]
    # past the rise of the densities, where the derivatives fall
    low = 0.08 if name == "chernoff-optimised" else 0.03
    numerical = maximise_monotone(DerivativePieces(3, marginal, low, UPPER), low, UPPER)
    assert (designed > low).all()
    assert designed == pytest.approx(numerical, abs=1e-7)


@pytest.mark.parametrize("name", BELIEFS.ours)
def test_saturated_terms_and_all_after_them_go_to_the_upper_bound(name: str) -> None:
    belief = believe(name, SERVERS, RATES, LOADS, 0.9)
    slope, weight = np.full((2, 3), 5.0), np.full((2, 3), 2.0)
    designed = maximise_monotone(belief.pieces(slope, weight, LOWER, UPPER), LOWER, UPPER)
    assert designed[1, 2] == UPPER
    assert (designed[:, :2] < UPPER).all()


def test_a_belief_that_is_not_there_says_what_is() -> None:
    names = ("chernoff", "chernoff-optimised", "chernoff-priority", "fifo", "priority", "measured")
    available = f"must be one of {', '.join(f'{chr(34)}{name}{chr(34)}' for name in names)}"
    with pytest.raises(RegistryError, match=f"belief 'cherenkov': {available}"):
        believe("cherenkov", SERVERS, RATES, LOADS, 0.9)
