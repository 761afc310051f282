"""The parts of a run: what a boundary holds, and what is not believed."""

import json
import os
from functools import partial

import pytest

from airan_market.analysis.expectation import Expectation, require_room
from airan_market.analysis.play import play
from airan_market.analysis.resume import recover, resume
from airan_market.analysis.store.manifest import RunError
from airan_market.analysis.store.parts import Parts
from airan_market.analysis.store.reader import load_run
from airan_market.analysis.store.writer import RunWriter
from airan_market.scenarios import ScenarioError


@pytest.fixture
def stopped(tmp_path, scenario, fake_market, undrawn):
    """A run interrupted in round 3 of 4."""

    def strike(number):
        if number == 3:
            raise KeyboardInterrupt

    make = partial(fake_market, before_round=strike)
    ended = play(scenario, out=tmp_path / "run", make_market=make)
    assert (ended.status, ended.finished) == ("interrupted", 2)
    return ended.path


def begun_at(target, scenario, fake_market, **named):
    """Play to the end; the round it went on from, and what was said."""
    begun = []
    ended = play(
        scenario, out=target, make_market=fake_market,
        on_start=lambda market: begun.append(market.round), **named,
    )  # fmt: skip
    assert ended.status == "complete"
    return begun[0], ended.messages


def same_tables(one, other):
    names = ("tasks", "rounds", "market", "operators")
    return all((one / f"{n}.parquet").read_bytes() == (other / f"{n}.parquet").read_bytes()
               for n in names)  # fmt: skip


def test_an_interrupted_run_keeps_its_parts_and_goes_on(stopped, scenario, fake_market, finished):
    assert Parts(stopped, "market").open() == ""
    assert begun_at(stopped, scenario, fake_market) == (2, ())
    assert same_tables(stopped, finished)
    assert sorted(path.name for path in stopped.parent.iterdir()) == ["run"]


@pytest.mark.parametrize("what", ["tasks-0001-1.arrow", "rounds-0002.parquet", "state-0002.bin"])
def test_a_part_that_was_changed_is_not_believed(stopped, scenario, fake_market, finished, what):
    with (stopped / "parts" / what).open("r+b") as file:
        file.write(b"?")
    begun, (said,) = begun_at(stopped, scenario, fake_market)
    assert begun == 0
    assert f"cannot go on from there ({stopped}/parts/{what}: was changed)" in said
    assert same_tables(stopped, finished)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"round": 2}', '{"round": 2, "files": 3}'])
def test_a_boundary_that_is_none_is_not_believed(stopped, scenario, fake_market, text):
    (stopped / "parts" / "boundary.json").write_text(text)
    begun, (said,) = begun_at(stopped, scenario, fake_market)
    assert begun == 0
    assert "boundary.json: not one of ours" in said


def test_a_name_that_leaves_the_directory_is_not_followed(stopped):
    path = stopped / "parts" / "boundary.json"
    content = json.loads(path.read_text())
    content["files"]["../../../etc/passwd"] = "0"
    path.write_text(json.dumps(content))
    assert "not one of ours" in Parts(stopped, "market").open()


def test_other_code_begins_anew_and_resume_says_so(stopped, scenario, fake_market, monkeypatch):
    from airan_market.analysis import resume as module
    from airan_market.analysis.store import writer

    monkeypatch.setattr(writer, "run_code", lambda: "another")
    monkeypatch.setattr(module, "run_code", lambda: "another")
    with pytest.raises(RunError, match=r"another version .*the same `airan-market run` begins"):
        resume(stopped)
    begun, (said,) = begun_at(stopped, scenario, fake_market)
    assert begun == 0
    assert "another version of this program or of a package" in said


def test_what_other_code_left_when_it_was_killed_is_moved_aside(
    stopped, scenario, fake_market, monkeypatch
):
    from airan_market.analysis.store import writer

    os.rename(stopped, stopped.with_name(".run.partial"))
    monkeypatch.setattr(writer, "run_code", lambda: "another")
    begun, said = begun_at(stopped, scenario, fake_market)
    assert begun == 0
    assert any("moved to" in line for line in said)
    (aside,) = stopped.parent.glob(".run.partial-1-*")
    assert Parts(aside, "market").open() == ""


def test_a_state_that_cannot_be_kept_is_said_and_the_rounds_are(
    tmp_path, scenario, fake_market, undrawn
):
    class Holding(fake_market):
        def snapshot(self):
            raise ValueError("it holds a lock")

        def step(self):
            if self.round == 2:
                raise KeyboardInterrupt
            super().step()

    ended = play(scenario, out=tmp_path / "run", make_market=Holding)
    run = load_run(ended.path, verify=True)
    assert (ended.finished, set(run.rounds["round"])) == (2, {1, 2})
    assert any("only from its first: it holds a lock" in note for note in run.manifest.notes)
    with pytest.raises(RunError, match="could not be kept"):
        resume(ended.path)


def test_resume_of_what_is_no_stopped_run(finished, tmp_path):
    with pytest.raises(RunError, match="complete already"):
        resume(finished)
    with pytest.raises(RunError, match="no such directory"):
        resume(tmp_path / "nothing")


def test_what_a_killed_run_left_is_made_readable(stopped, scenario, monkeypatch, fake_market):
    from airan_market.analysis import resume as module

    os.rename(stopped, stopped.with_name(".run.partial"))
    monkeypatch.setattr(module, "market_of", lambda scenario: fake_market)
    recover(stopped)
    run = load_run(stopped, verify=True)
    assert (run.manifest.status, run.manifest.rounds) == ("interrupted", 2)
    assert run.tasks["latency_s"].isna().any()  # under way after round 2
    assert not stopped.with_name(".run.partial").exists()


@pytest.mark.parametrize("there", [True, False], ids=["directory", "nothing"])
def test_a_symbolic_link_is_no_place(tmp_path, scenario, there):
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    if there:
        (tmp_path / "elsewhere").mkdir()
    with pytest.raises(RunError, match="link: a symbolic link"):
        RunWriter(tmp_path / "link", scenario, 1)
    assert {path.name for path in tmp_path.iterdir()} == (
        {"link", "elsewhere"} if there else {"link"}
    )


def test_what_is_expected_is_what_comes(tmp_path, scenario, fake_market, finished):
    """A Poisson number within 5 standard deviations of its mean: false alarms below 1 in 10⁶."""
    expected = Expectation.of(fake_market(scenario))
    tasks = len(load_run(finished).tasks)
    assert expected.tasks == 240 * (4 * 5 + 1)
    assert abs(tasks - expected.tasks) < 5 * expected.tasks**0.5


def test_what_cannot_fit_is_refused_before_the_first_round(tmp_path, monkeypatch):
    from airan_market.analysis import expectation

    monkeypatch.setattr(expectation, "free_memory", lambda: 1e9)
    small = Expectation(tasks=1e6, most=1e5, left=1e6)
    require_room(small, "toy", 10.0, tmp_path)
    long = Expectation(tasks=1e8, most=1e7, left=1e8)
    with pytest.raises(ScenarioError, match=r"simulation.horizon_s = 10: .*5.4 GB of memory, 1 GB"):
        require_room(long, "toy", 10.0, tmp_path)
    endless = Expectation(tasks=1e14, most=1e5, left=1e14)
    with pytest.raises(RunError, match=r"of disk, .* are free; allowed are fewer rounds"):
        require_room(endless, "toy", 10.0, tmp_path)
