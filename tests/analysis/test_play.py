import os
import signal
import threading
from functools import partial

import pytest

from airan_market.analysis import play as play_module
from airan_market.analysis.play import NO_UNDER_WAY
from airan_market.analysis.process.interruption import Interruption
from airan_market.analysis.process.watchdog import SIGNALS
from airan_market.analysis.store.reader import load_run
from airan_market.scenarios import ScenarioError


@pytest.fixture
def play(fake_market):
    """Plays a fake market, which a signal cuts off as it would the real engine."""
    return partial(play_module.play, interruptible=fake_market.simulate)


def interrupt_in(number: int, by: int = signal.SIGINT):
    def before_round(current: int) -> None:
        if current == number:
            os.kill(os.getpid(), by)

    return before_round


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupted_in_mid_round_keeps_the_finished_rounds(
    play, tmp_path, scenario, fake_market, by
):
    market = partial(fake_market, before_round=interrupt_in(3, by))
    played = play(scenario, out=tmp_path / "run", make_market=market)
    assert (played.status, played.finished, played.path) == ("interrupted", 2, tmp_path / "run")
    run = load_run(played.path, verify=True)
    assert (run.manifest.status, run.manifest.rounds) == ("interrupted", 2)
    assert run.rounds["round"].max() == run.market["round"].max() == 2
    assert run.summary["status"] == "interrupted"
    assert run.tasks["round"].max() == 2
    assert not (played.path / "report.html").exists()


def test_interrupted_inside_machine_code_keeps_the_finished_rounds(
    play, tmp_path, scenario, fake_market
):
    """There Python tells of Ctrl-C by a SystemError, sometimes by two in a row."""

    def before_round(number: int) -> None:
        if number == 3:
            try:
                raise SystemError("a result with an exception set") from KeyboardInterrupt()
            except SystemError as error:
                raise SystemError("a result with an exception set") from error

    played = play(
        scenario,
        out=tmp_path / "run",
        make_market=partial(fake_market, before_round=before_round),
    )
    assert (played.status, played.finished, played.error) == ("interrupted", 2, None)
    load_run(played.path, verify=True)


def test_another_system_error_is_a_failure(play, tmp_path, scenario, fake_market):
    def before_round(number: int) -> None:
        if number == 3:
            raise SystemError("something else") from ValueError()

    market = partial(fake_market, before_round=before_round)
    played = play(scenario, out=tmp_path / "run", make_market=market)
    assert (played.status, played.finished) == ("failed", 2)


def test_the_finished_rounds_are_those_of_the_uninterrupted_run(
    play, tmp_path, scenario, fake_market, run
):
    market = partial(fake_market, before_round=interrupt_in(3))
    half = load_run(play(scenario, out=tmp_path / "run", make_market=market).path)
    whole = run.rounds[run.rounds["round"] <= 2].reset_index(drop=True)
    assert half.rounds.equals(whole)
    # every task of the finished rounds is there once, those under way without their end
    expected = run.tasks.loc[run.tasks["round"] <= 2, "task"]
    assert sorted(half.tasks["task"]) == sorted(expected)
    assert half.tasks["latency_s"].isna().any()


