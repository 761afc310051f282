"""The wheel holds the package and nothing else, and works beside another owner of `agents`."""

import json
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path

import airan_market

ROOT = Path(__file__).resolve().parents[2]
FLOORS = ("scenarios", "sim", "agents", "analysis")
SHIPPED = {".py", ".pyi", ".toml", ".j2", ".typed"}
#: Short, and no machine code is made: that takes seconds, and `test_interpreters` waits for it.
SOON = ["mechanism.belief=chernoff-optimised", "mechanism.max_iterations=5"]
QUICK = [*SOON, "simulation.engine=simpy", "simulation.rounds=1", "simulation.horizon_s=0.1",
         "simulation.warmup_s=0.1"]  # fmt: skip

CELL = f"""
import airan_market, agents
from airan_market import Market, load_scenario, solve
scenario = load_scenario("teleoperation", {QUICK})
outcome = solve(scenario)
tables = Market(scenario, seed=1).run()
print(agents.OWNER, airan_market.__file__, outcome.menu.latency_s.size, len(tables.rounds))
"""


def in_checkout() -> dict[str, bytes]:
    """Content of every file that a user needs, by its name in the package."""
    places = {f"airan_market/{floor}": ROOT / floor for floor in FLOORS}
    return {
        f"{name}/{path.relative_to(folder).as_posix()}": path.read_bytes()
        for name, folder in (places | {"airan_market": ROOT / "airan_market"}).items()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_every_kind_of_file_in_the_folders_is_known() -> None:
    assert {Path(name).suffix for name in in_checkout()} == SHIPPED


def test_the_wheel_holds_the_package_and_nothing_else(built) -> None:
    with zipfile.ZipFile(built.wheel) as wheel:
        content = {name: wheel.read(name) for name in wheel.namelist()}
    about = f"airan_market-{airan_market.__version__}.dist-info/"
    said = Parser().parsestr(content[f"{about}METADATA"].decode())
    assert (said["Version"], said["License-Expression"]) == (airan_market.__version__, "MIT")
    assert f"{about}licenses/LICENSE" in content
    assert {k: v for k, v in content.items() if not k.startswith(about)} == in_checkout()


def test_the_source_distribution_holds_no_tests(built) -> None:
    with tarfile.open(built.sdist) as sdist:
        names = [name.partition("/")[2] for name in sdist.getnames()]
    assert [name for name in names if name.startswith("tests")] == []
    assert {"LICENSE", "setup.py", "airan_market/py.typed"} <= set(names)


def test_the_command_runs_from_elsewhere(installed) -> None:
    version = installed.run("airan-market", "--version")
    assert version.stdout == f"airan-market {airan_market.__version__}\n", version.stderr
    settings = [word for setting in QUICK for word in ("--set", setting)]
    run = installed.run("python", "-m", "airan_market", "run", "teleoperation", *settings)
    assert run.returncode == 0, run.stderr
    report = installed.folder / "elsewhere" / run.stdout.splitlines()[-1] / "report.html"
    assert report.is_file()


def test_a_notebook_cell_runs_and_agents_is_the_other_one(installed) -> None:
    cell = installed.run("python", "-m", "IPython", "--no-banner", "-c", CELL)
    assert cell.returncode == 0, cell.stdout + cell.stderr
    owner, path, items, rows = cell.stdout.rsplit(maxsplit=3)
    assert (owner, items, rows) == ("somebody else", "24", "24")
    assert Path(path).is_relative_to(installed.folder)


def test_a_mechanism_of_another_installed_package_is_found_by_its_name(installed) -> None:
    settings = [word for setting in SOON for word in ("--set", setting)]
    words = ["solve", "teleoperation", "--json", *settings, "--mechanism"]
    code = f"""
from airan_market.analysis.cli.program import invoke
print([invoke([*{words}, name]) for name in ("borrowed", "ct", "borowed")])
"""
    done = installed.run("python", "-c", code)
    *found, statuses = done.stdout.splitlines()
    assert statuses == "[0, 0, 2]", done.stderr
    borrowed, ours = json.loads(f"[{''.join(found).replace('}{', '},{')}]")
    assert borrowed == ours | {"mechanism": "borrowed"}
    assert 'did you mean "borrowed"?' in done.stderr
