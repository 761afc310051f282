"""Margins: optima by hand, curves of small markets, and play that ends in an equilibrium."""

from dataclasses import replace

import numpy as np
import pytest

from airan_market.agents.primitives.primitives import Primitives
from airan_market.agents.solution.solver import settle
from airan_market.analysis.questions import rent
from airan_market.analysis.questions.rent import (
    GOALS,
    OPERATORS,
    WELFARE,
    accounts,
    best_common_margin,
    best_margin,
    best_margins,
    best_own_margin,
    margin_play,
    out_of_type_1,
    rent_curve,
    total_of,
)
from airan_market.scenarios import Mechanism


@pytest.fixture(autouse=True)
def _coarser_grid(monkeypatch: pytest.MonkeyPatch) -> None:
    """Smooth curves of two operators need no more; `best_margin` itself is tested as it is."""
    monkeypatch.setattr(rent, "POINTS", 25)


def market(operators: int = 2, **mechanism: float) -> Primitives:
    """Two operators far from saturation, two types; users are mild, so that curves are smooth."""
    settings = {
        "temperature_start_usd": 5e-5,
        "temperature_end_usd": 5e-5,
        "max_iterations": 200,
        "tolerance": 1e-10,
    }
    rows = slice(0, operators)
    return Primitives(
        users=np.array([30.0, 40.0]),
        latency_sensitivity_usd_per_s=np.array([8e-4, 3e-4]),
        task_rate_per_user_per_s=6.0,
        servers=np.array([[90.0, 40.0, 200.0], [70.0, 30.0, 150.0]])[rows],
        service_rate_per_s=np.array([[270.0, 110.0, 180.0], [250.0, 120.0, 190.0]])[rows],
        service_value_usd=np.array([7e-4, 6.5e-4])[rows],
        refund_usd=1.2e-4,
        violation_cost_usd=1.2e-3,
        running_cost_usd=8e-6,
        opt_out_utility_usd=0.0,
        mechanism=Mechanism(**{"assumed_workload_share": 0.5, **settings, **mechanism}),  # type: ignore[arg-type]
    )


def test_totals_are_those_of_the_outcome() -> None:
    primitives = market(participation_margin_usd=2e-5, max_iterations=20)
    outcome, found = settle(primitives), accounts(primitives)
    assert found.operator_utility_usd_per_s == pytest.approx(outcome.operator_utility_usd_per_s)
    assert total_of(found, WELFARE) == pytest.approx(outcome.social_welfare_usd_per_s)
    assert total_of(found, OPERATORS) == pytest.approx(outcome.operator_utility_usd_per_s.sum())
    assert found.tasks_per_s.sum(axis=-1) == pytest.approx(outcome.load_per_s[:, -1])
    none = accounts(primitives, np.zeros(2))
    assert total_of(none, OPERATORS) == pytest.approx(
        total_of(accounts(market(max_iterations=20)), OPERATORS)
    )


@pytest.mark.parametrize("peak", [0.0, 3e-4, 0.02, 0.4, 1.0])
def test_the_best_of_one_hump(peak: float) -> None:
    found = best_margin(lambda x: -abs(x - peak), 1.0)
    assert found.margin_usd == pytest.approx(peak, abs=2e-4 * max(peak, 1e-2))
    assert found.gain_usd_per_s == pytest.approx(peak, abs=1e-3)


def test_the_highest_of_several_humps() -> None:
    """A local method from the middle would end on the lower one."""

    def humps(x: float) -> float:
        return float(np.exp(-(((x - 0.05) / 0.01) ** 2)) + 0.8 * np.exp(-(((x - 0.6) / 0.2) ** 2)))

    found = best_margin(humps, 1.0)
    assert found.margin_usd == pytest.approx(0.05, abs=1e-3)


def test_a_cliff_behind_the_best() -> None:
    """As where an operator saturates: the refinement may fall off, the answer must not."""
    found = best_margin(lambda x: x if x <= 0.3 else -1.0, 1.0)
    assert 0.25 < found.margin_usd <= 0.3
    assert found.value_usd_per_s == found.margin_usd