def test_interrupted_before_the_first_round_leaves_nothing(play, tmp_path, scenario, fake_market):
    market = partial(fake_market, before_round=interrupt_in(1))
    played = play(scenario, out=tmp_path / "run", make_market=market)
    assert (played.status, played.path, played.finished) == ("interrupted", None, 0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("where", ["before", "after"])
def test_a_signal_outside_the_engine_waits_for_the_end_of_the_round(
    play, tmp_path, scenario, fake_market, where
):
    """Elsewhere in a round the market may be half settled."""

    class Struck(fake_market):
        def step(self):
            strike = self.round == 1
            if strike and where == "before":
                os.kill(os.getpid(), signal.SIGTERM)
            super().step()
            if strike and where == "after":
                os.kill(os.getpid(), signal.SIGTERM)

    played = play(scenario, out=tmp_path / "run", make_market=Struck)
    assert (played.status, played.finished) == ("interrupted", 2)
    assert set(load_run(played.path).tasks["round"]) == {0, 1, 2}


def test_a_signal_while_a_round_is_written_waits(
    play, tmp_path, scenario, fake_market, monkeypatch
):
    commit = play_module.RunWriter.commit

    def interrupted_commit(writer, market):
        if market.round == 2:
            os.kill(os.getpid(), signal.SIGINT)
        commit(writer, market)

    monkeypatch.setattr(play_module.RunWriter, "commit", interrupted_commit)
    played = play(scenario, out=tmp_path / "run", make_market=fake_market)
    assert (played.status, played.finished) == ("interrupted", 2)
    load_run(played.path, verify=True)


def test_interrupted_while_drawing_keeps_the_complete_run(
    play, tmp_path, scenario, fake_market, monkeypatch
):
    monkeypatch.setattr(play_module, "draw", lambda *_: os.kill(os.getpid(), signal.SIGINT))
    played = play(scenario, out=tmp_path / "run", make_market=fake_market)
    assert (played.status, played.undrawn) == ("complete", True)
    assert played.summary == load_run(played.path, verify=True).summary


def test_a_fault_while_drawing_keeps_the_complete_run(
    play, tmp_path, scenario, fake_market, monkeypatch
):
    def fail(*_):
        raise RuntimeError("no ink")

    monkeypatch.setattr(play_module, "draw", fail)
    played = play(scenario, out=tmp_path / "run", make_market=fake_market)
    assert (played.status, str(played.error)) == ("complete", "no ink")
    load_run(played.path, verify=True)


def test_a_market_that_fails_becomes_a_failed_run(play, tmp_path, scenario, fake_market):
    def fail(number):
        if number == 4:
            raise ZeroDivisionError("no capacity")

    played = play(
        scenario, out=tmp_path / "run", make_market=partial(fake_market, before_round=fail)
    )
    assert (played.status, played.finished) == ("failed", 3)
    run = load_run(played.path, verify=True)
    assert run.manifest.error == "ZeroDivisionError: no capacity"
    assert run.tasks["latency_s"].isna().any()


def test_a_failed_market_that_cannot_close_says_so(play, tmp_path, scenario, fake_market):
    class Broken(fake_market):
        def step(self):
            if self.round == 2:
                raise RuntimeError("broken")
            super().step()

        def close(self):
            raise RuntimeError("still broken")

    played = play(scenario, out=tmp_path / "run", make_market=Broken)
    assert NO_UNDER_WAY in load_run(played.path).manifest.notes


@pytest.mark.parametrize("where", ["made", "first round"])
def test_a_market_that_fails_at_once_leaves_nothing(play, tmp_path, scenario, fake_market, where):
    class Failing(fake_market):
        def __init__(self, *args, **named):
            if where == "made":
                raise LookupError("nothing there")
            super().__init__(*args, **named)

        def step(self):
            raise LookupError("nothing there")

    with pytest.raises(LookupError):
        play(scenario, out=tmp_path / "run", make_market=Failing)
    assert list(tmp_path.iterdir()) == []


def test_fractional_users_are_refused(play, tmp_path, toy, fake_market):
    with pytest.raises(ScenarioError, match=r"users.whole_users = false: must be true"):
        play(toy("users.whole_users=false"), out=tmp_path / "run", make_market=fake_market)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("undrawn")
def test_handlers_are_put_back(play, tmp_path, scenario, fake_market):
    before = [signal.getsignal(number) for number in SIGNALS]
    play(scenario, out=tmp_path / "run", make_market=fake_market)
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_off_the_main_thread_signals_are_left_alone():
    failures = []

    def enter():
        try:
            with Interruption() as interruption, interruption.shield():
                pass
        except ValueError as error:  # signal.signal refuses to work outside the main thread
            failures.append(error)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert failures == []


def test_nested_shields_hold_until_the_outer_one_ends():
    reached = []

    def nested(interruption):
        with interruption.shield():
            with interruption.shield():
                os.kill(os.getpid(), signal.SIGINT)
            reached.append("inner")
        reached.append("outer")

    with Interruption() as interruption, pytest.raises(KeyboardInterrupt):
        nested(interruption)
    assert reached == ["inner"]
