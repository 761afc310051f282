"""The monotone screening solver against optimality conditions, brute force and a general solver."""

from dataclasses import dataclass, field
from itertools import pairwise

import mpmath
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from airan_market.agents.screening.monotone import (
    DerivativePieces,
    ExponentialPieces,
    decay_root,
    maximise_monotone,
    pool,
)

drawn = settings(max_examples=60)
LOWER, UPPER = 0.05, 2.0


def numbers(low: float, high: float, size: int) -> st.SearchStrategy[np.ndarray]:
    return st.lists(st.floats(low, high), min_size=size, max_size=size).map(np.array)


@st.composite
def exponential_terms(
    draw: st.DrawFn, least: int = 1, most: int = 7, fastest: float = 30.0
) -> ExponentialPieces:
    """Terms whose single solutions scatter around [LOWER, UPPER], in any order."""
    size = draw(st.integers(least, most))
    rate = draw(numbers(0.5, fastest, size))
    optimum = draw(numbers(-0.5, 3.0, size))
    slope = np.exp(draw(numbers(-3.0, 3.0, size)))
    return ExponentialPieces(slope, rate * optimum + np.log(slope / rate), rate)


def derivative(terms: ExponentialPieces, x: np.ndarray) -> np.ndarray:
    return terms.rate * np.exp(terms.log_weight - terms.rate * x) - terms.slope


def objective(terms: ExponentialPieces, x: np.ndarray) -> float:
    return float((-terms.slope * x - np.exp(terms.log_weight - terms.rate * x)).sum())


def optimality_error(terms: ExponentialPieces, x: np.ndarray, lower: float, upper: float) -> float:
    """Largest breach of the optimality conditions of the isotonic problem, relative to its slopes.

    The multiplier of x_n ≤ x_{n+1} is the running sum of the derivatives, from the first entry
    for those above `lower`. On every stretch of equal entries strictly inside the bounds the
    derivatives sum to 0 and no running sum within it is negative; at the lower bound no sum of
    a tail of the stretch is positive, at the upper bound no sum of a head is negative.
    """
    slopes = derivative(terms, x)
    scale = np.abs(slopes).max() + terms.slope.max()
    edges = [0, *(np.flatnonzero(np.diff(x)) + 1).tolist(), x.size]
    breach = max(0.0, -np.diff(x).min(initial=0.0), lower - x.min(), x.max() - upper)
    for first, last in pairwise(edges):
        heads = np.cumsum(slopes[first:last])
        tails = np.cumsum(slopes[first:last][::-1])
        if x[first] == lower:
            breach = max(breach, tails.max() / scale)
        elif x[first] == upper:
            breach = max(breach, -heads.min() / scale)
        else:
            breach = max(breach, abs(heads[-1]) / scale, -heads.min() / scale)
    return float(breach)


@drawn
@given(exponential_terms())
def test_solution_meets_the_optimality_conditions(terms: ExponentialPieces) -> None:
    x = maximise_monotone(terms, LOWER, UPPER)
    assert optimality_error(terms, x, LOWER, UPPER) < 1e-12


def test_ironing_by_running_maxima_fails_the_conditions() -> None:
    """Negative control: pushing items up until they are in order is monotone, but not optimal."""
    terms = ExponentialPieces(np.array([1.0, 4.0]), np.array([1.0, 1.0]), np.ones(2))
    wrong = np.maximum.accumulate(np.clip(terms.maximisers(), LOWER, UPPER))
    assert optimality_error(terms, wrong, LOWER, UPPER) > 0.1


@settings(max_examples=25)
@given(exponential_terms(least=2, most=5, fastest=3.0))
def test_agrees_with_a_general_constrained_optimiser(terms: ExponentialPieces) -> None:
    """SLSQP knows nothing of pooling. Slow rates only: it gets lost on numbers like e^90."""
    assume((np.diff(np.clip(terms.maximisers(), LOWER, UPPER)) < 0).any())  # there is ironing to do
    x = maximise_monotone(terms, LOWER, UPPER)
    scale = abs(objective(terms, x)) + terms.slope.max()
    size = x.size
    order = np.eye(size)[1:] - np.eye(size)[:-1]
    found = minimize(
        lambda y: -objective(terms, y) / scale,
        np.linspace(LOWER, UPPER, size),
        jac=lambda y: -derivative(terms, y) / scale,
        bounds=[(LOWER, UPPER)] * size,
        constraints={"type": "ineq", "fun": lambda y: order @ y, "jac": lambda y: order},
        method="SLSQP",
        options={"ftol": 1e-15, "maxiter": 500},
    )
    feasible = np.maximum.accumulate(np.clip(found.x, LOWER, UPPER))
    assert objective(terms, x) >= objective(terms, feasible) - 1e-12 * scale
    assert objective(terms, x) == pytest.approx(objective(terms, feasible), abs=1e-9 * scale)
    assert x == pytest.approx(feasible, abs=1e-3)


