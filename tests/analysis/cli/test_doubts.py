"""What can hardly be meant is told once, on standard error; what cannot be played ends with 2."""

import pytest

from airan_market.analysis.cli.program import invoke

SLOW = ["--set", "operators[1].gpu.rate_flop_per_s=40"]


@pytest.mark.usefixtures("sketched")
@pytest.mark.parametrize("command", ["solve", "run"])
def test_a_doubt_is_told_once(command, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    short = ["--rounds", "1", "--horizon", "0.1"] if command == "run" else []
    assert invoke([command, "teleoperation", *SLOW, *short]) == 0
    shown = capsys.readouterr()
    lines = [line for line in shown.err.splitlines() if line.startswith("warning: ")]
    assert len(lines) == 1
    assert "operators[1].gpu.rate_flop_per_s = 40: in FLOP/s" in lines[0]
    assert "warning" not in shown.out


def test_quiet_is_quiet(capsys) -> None:
    assert invoke(["solve", "teleoperation", *SLOW, "--quiet"]) == 0
    assert capsys.readouterr().err == ""


def test_a_round_that_no_machine_holds_is_refused(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert invoke(["run", "teleoperation", "--horizon", "1e9"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("teleoperation: simulation.horizon_s = 1000000000.0: 3.6e+12 tasks at a")
    assert line.endswith("did you mean 1000 (1e+09 µs)?")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
