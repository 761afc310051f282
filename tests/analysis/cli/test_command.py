import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from airan_market.analysis.cli.program import invoke
from airan_market.analysis.store.reader import load_run
from airan_market.scenarios import dump_toml

ROOT = Path(__file__).parents[3]
PROGRAM = [sys.executable, "-c", "from airan_market.__main__ import main; main()"]
SHORT = ["--rounds", "2", "--horizon", "0.5", "--set", "simulation.warmup_s=0.2"]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def fake(monkeypatch, fake_market):
    """Lets `run` play the fake market."""
    monkeypatch.setitem(
        sys.modules, "airan_market.agents.market.model", SimpleNamespace(Market=fake_market)
    )


@pytest.fixture
def toy_file(here, scenario):
    path = here / "toy.toml"
    path.write_text(dump_toml(scenario))
    return str(path)


def program(arguments, **options):
    return subprocess.Popen(
        PROGRAM + arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, **options,
    )  # fmt: skip


@pytest.mark.usefixtures("fake", "here", "sketched")
def test_run_prints_its_directory_last_and_progress_elsewhere(toy_file, capsys):
    assert invoke(["run", toy_file, "--seed", "3"]) == 0
    out, err = capsys.readouterr()
    (line,) = out.splitlines()
    run = load_run(line, verify=True)
    assert line.startswith("runs/toy-3-")
    assert run.manifest.seed == 3
    assert (Path(line) / "report.html").is_file()
    begins = [text[:12] for text in err.splitlines()[:4]]
    assert begins == ["about 5,040 ", "playing 4 ro", "round 1 of 4", "round 2 of 4"]
    assert "the market of this test has no queues" in err
    assert "missed the agreed latency" in err


@pytest.mark.usefixtures("fake", "undrawn")
@pytest.mark.parametrize(("missing", "command", "says"), [
    ("airan_market.sim.engines.kernel", ["run", "--engine", "compiled"], True),
    ("airan_market.sim.engines.kernel", ["run", "--engine", "simpy"], False),
    ("airan_market.sim.engines.kernel", ["solve"], False),
    ("airan_market.agents.belief.chernoff_design", ["solve"], True),
    ("airan_market.agents.belief.chernoff_design", ["solve", "--quiet"], False),
    ("airan_market.sim.theory.preemptive_kernel", ["solve", "--belief", "priority"], True),
    ("airan_market.sim.theory.preemptive_kernel", ["solve", "--belief", "fifo"], False),
    ("nothing", ["run", "--engine", "compiled"], False),
])  # fmt: skip
def test_the_first_compile_says_what_it_is_doing(
    toy_file, capsys, monkeypatch, missing, command, says
):
    monkeypatch.setattr(
        "airan_market.sim.machine_code.is_compiled", lambda module: module != missing
    )
    soon = ["--set", "mechanism.max_iterations=2"]
    assert invoke([command[0], toy_file, *command[1:], *soon]) == 0
    assert ("compiling for this machine" in capsys.readouterr().err) == says


