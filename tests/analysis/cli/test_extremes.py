"""Numbers that no machine computes with, files without end, texts that a terminal would obey."""

import json
import os
import subprocess
import sys
import time

import pytest

from airan_market.analysis.cli.program import invoke
from airan_market.analysis.exits import emit, say
from airan_market.analysis.store.durable import json_text

SIZE = "of a size from 1e-30 to 1e+30"
HUGE_SEED = str(2**128)


@pytest.fixture
def told(capsys, tmp_path, monkeypatch):
    """The lines of a refusal, which leaves nothing behind."""
    monkeypatch.chdir(tmp_path)

    def files():
        return [path for path in sorted(tmp_path.rglob("*")) if path.is_file()]

    def lines(arguments):
        before = files()
        assert invoke(arguments) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert files() == before
        assert all(line.isprintable() for line in err.splitlines())
        return err.splitlines()

    return lines


@pytest.mark.parametrize("value", ["1e-300", "5e-324", "1e31", "1e308", "-1e308"])
@pytest.mark.parametrize(("command", "key"), [
    (["solve", "teleoperation"], "users.tasks_per_user_per_s"),
    (["run", "teleoperation"], "operators[1].gpu.rate_flop_per_s"),
    (["validate", "teleoperation"], "task.input_bits"),
    (["calibrate"], "economics.violation_cost_usd"),
    (["questions"], "mechanism.participation_margin_usd"),
    (["pact", "pact"], "pact.valuation.scale"),
    (["run", "pact"], "pact.services[1].liability_usd"),
])  # fmt: skip
def test_a_number_beyond_all_sizes(command, key, value, told):
    (line,) = told([*command, "--set", f"{key}={value}"])
    assert line.startswith(f"--set: {key} = {value[:2]}")
    assert line.endswith(SIZE)


def test_a_share_may_be_as_small_as_a_double(capsys):
    shares = ["--set", "users.shares=[0.125,0.125,0.125,0.125,0.125,0.125,0.25,1e-300]"]
    short = ["--set", "mechanism.max_iterations=3", "-q"]
    assert invoke(["solve", "teleoperation", *shares, *short]) == 0


@pytest.mark.parametrize("command", [
    ["solve", "teleoperation"], ["run", "teleoperation"], ["run", "pact"],
    ["validate", "teleoperation"],
])  # fmt: skip
@pytest.mark.parametrize("seed", [HUGE_SEED, "1" * 400, "1" * 5000, "-1", "1e3", "nan"])
def test_a_seed_is_refused_by_every_command_alike(command, seed, told):
    (line,) = told([*command, "--seed", seed])
    assert line.startswith(f"airan-market {command[0]}: Invalid value for '--seed'")


def test_the_greatest_seed_is_taken(capsys):
    short = ["--set", "mechanism.max_iterations=3", "--set", "users.dirichlet_alpha=1", "-q"]
    assert invoke(["solve", "teleoperation", "--seed", str(2**128 - 1), *short]) == 0


@pytest.mark.parametrize("words", [
    ["validate", "teleoperation", "--replications"], ["validate", "teleoperation", "--paths"],
    ["validate", "teleoperation", "--points"], ["validate", "teleoperation", "--tasks"],
    ["reproduce", "--draws"], ["questions", "--draws"], ["questions", "--replications"],
    ["calibrate", "--workers"], ["run", "teleoperation", "--rounds"],
    ["run", "teleoperation", "--horizon"], ["run", "pact", "--horizon"],
])  # fmt: skip
def test_options_of_sixty_digits(words, told):
    (line,) = told([*words, "9" * 60])
    assert words[-1].lstrip("-") in line


@pytest.mark.parametrize(("source", "settings", "key"), [
    ("teleoperation", ["simulation.warmup_s=1e6", "simulation.horizon_s=1e-9"], "horizon_s"),
    ("pact", ["simulation.warmup_s=1e6", "simulation.horizon_s=1e-9"], "horizon_s"),
    ("teleoperation", ["simulation.horizon_s=1e16", "users.tasks_per_user_per_s=1e-20"], "horiz"),
    ("pact", ["simulation.warmup_s=1e18", "traffic.requests_per_user_per_s=1e-20"], "warmup_s"),
    ("teleoperation", ["users.total=10000000"], "users.total = 10000000: each is an agent"),
    ("pact", ["traffic.users=10000000"], "traffic.users = 10000000: each is an agent"),
])  # fmt: skip
def test_a_run_that_no_clock_and_no_machine_can_play(source, settings, key, told):
    words = [word for setting in settings for word in ("--set", setting)]
    (line,) = told(["run", source, *words, "-q"])
    assert key in line


