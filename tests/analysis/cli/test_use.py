"""`--use` and entry points: a name of others' is as good as one of ours.

What a process decides, where modules are looked for and what they find, is seen in real ones.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from types import SimpleNamespace

import pandas as pd
import pytest

from airan_market.analysis.cli.program import invoke
from airan_market.analysis.exits import BAD_INPUT, DONE, FAILED
from airan_market.scenarios import registry

COMMAND = Path(sys.executable).with_name("airan-market")
SHORT = ["--rounds=1", "--horizon=0.3", "--set=simulation.warmup_s=0.1"]
MINE = """
import numpy as np
from airan_market import belief_from_tail, register_belief, register_mechanism
from airan_market.agents.mechanism import assumed_menus, indicator, redesigned


@register_mechanism("cheapest")
def agree(primitives):
    cheapest = assumed_menus(primitives)[1].price_usd.argmin(axis=0)
    return redesigned(primitives, indicator(cheapest, primitives.operators))


@register_mechanism("lists")
def lists(primitives):
    return [1.0]


@register_mechanism("broken")
def broken(primitives):
    return primitives.no_such_thing


@register_belief("hopeful")
@belief_from_tail
def hopeful(latency_s, servers, service_rate_per_s, load_per_s):
    spare = (servers * service_rate_per_s).min(axis=-1) - load_per_s
    return np.exp(-spare * latency_s)
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A working directory with a module, and one with an installed distribution."""
    place = tmp_path_factory.mktemp("place")
    (place / "mine.py").write_text(MINE)
    (place / "taken.py").write_text(
        "from airan_market import register_mechanism\n"
        "register_mechanism('mixed')(lambda primitives: None)\n"
    )
    (place / "idle.py").write_text("")
    (place / "failing.py").write_text("import no_such_module_at_all\n")
    (place / "numpy.py").write_text("raise SystemExit('a file took the place of a package')\n")
    site = place / "site"
    info = site / "somebodys_market-1.2.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: somebodys-market\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(
        dedent(
            """
            [airan_market.mechanisms]
            offered = somebodys_market:agree
            spoiled = somebodys_spoiled:agree
            [airan_market.beliefs]
            offered = somebodys_market:believe
            """
        )
    )
    code = MINE.replace("@register_mechanism", "#").replace("@register_belief", "#")
    (site / "somebodys_market.py").write_text(code + "\n\nbelieve = hopeful\n")
    (site / "somebodys_spoiled.py").write_text("import no_such_module_at_all\n")
    return place


def process(place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The program itself, in its working directory."""
    return subprocess.run(
        [str(COMMAND), *arguments],
        cwd=place,
        env=os.environ | {"PYTHONPATH": str(place / "site")},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def play(place: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., SimpleNamespace]:
    """Calls the program as if it began anew: nothing used or registered, nothing of `place`."""

    def played(*arguments: str) -> SimpleNamespace:
        registries = registry.MECHANISMS, registry.BELIEFS, registry.DISCIPLINES
        kept, known = set(sys.modules), [dict(one._found) for one in registries]
        with pytest.MonkeyPatch.context() as here:
            here.chdir(place)
            here.setattr(sys, "path", [*sys.path, str(place / "site")])
            here.setattr(registry, "_used", [])
            for one in registries:
                here.setattr(one, "_found", {})
            status = invoke(arguments)
        for name in sys.modules.keys() - kept:
            if str(place) in str(getattr(sys.modules[name], "__file__", "")):
                del sys.modules[name]
        assert known == [one._found for one in registries]
        out, err = capsys.readouterr()
        return SimpleNamespace(returncode=status, stdout=out, stderr=err)

    return played


@pytest.mark.parametrize(
    "chosen",
    [
        ["--use", "mine", "--mechanism", "cheapest", "--belief", "hopeful"],
        ["--set=mechanism.name=offered", "--belief", "offered"],
    ],
)
def test_it_is_solved_with_certificates(place: Path, chosen: list[str]) -> None:
    """In a process, from whose working directory no module may take the place of another."""
    done = process(place, "solve", "teleoperation", "--json", "--quiet", *chosen)
    assert (done.returncode, done.stderr) == (DONE, "")
    fields = json.loads(done.stdout)
    assert fields["mechanism"] in ("cheapest", "offered")
    assert fields["certificates"]["max_ic_violation"] < 1e-15
    assert len(fields["certificates"]["best_deviation_gain_usd_per_s"]) == 3
    assert set(fields["matching"]) <= {1, 2, 3}


@pytest.mark.usefixtures("sketched")
def test_it_is_played_drawn_and_validated(place: Path, play) -> None:
    options = ["--use", "mine", "--mechanism", "cheapest", "--belief", "hopeful", "--quiet"]
    done = play("run", "teleoperation", *options, *SHORT, "--out", "played")
    assert (done.returncode, done.stderr) == (DONE, "")
    assert (place / "played" / "report.html").is_file()
    assert list((place / "played" / "figures").glob("*.png"))
    rounds = pd.read_parquet(place / "played" / "rounds.parquet")
    assert rounds["violation_belief"].between(0, 1).all()
    again = play("run", "played/scenario.toml", *SHORT, "--out", "again")
    assert again.returncode == BAD_INPUT  # the file names it, and cannot say where it is
    assert 'mechanism.name = "cheapest": must be one of "mixed", "ct"' in again.stderr
    assert play("report", "played", "--quiet").returncode == DONE
    effort = ["--tasks=2e3", "--replications=4", "--paths=100", "--points=3", "--warmup=0.1"]
    light = [*effort, "--no-beyond", "--no-map", "--out", "validated"]
    done = play("validate", "bound_fails", *options, *light)
    assert (done.returncode, done.stderr) == (DONE, "")
    summary = json.loads((place / "validated" / "summary.json").read_text())
    assert (summary["mechanism"], summary["belief"]) == ("cheapest", "hopeful")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--mechanism", "cheapest"], '--mechanism: mechanism.name = "cheapest": must be one of '
         '"mixed", "ct", "mc", "gsmc", "offered", "spoiled", or a registered name (--use)'),
        (["--use", "mine", "--set", "mechanism.name=cheapst"],
         '(--use); did you mean "cheapest"?'),
        (["--use", "mine", "--mechanism", "lists"], "mechanism 'lists': returned list, must"),
        (["--use", "gone"], "--use gone: ModuleNotFoundError: No module named 'gone'"),
        (["--use", "./mine.py"], "--use ./mine.py: must be a module as in `import package."),
        (["--use", "failing"], "--use failing: ModuleNotFoundError: No module named 'no_such"),
        (["--use", "taken"], "--use taken: RegistryError: mechanism 'mixed': the name is taken by"),
        (["--use", "idle"], "--use idle: registers no mechanism, no belief and no disci"),
        (["--mechanism", "spoiled"], "mechanism 'spoiled' of somebodys-market 1.2, "
         "somebodys_spoiled:agree: ModuleNotFoundError: No module named"),
    ],
)  # fmt: skip
def test_what_cannot_be_had_is_one_line_and_status_2(play, arguments, said) -> None:
    done = play("solve", "teleoperation", "--quiet", *arguments)
    assert (done.returncode, done.stdout) == (BAD_INPUT, ""), done.stderr
    (line,) = done.stderr.splitlines()
    assert said in line


