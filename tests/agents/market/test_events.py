"""Under every event nothing is lost and nothing made: tasks and money are conserved."""

import numpy as np
import pytest

from airan_market.agents.market.model import Market
from airan_market.agents.market.strategy.operators import OPERATORS
from airan_market.agents.market.strategy.users import USERS, Quits
from airan_market.agents.world.timeline import Timeline
from airan_market.scenarios import load_scenario
from airan_market.scenarios.schema.dynamics_consistency import KINDS

SHORT = [
    "mechanism.iterations_per_round=3", "simulation.rounds=4", "simulation.horizon_s=0.5",
    "simulation.warmup_s=0.5",
]  # fmt: skip
EVENTS = {
    "servers": 'at_s=1.2, who="operator 1", stage="gpu", value=3',
    "rate": 'at_s=1.2, who="operator 1", stage="downlink", value=2e7',
    "enters": 'at_round=3, who="operator 3"',
    "leaves": 'at_round=3, who="operator 3"',
    "fails": 'at_s=1.2, who="operator 1"',
    "recovers": 'at_s=1.2, who="operator 1"',
    "is_bought": 'at_round=2, who="operator 3", by="operator 1"',
    "service_value": 'at_round=3, who="operator 1", value=8e-4',
    "refund": "at_round=3, value=4e-4",
    "violation_cost": "at_round=3, value=4e-3",
    "running_cost": "at_round=3, value=4e-5",
    "opt_out_utility": "at_round=3, value=1e-5",
    "demand": "at_round=3, value=60.0",
    "users": "at_round=3, who=4, value=2",
    "set": 'at_round=3, key="mechanism.damping", value=0.9',
}


BOLD = 'operators.2.strategy={kind="over-promise", factor=0.1}'  # breaks most of its promises


def played(*settings: str, seed: int = 1) -> Market:
    market = Market(load_scenario("teleoperation", [*SHORT, *settings]), seed=seed)
    market.run()
    return market


@pytest.mark.parametrize("what", KINDS)
def test_tasks_and_money_are_conserved(what: str) -> None:
    market = played(f'events=[{{what="{what}", {EVENTS[what]}}}]')
    tasks = market.tables().tasks
    trade = [offered_tasks(market, r) for r in range(5)]
    assert len(tasks) == sum(trade)  # what was offered has ended, or is told as under way
    assert tasks["task"].is_unique
    for round_ in range(1, 5):
        rows = tasks[tasks["round"] == round_]
        ledger = market.clearing.ledger
        refunds = rows["refund_usd"].sum()
        assert rows["price_usd"].sum() == pytest.approx(ledger.operator_side("price")[round_].sum())
        assert refunds == pytest.approx(ledger.operator_side("refund")[round_].sum())
        assert abs(ledger.imbalance_usd(round_)) < 1e-12


def offered_tasks(market: Market, round_: int) -> int:
    """Tasks of those who took an operator, drawn once more."""
    start_s, duration_s = market._starts_s[round_], market._durations_s[round_]
    demand = market._asking(round_).demand(round_, start_s, duration_s, 0)
    taken = market.agreed[max(round_, 1) - 1].operator_of_user[demand.user]
    return int((taken >= 0).sum())


def test_a_lost_task_would_be_seen() -> None:
    market = played()
    assert len(market.tables().tasks) == sum(offered_tasks(market, r) for r in range(5))
    assert len(market.tables().tasks) != sum(offered_tasks(market, r) for r in range(4))


def test_tasks_of_one_who_fails_wait_and_are_late() -> None:
    market = played('events=[{at_s=1.2, what="fails", who="operator 1"}]')
    tasks = market.tables().tasks
    stuck = tasks[(tasks["operator"] == 1) & tasks["latency_s"].isna()]
    assert len(stuck) > 50
    assert (stuck["round"] <= 2).all()  # nobody takes it from round 3 on
    assert stuck["violated"].dropna().all()


def test_refunds_are_those_of_the_round_a_task_came_in() -> None:
    market = played('events=[{at_round=3, what="refund", value=7e-4}]', BOLD)
    late = market.tables().tasks.dropna(subset=["violated"])
    late = late[late["violated"].astype(bool)]
    assert set(late[late["round"] < 3]["refund_usd"]) == {1.2e-4}
    assert set(late[late["round"] >= 3]["refund_usd"]) == {7e-4}


def test_demand_is_drawn_before_anybody_chooses() -> None:
    """The same tasks at the same times whatever the operators do."""
    plain, other = played(), played('events=[{at_round=2, what="leaves", who="operator 1"}]')
    for round_ in range(5):
        span = plain._starts_s[round_], plain._durations_s[round_], 0
        one, two = (m._asking(round_).demand(round_, *span) for m in (plain, other))
        assert one.equals(two)


