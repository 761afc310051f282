"""Intervals of an estimated satisfaction against SciPy's and against their own promise."""

import numpy as np
import pytest
from scipy.stats import binom, binomtest

from airan_market.agents.pact.service.satisfaction import Method, estimate


@pytest.mark.parametrize("method", ["exact", "wilson"])
@pytest.mark.parametrize(("met", "rated"), [(0, 7), (7, 7), (3, 11), (350, 1000), (1, 1)])
@pytest.mark.parametrize("level", [0.8, 0.95])
def test_against_scipy(method: Method, met: int, rated: int, level: float) -> None:
    found = estimate(met, rated, level, method)
    theirs = binomtest(met, rated).proportion_ci(level, method)
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)
    assert found.estimate == met / rated


def coverage(limits: list[tuple[float, float]], truth: float) -> float:
    """Probability that the interval of n = len(limits) − 1 answers holds the truth, exactly."""
    rated = len(limits) - 1
    held = np.array([low <= truth <= high for low, high in limits])
    return float(binom.pmf(np.arange(rated + 1), rated, truth) @ held)


def test_the_exact_interval_covers_whatever_the_truth() -> None:
    rated, level = 30, 0.9
    exact = [estimate(met, rated, level) for met in range(rated + 1)]
    # the usual interval, estimate ± z standard errors, as a control that must fail
    share = np.arange(rated + 1) / rated
    half = 1.6449 * np.sqrt(share * (1 - share) / rated)
    usual = list(zip(share - half, share + half, strict=True))
    truths = np.linspace(0.005, 0.995, 199)
    assert min(coverage([(e.low, e.high) for e in exact], truth) for truth in truths) >= level
    assert min(coverage(usual, truth) for truth in truths) < level - 0.3


@pytest.mark.parametrize(("met", "rated", "level"), [(2, 1, 0.9), (0, 0, 0.9), (1, 2, 1.0)])
def test_out_of_domain(met: int, rated: int, level: float) -> None:
    with pytest.raises(ValueError, match="must be"):
        estimate(met, rated, level)
