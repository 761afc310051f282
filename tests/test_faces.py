"""What the faces of floors and rooms show is there, says what it is, and hides no module."""

import ast
import importlib
from inspect import ismodule
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).resolve().parents[1]
FLOORS = ("scenarios", "sim", "agents", "analysis", "airan_market")
STUBS = sorted(stub for floor in FLOORS for stub in (ROOT / floor).rglob("__init__.pyi"))


def package(face: Path) -> str:
    """Name of the package that a stub is the face of."""
    parts = face.parent.relative_to(ROOT).parts
    return ".".join(parts if parts[0] == "airan_market" else ("airan_market", *parts))


def names(stub: str) -> list[str]:
    """Names that a stub shows."""
    found: list[str] = []
    for node in ast.parse(stub).body:
        if isinstance(node, ast.ImportFrom):
            found += [alias.asname or alias.name for alias in node.names]
    return found


def faults(module: object, shown: list[str], folder: Path) -> list[str]:
    """What is wrong with the names of a face."""
    submodules = {path.stem for path in folder.iterdir()}
    wrong = []
    for name in shown:
        try:
            value = getattr(module, name)
        except (AttributeError, ImportError) as error:
            wrong.append(f"{name}: {error}")
            continue
        if name in submodules and not ismodule(value):
            wrong.append(f"{name} is also a module, which would take its place")
        if not (getattr(value, "__doc__", None) or "").strip():
            wrong.append(f"{name} has no docstring")
    return wrong


@pytest.mark.parametrize("stub", STUBS, ids=package)
def test_every_name_of_a_face_is_there_and_says_what_it_is(stub: Path) -> None:
    module = importlib.import_module(package(stub))
    shown = names(stub.read_text(encoding="utf-8"))
    assert faults(module, shown, stub.parent) == []
    assert len(set(shown)) == len(shown) > 0
    assert (module.__doc__ or "").strip() not in ("", "TODO.")


def test_control_faults_of_a_face_are_seen() -> None:
    sim = importlib.import_module("airan_market.sim")
    wrong = SimpleNamespace(__doc__=None)
    face = SimpleNamespace(simulate=sim.simulate, theory=sim.simulate, bare=wrong)
    found = faults(face, ["simulate", "nowhere", "theory", "bare"], ROOT / "sim")
    assert [line.split()[0].rstrip(":") for line in found] == ["nowhere", "theory", "bare"]
    assert names("from .a import b as b\nfrom .c import d as e") == ["b", "e"]
