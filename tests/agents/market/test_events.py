"""Under every event nothing is lost and nothing made: tasks and money are conserved."""

import numpy as np
import pytest

from airan_market.agents.equilibrium.profile import Profile, settle_users
from airan_market.agents.market.model import Market
from airan_market.agents.market.strategy.operators import OPERATORS, fitted_tail, left_margins
from airan_market.agents.market.strategy.users import USERS, Quits
from airan_market.agents.solution.solver import arrive
from airan_market.agents.world.timeline import Timeline
from airan_market.scenarios import load_scenario
from airan_market.scenarios.schema.checks.dynamics_consistency import KINDS

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
    assert market.clearing.ledger.imbalance_usd() < 1e-12
    for round_ in range(1, 5):
        rows = tasks[tasks["round"] == round_]
        ledger = market.clearing.ledger
        refunds = rows["refund_usd"].sum()
        assert rows["price_usd"].sum() == pytest.approx(ledger.operator_side("price")[round_].sum())
        assert refunds == pytest.approx(ledger.operator_side("refund")[round_].sum())


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


@pytest.mark.parametrize("mechanism", ["ct", "mc", "gsmc"])
def test_a_benchmark_settles_anew_under_the_conditions_of_the_round(mechanism: str) -> None:
    failure = 'events=[{at_round=3, what="fails", who="operator 1"}]'
    market = played(f"mechanism.name={mechanism}", failure)
    before, after = market.agreed[1], market.agreed[3]
    assert before.users[0].sum() > 0
    assert after.users[0].sum() == 0
    rest = arrive(after.conditions.primitives.of_operator(np.array([1, 2])))
    assert np.array_equal(after.board.menu.price_usd[1:], rest.menu.price_usd)
    assert np.abs(after.match_probability[1:] - rest.match_probability).max() < 0.3  # whole users
    assert after.users[1:].sum() > before.users[1:].sum()
    if mechanism != "ct":  # whose menus are for an assumed load
        assert not np.array_equal(before.board.menu.price_usd, after.board.menu.price_usd)


def test_a_benchmark_without_any_open_operator_trades_nothing() -> None:
    closed = ", ".join(f'{{at_round=2, what="leaves", who="operator {m}"}}' for m in (1, 2, 3))
    market = played("mechanism.name=ct", f"events=[{closed}]")
    assert market.agreed[1].users.sum() == 0
    assert market.agreed[0].users.sum() > 0


def test_users_who_pick_are_paid_for_what_they_took() -> None:
    market = played('users.strategy={kind="picks"}')
    tables, market_of = market.tables(), market.primitives
    beta = market_of.latency_sensitivity_usd_per_s
    strangers = 0
    for round_ in range(1, 5):
        tasks = tables.tasks[tables.tasks["round"] == round_]
        own = market._user_type[tasks["user"] - 1]
        strangers += int((own != tasks["type"] - 1).sum())
        value = market_of.service_value_usd[tasks["operator"] - 1]
        worth = value - beta[own] * tasks["agreed_latency_s"] - tasks["price_usd"]
        total = (worth + tasks["refund_usd"].fillna(0.0)).sum() / market._durations_s[round_]
        told = tables.rounds.query("round == @round_")["user_utility_realised_usd_per_s"].sum()
        assert told == pytest.approx(total)
    assert strangers > 1000  # and with the sensitivities of the items the sum would be another
    users = np.array([terms.users for terms in market.agreed]).sum(axis=(1, 2))
    assert (users == [(terms.operator_of_user >= 0).sum() for terms in market.agreed]).all()


def test_free_margins_are_used_and_read_from_the_board() -> None:
    war = [f'operators.{m}.strategy={{kind="best-response", margins=true}}' for m in (1, 2, 3)]
    market = played(*war)
    first, last = (t.board.menu for t in (market.agreed[0], market.agreed[-1]))
    assert left_margins(market.primitives, first).max() < 1e-12  # Algorithm 1 leaves nothing
    assert left_margins(market.primitives, last).min() > 1e-6
    item = Profile(last.latency_s, np.array([1e-5, 2e-5, 0.0]))
    posted = settle_users(market.primitives, item).menu
    assert left_margins(market.primitives, posted) == pytest.approx([1e-5, 2e-5, 0.0], abs=1e-15)


def test_a_fitted_tail_is_an_upper_limit_as_often_as_it_says() -> None:
    """Of an exponential law, at the point that it passes with probability 0.1, 500 samples.

    There the limit of the proportion says 0.9; the fitted exponent adds its own error, hence the
    wide bounds, which a limit of level one half misses by ten standard errors.
    """
    threshold = -np.log(0.1)  # the true law passes 0.1 here
    rng, above = np.random.default_rng(3), 0
    for _ in range(500):
        g, b = fitted_tail(rng.exponential(1.0, 400), 0.9)
        above += g - b * threshold >= np.log(0.1)
    assert 0.80 < above / 500 < 0.97
    low = [fitted_tail(rng.exponential(1.0, 400), 0.5) for _ in range(500)]
    plain = np.mean([g - b * threshold >= np.log(0.1) for g, b in low])
    assert plain < above / 500 - 0.1  # at level one half it is above less often


def test_learning_operators_believe_the_tails_of_their_own_tasks() -> None:
    own = 'operators.1.strategy={kind="learning", tails="latencies"}'
    market = played(own, "simulation.horizon_s=2.0")
    learner, told = market.operators[0], market.operators[1]
    assert np.isfinite(learner._fitted).all()
    assert not hasattr(told, "_fitted")
    assert market.clearing.fresh == []  # nothing is kept beyond the round


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
