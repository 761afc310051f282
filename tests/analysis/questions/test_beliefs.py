"""Beliefs compared: the arithmetic by hand, the intervals, and who is said to be cheated."""

import json

import numpy as np
import pytest

from airan_market.agents.contract.menu import Menu
from airan_market.agents.primitives.primitives import Primitives
from airan_market.agents.solution.solver import settle
from airan_market.analysis.questions.beliefs import (
    Play,
    belief_table,
    play_belief,
    quantities,
    verdict,
)
from airan_market.analysis.questions.realised import Span
from airan_market.scenarios import load_scenario
from airan_market.sim.estimation.intervals import mean_interval
from airan_market.sim.estimation.proportions import clopper_pearson

SMALL = [
    "users.total=40",
    "users.latency_sensitivity_usd_per_s=[8e-4, 2e-4]",
    "users.shares=[0.5, 0.5]",
    "mechanism.max_iterations=5",
]


@pytest.fixture(scope="module")
def small() -> Primitives:
    return Primitives.from_scenario(load_scenario("teleoperation", SMALL))


def by_hand(rates: np.ndarray) -> tuple[Primitives, Play]:
    """One operator, two types: 100 and 50 tasks/s ask, half and all of them take it."""
    primitives = Primitives(
        users=np.array([10.0, 5.0]),
        latency_sensitivity_usd_per_s=np.array([4e-4, 2e-4]),
        task_rate_per_user_per_s=10.0,
        servers=np.array([[9.0, 4.0, 20.0]]),
        service_rate_per_s=np.array([[270.0, 110.0, 180.0]]),
        service_value_usd=np.array([7e-4]),
        refund_usd=1e-4,
        violation_cost_usd=1e-3,
        running_cost_usd=1e-5,
        opt_out_utility_usd=0.0,
        mechanism=load_scenario("teleoperation").mechanism,
    )
    menu = Menu(np.array([[0.1, 0.2]]), np.array([[5e-4, 4e-4]]), np.array([[0.02, 0.01]]))
    return primitives, Play("chernoff", menu, np.array([[0.5, 1.0]]), rates)


def test_figures_by_hand() -> None:
    primitives, play = by_hand(np.zeros((2, 1, 2)))
    found = quantities(primitives, play, np.array([[0.1, 0.2]]))
    profits = 50 * (5e-4 - 1e-5 - 1e-3 * 0.1), 50 * (4e-4 - 1e-5 - 1e-3 * 0.2)
    utilities = 7e-4 - 4e-5 - 5e-4 + 1e-5, 7e-4 - 4e-5 - 4e-4 + 2e-5
    assert found["operator", 1, "operator utility"] == pytest.approx(sum(profits))
    assert found["market", 0, "user utility"] == pytest.approx(50 * sum(utilities))
    assert found["market", 0, "social welfare"] == pytest.approx(sum(profits) + 50 * sum(utilities))
    assert found["type", 2, "user utility per task"] == pytest.approx(utilities[1])
    assert found["market", 0, "violation probability"] == pytest.approx(0.15)
    assert found["type", 1, "violation probability"] == pytest.approx(0.1)


def test_expected_figures_are_those_of_the_outcome(small: Primitives) -> None:
    play = play_belief(small, "chernoff", seed=1, replications=2, span=Span(2.0, 0.5))
    found = quantities(small, play, play.menu.violation_probability)
    outcome = settle(small)
    for m, value in enumerate(outcome.operator_utility_usd_per_s, start=1):
        assert found["operator", m, "operator utility"] == pytest.approx(value)
    assert found["market", 0, "social welfare"] == pytest.approx(outcome.social_welfare_usd_per_s)


