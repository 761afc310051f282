"""Users who value quality differently, in play."""

from collections.abc import Sequence

import numpy as np
import pytest

from airan_market.agents.contract.utility import Accounts
from airan_market.agents.market.model import Market
from airan_market.agents.market.user import UserAgent
from airan_market.agents.primitives.primitives import Primitives
from airan_market.agents.solution.solver import arrive
from airan_market.scenarios import load_scenario

SHORT = ["simulation.rounds=2", "simulation.horizon_s=0.3", "simulation.warmup_s=0.1"]


def played(*more: str) -> Market:
    market = Market(load_scenario("quality_types", [*SHORT, *more]), seed=3)
    market.run()
    return market


@pytest.fixture(scope="module")
def market() -> Market:
    return played()


@pytest.mark.parametrize("mechanism", ["mixed", "ct", "mc"])
def test_the_last_round_trades_what_solve_prints(mechanism: str) -> None:
    market = played(f"mechanism.name={mechanism}")
    primitives = Primitives.from_scenario(market.scenario)
    found = arrive(primitives)  # `solve` without its certificates
    assert found.by_quality is not None
    assert market.terms.by_quality is not None
    assert market.terms.by_quality == pytest.approx(found.by_quality, abs=1e-12)
    if mechanism == "mixed":  # others post the probabilities of their design
        worth = Accounts.of(primitives, found)
        told = market.tables().market["social_welfare_expected_usd_per_s"].iloc[-1]
        assert told == pytest.approx(float(worth.social_welfare_usd_per_s), rel=1e-9)
    assert market.terms.board.menu.price_usd == pytest.approx(found.menu.price_usd, rel=1e-9)


def test_one_alpha_plays_the_tables_of_the_market_without() -> None:
    one = ["users.quality_sensitivity_usd=[4.77e-4]"]
    plain, same = (Market(load_scenario("teleoperation", [*SHORT, *more]), seed=3).run()
                   for more in ([], one))  # fmt: skip
    for table in ("rounds", "market", "operators", "tasks"):
        assert getattr(plain, table).equals(getattr(same, table)), table


def test_what_users_realise_is_the_sum_over_their_tasks(market: Market) -> None:
    """α_x q_m − β L − R + R̄ [late], task by task, with the α of the user in the table."""
    tables, scenario = market.tables(), market.scenario
    tasks = tables.tasks
    assert tasks is not None
    tasks = tasks[tasks["round"] > 0]
    alpha = np.array(scenario.users.quality_sensitivity_usd)
    quality = np.array([user.quality for user in market.users])
    beta = np.array(scenario.users.latency_sensitivity_usd_per_s)
    q = np.array([operator.quality for operator in scenario.operators])
    worth = alpha[quality[tasks["user"] - 1]] * q[tasks["operator"] - 1]
    waiting = beta[tasks["type"] - 1] * tasks["agreed_latency_s"]
    refund = tasks["refund_usd"].fillna(0.0)
    realised = (worth - waiting - tasks["price_usd"] + refund).groupby(tasks["round"]).sum() / 0.3
    told = tables.rounds.groupby("round")["user_utility_realised_usd_per_s"].sum()
    assert told.to_numpy() == pytest.approx(realised.to_numpy(), rel=1e-9)
    alike = (7.15e-4 / 1.5 * q[tasks["operator"] - 1] - waiting - tasks["price_usd"] + refund).sum()
    assert abs(alike / 0.3 - realised.sum()) > 0.05  # the check above can fail
    assert market.clearing.ledger.imbalance_usd() < 1e-12


def test_other_readings_deal_every_class_out_by_its_own_matching() -> None:
    for reading in ("proportional", "projected"):
        market = played(f"simulation.assignment={reading}")
        by_quality, terms = market.terms.by_quality, market.terms
        assert by_quality is not None
        types = np.array([user.type for user in market.users])
        qualities = np.array([user.quality for user in market.users])
        for x in range(3):
            for n in range(8):
                mine = (types == n) & (qualities == x)
                for m in range(3):
                    took = int((terms.operator_of_user[mine] == m).sum())
                    if reading == "proportional":
                        assert abs(took - by_quality[m, x, n] * mine.sum()) < 1
                    else:
                        assert took in (0, mine.sum())


def test_users_who_come_and_go_keep_the_shares() -> None:
    events: Sequence[str] = (
        'events=[{at_round=2, what="users", who=3, value=7}]', "mechanism.iterations_per_round=5",
    )  # fmt: skip
    market = played(*events)
    primitives = market.terms.conditions.primitives
    assert primitives.quality_share is not None
    there = market.negotiation.present
    counted = np.zeros((3, 8))
    for user, present in zip(market.users, there, strict=True):
        counted[user.quality, user.type] += present
    assert counted == pytest.approx(primitives.quality_share * primitives.users, abs=1e-9)
    assert counted[:, 2].tolist() == [4, 2, 1]


def test_a_service_value_cannot_change_where_operators_have_qualities() -> None:
    events = 'events=[{at_round=2, what="service_value", value=8e-4}]'
    with pytest.raises(ValueError, match="must not be given together with quality"):
        played(events, "mechanism.iterations_per_round=5")


def test_a_user_of_one_s_own_that_says_nothing_of_quality_still_values_it() -> None:
    class Own(UserAgent):
        def choose(self, uniform: float) -> int:
            return super().choose(1 - uniform)

    scenario = load_scenario("quality_types", SHORT)
    market = Market(scenario, seed=3, user_class=Own)
    market.run()
    found = arrive(Primitives.from_scenario(scenario))
    assert market.terms.by_quality == pytest.approx(found.by_quality, abs=1e-12)


def test_a_market_goes_on_where_another_stood() -> None:
    whole, first, second = (Market(load_scenario("quality_types", SHORT), seed=3)
                            for _ in range(3))  # fmt: skip
    first.step()
    second.restore(first.snapshot())
    assert second.run().rounds.equals(whole.run().rounds)
