"""How many users the promises bear: against theory, a scan, and deliberately wrong stations."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airan_market.agents.pact.market import markets_of
from airan_market.agents.pact.run import capacity as capacity_module
from airan_market.agents.pact.run.capacity import (
    ServiceCapacity,
    ServiceQueue,
    capacity_of,
    capacity_tables,
    mean_waits_s,
    most_users,
)
from airan_market.agents.pact.run.catalogue import catalogue_of
from airan_market.scenarios import load_pact
from airan_market.sim.traffic.work_laws import Deterministic, Exponential

PARTS_S = np.array([[0.04, 0.008], [0.05, 0.01], [0.01, 0.003]])
QUEUE = ServiceQueue(PARTS_S, np.array([3, 4, 2]), Exponential(), 0.05, seed=4)


def capacity(queue: ServiceQueue, tolerance: float = 0.01, speed_weight: float = 0.5):
    found = ServiceCapacity(queue, 0, 1.0, 0.8, speed_weight, tolerance).users
    return SimpleNamespace(**{name.removeprefix("users_"): users for name, users in found.items()})


def test_exponential_sizes_bear_what_jackson_says():
    """95 % interval over replications, fixed seed; one server more or less is outside it."""
    found = capacity(QUEUE)
    assert found.low <= found.theory <= found.high
    assert found.high - found.low < 0.1 * found.theory
    for servers in ([3, 5, 2], [3, 3, 2], [4, 4, 2]):
        wrong = replace(QUEUE, servers=np.array(servers))
        most = int(wrong.saturation_users)
        theory = most_users(lambda u, of=wrong: of.waiting_theory_s(u) <= 0.02, most)
        assert not found.low <= theory <= found.high


def test_theory_lies_in_as_many_intervals_as_the_level_says():
    """Of 40 intervals of 95 % at most 6 miss (false alarm 1.4 %); around a wrong mean more do."""
    load = 0.7 * QUEUE.saturation_users
    misses = {1.0: 0, 1.1: 0}
    truth = QUEUE.waiting_theory_s(load)
    for seed in range(40):
        wait = replace(QUEUE, seed=seed).waiting()(load)
        for factor in misses:
            misses[factor] += not wait.low <= factor * truth <= wait.high
    assert misses[1.0] <= 6
    assert misses[1.1] > 6


def test_regular_requests_bear_more_users():
    assert capacity(replace(QUEUE, law=Deterministic())).low > capacity(QUEUE).high


def test_more_tolerance_bears_more_users_and_all_are_below_saturation():
    users = [capacity(QUEUE, tolerance).users for tolerance in (1e-4, 1e-3, 1e-2, 1e-1)]
    assert users == sorted(users)
    assert len(set(users)) == 4
    assert users[-1] < QUEUE.saturation_users == 4 / 0.06 / 0.05 * 0.9375  # 3 links of 48 ms


def test_on_the_same_chance_a_wait_does_not_fall_with_users():
    wait = QUEUE.waiting()
    means = [wait(users).mean for users in range(100, 1200, 50)]
    assert (np.diff(means) > 0).all()


def test_a_wait_by_hand():
    """Two stations, two requests 0.1 s apart: 0.4 s at the first, then no wait at the second."""
    times = np.tile([0.5, 0.5, 0.0], (1, 4, 1)).astype(float)
    gaps = np.array([[1.0, 9.0, 9.0, 0.1]])
    # the last request waits 0.4 s; the first of four is not measured
    assert mean_waits_s(gaps, times, np.array([1, 1, 1]), 1.0) == pytest.approx([0.4 / 3])
    assert mean_waits_s(gaps, times, np.array([2, 2, 1]), 1.0).tolist() == pytest.approx([0.0])


@given(st.integers(0, 60), st.integers(0, 60))
def test_bisection_finds_what_a_scan_finds(limit: int, most: int):
    scan = max((u for u in range(most + 1) if u <= limit), default=0)
    assert most_users(lambda users: users <= limit, most) == scan


def test_a_quality_without_speed_has_no_bound():
    assert capacity(QUEUE, speed_weight=0.0).users is None


def test_the_paper_market_bears_what_its_busiest_service_does(monkeypatch):
    monkeypatch.setattr(capacity_module, "REQUESTS", 800)
    monkeypatch.setattr(capacity_module, "SETTLING", 200)
    paper = load_pact("pact", ["traffic.law=exponential", "pact.menu=discrete"])
    markets = markets_of(paper)
    found = capacity_of(paper, markets, catalogue_of(paper, markets), seed=1)
    table, curve = capacity_tables(found)
    assert table["service"].tolist() == [1, 4, 7, 8]
    assert table["share"].sum() == pytest.approx(1.0)
    assert table.loc[table["users"].idxmin(), "service"] == 7
    assert (table["users"] < table["users_saturation"]).all()
    for _, points in curve.groupby("service"):
        assert (np.diff(points["quality_measured"]) < 0).all()
        assert (points["quality_low"] <= points["quality_high"]).all()
    at = curve.merge(table[["service", "users"]], on=["service", "users"])
    assert (at["quality_measured"] >= at["quality_promised"] - 0.01).all()