def test_ten_million_users_are_solved(capsys):
    short = ["--set", "users.total=10000000", "--set", "mechanism.max_iterations=3", "-q"]
    assert invoke(["solve", "teleoperation", *short]) == 0


@pytest.mark.parametrize("text", [
    "9" * 310 + "*q", "sqrt(q)+" + "1" * 450, "0x" + "f" * 400 + "*q", "1e400*q", "1e31*sqrt(q)",
    "1e30*1e30*log1p(q)",
])  # fmt: skip
def test_an_expression_with_a_number_beyond_all_sizes(text, told):
    written = f"pact.valuation.expression={text}"
    (line,) = told(["pact", "pact", "--set", "pact.valuation.form=expression", "--set", written])
    assert line.startswith("pact: pact.valuation.expression = ")
    assert "up to 1e+30" in line or "at most 1e+30" in line


def test_a_hundred_thousand_bad_rows_are_counted(told, tmp_path):
    rows = "2023-11-16 18:17:03.9799600,\x1b]0;mine\x07,10\n" * 100_000
    (tmp_path / "bad.csv").write_text(f"TIMESTAMP,ContextTokens,GeneratedTokens\n{rows}")
    begun_s = time.monotonic()
    lines = told(["run", "llm_replay", "--set", "simulation.arrivals.trace=bad.csv", "-q"])
    assert len(lines) == 21
    assert lines[0].startswith(r"bad.csv:2: ContextTokens = \x1b]0;mine\x07: allowed")
    assert lines[-1] == "... and 99980 more"
    assert time.monotonic() - begun_s < 20


def test_many_faults_of_a_scenario_are_counted(told):
    many = f"users.latency_sensitivity_usd_per_s=[{'-1,' * 30}-1]"
    lines = told(["solve", "teleoperation", "--set", many])
    assert (len(lines), lines[-1]) == (21, "... and 11 more")


def test_files_without_end(told, tmp_path):
    assert told(["solve", "/dev/zero"]) == ["/dev/zero: is longer than 10000000 bytes"]
    (tmp_path / "line.csv").write_text("TIMESTAMP," + "x" * 2_000_000)
    (line,) = told(["run", "llm_replay", "--set", "simulation.arrivals.trace=line.csv", "-q"])
    assert line == "line.csv: a line is longer than 1000000 characters"


@pytest.mark.parametrize("text", ["\x1b]0;mine\x07", "a\u202eb", "\udcff", "a\x9bb", "\x00"])
def test_what_a_terminal_would_obey_is_escaped(text, capsys):
    for tell in (say, emit):
        tell(f"before\n{text}")
        told = "".join(capsys.readouterr())
        assert told.startswith("before\n")
        assert told.replace("\n", "").isprintable()


def test_json_has_null_where_there_is_no_finite_number():
    numbers = {"a": [float("nan"), 1.0], "b": {"c": float("-inf")}, "d": "NaN"}
    assert json.loads(json_text(numbers), parse_constant=pytest.fail) == {
        "a": [None, 1.0], "b": {"c": None}, "d": "NaN"
    }  # fmt: skip
    assert json.loads(json_text({"a": 0.1 + 0.2})) == {"a": 0.1 + 0.2}


WARNS = """
import warnings
from airan_market import __main__
from airan_market.analysis.cli import program
def invoke(words):
    warnings.warn("of a library", RuntimeWarning)
    print("\\u03b1")
    return 0
program.invoke = invoke
__main__.main()
"""


@pytest.mark.parametrize(("words", "shown"), [([], False), (["--debug"], True)])
def test_warnings_of_libraries_are_for_those_who_debug(words, shown):
    ascii_only = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([sys.executable, "-c", WARNS, *words], env=ascii_only, check=False,
                          capture_output=True, text=True)  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "\\u03b1\n")
    assert ("RuntimeWarning" in done.stderr) == shown
    assert shown or done.stderr == ""
