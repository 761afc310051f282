"""Users by type."""

import numpy as np
import pytest

from airan_market.agents.primitives.population import type_shares, users_by_type
from airan_market.scenarios import Users


def users(**changes: object) -> Users:
    settings = {
        "total": 10,
        "latency_sensitivity_usd_per_s": (3e-4, 2e-4, 1e-4),
        "tasks_per_user_per_s": 1.0,
    }
    return Users(**{**settings, **changes})  # type: ignore[arg-type]


def test_whole_users_by_largest_remainder() -> None:
    assert users_by_type(users(shares=(0.34, 0.34, 0.32))).tolist() == [4.0, 3.0, 3.0]
    assert users_by_type(users(shares=(0.31, 0.33, 0.36))).tolist() == [3.0, 3.0, 4.0]


def test_fractions_are_kept_when_asked() -> None:
    found = users_by_type(users(shares=(0.31, 0.33, 0.36), whole_users=False))
    assert found == pytest.approx([3.1, 3.3, 3.6])


def test_types_may_have_no_users() -> None:
    assert users_by_type(users(shares=(0.0, 1.0, 0.0))).tolist() == [0.0, 10.0, 0.0]


def test_dirichlet_draw_depends_on_the_seed_and_nothing_else() -> None:
    table = users(dirichlet_alpha=10.0, total=1000)
    first, again, other = users_by_type(table, 1), users_by_type(table, 1), users_by_type(table, 2)
    assert first.tolist() == again.tolist() != other.tolist()
    assert first.sum() == other.sum() == 1000


def test_dirichlet_draws_have_its_mean_and_spread() -> None:
    """Mean 1/N and variance (1/N)(1 − 1/N)/(Nα + 1), within 5 standard errors.

    False alarms: 3 means and 3 variances, below 1e-5 together. The control draws with another α.
    """

    def shares(alpha: float) -> np.ndarray:
        table = users(dirichlet_alpha=alpha)
        return np.array([type_shares(table, seed) for seed in range(2000)])

    variance = (1 / 3) * (2 / 3) / (3 * 10.0 + 1)
    drawn = shares(10.0)
    assert np.abs(drawn.mean(axis=0) - 1 / 3).max() < 5 * np.sqrt(variance / 2000)
    tolerance = 5 * variance * np.sqrt(2 / 2000)
    assert np.abs(drawn.var(axis=0) - variance).max() < tolerance
    assert np.abs(shares(7.0).var(axis=0) - variance).max() > tolerance


def test_shares_without_a_source_are_refused() -> None:
    with pytest.raises(ValueError, match="shares or dirichlet_alpha"):
        users_by_type(users())
