"""`airan-market run pact`: the directory, its summary, figures and report; interruption."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from airan_market.agents.pact.run import capacity
from airan_market.agents.pact.run.model import PactSimulation
from airan_market.analysis import load_run
from airan_market.analysis.cli.program import invoke
from airan_market.analysis.pact_run import figures
from airan_market.analysis.pact_run.headline import headline
from airan_market.analysis.pact_run.summary import (
    WORDS,
    summarise,
    type_table,
    verdict,
)
from airan_market.analysis.play import NO_UNDER_WAY, play
from airan_market.analysis.store.reader import PactRun, RunError
from airan_market.analysis.verdict import UNDECIDED, Verdict
from airan_market.analysis.wording import number
from airan_market.scenarios import load_pact
from airan_market.sim.estimation.intervals import ratio_interval

SHORT = ["simulation.rounds=3", "simulation.horizon_s=15", "traffic.users=90"]
SETTINGS = [word for setting in SHORT for word in ("--set", setting)]


@pytest.fixture(scope="module", autouse=True)
def _less_effort(sketch) -> Iterator[None]:
    """Capacity from fewer requests, figures as sketches: here they only have to be there."""
    with pytest.MonkeyPatch.context() as patch:
        for kind in ("png", "svg"):
            patch.setattr(f"airan_market.analysis.figure_style.{kind}", sketch)
        patch.setattr(capacity, "REQUESTS", 400)
        patch.setattr(capacity, "SETTLING", 100)
        yield


@pytest.fixture(scope="module")
def played(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("pact") / "run"
    assert invoke(["run", "pact", *SETTINGS, "--seed", "4", "--out", str(out), "-q"]) == 0
    return out


@pytest.fixture(scope="module")
def run(played: Path) -> PactRun:
    loaded = load_run(played, verify=True)
    assert isinstance(loaded, PactRun)
    return loaded


def test_the_directory_holds_what_a_reader_expects(played: Path, run: PactRun) -> None:
    tables = ["rounds", "market", "items", "capacity", "capacity_curve", "tasks"]
    assert list(run.manifest.tables) == [f"{name}.parquet" for name in tables]
    assert {path.name for path in (played / "figures").iterdir()} == {
        f"{name}.{kind}"
        for name in ("promises", "profit", "totals", "capacity")
        for kind in ("png", "svg")
    }
    page = (played / "report.html").read_text(encoding="utf-8")
    assert "How many users the promises bear" in page
    assert "Gemma 7B, 100+20 KB" in page
    assert load_pact(played / "scenario.toml") == run.scenario


def test_the_same_seed_gives_the_same_bytes_on_both_engines(
    played: Path, run: PactRun, tmp_path: Path
) -> None:
    scenario = str(played / "scenario.toml")
    out = tmp_path / "again"
    arguments = ["run", scenario, "--seed", "4", "--engine", "simpy", "--out", str(out), "-q"]
    assert invoke(arguments) == 0
    again = load_run(out).manifest
    hashes = {name: record["sha256"] for name, record in again.tables.items()}
    assert hashes == {n: record["sha256"] for n, record in run.manifest.tables.items()}
    for figure in (played / "figures").iterdir():
        assert figure.read_bytes() == (out / "figures" / figure.name).read_bytes()


def test_summary_adds_up(played: Path, run: PactRun) -> None:
    summary = json.loads((played / "summary.json").read_text(encoding="utf-8"))
    assert summary == summarise(run)
    assert summary["requests"] == sum(row["requests"] for row in summary["types"])
    assert summary["requests"] == sum(item["requests"] for item in summary["items"])
    assert sum(summary["verdicts"].values()) == len(summary["types"]) == 15
    assert abs(summary["money"]["paid_less_received_usd"]) < 1e-9
    profit = sum(row["provider_utility_usd_measured"] * row["requests"] for row in summary["types"])
    assert profit == pytest.approx(3 * summary["provider_utility_usd"]["realised"]["mean"])
    borne = summary["capacity"]
    assert borne["users_low"] <= borne["users"] <= borne["users_high"]
    assert borne["users"] == min(row["users"] for row in borne["services"])


def test_types_are_held_against_the_means_of_their_requests(run: PactRun) -> None:
    tasks = run.tasks[run.tasks["round"] > 0]
    table = type_table(run.rounds).set_index("type")
    for type_, own in tasks.groupby("type"):
        row = table.loc[type_]
        assert row["requests"] == len(own)
        assert row["latency_s_measured"] == pytest.approx(own["latency_s"].mean())
        assert row["satisfaction_measured"] == pytest.approx(own["satisfied"].mean())
        assert row["liability_usd_measured"] == pytest.approx(own["liability_usd"].mean())
        each = 0.5 * own["satisfied"].astype(float) + 0.5 * (1 - own["latency_s"])
        assert row["quality_measured"] == pytest.approx(each.mean())  # (6) request by request


def test_headline_says_what_the_summary_says(run: PactRun) -> None:
    summary = summarise(run)
    sentences = " ".join(headline(summary))
    assert f"{summary['requests']} requests of 90 users" in sentences
    assert number(summary["user_utility_usd"]["realised"]["mean"]) in sentences
    assert f"up to {summary['capacity']['users']} users" in sentences


def test_report_draws_a_run_again(played: Path, capsys) -> None:
    page = (played / "report.html").read_text(encoding="utf-8")
    (played / "report.html").unlink()
    assert invoke(["report", str(played), "-q"]) == 0
    assert (played / "report.html").read_text(encoding="utf-8") == page


def test_a_changed_table_is_found(run: PactRun, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(run.path, copy)
    (copy / "items.parquet").write_bytes(b"not this")
    with pytest.raises(RunError, match=r"items\.parquet: SHA-256 differs"):
        load_run(copy, verify=True)


def test_what_is_finished_is_kept_when_a_run_is_interrupted(tmp_path: Path) -> None:
    class CutOff(PactSimulation):
        def step(self) -> None:
            if self.round == 2:
                raise KeyboardInterrupt
            super().step()

    scenario = load_pact("pact", [*SHORT, "traffic.links=1", "traffic.tokenisers=1"])
    done = play(scenario, 1, tmp_path / "cut", make_market=CutOff)
    assert (done.status, done.finished) == ("interrupted", 2)
    run = load_run(tmp_path / "cut", verify=True)
    assert isinstance(run, PactRun)
    assert run.rounds["round"].max() == 2
    assert (run.rounds["ended"] == run.rounds["requests"]).all()  # served to their end
    assert len(run.capacity) == 0
    assert summarise(run)["capacity"] is None
    assert NO_UNDER_WAY not in run.manifest.notes
    whole = PactSimulation(scenario, 1, capacity=False).run().items
    assert whole[whole["round"] <= 2]["requests"].tolist() == run.items["requests"].tolist()
    assert invoke(["report", str(run.path), "-q"]) == 0


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--mechanism", "ct"], '--mechanism: mechanism.name = "ct": is for AI-RAN scenarios'),
        (["--rounds", "0"], "--rounds: simulation.rounds = 0: must be"),
        (["--set", "traffic.law=heavy"], '--set: traffic.law = "heavy": must be one of'),
        (
            ["--set", "traffic.law.trace=none.csv", "--set", "traffic.law.format=azure-llm-2023"],
            "none.csv: No such file",
        ),
    ],
)
def test_bad_input_is_one_line_and_status_2(arguments, line: str, capsys, tmp_path) -> None:
    assert invoke(["run", "pact", *arguments, "-q", "--out", str(tmp_path / "no")]) == 2
    told = capsys.readouterr().err.strip().splitlines()
    assert len(told) == 1
    assert told[0].startswith(line)
    assert not (tmp_path / "no").exists()


def test_a_service_without_a_latency_is_refused_by_run_alone(tmp_path, capsys) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(
        'name = "mine"\n[pact]\ntypes = [1, 2]\n[[pact.services]]\nname = "fast"\n'
        "quality = 0.6\ncost_usd = 0.02\n[[pact.services]]\nname = 'good'\nquality = 0.8\n"
        "cost_usd = 0.1\n"
    )
    assert invoke(["run", str(file), "-q", "--out", str(tmp_path / "no")]) == 2
    told = capsys.readouterr().err.strip().splitlines()
    assert [line.split(": ")[1] for line in told] == [
        "pact.services[1].latency_s", "pact.services[2].latency_s",
    ]  # fmt: skip
    assert invoke(["pact", str(file), "--json", "-q"]) == 0


def test_a_run_in_which_nobody_takes_part_is_told(tmp_path, capsys) -> None:
    file = tmp_path / "dear.toml"
    file.write_text(
        'name = "dear"\n[pact]\ntypes = [1, 2]\nserve_all = false\n[[pact.services]]\n'
        'name = "dear"\nquality = 0.6\ncost_usd = 9.0\nlatency_s = 0.3\n[simulation]\nrounds = 2\n'
        "horizon_s = 5\n"
    )
    assert invoke(["run", str(file), "--out", str(tmp_path / "none")]) == 0
    assert "Nobody made a request." in capsys.readouterr().err
    assert {path.stem for path in (tmp_path / "none" / "figures").iterdir()} == {"totals"}


TWO_TASKS = """
name = "two"
[pact]
types = [1, 2, 4]
[[pact.tasks]]
name = "chat <b>"
share = 0.7
[[pact.tasks]]
name = "code"
share = 0.3
types = [2, 6]
[[pact.services]]
name = "fast & cheap"
task = "chat <b>"
quality = 0.6
latency_s = 0.3
cost_usd = 0.02
[[pact.services]]
name = "coder $1"
task = "code"
quality = 0.7
latency_s = 0.5
cost_usd = 0.1
inference_servers = 1
[traffic]
users = 50
[simulation]
rounds = 1
horizon_s = 20
"""


def test_tasks_have_rows_and_panels_of_their_own(tmp_path) -> None:
    """In one round there is no interval over rounds: told, not guessed."""
    (tmp_path / "two.toml").write_text(TWO_TASKS)
    out = tmp_path / "two"
    assert invoke(["run", str(tmp_path / "two.toml"), "--out", str(out), "-q"]) == 0
    run = load_run(out)
    assert isinstance(run, PactRun)
    table = type_table(run.rounds)
    assert table[["market", "type"]].to_numpy().tolist() == [[1, 1], [1, 2], [1, 3], [2, 1], [2, 2]]
    assert (table["quality_verdict"] == UNDECIDED).all()
    tasks = ["chat <b>", "code"]
    figure = figures.promises(table, tasks)
    assert [axis.get_title() for axis in figure.axes] == ["1: chat <b>"] * 2 + ["2: code"] * 2
    drawn = figure.axes[2].lines[0].get_ydata()
    assert list(drawn) == table.loc[table["market"] == 2, "quality_promised"].tolist()
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "fast &amp; cheap" in page
    assert "<b>" not in page


def test_the_capacity_figure_has_a_panel_for_every_service_with_a_bound(run: PactRun) -> None:
    names = [service.name for service in run.scenario.pact.services]
    table = run.capacity.copy()
    table.loc[0, ["users", "users_low", "users_high"]] = pd.NA
    figure = figures.capacity(table, run.capacity_curve, names, 90)
    assert len(figure.axes) == len(run.capacity) - 1
    for axis, service in zip(figure.axes, table["service"].iloc[1:], strict=True):
        points = run.capacity_curve[run.capacity_curve["service"] == service]
        bars = axis.containers[0].lines[0]
        assert bars.get_xdata().tolist() == points["users"].tolist()
        assert bars.get_ydata().tolist() == points["quality_measured"].tolist()


def test_verdicts() -> None:
    found = ratio_interval([3.0, 5.0, 4.0, 8.0], np.ones(4))
    assert verdict(5.0, found) == WORDS[Verdict.HOLDS]
    assert verdict(found.high + 0.1, found) == WORDS[Verdict.BELOW]
    assert verdict(found.low - 0.1, found) == WORDS[Verdict.ABOVE]
    assert verdict(1.0, ratio_interval([1.0], [1])) == UNDECIDED