def test_what_the_code_of_others_raises_keeps_its_type(play) -> None:
    wrong = ["solve", "teleoperation", "--use", "mine", "--mechanism", "broken"]
    plain, open_ = play(*wrong), play(*wrong, "--debug")
    assert (plain.returncode, open_.returncode) == (FAILED, FAILED)
    assert plain.stderr.startswith("airan-market: AttributeError: ")
    assert plain.stderr.count("\n") == 1
    assert 'mine.py", line' in open_.stderr


def test_debug_shows_where_a_module_fails(play) -> None:
    done = play("solve", "teleoperation", "--use", "failing", "--debug")
    assert done.returncode == BAD_INPUT
    assert 'failing.py", line 1' in done.stderr


def test_a_broken_package_does_not_disturb_those_who_do_not_use_it(play) -> None:
    done = play("solve", "teleoperation", "--mechanism", "ct", "--json", "--quiet")
    assert (done.returncode, done.stderr) == (DONE, "")
    assert json.loads(done.stdout)["mechanism"] == "ct"


def test_worker_processes_know_what_was_used(place: Path) -> None:
    program = """
        import sys
        from airan_market import load_scenario, use
        from airan_market.analysis.store.cell_store import pool

        if __name__ == "__main__":
            known = load_scenario, "teleoperation", ["mechanism.name=cheapest"]
            if "use" in sys.argv:
                use("mine")
            with pool(1) as processes:
                print(processes.submit(*known).result().mechanism.name)
    """
    script = place / "script.py"
    script.write_text(dedent(program))
    for argument, status in (("use", 0), ("nothing", 1)):  # the second is the control
        done = subprocess.run(
            [sys.executable, "-P", str(script), argument], cwd=place, capture_output=True, text=True
        )
        assert done.returncode == status, done.stderr
    assert "must be one of" in done.stderr
