"""Means over quality types against loops."""

import numpy as np
import pytest

from airan_market.agents.matching.quality import mean_gain, over_qualities


def test_means_are_those_of_a_loop_over_users() -> None:
    chance = np.random.default_rng(1)
    taken, gain = chance.random((2, 3, 4)), chance.normal(size=(2, 3))
    counts = chance.integers(1, 9, (3, 4))
    share = counts / counts.sum(axis=0)
    z, gained = over_qualities(taken, share), mean_gain(taken, share, gain)
    for m in range(2):
        for n in range(4):
            users = [(taken[m, x, n], gain[m, x]) for x in range(3) for _ in range(counts[x, n])]
            assert z[m, n] == pytest.approx(np.mean([u for u, _ in users]), rel=1e-12)
            mean = sum(u * g for u, g in users) / sum(u for u, _ in users)
            assert gained[m, n] == pytest.approx(mean, rel=1e-12)