def test_a_monopolist_s_margin_by_hand() -> None:
    """One operator, one type, room for all: it trades profit per task for tasks.

    Users take it with e^(μ/τ) / (1 + e^(μ/τ)), and with little load a task earns v − β L − C̄' p −
    κ − μ = s − μ. Best is where (s − μ)(1 − z) = τ.
    """
    primitives = replace(
        market(1),
        users=np.array([5.0]),
        latency_sensitivity_usd_per_s=np.array([5e-4]),
    )
    found = best_common_margin(primitives, 7e-4, OPERATORS)
    at = accounts(primitives, np.array([found.margin_usd]))
    taken = 1 - out_of_type_1(at)
    served = taken * 30.0
    profit = float(at.operator_utility_usd_per_s[0]) / served
    assert found.margin_usd > 5e-5
    assert profit * (1 - taken) == pytest.approx(5e-5, rel=1e-2)
    # for welfare everybody should be in: a margin is a transfer, staying out is a loss
    assert best_common_margin(primitives, 7e-4, WELFARE).margin_usd > 2 * found.margin_usd


def test_a_curve_has_all_and_each_alone() -> None:
    primitives = market()
    curve = rent_curve(primitives, [0.0, 2e-5])
    assert curve["who"].tolist() == [0, 0, 1, 1, 2, 2]
    without = curve[curve["margin_usd"] == 0]
    assert without["operator_utility_usd_per_s"].nunique() == 1
    alone = curve[(curve["who"] == 2) & (curve["margin_usd"] > 0)].iloc[0]
    expected = accounts(primitives, np.array([0.0, 2e-5]))
    assert alone["own_utility_usd_per_s"] == pytest.approx(expected.operator_utility_usd_per_s[1])
    assert alone["opt_out_type_1"] == pytest.approx(out_of_type_1(expected))
    both = curve[(curve["who"] == 0) & (curve["margin_usd"] > 0)].iloc[0]
    assert both["opt_out_type_1"] < alone["opt_out_type_1"] < without["opt_out_type_1"].iloc[0]


@pytest.mark.parametrize("goal", GOALS)
def test_own_margins_beat_one_for_all(goal: str) -> None:
    primitives = market(max_iterations=30)
    common = best_common_margin(primitives, 3e-4, goal)
    margins, value = best_margins(primitives, 3e-4, goal, evaluations=200)
    assert value >= common.value_usd_per_s * (1 - 1e-6)
    assert total_of(accounts(primitives, margins), goal) == pytest.approx(value, rel=1e-12)


def test_play_ends_where_nobody_gains_alone() -> None:
    primitives = market(max_iterations=12)
    rounds, settled = margin_play(primitives, 4e-4)
    assert settled
    last = rounds[rounds["round"] == rounds["round"].max()]
    margins = last["margin_usd"].to_numpy()
    for m in range(2):
        found = best_own_margin(primitives, m, margins, 4e-4)
        assert found.gain_usd_per_s <= 1e-4 * found.value_usd_per_s
    # control: at the start everybody did
    for m in range(2):
        found = best_own_margin(primitives, m, np.zeros(2), 4e-4)
        assert found.gain_usd_per_s > 1e-2 * found.without_usd_per_s


def test_play_that_is_cut_short_says_so() -> None:
    rounds, settled = margin_play(market(max_iterations=10), 4e-4, rounds=1)
    assert not settled
    assert rounds["round"].max() == 1


def test_a_margin_that_is_the_best_already_is_kept() -> None:
    primitives = market(max_iterations=30)
    first = best_own_margin(primitives, 0, np.zeros(2), 4e-4)
    again = best_own_margin(primitives, 0, np.array([first.margin_usd, 0.0]), 4e-4)
    assert again.margin_usd == pytest.approx(first.margin_usd, rel=1e-3)
    assert again.gain_usd_per_s <= 1e-9
