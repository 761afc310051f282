"""Agents of one's own: they are traded with and collected, and what cannot be is one line."""

from dataclasses import replace

import numpy as np
import pytest

from airan_market.agents.market import Market, OperatorAgent, UserAgent
from airan_market.agents.matching.assignment import OUT
from airan_market.agents.rounds import AgentError
from airan_market.scenarios import load_scenario

SHORT = ["simulation.rounds=3", "simulation.horizon_s=0.5", "simulation.warmup_s=0.1"]
TABLES = ("rounds", "market", "operators", "tasks")


def played(*settings, **classes):
    market = Market(load_scenario("teleoperation", [*SHORT, *settings]), 1, **classes)
    return market, market.run()


def announcing(**change):
    """An operator that announces its menu with some of it changed."""

    class Own(OperatorAgent):
        def announce(self):
            honest = super().announce()
            own = {name: make(getattr(honest.menu, name)) for name, make in change.items()}
            return replace(honest, menu=replace(honest.menu, **own))

    return Own


OverPromiser = announcing(latency_s=lambda latency_s: latency_s / 2)


class LoyalUser(UserAgent):
    home = None

    def choose(self, uniform):
        if self.home is None:
            self.home = super().choose(uniform)
        return self.home


@pytest.mark.parametrize("mechanism", ["mixed", "ct"])
def test_classes_that_change_nothing_change_no_bit(mechanism) -> None:
    class Operator(OperatorAgent):
        pass

    class User(UserAgent):
        pass

    setting = f"mechanism.name={mechanism}"
    _, ours = played(setting)
    _, theirs = played(setting, operator_class=Operator, user_class=User)
    _, some = played(setting, operator_class={"operator 3": Operator})
    for name in TABLES:
        assert getattr(ours, name).equals(getattr(theirs, name))
        assert getattr(ours, name).equals(getattr(some, name))


def test_an_operator_that_promises_too_much_is_held_to_it() -> None:
    _, honest = played()
    market, tables = played(operator_class={"operator 2": OverPromiser})
    assert [type(o).__name__ for o in market.operators].count("Own") == 1
    two = tables.rounds[tables.rounds["operator"] == 2].set_index(["round", "type"])
    menu = list(market.operators)[1].announce().menu
    assert two.loc[3, "latency_s"].tolist() == menu.latency_s.tolist()
    tasks = tables.tasks[(tables.tasks["round"] == 3) & (tables.tasks["operator"] == 2)]
    assert set(tasks["agreed_latency_s"]) <= set(menu.latency_s)
    before = honest.rounds[honest.rounds["operator"] == 2]
    assert two["violations"].sum() > 4 * before["violations"].sum()
    first = honest.rounds["operator"] == 1
    ratio = tables.rounds["latency_s"][first].mean() / honest.rounds["latency_s"][first].mean()
    assert ratio > 0.7  # the others announce what they design


def test_what_is_collected_is_what_these_agents_did() -> None:
    """Loads of agents put in by hand were reported as 0."""
    market, tables = played(operator_class=OverPromiser)
    last = tables.operators[tables.operators["round"] == 3]
    loads = [operator.expected_load_per_s for operator in market.operators]
    assert last["load_expected_tasks_per_s"].to_numpy() == pytest.approx(loads, rel=1e-12)
    assert min(loads) > 100
    shadow = market.operators.get("shadow_price_usd")
    assert last["shadow_price_usd"].tolist() == shadow


def test_loyal_users_stay() -> None:
    def moves(tables):
        users = tables.rounds.pivot(index=["operator", "type"], columns="round", values="users")
        return (users.nunique(axis=1) > 1).sum()

    market, tables = played(user_class=LoyalUser)
    assert moves(tables) == 0
    assert all(np.array_equal(t.operator_of_user, market.terms.operator_of_user)
               for t in market.agreed)  # fmt: skip
    assert moves(played()[1]) > 0  # the control


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"latency_s": lambda x: x * 0}, r"^Own: latency_s = \[0.0, .*: allowed 8 numbers, 0.001 "),
        ({"latency_s": lambda x: x + 2}, r"latency_s = .*0.001 to 2$"),
        ({"latency_s": lambda x: x[:3]}, "latency_s = .*8 numbers"),
        ({"price_usd": lambda x: x * np.nan}, r"price_usd = \[nan"),
        ({"violation_probability": lambda x: x + 1}, "violation_probability = .*0 to 1$"),
    ],
)
def test_what_is_no_contract_is_one_line_that_names_the_class(change, told) -> None:
    with pytest.raises(AgentError, match=told) as refused:
        played(operator_class={"operator 1": announcing(**change)})
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize("state", ["shadow_price_usd", "effective_capacity_per_s"])
def test_a_congestion_state_that_is_no_number(state) -> None:
    class Silent(OperatorAgent):
        def announce(self):
            return replace(super().announce(), **{state: np.inf})

    with pytest.raises(AgentError, match=f"Silent: {state} = .*inf.*: allowed a finite number"):
        played(operator_class=Silent)


@pytest.mark.parametrize("choice", [3, -2, None, 0.5, "operator 1"])
def test_a_choice_of_nobody(choice) -> None:
    class Lost(UserAgent):
        def choose(self, uniform):
            return choice

    with pytest.raises(AgentError, match=r"Lost: choose\(\) = .*: allowed"):
        played(user_class=Lost)


@pytest.mark.parametrize("strategy", [[0.5, 0.6, 0.0], [-0.1, 0.5, 0.5], [0.5, 0.5], [np.nan] * 3])
def test_a_strategy_that_is_none(strategy) -> None:
    class Odd(UserAgent):
        def respond(self, board, temperature_usd, damping):
            self.strategy = np.array(strategy)

    with pytest.raises(AgentError, match=r"Odd: strategy = .*3 numbers"):
        played(user_class=Odd)


@pytest.mark.parametrize(
    ("classes", "told"),
    [
        ({"operator_class": {"operator 9": OverPromiser}}, "'operator 9': no such agent; allowed"),
        ({"operator_class": LoyalUser}, "allowed a class derived from OperatorAgent"),
        ({"operator_class": {"operator 1": 7}}, "allowed a class derived from OperatorAgent"),
        ({"user_class": OperatorAgent}, "allowed a class derived from UserAgent"),
    ],
)
def test_classes_that_are_none(classes, told) -> None:
    with pytest.raises(AgentError, match=told):
        played(**classes)


def test_an_agent_that_fails_in_a_later_round_leaves_the_tables_of_the_rounds_before() -> None:
    class Breaks(UserAgent):
        def observe(self, *seen):
            super().observe(*seen)
            if self.model.round == 2:
                raise OSError("no more")

    market = Market(load_scenario("teleoperation", SHORT), 1, user_class=Breaks)
    market.step()
    with pytest.raises(OSError, match="no more"):
        market.step()
    assert market.tables().market["round"].tolist() == [1]


def test_all_users_may_stay_out() -> None:
    class Hermit(UserAgent):
        def choose(self, uniform):
            return OUT

    _, tables = played(user_class=Hermit)
    assert (tables.market["opted_out_users"] == 150).all()
    assert len(tables.tasks) == 0
    assert tables.operators["gpu_utilisation"].tolist() == [0.0] * 9
