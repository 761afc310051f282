"""A played market of several services: conservation, engines, what solve says, one entry."""

import numpy as np
import pytest

from airan_market.agents.market.model import Market
from airan_market.agents.solution.solver import solve
from airan_market.scenarios import load_scenario

SHORT = {"simulation.rounds": 3, "simulation.horizon_s": 2.0, "simulation.warmup_s": 0.5}


@pytest.fixture(scope="module")
def played():
    market = Market("several_services", 1, **SHORT)
    return market, market.run()


def test_money_and_tasks_are_conserved(played):
    market, tables = played
    assert market.clearing.ledger.imbalance_usd() < 1e-12
    tasks, rounds = tables.tasks[tables.tasks["round"] > 0], tables.rounds
    counted = tasks.groupby(["round", "operator", "type"]).size()
    booked = rounds.set_index(["round", "operator", "type"])["tasks"]
    assert (booked[booked > 0] == counted).all()
    # every task pays its price, a late one gets the refund of its own service
    np.testing.assert_allclose(tasks["price_usd"].sum(), rounds["revenue_usd"].sum(), rtol=1e-12)
    late = tasks[tasks["violated"].fillna(False).astype(bool)]
    refund = np.where(late["type"].isin([1, 3, 5]), 2e-4, 1.2e-4)
    refund = np.where(late["type"].isin([6, 8, 9]), 4e-4, refund)
    np.testing.assert_array_equal(late["refund_usd"], refund)
    np.testing.assert_allclose(refund.sum(), rounds["refunds_usd"].sum(), rtol=1e-12)
    running = tasks["type"].isin([6, 8, 9]).map({True: 6e-5, False: 8e-6}).sum()
    np.testing.assert_allclose(running, rounds["running_cost_usd"].sum(), rtol=1e-12)


def test_tasks_have_the_sizes_and_rates_of_their_service(played):
    """Means within 5 standard errors: false alarm below 1e-5 for all nine together."""
    _, tables = played
    tasks = tables.tasks
    users = np.array([10, 36, 10, 36, 10, 20, 38, 20, 20])
    for type_, flop, rate in [(1, 5.4e11, 10), (2, 3.6e11, 24), (6, 5.4e12, 0.5)]:
        service_s = tasks.loc[tasks["type"] == type_, "gpu_service_s"]
        error = 5 / np.sqrt(len(service_s))
        assert abs(service_s.mean() / (flop / 40e12) - 1) < error
        expected = users[type_ - 1] * rate * 6.5  # those who stay out ask, but are not served
        assert len(service_s) < expected + 5 * np.sqrt(expected)


def test_the_last_round_trades_what_solve_says(played):
    _, tables = played
    outcome = solve(load_scenario("several_services"))
    last = tables.rounds[tables.rounds["round"] == 3]
    for column, found in (
        ("latency_s", outcome.menu.latency_s),
        ("price_usd", outcome.menu.price_usd),
        ("match_probability", outcome.match_probability),
    ):
        np.testing.assert_allclose(last[column], found.ravel(), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(
        tables.operators["shadow_price_usd"].tail(3), outcome.shadow_price_usd, atol=1e-12
    )


def test_both_engines_play_the_same():
    tables = [
        Market("several_services", 2, **{**SHORT, "simulation.rounds": 1, "simulation.engine": e})
        for e in ("compiled", "simpy")
    ]
    one, other = (market.run() for market in tables)
    assert one.tasks.equals(other.tasks)
    assert one.rounds.equals(other.rounds)


def test_one_entry_plays_the_market_as_it_was():
    everybody = 'services=[{name="all",types=[1,2,3,4,5,6,7,8]}]'
    short = [f"{key}={value}" for key, value in SHORT.items()]
    plain = Market(load_scenario("teleoperation", short), 3).run()
    one = Market(load_scenario("teleoperation", [*short, everybody]), 3).run()
    for name in ("rounds", "market", "operators", "tasks"):
        assert getattr(plain, name).equals(getattr(one, name)), name


def test_the_run_says_which_types_ask_for_what(played):
    market, _ = played
    assert market.notes[0] == (
        "Services of this market: vehicles: types 1, 3, 5; images: types 2, 4, 7; chat: types 6, "
        "8, 9."
    )
