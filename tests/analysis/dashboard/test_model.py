"""What stands behind the page, without a browser: settings, futures, shocks, forks, exports."""

import pytest

from airan_market import Market, load_pact, load_scenario
from airan_market.analysis.cli.program import invoke
from airan_market.analysis.dashboard import shock
from airan_market.analysis.dashboard.control import Control, controls, overrides, parameters
from airan_market.analysis.dashboard.future import begun, gone_on
from airan_market.analysis.dashboard.model import NO_EVENTS, Asked, LiveModel
from airan_market.analysis.dynamics.forking import forked
from airan_market.analysis.store.reader import load_run

SHORT = ["simulation.rounds=6", "simulation.horizon_s=0.5", "simulation.warmup_s=0.2"]
MARKET = load_scenario("teleoperation", SHORT)
PACT = load_pact("pact", ["simulation.rounds=3", "simulation.horizon_s=2"])


def live(scenario=MARKET, runs=None, **values) -> LiveModel:
    """The model as the page makes it first, some controls moved."""
    asked = Asked(scenario, 1) if runs is None else Asked(scenario, 1, runs)
    shown = {name: entry["value"] for name, entry in parameters(scenario, 1).items()}
    return LiveModel(asked=asked, **{**shown, **values})


def stepped(model: LiveModel, rounds: int) -> LiveModel:
    for _ in range(rounds):
        model.step()
    return model


def test_what_is_not_moved_is_the_scenario() -> None:
    shown = {control.name: control.base for control in controls(MARKET)}
    assert overrides(MARKET, shown) == []
    assert live(**{"mechanism.iterations_per_round": 0}).futures[0].scenario is MARKET


@pytest.mark.parametrize("scenario", [MARKET, PACT], ids=["market", "pact"])
def test_every_control_begins_with_a_setting_that_can_be_played(scenario) -> None:
    for control in controls(scenario):
        assert control.choices or control.low <= control.value <= control.high
    assert live(scenario).faults == []


def test_a_control_of_several_keys_sets_all_of_them() -> None:
    rate = Control(("a", "b"), "rate", 40.0, 40.0, exponent="e12")
    assert rate.overrides(12.8) == ["a=12.8e12", "b=12.8e12"]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"mechanism.chernoff_zeta": 1.0}, "mechanism.chernoff_zeta = 1: must be a finite number"),
        ({"users.total": 0}, "users.total = 0: must be a whole number from 1"),
        ({"seed": "first"}, "must be a whole number from 0 on"),
        ({"other": "users.totl=3"}, "users.totl"),
        ({"other": "users.whole_users=false"}, "traffic comes from whole users"),
    ],
)
def test_an_impossible_setting_says_why_and_plays_nothing(value, reason) -> None:
    model = live(**value)
    assert reason in " ".join(model.faults)
    assert not model.running
    model.step()  # as Mesa's button does
    assert reason in " ".join(model.faults)


def test_a_setting_changes_the_outcome_and_the_seed_too() -> None:
    def welfare(**values) -> list[float]:
        model = stepped(live(**values), 2)
        return model.futures[0].tables().market["social_welfare_realised_usd_per_s"].tolist()

    assert welfare() == welfare()
    assert welfare() != welfare(**{"users.total": 100})
    assert welfare() != welfare(seed="2")


EVENTS = [
    shock.gpus_left("operator 1", 5),
    shock.fails("operator 2"),
    shock.surge(MARKET, 3, 1.5, 2),
    ['{what="users", who=8, value=60}'],  # more users: their rounds are played again
    ['{what="refund", value=4e-4}'],
]