@pytest.mark.usefixtures("fake", "undrawn")
def test_json_is_all_there_is_on_standard_output(toy_file, capsys):
    assert invoke(["run", toy_file, "--json", "--quiet", "--out", "mine"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out) == load_run("mine").summary
    assert err == ""


@pytest.mark.usefixtures("fake", "undrawn")
def test_short_options_are_settings(toy_file, capsys):
    arguments = ["--rounds", "2", "--horizon", "3", "--set", "users.total=30"]
    assert invoke(["run", toy_file, "--out", "mine", *arguments]) == 0
    scenario = load_run("mine").scenario
    assert (scenario.simulation.rounds, scenario.simulation.horizon_s) == (2, 3.0)
    assert scenario.users.total == 30


@pytest.mark.usefixtures("fake", "undrawn")
def test_a_complete_run_needs_force(toy_file, capsys):
    assert invoke(["run", toy_file]) == 0
    path = capsys.readouterr().out.strip()
    before = (Path(path) / "manifest.json").stat()
    assert invoke(["run", toy_file]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    assert line == f"{path}: a complete run is there; allowed with --force, or another --out"
    assert os.path.samestat((Path(path) / "manifest.json").stat(), before)
    assert invoke(["run", toy_file, "--force"]) == 0
    assert not os.path.samestat((Path(path) / "manifest.json").stat(), before)


FIVE_FAULTS = """
schema_version = 1
name = "faulty"
colour = "red"
[users]
total = 10
latency_sensitivity_usd_per_s = [3e-4, 2e-4, 1e-4]
shares = [0.5, 0.6]
tasks_per_user_per_s = -1.0
[task]
input_bits = nan
work_flop = 1e11
output_bits = 1e5
[economics]
service_value_usd = 7e-4
refund_usd = 1e-4
violation_cost_usd = 1e-3
running_cost_usd = 1e-5
[[operators]]
name = "a"
uplink = { servers = 48, rate_bps = 50e6 }
gpu = { servers = 24, rate_flop_per_s = 40e12 }
downlink = { servers = 194, rate_bps = 50e6 }
"""


@pytest.mark.parametrize("command", ["run", "solve"])
def test_five_faults_are_five_lines(here, capsys, command):
    (here / "faulty.toml").write_text(FIVE_FAULTS)
    assert invoke([command, "faulty.toml", "--json"]) == 2
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert out == ""
    assert len(lines) == 5
    assert all(line.startswith("faulty.toml: ") for line in lines)
    keys = sorted(line.split()[1].rstrip(":") for line in lines)
    assert keys == [
        "colour", "task.input_bits", "users.shares", "users.shares", "users.tasks_per_user_per_s"
    ]  # fmt: skip


WORK_OF_A_LOST_FILE = ["--set", "task.law={trace='gone.csv',format='azure-llm-2023'}"]


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([], "airan-market: Missing command. (see airan-market --help)"),
        (["fly"], "airan-market: No such command 'fly'. (see airan-market --help)"),
        (["run"], "airan-market run: Missing argument 'SCENARIO'. (see airan-market run --help)"),
        (["run", "teleoperation", "--spede", "3"], "airan-market run: No such option: --spede"),
        (["run", "teleoperation", "--seed", "x"], "airan-market run: Invalid value for '--seed'"),
        (["run", "teleoperation", "--seed", "-1"], "airan-market run: Invalid value for '--seed'"),
        (["run", "teleoperation", "--seed"], "airan-market: Option '--seed' requires an argument"),
        (["run", "teleoperation", "--rounds", "x"], '--rounds: simulation.rounds = "x": must be'),
        (["run", "teleoperation", "--rounds", ""], "--rounds: simulation.rounds"),
        (["run", "teleoperation", "--horizon", "-1"], "--horizon: simulation.horizon_s = -1: must"),
        (["run", "teleoperation", "--belief", "hope"], '--belief: mechanism.belief = "hope": must'),
        (["solve", "teleoperation", "--mechanism", "x"], '--mechanism: mechanism.name = "x": must'),
        (["run", "teleoperation", "--set", "users.total=0"], "--set: users.total = 0: must be"),
        (["run", "teleoperation", "--set", "a"], "--set: a: must be written dotted.key=value"),
        (
            ["run", "teleoperation", "--set", "users.whole_users=false"],
            "teleoperation: users.whole",
        ),
        (["run", "teleoperation", *WORK_OF_A_LOST_FILE], "gone.csv: No such file"),
        (
            ["solve", "teleoperation", "--belief", "measured", *WORK_OF_A_LOST_FILE],
            "gone.csv: No such file",
        ),
        (["run", "llm_replay", "--set", "simulation.arrivals.trace=gone.csv"], "gone.csv"),
        (["run", "nowhere.toml"], "nowhere.toml: no such file"),
        (["report", "nowhere"], "nowhere: no such directory"),
        (["report", "."], ".: not a directory of ours"),
    ],
)
def test_bad_input_is_one_line_and_status_2(arguments, line, capsys, here):
    assert invoke(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    (told,) = err.splitlines()
    assert told.startswith(line)
    assert list(here.rglob("*.parquet")) == []


@pytest.mark.usefixtures("fake")
@pytest.mark.parametrize("debug", [False, True])
def test_an_unexpected_error_is_one_line_unless_debugged(
    toy_file, capsys, monkeypatch, fake_market, debug
):
    def fail(self):
        raise ZeroDivisionError("two\nlines")

    monkeypatch.setattr(fake_market, "step", fail)
    assert invoke(["run", toy_file, "--quiet", *(["--debug"] if debug else [])]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[0].startswith("airan-market: ZeroDivisionError: two lines")
    assert ("Traceback" in err) == debug
    assert debug or len(err.splitlines()) == 1


@pytest.mark.usefixtures("fake")
def test_a_run_that_fails_half_way_says_what_is_kept(toy_file, capsys, monkeypatch, fake_market):
    def fail(self, number):
        if number == 3:
            raise ZeroDivisionError("no capacity")

    monkeypatch.setattr(fake_market, "simulate", fail)
    assert invoke(["run", toy_file, "--out", "mine", "--quiet"]) == 1
    out, err = capsys.readouterr()
    assert out == "mine\n"
    (line,) = err.splitlines()
    kept = "finished rounds: 2, kept in mine; the same command goes on from there"
    assert line == f"airan-market: ZeroDivisionError: no capacity ({kept})"


@pytest.mark.usefixtures("fake")
def test_drawing_that_fails_keeps_the_run(toy_file, capsys, monkeypatch):
    def fail(*_):
        raise RuntimeError("no ink")

    monkeypatch.setattr("airan_market.analysis.play.draw", fail)
    assert invoke(["run", toy_file, "--out", "mine", "--quiet"]) == 1
    assert "RuntimeError: no ink (all tables are kept in mine)" in capsys.readouterr().err
    load_run("mine", verify=True)


@pytest.mark.usefixtures("fake")
def test_interrupted_before_anything_is_kept(toy_file, here, capsys, monkeypatch, fake_market):
    def interrupted(self):
        raise KeyboardInterrupt

    monkeypatch.setattr(fake_market, "step", interrupted)
    assert invoke(["run", toy_file]) == 3
    assert "nothing is kept" in capsys.readouterr().err
    assert list(here.rglob("*.parquet")) == []


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_keeps_what_was_finished(here, by):
    """The program itself, the real market, a real signal after the second round."""
    process = program(
        ["run", "teleoperation", "--rounds", "1000", "--horizon", "0.2", "--out", "mine"], cwd=here
    )
    for line in process.stderr:
        if line.startswith("round 2 "):
            break
    process.send_signal(by)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 3, err
    assert out == "mine\n"
    assert "interrupted; finished rounds: " in err
    assert (
        ", kept in mine; the same command goes on from there; `airan-market report mine` draws them"
        in err
    )
    assert "Traceback" not in err
    run = load_run(here / "mine", verify=True)
    assert run.manifest.status == "interrupted"
    counted = run.tally[run.tally["round"] > 0]
    assert counted["tasks"].sum() == run.rounds["tasks"].sum()
    assert counted["violations"].sum() == run.rounds["violations"].sum()
    assert counted["price_usd"].sum() == pytest.approx(run.rounds["revenue_usd"].sum(), rel=1e-12)


def test_a_reader_that_goes_away_is_no_traceback(here):
    soon = ["--set", "mechanism.max_iterations=2"]
    process = program(["solve", "teleoperation", "--json", *soon], cwd=here)
    with process:
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 1


@pytest.mark.parametrize("command", [["--help"], ["run", "--help"]])
def test_a_reader_of_the_help_that_goes_away_is_no_traceback(here, command):
    process = program(command, cwd=here)
    with process:
        process.stdout.close()
        assert process.stderr.read() == ""


@pytest.mark.usefixtures("sketched")
def test_report_draws_an_interrupted_run(here, capsys, monkeypatch, toy_file, fake_market):
    from airan_market.analysis.play import play

    def interrupted(self, number):
        if number == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(fake_market, "simulate", interrupted)
    from airan_market.scenarios import load_scenario

    play(load_scenario(toy_file), out=Path("mine"), make_market=fake_market)
    assert not Path("mine/report.html").exists()
    assert invoke(["report", "mine"]) == 0
    assert capsys.readouterr().out == "mine/report.html\n"
    assert "This run is interrupted" in Path("mine/report.html").read_text()
    assert len(list(Path("mine/figures").glob("*.png"))) == 4
    assert load_run("mine").manifest.status == "interrupted"


def test_report_refuses_a_changed_table(here, capsys, finished):
    import shutil

    shutil.copytree(finished, "copy")
    with Path("copy/rounds.parquet").open("r+b") as file:
        file.seek(100)
        file.write(b"x")
    assert invoke(["report", "copy"]) == 2
    assert "rounds.parquet: SHA-256 differs from the manifest" in capsys.readouterr().err


def test_scenarios_are_listed_a_line_each(capsys):
    from airan_market.scenarios import shipped_scenarios

    assert invoke(["scenarios"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(shipped_scenarios())
    assert invoke(["scenarios", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == shipped_scenarios()


def test_version_is_that_of_the_package(capsys):
    from importlib.metadata import version

    assert invoke(["--version"]) == 0
    assert capsys.readouterr().out == f"airan-market {version('airan-market')}\n"


def test_solve_prints_the_fields_of_the_interface(capsys):
    assert invoke(["solve", "teleoperation", "--json", "--set", "mechanism.max_iterations=5"]) == 0
    outcome = json.loads(capsys.readouterr().out)
    assert set(outcome) == {
        "mechanism", "operators", "match_probability", "opt_out_probability", "matching",
        "operator_utility_usd_per_s", "social_welfare_usd_per_s", "iterations", "converged",
        "certificates",
    }  # fmt: skip
    assert outcome["iterations"] == 5


def test_solve_prints_a_table_for_people(capsys):
    assert invoke(["solve", "teleoperation", "--set", "mechanism.max_iterations=5"]) == 0
    text = capsys.readouterr().out
    assert "not converged after 5 iterations" in text
    assert text.count("operator 1 ") >= 1
    rows = [line.split() for line in text.splitlines()]
    assert sum(row[-1:] != [] and row[0] in set("12345678") for row in rows if row) >= 8
    assert max(len(line) for line in text.splitlines() if not line.startswith("- ")) <= 100


def test_ctrl_c_inside_machine_code_is_ctrl_c(capsys, monkeypatch):
    def interrupted(*arguments, **settings):
        raise SystemError("a result with an exception set") from KeyboardInterrupt()

    monkeypatch.setattr("airan_market.agents.solution.solver.solve", interrupted)
    assert invoke(["solve", "teleoperation", "--quiet"]) == 3
    assert capsys.readouterr().err == "interrupted\n"


@pytest.mark.usefixtures("undrawn")
def test_run_of_the_real_market_is_reproducible_to_the_byte(here, capsys):
    for name in ("a", "b"):
        assert invoke(["run", "teleoperation", "--seed", "1", "--out", name, "-q", *SHORT]) == 0
    for table in ("tasks", "rounds", "market", "operators"):
        first, again = (Path(name, f"{table}.parquet").read_bytes() for name in ("a", "b"))
        assert first == again
    stored = ["run", "a/scenario.toml", "--seed", "1", "--out", "c", "-q"]
    assert invoke(stored) == 0
    assert Path("c/tasks.parquet").read_bytes() == Path("a/tasks.parquet").read_bytes()
    assert invoke(["run", "teleoperation", "--seed", "2", "--out", "d", "-q", *SHORT]) == 0
    assert Path("d/tasks.parquet").read_bytes() != Path("a/tasks.parquet").read_bytes()


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "teleoperation", "--quiet", "--out", "{file}/run"],
        ["reproduce", "--only", "table1", "--quiet", "--out", "{file}"],
        ["validate", "bound_fails", "--quiet", "--out", "{file}/validation"],
    ],
)
def test_a_place_that_cannot_be_written_is_one_line(tmp_path, capsys, arguments):
    file = tmp_path / "a file"
    file.write_text("kept")
    assert invoke([word.format(file=file) for word in arguments]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert str(file) in told
    assert file.read_text() == "kept"


def test_faults_that_show_only_in_use_name_the_file(tmp_path, capsys):
    file = tmp_path / "services.toml"
    services = "".join(
        f'[[pact.services]]\nname = "{name}"\nquality = {quality}\ncost_usd = {cost}\n'
        for name, quality, cost in (("a", 0.4, 0.5), ("b", 0.9, 0.1))
    )
    file.write_text(f'name = "mine"\n[pact]\ntypes = [1, 2]\n{services}')
    assert invoke(["pact", str(file), "--quiet", "--out", str(tmp_path / "out")]) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"{file}: pact.services[2].cost_usd = 0.1: ")
    assert told.count("\n") == 1
