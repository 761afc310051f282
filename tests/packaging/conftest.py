"""The distributions, and an environment into which the wheel is installed; built once."""

import fcntl
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("scenarios", "sim", "agents", "analysis", "airan_market")
#: Beside the folders, what a distribution is built from.
BUILT_FROM = ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE")
#: Another distribution with a top-level module `agents`, which offers a mechanism to ours.
OTHER_PROJECT = """
[project]
name = "other-agents"
version = "1"
[project.entry-points."airan_market.mechanisms"]
borrowed = "agents:borrowed"
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
"""
OTHER_AGENTS = """
from airan_market.agents.mechanism.ct import agree
OWNER = "somebody else"
def borrowed(primitives):
    return agree(primitives)
"""


class Distributions(NamedTuple):
    """What a release uploads: the wheel is built from the source distribution."""

    sdist: Path
    wheel: Path


class Environment(NamedTuple):
    """A virtual environment that holds the wheel and a distribution that owns `agents`."""

    folder: Path

    def run(self, command: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        """Run one of its commands, from a folder that is not the checkout, to its end."""
        elsewhere = self.folder / "elsewhere"
        elsewhere.mkdir(exist_ok=True)
        kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
        return subprocess.run(
            [self.folder / "bin" / command, *map(str, arguments)],
            cwd=elsewhere,
            env=kept | {"IPYTHONDIR": str(self.folder / "ipython")},
            capture_output=True,
            text=True,
            check=False,
        )


def build(what: str, source: Path, into: Path) -> Path:
    """Build "sdist" or "wheel" of a source tree as a frontend would: PEP 517, in its folder."""
    code = f"from setuptools import build_meta as b; print(b.build_{what}({str(into)!r}))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=source, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return into / done.stdout.splitlines()[-1]


def build_all(into: Path) -> Distributions:
    """Build both from a copy of the checkout: what earlier builds left in it does not count."""
    copy, unpacked = into / "copy", into / "unpacked"
    copy.mkdir(parents=True)
    for folder in FOLDERS:
        shutil.copytree(
            ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__", ".*")
        )
    for name in BUILT_FROM:
        shutil.copy(ROOT / name, copy)
    # setuptools takes these up if it is not told to leave them
    shutil.copytree(ROOT / "tests" / "packaging", copy / "tests" / "packaging")
    (copy / "tests" / "test_left_out.py").touch()
    sdist = build("sdist", copy, into)
    shutil.unpack_archive(sdist, unpacked, filter="data")
    (source,) = unpacked.iterdir()
    return Distributions(sdist, build("wheel", source, into))


def create(folder: Path, wheel: Path) -> Environment:
    """Make an environment of the wheel and another owner of `agents`.

    What the wheel needs is taken from the environment of the tests, by a line in a .pth file that
    comes after the environment's own packages; the editable installation there is not taken along,
    since its .pth file counts only in an environment's own folder.
    """
    venv.create(folder, with_pip=False, symlinks=True)
    other = folder / "other"
    (other / "agents").mkdir(parents=True)
    (other / "agents" / "__init__.py").write_text(OTHER_AGENTS)
    (other / "pyproject.toml").write_text(OTHER_PROJECT)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    pip += ["--python", str(folder / "bin" / "python"), "install", "--no-index", "--no-deps"]
    subprocess.run([*pip, str(wheel), str(build("wheel", other, folder))], check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "needed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return Environment(folder)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Distributions:
    """Source distribution and wheel, built once by all workers of the suite."""
    base = tmp_path_factory.getbasetemp()
    shared = (base if worker_id == "master" else base.parent) / "packaging"
    shared.mkdir(exist_ok=True)
    into = shared / "dist"
    with (shared / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (into / "done").exists():
            distributions = build_all(into)
            create(into / "venv", distributions.wheel)
            (into / "done").touch()
    (sdist,), (wheel,) = into.glob("*.tar.gz"), into.glob("*.whl")
    return Distributions(sdist, wheel)


@pytest.fixture(scope="session")
def installed(built: Distributions) -> Environment:
    """Environment with the wheel in it, shared like the wheel."""
    return Environment(built.wheel.parent / "venv")