@pytest.mark.parametrize("events", EVENTS, ids=lambda events: events[0][1:20])
def test_a_changed_future_is_the_fork_played_from_the_start(events) -> None:
    base = load_scenario(MARKET, ["mechanism.iterations_per_round=3"])
    past = begun(base, 1)
    for _ in range(3):
        past.step()
    scenario = forked(base, 3, (), events)
    future, whole = gone_on(past, scenario), Market(scenario, 1)
    while whole.running:
        future.step()
        whole.step()
    for name in ("rounds", "market", "operators"):
        assert getattr(future.tables(), name).equals(getattr(whole.tables(), name))
    assert not future.tables().rounds.equals(past.tables().rounds)


def test_shocks_are_events_of_the_scenario() -> None:
    model = stepped(live(), 2)
    model.change(0, shock.fails("operator 1"), said="operator 1 has failed")
    model.step()
    model.change(0, shock.recovers("operator 1"))
    model.surge(0, 2.0, 1)
    told = [(event.at_round, event.what) for event in model.futures[0].scenario.events]
    assert told == [(3, "fails"), (4, "recovers"), (4, "demand"), (5, "demand")]
    assert model.faults == []
    closed = model.futures[0].tables().rounds.query("round == 3 and operator == 1")
    assert closed["users"].sum() == 0


def test_a_shock_that_cannot_be_says_why_and_changes_nothing() -> None:
    model = stepped(live(), 1)
    before = model.futures[0]
    model.change(0, shock.gpus_left("operator 1", 0))
    (said,) = model.faults
    assert said.startswith('after round 1: {what="servers", who="operator 1"')
    assert said.endswith("value: must be a whole number, at least 1")
    assert model.futures[0] is before
    stepped(model, 5)
    model.change(0, shock.fails("operator 1"))  # all rounds are played
    assert "must be below the 6 rounds" in model.faults[0]


def test_two_futures_are_equal_until_one_is_changed() -> None:
    model = stepped(live(), 2)
    model.fork()
    model.step()
    one, two = (future.tables().rounds for future in model.futures)
    assert one.equals(two)
    model.change(1, shock.gpus_left("operator 3", 2))
    model.step()
    one, two = (future.tables().rounds for future in model.futures)
    assert one[one["round"] < 4].equals(two[two["round"] < 4])
    assert not one.equals(two)
    model.join(1)
    assert len(model.futures) == 1
    assert model.futures[0].tables().rounds.equals(two)


def test_pact_is_played_and_has_no_shocks() -> None:
    model = stepped(live(PACT), 2)
    model.change(0, shock.fails("anybody"))
    assert model.faults == [NO_EVENTS]
    assert model.round == 2


@pytest.mark.parametrize("rounds", [2, 6], ids=["interrupted", "complete"])
def test_an_export_is_the_run_of_the_command_line(rounds, tmp_path) -> None:
    model = stepped(live(runs=tmp_path, **{"mechanism.iterations_per_round": 0}), rounds)
    model.export(0, "mine")
    assert model.faults == []
    assert invoke(["report", str(tmp_path / "mine")]) == 0
    run = load_run(tmp_path / "mine")
    assert (run.manifest.rounds, run.manifest.status) == (
        rounds, "complete" if rounds == 6 else "interrupted",
    )  # fmt: skip
    agreed = ["round", "operator", "type", "latency_s", "price_usd", "users", "tasks"]
    shown = model.futures[0].tables().rounds  # what is late at the end is settled in the run alone
    assert run.rounds[agreed].astype(float).equals(shown[agreed].astype(float))
    assert (tmp_path / "mine" / "report.html").is_file()


def test_an_export_stays_where_exports_go(tmp_path) -> None:
    model = live(runs=tmp_path)
    model.export(0)
    assert model.faults == ["export: play a round first"]
    model.step()
    model.export(0, "../elsewhere")
    assert model.faults == ["export: directory = ../elsewhere: must be a plain name"]


def test_pact_is_exported_too(tmp_path) -> None:
    model = stepped(live(PACT, runs=tmp_path), 3)
    model.export(0, "mine")
    assert model.faults == []
    assert len(load_run(tmp_path / "mine").capacity)
