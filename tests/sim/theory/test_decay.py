"""Decay rates of far tails against the slopes of the exact tails themselves."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airan_market.sim.theory.decay import BRANCH_POWER, fcfs_decay, preemptive_decay
from airan_market.sim.theory.end_to_end import end_to_end_tail
from airan_market.sim.theory.preemptive import (
    SojournLaws,
    class_end_to_end_tail,
)

property_test = settings(max_examples=60)


def slope(tail, rate, power, depth=(400.0, 600.0)):
    """-d ln tail/dt between two far latencies, less what t^power adds, relative to the rate."""
    t = np.array(depth) / rate
    logs = np.log(tail(t))
    return -(logs[1] - logs[0] - power * np.log(depth[1] / depth[0])) / (t[1] - t[0]) / rate


@pytest.mark.parametrize(
    ("servers", "rates", "load"),
    [
        ([4, 9, 20], [1.0, 0.4, 3.0], 2.0),
        ([4, 9, 20], [1.0, 0.7, 3.0], 3.9),
        ([3, 3], [1.0, 1.0], 1.0),
        ([3, 3], [1.0, 1.0], 2.5),
        ([1, 1, 1], [3.0, 3.0, 3.0], 2.0),
        ([2], [1.0], 1.0),
        ([5, 1], [1.0, 1.0], 0.0),
    ],
)
def test_first_come_rate_and_power(servers, rates, load):
    rate, power = fcfs_decay(servers, rates, load)
    found = slope(lambda t: end_to_end_tail(t, servers, rates, load), rate, power)
    assert found == pytest.approx(1, abs=2e-5)


def test_first_come_powers_count_coinciding_poles():
    assert fcfs_decay([3, 3], [1.0, 1.0], 1.0).power == 1.0  # μ twice
    assert fcfs_decay([2], [1.0], 1.0) == (1.0, 1.0)  # μ and r = 2 - 1
    assert fcfs_decay([1, 1, 1], [3.0] * 3, 2.0) == (1.0, 2.0)  # r three times
    assert fcfs_decay([1], [3.0], 0.0) == (3.0, 0.0)
    assert fcfs_decay([2, 9], [1.0, 1.0], [1.0, 2.0]).rate_per_s.tolist() == [1.0, 0.0]


# own rates and the kind that the last type has
KINDS = {
    "branch point": ([4], [1.0], [2.6, 0.4], BRANCH_POWER),
    "what is ahead": ([4], [1.0], [1.0, 2.7], 0.0),
    "service": ([24], [1.0], [4.0, 4.0], 0.0),
    "one server, branch point": ([1], [7.0], [3.0, 1.5], BRANCH_POWER),
    "one server, what is ahead": ([1], [7.0], [3.0, 3.0], 0.0),
    "without traffic of its own": ([3], [1.0], [2.4, 0.0], BRANCH_POWER),
    "two equal stages, branch point": ([4, 4], [1.0, 1.0], [2.6, 0.4], BRANCH_POWER),
    "two equal stages, poles": ([4, 4], [1.0, 1.0], [1.0, 2.7], 1.0),
    "three stages": ([9, 4, 20], [1.0, 1.3, 0.4], [2.0, 2.6], 0.0),
    "nothing above": ([4, 2], [1.0, 3.0], [0.0, 2.5], 0.0),
}


@pytest.mark.parametrize("kind", KINDS)
def test_preemptive_rate_and_power(kind):
    servers, rates, own, power = KINDS[kind]
    decay = preemptive_decay(servers, rates, own)
    assert decay.power[1] == power
    found = slope(
        lambda t: class_end_to_end_tail(t, servers, rates, own)[1], decay.rate_per_s[1], power
    )
    # a branch point is followed by terms that are smaller by 1/t
    assert found == pytest.approx(1, abs=2e-3 if power == BRANCH_POWER else 1e-4)


def test_another_power_or_rate_is_seen():
    """Negative control: the slope tells a branch point from a pole, and one type from the next."""
    servers, rates, own, _ = KINDS["branch point"]
    rate = preemptive_decay(servers, rates, own).rate_per_s[1]

    def tail(t):
        return class_end_to_end_tail(t, servers, rates, own)[1]

    assert abs(slope(tail, rate, BRANCH_POWER) - 1) < 2e-3
    assert abs(slope(tail, rate, 0.0) - 1) > 2e-3
    first = fcfs_decay(servers, rates, sum(own)).rate_per_s
    assert abs(slope(tail, first, BRANCH_POWER) - 1) > 0.1


def test_first_come_decays_faster_than_the_truth_for_low_types():
    """Why the belief of eq. (4) must fail far out: 0.6 of μ against 0.075."""
    own = np.full(8, 0.95 * 12 / 8)
    first = fcfs_decay([12], [1.0], own.cumsum()).rate_per_s
    exact = preemptive_decay(12, 1.0, own).rate_per_s
    assert first[0] == pytest.approx(exact[0])
    assert (exact[6:] < 0.5 * first[6:]).all()
    t = 300.0
    assert class_end_to_end_tail(t, 12, 1.0, own)[7, 0] > 1e6 * end_to_end_tail(
        t, [12], [1.0], own.sum()
    )


@property_test
@given(
    st.lists(st.integers(1, 60), min_size=1, max_size=3),
    st.floats(0.001, 0.999),
    st.lists(st.floats(0.001, 1), min_size=1, max_size=4),
)
def test_rate_is_where_the_kernel_s_transform_has_its_slowest_singularity(servers, load, shares):
    """Two recursions, two ways to search."""
    rates = [1.0, 0.6, 1.7][: len(servers)]
    capacity = min(c * mu for c, mu in zip(servers, rates, strict=True))
    own = np.array(shares) * (load * capacity / sum(shares))
    total, size = own.cumsum(), (len(own), 1)
    laws = SojournLaws(
        np.tile(servers, size), np.tile(rates, size), total, np.append(0.0, total[:-1])
    )
    found = preemptive_decay(servers, rates, own).rate_per_s
    # the kernel starts right of it, by 1e-6 of the interval that it has searched
    assert (-laws.slowest_per_s <= found * (1 + 1e-9)).all()
    assert -laws.slowest_per_s == pytest.approx(found, rel=3e-6, abs=3e-6)


def test_saturated_types_do_not_decay():
    decay = preemptive_decay([4, 2], [1.0, 1.0], [1.0, 0.9, 0.1, 0.0])
    assert (decay.rate_per_s[:2] > 0).all()
    assert decay.rate_per_s[2:].tolist() == [0.0, 0.0]


def test_outside_the_domain():
    with pytest.raises(ValueError, match=r"servers = 0\.0"):
        preemptive_decay(0, 1.0, [1.0])
    with pytest.raises(ValueError, match="must be"):
        preemptive_decay([1, 2], [1.0], [1.0])
