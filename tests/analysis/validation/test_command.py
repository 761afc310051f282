import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from airan_market.analysis.cli.program import invoke
from airan_market.analysis.validation.stored import load_validation

ROOT = Path(__file__).parents[3]
PROGRAM = [sys.executable, "-c", "from airan_market.__main__ import main; main()"]
QUICK = ["--tasks", "2e4", "--replications", "4", "--paths", "64", "--points", "2",
         "--no-beyond", "--no-map"]  # fmt: skip


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("here", "sketched")
def test_it_leaves_a_directory_and_names_it_last(capsys):
    assert invoke(["validate", "bound_fails", "--seed", "3", *QUICK]) == 0
    out, err = capsys.readouterr()
    (line,) = out.splitlines()
    assert line.startswith("runs/validate-bound_fails-3-")
    done = load_validation(line, verify=True)
    assert (done.manifest.seed, done.manifest.status) == (3, "complete")
    assert (done.path / "report.html").is_file()
    assert {path.name for path in (done.path / "figures").iterdir()} == {
        f"{name}.{kind}" for name in ("tails-1", "decomposition") for kind in ("png", "svg")
    }
    assert done.manifest.settings["effort"]["paths"] == 64
    assert "1 of 3: edge site" in err
    assert "violated beyond doubt in 1" in err
    (done.path / "report.html").unlink()
    assert invoke(["report", line, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == done.summary
    page = (done.path / "report.html").read_text(encoding="utf-8")
    assert page.count("<figure") == 2
    assert all(verdict in page for verdict in done.verdicts["verdict"])
    # a second time it is refused, and nothing is computed
    assert invoke(["validate", "bound_fails", "--seed", "3", *QUICK]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[-1].endswith("allowed with --force, or another --out")


@pytest.mark.usefixtures("here", "sketched")
def test_json_is_all_there_is_and_short_options_are_settings(capsys):
    options = ["--json", "--quiet", "--out", "mine", "--belief", "fifo", "--mechanism", "ct"]
    settings = ["--set", "users.total=45"]
    assert invoke(["validate", "bound_fails", *QUICK, *options, *settings]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    summary = json.loads(out)
    assert summary == load_validation("mine").summary
    assert (summary["belief"], summary["mechanism"]) == ("fifo", "ct")
    assert load_validation("mine").scenario.users.total == 45


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["validate", "none"], "no such file"),
        (["validate", "bound_fails", "--tasks", "10"], "tasks = 10: must be at least 1000"),
        (["validate", "bound_fails", "--points", "0"], "points = 0: must be at least 1"),
        (["validate", "bound_fails", "--paths", "many"], "--paths"),
        (["validate", "bound_fails", "--tasks", "1e4", "--warmup", "9"], "warmup = 9.0: must be"),
        (["validate", "bound_fails", "--trace", "gone.csv"], "gone.csv"),
        (["validate", "bound_fails", "--set", "users.total=0"], "users.total"),
    ],
)
def test_bad_input_ends_in_one_line(arguments, says, capsys):
    assert invoke([*arguments, "--quiet"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    assert says in line
    assert not Path("runs").exists() or list(Path("runs").iterdir()) == []


def test_ctrl_c_before_anything_was_finished_leaves_nothing(here):
    process = subprocess.Popen(
        [*PROGRAM, "validate", "teleoperation", "--tasks", "1e8"], text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    waited_until = time.monotonic() + 60
    while not list(here.glob("runs/.*partial*")) and time.monotonic() < waited_until:
        time.sleep(0.05)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 3, err
    assert out == ""
    assert "nothing is kept" in err
    assert "Traceback" not in err
    assert list((here / "runs").iterdir()) == []