@settings(max_examples=15)
@given(exponential_terms(least=2, most=6))
def test_no_point_of_a_grid_is_better(terms: ExponentialPieces) -> None:
    """Dynamic programming over all monotone vectors on a grid of 600 levels."""
    grid = np.linspace(LOWER, UPPER, 600)
    best = np.zeros(grid.size)
    for a, b, rate in zip(terms.slope, terms.log_weight, terms.rate, strict=True):
        best = np.maximum.accumulate(best) - a * grid - np.exp(b - rate * grid)
    x = maximise_monotone(terms, LOWER, UPPER)
    scale = abs(objective(terms, x)) + terms.slope.max()
    assert objective(terms, x) >= best.max() - 1e-12 * scale


@drawn
@given(exponential_terms(least=2))
def test_clipping_at_the_end_is_the_same_as_clipping_every_block(terms: ExponentialPieces) -> None:
    unbounded = pool(terms, terms.maximisers(), -np.inf, np.inf)
    clipped = maximise_monotone(terms, LOWER, UPPER)
    assert np.clip(unbounded, LOWER, UPPER) == pytest.approx(clipped, rel=1e-13, abs=1e-13)


@drawn
@given(exponential_terms(least=2))
def test_derivatives_give_what_the_closed_form_gives(terms: ExponentialPieces) -> None:
    numerical = DerivativePieces(
        terms.rate.size,
        lambda x, first, last: float(
            derivative(terms, np.full(terms.rate.size, x))[first:last].sum()
        ),
        LOWER,
        UPPER,
    )
    expected = maximise_monotone(terms, LOWER, UPPER)
    assert maximise_monotone(numerical, LOWER, UPPER) == pytest.approx(expected, abs=1e-11)


@drawn
@given(st.integers(1, 6).flatmap(lambda k: st.tuples(numbers(-40, 40, k), numbers(1e-3, 1e3, k))))
def test_pooled_root_to_machine_precision(block: tuple[np.ndarray, np.ndarray]) -> None:
    height, rate = block
    x = decay_root(height, rate)
    with mpmath.workdps(60):
        exact = mpmath.findroot(
            lambda t: mpmath.log(
                mpmath.fsum(
                    mpmath.exp(mpmath.mpf(h) - mpmath.mpf(r) * t)
                    for h, r in zip(height.tolist(), rate.tolist(), strict=True)
                )
            ),
            mpmath.mpf(x),
        )
        # the numbers that go in are known to a unit of rounding, which moves the root this far
        unit = 2.3e-16 * float(max(np.abs(height).max(), np.abs(rate * x).max(), 1.0))
        assert abs(float(exact - x)) <= 8 * unit / rate.min() * block_share(height, rate, x)


def block_share(height: np.ndarray, rate: np.ndarray, x: float) -> float:
    """Slowest rate over the slope of ln Σ exp(h − η x): how the root feels a change of h."""
    exponent = height - rate * x
    share = np.exp(exponent - exponent.max())
    return float(rate.min() * share.sum() / (share @ rate))


def test_pooled_root_over_twenty_orders_of_magnitude() -> None:
    """What is left of ln Σ exp(h − η x) is rounding of its terms, whatever the rates."""
    rng = np.random.default_rng(3)
    for size in rng.integers(1, 8, 2000):
        rate = 10.0 ** rng.uniform(-16, 4, size)
        height = rng.normal(size=size) * 10.0 ** rng.uniform(-8, 3)
        x = decay_root(height, rate)
        exponent = height - rate * x
        peak = exponent.max()
        left = abs(peak + np.log(np.exp(exponent - peak).sum()))
        assert left <= 1e-15 * max(1.0, np.abs(height).max(), np.abs(rate * x).max())


def test_pooled_root_of_one_term_is_the_closed_form() -> None:
    assert decay_root(np.array([3.0]), np.array([4.0])) == 0.75


@dataclass
class Counted:
    """Terms that count how often a block is solved."""

    terms: ExponentialPieces
    calls: list[tuple[int, int]] = field(default_factory=list)

    def maximisers(self) -> np.ndarray:
        return self.terms.maximisers()

    def row(self, index: tuple[int, ...]) -> "Counted":
        return self

    def argmax(self, first: int, last: int) -> float:
        self.calls.append((first, last))
        return self.terms.argmax(first, last)


