"""The command of the three questions: cells, tables, figures, findings, and how it ends."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from airan_market.analysis.cli.program import invoke
from airan_market.analysis.questions import beliefs, rent
from airan_market.analysis.questions import cells as question_cells
from airan_market.analysis.questions import report as question_report
from airan_market.analysis.questions.cells import Cell, cells, compute
from airan_market.analysis.questions.realised import Span
from airan_market.analysis.questions.report import drawable, findings, tables, write
from airan_market.analysis.reproduction.cells import drawn
from airan_market.analysis.store.cell_store import fill
from airan_market.scenarios import InputError, Scenario, load_scenario

SMALL = [
    "users.total=40",
    "users.latency_sensitivity_usd_per_s=[8e-4, 2e-4]",
    "users.shares=[0.5, 0.5]",
    "mechanism.max_iterations=5",
]


@pytest.fixture(scope="module")
def small() -> Scenario:
    return load_scenario("teleoperation", SMALL)


@pytest.fixture(scope="module")
def answered(small: Scenario, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    """Everything of a small market, with little effort spent on each search."""
    directory = tmp_path_factory.mktemp("questions")
    patch = pytest.MonkeyPatch()
    patch.setattr(rent, "ROUNDS", 2)
    patch.setattr(rent, "EVALUATIONS", 20)
    patch.setattr(rent, "POINTS", 9)
    patch.setattr(question_cells, "CURVE_POINTS", 7)
    patch.setattr(question_cells, "SPAN", Span(horizon_s=1.0, warmup_s=0.2))
    patch.setattr(beliefs, "NAMES", ("chernoff", "fifo"))
    wanted = cells(small, draws=1, replications=2)
    answers = fill(directory, {cell: cell.mark for cell in wanted}, compute, workers=1)
    patch.undo()
    return directory, answers


@pytest.mark.usefixtures("sketched")
def test_all_that_is_promised_is_written(answered: tuple[Path, dict]) -> None:
    directory, answers = answered
    sentences = write(directory, answers)
    assert {path.name for path in directory.iterdir() if path.is_file()} == {
        "rent_curve.csv", "rent_best.csv", "rent_play.csv", "rent_own.csv",
        "anarchy.csv", "anarchy_draws.csv", "anarchy_split.csv", "beliefs.csv", "findings.md",
    }  # fmt: skip
    text = (directory / "findings.md").read_text(encoding="utf-8")
    assert all(sentence in text for sentence in sentences)
    assert "nan" not in text
    best = pd.read_csv(directory / "rent_best.csv")
    assert best["who"].tolist() == [0, 0, 1, 2, 3]
    assert (best["with_usd_per_s"] >= best["without_usd_per_s"]).all()
    planner = pd.read_csv(directory / "anarchy.csv")["planner_usd_per_s"].iloc[0]
    assert any(f"{planner:.5g}" in sentence for sentence in sentences)


@pytest.mark.usefixtures("sketched")
def test_parts_stand_alone(answered: tuple[Path, dict]) -> None:
    """With one question only, its tables and figure are made and the others are not missed."""
    _, answers = answered
    for question, names in (
        ("rent", {"rent_curve", "rent_best", "rent_play", "rent_own"}),
        ("anarchy", {"anarchy", "anarchy_draws", "anarchy_split"}),
        ("beliefs", {"beliefs"}),
    ):
        own = {cell: answer for cell, answer in answers.items() if cell.question == question}
        found = tables(own)
        assert set(found) == names
        assert set(drawable(found)) == {question}
        assert findings(found)


def test_planner_s_line_needs_a_planner(answered: tuple[Path, dict]) -> None:
    _, answers = answered
    found = tables(answers)
    with_line = drawable(found)["rent"].axes[0].get_legend_handles_labels()[1]
    without = drawable({name: frame for name, frame in found.items() if "rent" in name})["rent"]
    assert "planner's welfare" in with_line
    assert "planner's welfare" not in without.axes[0].get_legend_handles_labels()[1]


def test_cells_by_question(small: Scenario) -> None:
    names = [cell.name for cell in cells(small, ["rent", "anarchy"], draws=2)]
    assert names == [
        "rent-play",
        "rent-own-margins-operator-utility",
        "rent-own-margins-social-welfare",
        "rent-curve",
        "rent-best",
        "anarchy-fitted",
        "anarchy-split",
        "anarchy-draw-0",
        "anarchy-draw-1",
    ]
    for wrong in ({"only": ["rant"]}, {"draws": -1}, {"replications": 1}):
        with pytest.raises(InputError, match=r"--(only|draws|replications) = "):
            cells(small, **wrong)  # type: ignore[arg-type]


def test_marks_depend_on_what_numbers_depend_on(small: Scenario) -> None:
    (cell,) = cells(small, ["beliefs"], replications=3)[-1:]
    assert replace(cell, replications=4).mark != cell.mark
    assert replace(cell, part="fifo").mark != cell.mark
    other = load_scenario("teleoperation", [*SMALL, "economics.refund_usd=1e-4"])
    assert cells(other, ["beliefs"], replications=3)[-1].mark != cell.mark
    assert Cell(cell.question, cell.part, cell.market, 3).mark == cell.mark


def test_draws_are_of_the_paper_s_law(small: Scenario) -> None:
    assert drawn(small).users.shares is None
    assert drawn(drawn(small)) == drawn(small)


def run(arguments: Sequence[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    status = invoke(["questions", *arguments])
    told = capsys.readouterr()
    return status, told.out, told.err


@pytest.mark.usefixtures("sketched")
def test_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(question_cells, "SPAN", Span(horizon_s=0.5, warmup_s=0.1))
    monkeypatch.setattr(beliefs, "NAMES", ("chernoff",))
    settings = [part for text in SMALL for part in ("--set", text)]
    asked = ["--only", "beliefs", "--out", str(tmp_path), "--workers", "1", *settings]
    status, out, err = run(asked, capsys)
    assert (status, out.strip()) == (0, str(tmp_path))
    assert "cell 1 of 1: beliefs-chernoff" in err
    assert "Belief chernoff" in err
    assert {path.name for path in tmp_path.glob("*.*") if path.suffix != ".svg"} == {
        "manifest.json", "scenario.toml", "findings.md", "beliefs.csv", "beliefs.png",
        "report.html",
    }  # fmt: skip
    status, out, err = run([*asked, "--quiet", "--json"], capsys)
    assert (status, err) == (0, "")
    told = json.loads(out)
    assert told["findings"][0].startswith("Belief chernoff")
    (tmp_path / "report.html").unlink()
    assert invoke(["report", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == told
    assert "Belief chernoff" in (tmp_path / "report.html").read_text(encoding="utf-8")
    table = pd.read_csv(tmp_path / "beliefs.csv")
    assert np.isfinite(table["realised"]).all()


@pytest.mark.parametrize(
    "wrong",
    [["--only", "rant"], ["--set", "users.total=0"], ["--draws", "-1"], ["nowhere.toml"]],
)
def test_bad_input_ends_in_a_line(
    wrong: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = run(["--out", str(tmp_path / "none"), *wrong], capsys)
    assert (status, out) == (2, "")
    assert len(err.strip().splitlines()) == 1
    assert not (tmp_path / "none").exists()


def test_interrupted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(cell: Cell) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(question_report, "compute", stop)
    asked = ["--only", "rent", "--out", str(tmp_path), "--workers", "1"]
    status, out, err = run(asked, capsys)
    assert (status, out) == (3, "")
    assert err.strip() == "interrupted before the first cell was finished: nothing is kept"
    assert list(tmp_path.iterdir()) == []
