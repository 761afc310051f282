"""The same future with one change: forks, and what they are compared by."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from airan_market.analysis.cli.program import invoke
from airan_market.analysis.dynamics.forking import forked
from airan_market.analysis.dynamics.paired import compare
from airan_market.analysis.play import play
from airan_market.analysis.store.manifest import RunError
from airan_market.analysis.store.reader import load_run
from airan_market.scenarios import ScenarioError, load_scenario

SHORT = ["simulation.rounds=5", "simulation.horizon_s=0.5", "simulation.warmup_s=0.2",
         "mechanism.iterations_per_round=3"]  # fmt: skip
TABLES = ("rounds", "market", "operators", "tasks")


@pytest.fixture(scope="module")
def scenario():
    return load_scenario("teleoperation", SHORT)


@pytest.fixture(scope="module")
def runs(scenario, tmp_path_factory) -> dict[int, Path]:
    place = tmp_path_factory.mktemp("runs")
    for seed in (1, 2, 3):
        play(scenario, seed, place / str(seed), figures=False)
    return {seed: place / str(seed) for seed in (1, 2, 3)}


def test_an_unchanged_fork_is_the_run_to_the_byte(runs, tmp_path) -> None:
    assert invoke(["fork", str(runs[1]), "--round", "2", "--out", str(tmp_path / "f"), "-q",
                   "--no-figures"]) == 0  # fmt: skip
    for name in TABLES:
        again, first = (path / f"{name}.parquet" for path in (tmp_path / "f", runs[1]))
        assert again.read_bytes() == first.read_bytes()


def test_a_changed_fork_is_the_run_up_to_its_round_and_meets_the_same_tasks(
    runs, scenario, tmp_path
) -> None:
    changed = forked(scenario, 3, ["economics.refund_usd=6e-4"])
    play(changed, 1, tmp_path / "f", figures=False)
    one, two = load_run(runs[1]), load_run(tmp_path / "f")
    for name in TABLES:
        before = [table[table["round"] <= 3] for table in (getattr(one, name), getattr(two, name))]
        if name == "tasks":  # tasks of round 3 may end, and be settled, later
            before = [t.sort_values("task")[["task", "arrival_s", "price_usd"]] for t in before]
            before = [t.reset_index(drop=True) for t in before]
        if name == "rounds":
            before = [
                t.drop(
                    columns=[
                        c
                        for c in t
                        if "violation_r" in c
                        or "refunds" in c
                        or "realised" in c
                        or c == "violations"
                    ]
                )
                for t in before
            ]
        if name in ("market", "operators"):
            before = [t.loc[:, [c for c in t if "realised" not in c]] for t in before]
        pd.testing.assert_frame_equal(*before)
    later = [table.rounds[table.rounds["round"] > 3] for table in (one, two)]
    assert not np.allclose(later[0]["price_usd"], later[1]["price_usd"])
    asked = [run.tasks.set_index("task")["arrival_s"] for run in (one, two)]
    both = asked[0].index.intersection(asked[1].index)
    assert len(both) > 0.8 * len(asked[0])
    assert (asked[0][both] == asked[1][both]).all()


def test_rounds_that_are_iterations_of_one_algorithm_cannot_be_forked() -> None:
    market = load_scenario("teleoperation")
    assert forked(market, 3) is market
    with pytest.raises(ScenarioError, match=r"the run: mechanism\.iterations_per_round: required"):
        forked(market, 3, ["economics.refund_usd=0"])
    benchmark = load_scenario("teleoperation", ["mechanism.name=ct"])
    assert len(forked(benchmark, 3, ["economics.refund_usd=0"]).events) == 1


@pytest.mark.parametrize(
    ("round_", "settings", "events", "told"),
    [
        (5, [], [], r"--round: 5: must be below the 5 rounds"),
        (2, ["refund"], [], r"--set: refund: must be written dotted.key=value"),
        (2, ["users.total=3"], [], r"must be a key of economics or mechanism"),
        (2, [], ["{what=}"], r"--event: .*not an inline table"),
        (2, [], ["3"], r"must be a table"),
        (
            2,
            [],
            ['{what="fails", who="nobody"}'],
            r"^--event: {what=\"fails\", who=\"nobody\"}: who: must be one of operator 1",
        ),
        (2, ["economics.refund_usd=-1"], [], r"^--set: economics.refund_usd=-1: must be a number"),
        (2, ["economics.refund_usd=1e-4"], ['{what="fail"}'], r"^--event: {what=\"fail\"}: what: "),
    ],
)
def test_what_cannot_be_forked_is_one_line(scenario, round_, settings, events, told) -> None:
    with pytest.raises(ScenarioError, match=told):
        forked(scenario, round_, settings, events)


def test_a_difference_is_paired_over_seeds(runs, scenario, tmp_path) -> None:
    changed = forked(scenario, 2, ["economics.running_cost_usd=1.08e-4"])
    others = []
    for seed in (1, 2, 3):
        others.append(tmp_path / str(seed))
        play(changed, seed, others[-1], figures=False)
    table = compare([*runs.values(), *others], first_round=3).set_index("figure")
    row = table.loc["operators' utility, realised"]
    assert row["seeds"] == 3
    tasks = [load_run(path).rounds.query("round >= 3")["tasks"].sum() for path in others]
    # nobody sees the operators' costs: each task costs 1e-4 USD more, and nothing else changes
    assert row["difference"] == pytest.approx(-1e-4 * np.mean(tasks) / 3 / 0.5, rel=1e-9)
    assert row["low"] <= row["difference"] <= row["high"]
    assert table.loc["users' utility, realised", "difference"] == pytest.approx(0, abs=1e-12)


def test_runs_that_cannot_be_compared(runs, tmp_path, capsys) -> None:
    with pytest.raises(RunError, match="all runs are of one scenario"):
        compare([runs[1], runs[2]])
    with pytest.raises(RunError, match="the same scenario and seed"):
        compare([runs[1], runs[1]])
    assert invoke(["compare", str(tmp_path), str(runs[1])]) == 2


def test_differences_are_json_too(runs, scenario, tmp_path, capsys) -> None:
    changed = forked(scenario, 2, ["users.tasks_per_user_per_s=30.0"])
    play(changed, 1, tmp_path / "f", figures=False)
    assert invoke(["compare", str(runs[1]), str(tmp_path / "f"), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert rows[0]["figure"] == "social welfare, realised"
    assert rows[0]["low"] is None  # one seed has no interval


def test_seeds_are_played_one_after_another(tmp_path, capsys) -> None:
    settings = [word for setting in SHORT[:3] for word in ("--set", setting)]
    arguments = ["run", "teleoperation", "--seeds", "2", "--out", str(tmp_path), "-q", *settings]
    assert invoke([*arguments, "--no-figures"]) == 0
    paths = capsys.readouterr().out.split()
    assert [load_run(path).manifest.seed for path in paths] == [1, 2]
    assert not (Path(paths[0]) / "report.html").exists()
    assert invoke(["report", paths[0]]) == 0
    assert (Path(paths[0]) / "report.html").exists()


def test_the_report_tells_the_story(tmp_path) -> None:
    scenario = load_scenario("ran_takes_gpus", ["simulation.rounds=6", "simulation.horizon_s=1"])
    play(scenario, 1, tmp_path / "r")
    summary = load_run(tmp_path / "r").summary
    assert len(summary["over_time"]["ran"]["gpus"]) == 3
    assert len(summary["over_time"]["welfare_if_settled_usd_per_s"]) == 6
    page = (tmp_path / "r" / "report.html").read_text(encoding="utf-8")
    assert "The market over time" in page
    assert "The RAN (threshold) had" in page