def test_a_market_by_hand() -> None:
    """One type, two equal operators; one closes: all its users are elsewhere or out at once.

    With prices (25) a user of the only type has utility 0 everywhere, and out is worth 0: with two
    open operators and enough iterations a third takes each and a third none; with one, a half.
    """
    equal = {"servers": 30, "rate_bps": 200e6}
    scenario = load_scenario(
        {
            "name": "two",
            "users": {"total": 60, "latency_sensitivity_usd_per_s": [5e-4], "shares": [1.0],
                      "tasks_per_user_per_s": 10.0},
            "task": {"input_bits": 180e3, "work_flop": 3.6e11, "output_bits": 270e3},
            "economics": {"service_value_usd": 7e-4, "refund_usd": 1e-4,
                          "violation_cost_usd": 1e-3, "running_cost_usd": 8e-6},
            "operators": [
                {"name": name, "uplink": equal, "downlink": equal,
                 "gpu": {"servers": 20, "rate_flop_per_s": 40e12}} for name in ("one", "two")
            ],
            "mechanism": {"iterations_per_round": 40},
            "simulation": {"rounds": 3, "horizon_s": 1.0, "warmup_s": 0.0,
                           "assignment": "proportional"},
            "events": [{"at_round": 2, "what": "leaves", "who": "two"},
                       {"at_round": 3, "what": "recovers", "who": "two"}],
        }
    )  # fmt: skip
    market = Market(scenario, seed=1)
    market.run()
    users = [terms.users[:, 0].tolist() for terms in market.agreed]
    assert users == [[20, 20], [30, 0], [20, 20]]
    assert market.tables().market["opted_out_users"].tolist() == [20, 30, 20]


# ---- strategies ----


@pytest.mark.parametrize("kind", OPERATORS)
def test_every_strategy_of_an_operator_plays(kind: str) -> None:
    market = played(f'operators.2.strategy.kind="{kind}"')
    plain = played()
    rounds = market.tables().rounds
    assert np.isfinite(rounds["price_usd"]).all()
    same = rounds.equals(plain.tables().rounds)
    assert same == (kind in ("algorithm-1", "inertia"))  # a new menu every round is the paper's


@pytest.mark.parametrize("kind", USERS)
def test_every_strategy_of_users_plays(kind: str) -> None:
    market, plain = played(f'users.strategy.kind="{kind}"', BOLD), played(BOLD)
    assert (market.tables().rounds.equals(plain.tables().rounds)) == (kind == "response")


def test_who_over_promises_breaks_more_and_is_liked_more() -> None:
    honest, bold = played(), played('operators.2.strategy={kind="over-promise", factor=0.4}')
    one, two = (m.tables().rounds.query("operator == 2") for m in (honest, bold))
    assert (two["latency_s"] < one["latency_s"].max()).all()
    assert two["violations"].sum() > 3 * one["violations"].sum()


def test_a_rent_is_on_every_price() -> None:
    market = played('operators.1.strategy={kind="rent", rent_usd=1e-5}')
    agreed = market.agreed[-1].board.menu
    operator = next(iter(market.operators))
    designed = super(type(operator), operator).menu(agreed[0])
    assert operator.menu(designed).price_usd == pytest.approx(designed.price_usd + 1e-5)


def test_bayesian_users_believe_what_they_met() -> None:
    market = played('users.strategy={kind="bayesian", prior_tasks=10.0, memory=1.0}')
    user = next(iter(market.users))
    user.met = np.array([[30.0, 0.0, 0.0], [15.0, 0.0, 0.0]])
    assert user.believed(np.array([0.1, 0.2, 0.3])).tolist() == [(1 + 15) / 40, 0.2, 0.3]


def test_who_quits_stays_out() -> None:
    settings = [BOLD, 'users.strategy={kind="quits", patience=1, bad=0.05}']
    market = played(*settings)
    gone = [user.gone for user in market.users]
    assert any(gone)
    assert all(isinstance(user, Quits) for user in market.users)
    chosen = market.terms.operator_of_user
    left_before = [u.gone and u.bad_rounds > 1 for u in market.users]
    assert (chosen[np.array(left_before)] == -1).all()


def test_loyal_users_move_less() -> None:
    def moves(market: Market) -> int:
        chosen = np.array([terms.operator_of_user for terms in market.agreed])
        return int((chosen[1:] != chosen[:-1]).sum())

    assert moves(played('users.strategy={kind="loyal", loyalty=0.9}')) < 0.5 * moves(played())


def test_a_snapshot_of_a_market_in_motion_goes_on_to_the_same_tables() -> None:
    settings = [*SHORT, 'events=[{at_s=1.2, what="fails", who="operator 1"}]',
                "users.strategy.kind=bayesian", "operators.2.strategy.kind=learning"]  # fmt: skip
    scenario = load_scenario("teleoperation", settings)
    whole, first, second = (Market(scenario, seed=1) for _ in range(3))
    for _ in range(2):
        first.step()
    second.restore(first.snapshot())
    assert second.run().rounds.equals(whole.run().rounds)


def test_the_timeline_of_a_market_is_that_of_its_scenario() -> None:
    market = played('events=[{at_round=2, what="leaves", who="operator 1"}]')
    again = Timeline(market.scenario, 1, market._starts_s)
    assert market.timeline.conditions(2).open.tolist() == again.conditions(2).open.tolist()