def test_intervals_and_pairs() -> None:
    """Three replications; the second belief is the first with one violation more in each."""
    rates = np.array([[[0.02, 0.01]], [[0.04, 0.01]], [[0.03, 0.04]]])
    primitives, play = by_hand(rates)
    worse = Play("fifo", play.menu, play.match_probability, rates + 0.01)
    table = belief_table(primitives, [play, worse], 10.0).set_index(
        ["belief", "scope", "number", "quantity"]
    )
    row = table.loc["chernoff", "type", 1, "violation probability"]
    interval = mean_interval([0.02, 0.04, 0.03])
    assert (row["realised"], row["low"], row["high"]) == (
        interval.mean,
        interval.low,
        interval.high,
    )
    assert np.isnan(row["over_chernoff"])
    pair = table.loc["fifo", "operator", 1, "operator utility"]
    # every replication differs by the same: 100 tasks/s, C̄ = 1e-3, 0.01 more of them late
    assert pair["over_chernoff"] == pytest.approx(-100 * 1e-3 * 0.01)
    assert pair["over_high"] - pair["over_low"] < 1e-12
    assert row["high"] - row["low"] > 0.01


def test_where_nothing_was_seen_there_is_still_an_interval() -> None:
    rates = np.array([[[0.0, 0.01]], [[0.0, 0.02]]])
    primitives, play = by_hand(rates)
    table = belief_table(primitives, [play], 10.0).set_index(["scope", "number", "quantity"])
    unseen = table.loc["type", 1, "violation probability"]
    limit = clopper_pearson(0, 50 * 10 * 2)[1]  # 50 tasks/s, 10 s, twice
    assert (unseen["low"], unseen["high"]) == (0.0, pytest.approx(limit))
    utility = table.loc["type", 1, "user utility per task"]
    assert utility["low"] == pytest.approx(utility["realised"])
    assert utility["high"] - utility["low"] == pytest.approx(1e-4 * limit)
    seen = table.loc["market", 0, "violation probability"]
    assert seen["low"] < seen["realised"] < seen["high"]


def test_no_interval_of_a_probability_is_negative() -> None:
    rates = np.array([[[0.0, 0.01]], [[0.0, 0.02]], [[1e-3, 0.02]]])
    primitives, play = by_hand(rates)
    assert mean_interval(rates[:, 0, 0]).low < 0
    table = belief_table(primitives, [play], 10.0).set_index(["scope", "number", "quantity"])
    row = table.loc["type", 1, "violation probability"]
    assert row["low"] == 0.0 < row["realised"] < row["high"]


def test_verdicts() -> None:
    assert verdict("violation probability", 0.1, 0.0, 0.05) == "better"
    assert verdict("operator utility", 1.0, 0.5, 0.9) == "worse"
    assert verdict("operator utility", 1.0, 1.0 + 1e-15, 1.1) == "as believed"
    assert verdict("operator utility", 1.0, np.nan, np.nan) == "undecided"


def test_verdicts_tell_a_careful_belief_from_a_careless_one(small: Primitives) -> None:
    """The bound of Chernoff is far too careful; a belief made careless must be told apart."""
    play = play_belief(small, "chernoff", seed=1, replications=6, span=Span(10.0, 1.0))
    careless = Play(
        "careless",
        Menu(play.menu.latency_s, play.menu.price_usd, 0.01 * play.menu.violation_probability),
        play.match_probability,
        np.maximum(play.violation_rates, play.menu.violation_probability),
    )
    table = belief_table(small, [play, careless], 10.0)
    whole = table[(table["scope"] == "market") & (table["quantity"] == "operator utility")]
    assert whole["verdict"].tolist() == ["better", "worse"]


def test_plays_survive_their_file(small: Primitives) -> None:
    play = play_belief(small, "fifo", seed=1, replications=2, span=Span(1.0, 0.0))
    again = Play.from_json(json.loads(json.dumps(play.to_json())))
    assert again.belief == "fifo"
    assert np.array_equal(again.menu.price_usd, play.menu.price_usd)
    assert np.array_equal(again.violation_rates, play.violation_rates)