@pytest.mark.parametrize("order", ["reversed", "zigzag", "last item lowest"])
def test_number_of_pools_is_linear(order: str) -> None:
    size = 200
    optimum = {
        "reversed": np.linspace(3.0, 1.0, size),
        "zigzag": 2.0 + 0.5 * (-1.0) ** np.arange(size),
        "last item lowest": np.append(np.linspace(1.0, 3.0, size - 1), -500.0),
    }[order]
    terms = Counted(ExponentialPieces(np.ones(size), optimum, np.ones(size)))
    maximise_monotone(terms, -1e3, 1e3)
    assert 1 <= len(terms.calls) <= size - 1


def test_ordered_terms_are_not_pooled() -> None:
    terms = Counted(ExponentialPieces(np.ones(3), np.array([0.0, 1.0, 2.0]), np.ones(3)))
    assert maximise_monotone(terms, -9.0, 9.0).tolist() == [0.0, 1.0, 2.0]
    assert terms.calls == []


def test_rows_are_solved_as_if_alone() -> None:
    rng = np.random.default_rng(5)
    slope, weight, rate = (np.exp(rng.normal(size=(4, 3, 6))) for _ in range(3))
    terms = ExponentialPieces(slope, np.log(weight), rate)
    together = maximise_monotone(terms, -1.0, 1.0)
    for index in np.ndindex(4, 3):
        alone = maximise_monotone(terms.row(index), -1.0, 1.0)
        assert together[index].tolist() == alone.tolist()


NONE = -np.inf  # log weight of a term without risk


@pytest.mark.parametrize(
    ("slope", "log_weight", "expected"),
    [
        pytest.param([1.0, 1.0, 1.0], [1.0, NONE, 3.0], "pooled first two", id="no risk"),
        pytest.param([1.0, 0.0, 1.0], [1.0, NONE, 3.0], [1.0, 1.0, 3.0], id="flat: joins left"),
        pytest.param([0.0, 1.0], [NONE, 3.0], [-9.0, 3.0], id="flat first: lower bound"),
        pytest.param([1.0, 0.0], [1.0, NONE], [1.0, 1.0], id="flat last"),
        pytest.param([0.0, 0.0], [NONE, NONE], [-9.0, -9.0], id="all flat"),
        pytest.param([1.0, 0.0], [1.0, 2.0], [1.0, 9.0], id="risk without cost: upper bound"),
        pytest.param([0.0, 2.0], [0.0, 0.0], "pooled both", id="risk without cost, first"),
    ],
)
def test_terms_without_a_finite_maximum(
    slope: list[float], log_weight: list[float], expected: list[float] | str
) -> None:
    terms = ExponentialPieces(np.array(slope), np.array(log_weight), np.ones(len(slope)))
    solution = maximise_monotone(terms, -9.0, 9.0)
    answers = {
        "pooled first two": [1 - np.log(2.0)] * 2 + [3.0],  # e^{1−x} = 1 + 1
        "pooled both": [0.0, 0.0],  # 2 e^{−x} = 2
    }
    wanted = answers[expected] if isinstance(expected, str) else expected
    assert solution == pytest.approx(wanted, abs=1e-15)


def test_pact_like_terms_against_a_general_optimiser() -> None:
    """Σ P_k [φ_k ln(1+q_k) − C(q_k)] with virtual types out of order, C = 0.3 q² + 0.1 q."""
    virtual = np.array([0.2, 0.9, 0.5, 0.4, 1.6])
    share = np.array([0.3, 0.1, 0.25, 0.15, 0.2])

    def marginal(q: float, first: int, last: int) -> float:
        block = slice(first, last)
        return float((share[block] * (virtual[block] / (1 + q) - 0.6 * q - 0.1)).sum())

    quality = maximise_monotone(DerivativePieces(5, marginal, 0.0, 1.0), 0.0, 1.0)
    found = minimize(
        lambda q: -(share * (virtual * np.log1p(q) - 0.3 * q**2 - 0.1 * q)).sum(),
        np.linspace(0.2, 0.8, 5),
        bounds=[(0.0, 1.0)] * 5,
        constraints={"type": "ineq", "fun": np.diff},
        method="SLSQP",
        options={"ftol": 1e-15},
    )
    assert quality == pytest.approx(found.x, abs=1e-6)
    assert quality[1] == quality[2] == quality[3]  # pooled
    assert quality[4] == 1.0  # at the bound


@pytest.mark.parametrize(("lower", "upper"), [(1.0, 0.0), (0.0, np.inf), (np.nan, 1.0)])
def test_bounds_must_be_finite_and_in_order(lower: float, upper: float) -> None:
    terms = ExponentialPieces(np.ones(1), np.ones(1), np.ones(1))
    with pytest.raises(ValueError, match="bounds"):
        maximise_monotone(terms, lower, upper)


def test_derivative_terms_have_one_row() -> None:
    terms = DerivativePieces(1, lambda x, first, last: -x, -1.0, 1.0)
    with pytest.raises(IndexError):
        terms.row((0,))
