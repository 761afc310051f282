"""Imports go only down the floors: scenarios <- sim <- agents <- analysis."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FLOORS = ("scenarios", "sim", "agents", "analysis")


def imported_packages(source: str) -> set[str]:
    """Top-level names that a module imports, wherever in it the import stands."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.split(".")[0])
    return names


def climbs(floor: str, source: str) -> set[str]:
    """Floors above `floor` that the source imports."""
    above = FLOORS[FLOORS.index(floor) + 1 :]
    return imported_packages(source) & set(above)


def modules() -> list[tuple[str, Path]]:
    return [(floor, path) for floor in FLOORS for path in sorted((ROOT / floor).rglob("*.py"))]


@pytest.mark.parametrize(
    ("floor", "path"), modules(), ids=lambda value: getattr(value, "name", value)
)
def test_imports_go_only_down(floor: str, path: Path) -> None:
    assert climbs(floor, path.read_text(encoding="utf-8")) == set()


@pytest.mark.parametrize("floor", FLOORS)
def test_every_floor_has_modules(floor: str) -> None:
    assert any(owner == floor for owner, _ in modules())


@pytest.mark.parametrize(
    ("floor", "source"),
    [
        ("scenarios", "import sim.erlang"),
        ("sim", "def late():\n    from agents import Market"),
        ("agents", "if True:\n    import analysis as a"),
    ],
)
def test_a_climbing_import_is_caught(floor: str, source: str) -> None:
    assert climbs(floor, source) != set()


def test_nothing_imports_the_tests() -> None:
    for _, path in modules():
        assert "tests" not in imported_packages(path.read_text(encoding="utf-8"))
