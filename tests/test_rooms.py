"""Imports go only down: the floors, and the rooms inside a floor, each stand in an order.

A room is a folder of modules, or a module that stands by itself in a floor. Type checking is no
excuse: an import under TYPE_CHECKING, in a function or in a stub (`__init__.pyi`) counts like any
other, but a face (the `__init__` of a folder) may show what stands in the rooms of its folder.
"""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "airan_market"
#: From the ground up; what stands later may import what stands earlier.
FLOORS = ("scenarios", "sim", "agents", "analysis")
ROOMS = {
    "scenarios": "fault seed registry tables schema keys validation override reading loader dump "
    "sweep",
    "sim": "arrays processors threads machine_code streams columns workload trace "
    "theory bounds traffic engines rare estimation",
    "agents": "primitives screening matching belief contract mechanism certificate solution "
    "planner equilibrium world rounds market learning pact",
    "agents.pact": "contract service market policy outcome run",
    "analysis": "process exits ended verdict wording progress store expectation "
    "figure_style page dynamics runs pact_run play resume pact reproduction "
    "calibration identification questions equilibrium validation sweep figures redraw solve_text "
    "dashboard cli",
    "analysis.validation": "offered ladder verdicts truth tables beyond batches bound findings "
    "stored report validating session",
}
MOST_FILES = 13  # modules of a room, its face counted
COMMANDS = "analysis/cli"  # a list, one file a command, and what these share


def modules() -> list[Path]:
    """Every module and every stub of the four floors."""
    return [path for floor in FLOORS for path in sorted((ROOT / floor).rglob("*.py*"))
            if path.suffix in (".py", ".pyi")]  # fmt: skip


def name_of(path: Path) -> str:
    """Dotted name of a module without the package's own: "sim.theory.erlang"."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(source: str, importer: str) -> set[str]:
    """Dotted names that a module imports, wherever in it the import stands.

    `from x import y` gives x.y, which may be a module or a name in x.
    """
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:  # only faces import relatively, and only from below themselves
                base = ".".join(part for part in (PACKAGE, importer, base) if part)
            names.update(f"{base}.{alias.name}" for alias in node.names)
    return names


def inside(names: set[str]) -> set[str]:
    """Those of the names that are ours, without the package's own name."""
    return {name.removeprefix(f"{PACKAGE}.") for name in names if name.startswith(f"{PACKAGE}.")}


def climbs(importer: str, wanted: set[str]) -> set[str]:
    """Those of the imported names that stand above the importer, or are in no order."""
    return {name for name in wanted if not _is_below(importer, name)}


def _is_below(importer: str, name: str) -> bool:
    one, two = importer.split("."), name.split(".")
    if one[0] != two[0]:
        return FLOORS.index(two[0]) < FLOORS.index(one[0])
    place = one[0]
    for depth in range(1, min(len(one), len(two))):
        order = ROOMS.get(place, "").split()
        if not order:
            return True  # inside one room
        if one[depth] != two[depth]:
            known = one[depth] in order and two[depth] in order
            return known and order.index(two[depth]) < order.index(one[depth])
        place = f"{place}.{one[depth]}"
    return len(one) < len(two)  # a face shows what is below it


def circles(arrows: dict[str, set[str]]) -> set[str]:
    """Modules from which the arrows lead back to themselves."""
    reach = {name: set(targets) for name, targets in arrows.items()}
    for middle in arrows:
        for name in arrows:
            if middle in reach[name]:
                reach[name] |= reach[middle]
    return {name for name in arrows if name in reach[name]}


def arrows_between_modules() -> dict[str, set[str]]:
    """What every module imports, faces left out: they import for others, lazily."""
    files = [path for path in modules() if path.suffix == ".py" and path.stem != "__init__"]
    known = {name_of(path) for path in files}
    return {
        name_of(path): {
            target if target in known else target.rpartition(".")[0]
            for target in inside(imported(path.read_text(encoding="utf-8"), name_of(path)))
        }
        & known
        for path in files
    }


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_only_down(path: Path) -> None:
    wanted = imported(path.read_text(encoding="utf-8"), name_of(path))
    assert climbs(name_of(path), inside(wanted)) == set()
    assert {name.split(".")[0] for name in wanted} & {*FLOORS, "tests"} == set()


def test_no_module_imports_itself_by_way_of_others() -> None:
    assert circles(arrows_between_modules()) == set()


@pytest.mark.parametrize("place", ROOMS)
def test_every_room_has_its_place_in_the_order(place: str) -> None:
    folder = ROOT.joinpath(*place.split("."))
    there = {path.stem for path in folder.glob("*.py")} | {
        path.name for path in folder.iterdir() if (path / "__init__.py").is_file()
    }
    assert there - {"__init__"} == set(ROOMS[place].split())


def test_no_room_is_crowded() -> None:
    counts: dict[Path, int] = {}
    for path in modules():
        if path.suffix == ".py":
            counts[path.parent] = counts.get(path.parent, 0) + 1
    crowded = {str(room): n for room, n in counts.items() if n > MOST_FILES}
    assert set(crowded) <= {str(ROOT / COMMANDS)}


@pytest.mark.parametrize(
    ("importer", "source"),
    [
        ("scenarios.loader", "import airan_market.sim.theory.erlang"),
        ("sim.trace", "def late():\n    from airan_market.agents import Market"),
        ("agents.market.model", "if True:\n    import airan_market.analysis as a"),
        ("sim.theory.erlang", "from airan_market.sim.engines.engine import simulate"),
        ("agents.pact.contract.discrete", "from airan_market.agents.pact.market import PactMarket"),
        ("sim.streams", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n"
         "    from airan_market.sim.engines import engine"),
    ],
)  # fmt: skip
def test_control_a_climbing_import_is_caught(importer: str, source: str) -> None:
    assert climbs(importer, inside(imported(source, importer))) != set()


def test_control_a_circle_is_caught() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == {"a", "b", "c"}
