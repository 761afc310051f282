"""Two-dimensional types through the command line, to the report."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from airan_market.analysis.cli.program import app

SHORT = ["--rounds", "2", "--horizon", "0.3", "--set", "simulation.warmup_s=0.1", "--quiet"]


def test_a_run_and_its_report(tmp_path: Path) -> None:
    out = tmp_path / "run"
    asked = CliRunner().invoke(app, ["run", "quality_types", *SHORT, "--out", str(out)])
    assert asked.exit_code == 0, asked.output
    assert json.loads((out / "manifest.json").read_text())["status"] == "complete"
    assert "quality_types" in (out / "report.html").read_text(encoding="utf-8")
    again = CliRunner().invoke(app, ["report", str(out)])
    assert again.exit_code == 0, again.output


def test_solve_tells_every_quality_type() -> None:
    found = CliRunner().invoke(app, ["solve", "quality_types", "--json", "--quiet"])
    fields = json.loads(found.stdout)
    assert len(fields["match_probability_by_quality"][0]) == 3
    out = fields["opt_out_probability_by_quality"]
    assert len(out) == 3
    assert out[0][0] > out[2][0]
    text = CliRunner().invoke(app, ["solve", "quality_types", "--quiet"]).stdout
    assert "Users by what quality is worth to them" in text
    assert "of quality type" in text


SMALL = ["users.latency_sensitivity_usd_per_s=[8e-4, 1e-4]", "users.shares=[0.5, 0.5]",
         "users.total=90",
         "users.quality_sensitivity_usd=[4.5e-4, 4.8e-4]",
         "users.quality_shares=[[0.6, 0.4]]"]  # fmt: skip


def test_the_equilibrium_search_takes_quality_types(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("PUSHES", ((0.02, 0.5),)), ("PUSH_ROUNDS", 2)):
        monkeypatch.setattr(f"airan_market.analysis.equilibrium.cells.{name}", value)
    short = ["--starts", "1", "--no-studies", "--replications", "2", "--rounds", "3"]
    small = [word for one in SMALL for word in ("--set", one)]
    out = tmp_path / "equilibrium"
    asked = ["equilibrium", "quality_types", *short, *small, "--workers", "1", "--json", "--quiet"]
    found = CliRunner().invoke(app, [*asked, "--out", str(out)])
    assert found.exit_code == 0, found.output
    tables = json.loads(found.stdout)["tables"]
    outcomes = {row["who"]: row for row in tables["outcomes"]}
    worth = {who: row["social_welfare_usd_per_s"] for who, row in outcomes.items()}
    assert max(worth.values()) == worth["planner"]
    for who in ("published", "planner"):  # violations are few: simulated is near expected
        realised = outcomes[who]["realised_social_welfare_usd_per_s"]
        assert abs(realised / worth[who] - 1) < 0.05
    assert len(tables["certificates"]) == 3
