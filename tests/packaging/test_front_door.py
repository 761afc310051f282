"""The front door: every name opens, opening it imports nothing heavy, and its types are strict."""

import subprocess
import sys
from pathlib import Path

import pytest

import airan_market

ROOT = Path(__file__).resolve().parents[2]
HEAVY = {"numpy", "pandas", "scipy", "mesa", "simpy", "numba", "matplotlib", "pydantic", "typer"}

#: What a user might write in an afternoon.
SCRIPT = """
import numpy as np
from airan_market import Market, Outcome, Scenario, Station, Tables, UserAgent
from airan_market import Workload, load_run, load_scenario, simulate, solve, validate

class Patient(UserAgent): ...
class Mine(Station): ...

scenario: Scenario = load_scenario("teleoperation", ["simulation.rounds=1"])
outcome: Outcome = solve(scenario, seed=1)
tables: Tables = Market(scenario, seed=1, user_class=Patient).run()
none = np.zeros(1, dtype=np.int64)
work = Workload(none, np.array([0.0]), none, none, none, service_s=np.array([[1.0, 2.0, 3.0]]))
trace, _ = simulate(work, [[1, 1, 1]], until_s=9.0, station=Mine)
latency_s: float = trace.latency_s.sum() + outcome.menu.latency_s.max()
print(load_run("runs/one").rounds, validate(scenario).approximations, tables.rounds, latency_s)
"""
#: Mistakes in it, and what is said of each.
MISTAKES = {
    'seed=1': ('seed="one"', 'Argument "seed" to "solve" has incompatible type "str"'),
    "outcome: Outcome": ("outcome: Scenario", "Incompatible types in assignment"),
    "trace.latency_s": ("trace.latency_ms", 'has no attribute "latency_ms"'),
}  # fmt: skip


def loaded_by(statement: str) -> set[str]:
    """Modules that a statement loads in a fresh interpreter."""
    code = f"import sys; before = set(sys.modules); {statement}; print(*set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_every_name_opens_and_says_what_it_is() -> None:
    opened = {name: getattr(airan_market, name) for name in airan_market.__all__}
    assert [name for name, value in opened.items() if not value.__doc__] == []
    assert set(airan_market.__all__) <= set(dir(airan_market))
    with pytest.raises(AttributeError, match="solved"):
        airan_market.solved  # noqa: B018 - reading it is the test


def test_the_door_by_itself_loads_nothing_heavy() -> None:
    assert loaded_by("import airan_market") & HEAVY == set()
    assert loaded_by("from airan_market import simulate") & {"mesa", "matplotlib", "typer"} == set()
    assert "importlib.metadata" not in loaded_by("import airan_market.analysis.cli.program")
    assert {"mesa", "pandas"} <= loaded_by("from airan_market import Market")


def test_stubs_can_be_read_in_any_locale() -> None:
    stubs = [path for path in ROOT.glob("*/**/*.pyi") if ".venv" not in path.parts]
    assert [path for path in stubs if not path.read_bytes().isascii()] == []


def test_types_of_the_installed_package_are_strict(installed) -> None:
    """One run of mypy for the script as it is and with each mistake."""
    folder = installed.folder / "scripts"
    folder.mkdir()
    (folder / "right.py").write_text(SCRIPT)
    for number, (right, (wrong, _)) in enumerate(MISTAKES.items()):
        assert right in SCRIPT
        (folder / f"wrong_{number}.py").write_text(SCRIPT.replace(right, wrong, 1))
    cache = ROOT / ".mypy_cache" / "installed"
    done = installed.run("python", "-m", "mypy", "--strict", f"--cache-dir={cache}", folder)
    said = done.stdout.splitlines()
    assert [line for line in said if "right.py" in line] == []
    for number, (_, words) in enumerate(MISTAKES.values()):
        assert any(f"wrong_{number}.py" in line and words in line for line in said), said
