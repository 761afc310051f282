"""A plain `pip install` of the wheel, without the constraints, on every Python that it names.

And with the lowest versions that it says it runs with. That is the two ends of Mesa's range too:
Python 3.11 has 3.3 alone, later ones get the newest.
"""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from airan_market import load_scenario, solve

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PYTHONS = [line.split()[-1] for line in PROJECT["classifiers"] if "Python :: 3." in line]
SETTINGS = ["simulation.rounds=1", "simulation.horizon_s=0.5", "simulation.warmup_s=0.1"]
DOOR = f"""
from airan_market import Market, load_scenario
scenario = load_scenario("teleoperation", {SETTINGS})
print(len(Market(scenario, seed=1).run().rounds))
"""


def interpreter(version: str) -> str:
    """Path of a Python of this version, or the test is skipped."""
    if sys.version_info[:2] == tuple(map(int, version.split("."))):
        return sys.executable
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = [*map(str, pyenv.glob(f"{version}.*/bin/python")), shutil.which(f"python{version}")]
    for path in filter(None, found):
        if not subprocess.run([path, "-c", ""], capture_output=True, check=False).returncode:
            return path
    pytest.skip(f"no Python {version} here")


def lowest() -> list[str]:
    """Every dependency at the lowest version that it is allowed."""
    asked = [Requirement(line) for line in PROJECT["dependencies"]]
    bounds = {r.name: s.version for r in asked for s in r.specifier if s.operator == ">="}
    assert len(bounds) == len(asked)
    return [f"{name}=={version}" for name, version in bounds.items()]


@pytest.mark.long
@pytest.mark.parametrize(
    ("version", "which"), [*((version, "newest") for version in PYTHONS), (PYTHONS[0], "lowest")]
)
def test_a_plain_installation_works(version: str, which: str, built, tmp_path: Path) -> None:
    python = interpreter(version)
    bin_ = tmp_path / "venv" / "bin"

    def run(*command: str | Path) -> str:
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    run(python, "-m", "venv", bin_.parent)
    constraints = tmp_path / "constraints.txt"
    constraints.write_text("\n".join(lowest() if which == "lowest" else []))
    run(bin_ / "pip", "--quiet", "install", "-c", constraints, built.wheel)

    solved = json.loads(run(bin_ / "airan-market", "solve", "teleoperation", "--json"))
    here = solve(load_scenario("teleoperation")).to_json()
    assert solved["matching"] == here["matching"]
    welfare = "social_welfare_usd_per_s"
    assert solved[welfare] == pytest.approx(here[welfare], rel=1e-9)
    options = [word for setting in SETTINGS for word in ("--set", setting)]
    for scenario in ("teleoperation", "pact"):
        out = run(bin_ / "airan-market", "run", scenario, "--quiet", *options).splitlines()[-1]
        assert (tmp_path / out / "report.html").is_file()
    assert run(bin_ / "python", "-W", "error", "-c", DOOR) == "24\n"
