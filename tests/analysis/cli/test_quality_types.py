"""Two-dimensional types through the command line, to the report."""

import json
from pathlib import Path

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


def test_the_equilibrium_search_says_in_one_line_that_it_takes_one_quality() -> None:
    found = CliRunner().invoke(app, ["equilibrium", "quality_types", "--quiet"])
    assert found.exit_code != 0
    assert str(found.exception or "").startswith("users.quality_sensitivity_usd: the search") or (
        "users.quality_sensitivity_usd: the search" in found.output
    )
