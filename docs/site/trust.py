"""What the tests say of themselves, for the page *How far to trust it*."""

from __future__ import annotations

import ast
import re
import sys
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from equations import Entry, entries, tests_of, users_of_names  # noqa: E402

#: Words of a test that is a negative control, and of one that states its error.
CONTROL = re.compile(
    r"control|would_be|wrong|sharp|told_apart|no_bound|is_seen|are_seen|notice|caught|must fail",
    re.I,
)
RATE = re.compile(
    r"false.alarm|by chance|one case in|of 1,?000 suites|standard error|interval", re.I
)
STATED = re.compile(r"false.alarm|by chance|one case in|suites", re.I)
CONSTANT = re.compile(r"^(?:[A-Z_]+, )*FALSE_ALARM(?:, [A-Z_]+)* = (.+)$", re.M)


class Test(NamedTuple):
    """A test function."""

    path: str
    name: str
    told: str
    names: frozenset[str]

    @property
    def words(self) -> str:
        """Its name as people read it."""
        return self.name.removeprefix("test_").replace("_", " ")

    @property
    def is_control(self) -> bool:
        """Whether it must fail on something wrong, or holds a check that does, by what it says."""
        return bool(CONTROL.search(self.name) or CONTROL.search(self.told))

    @property
    def meets_chance(self) -> bool:
        """Whether it says how often it fails by chance, or that an interval is what it needs."""
        return bool(RATE.search(self.told))


@cache
def tests_in(path: str) -> list[Test]:
    """Tests of a module; a rate that it names once stands in their docstrings as a number."""
    source = (ROOT / path).read_text(encoding="utf-8")
    rate = CONSTANT.search(source)
    value = rate[1].split(", ")[-1].strip() if rate else "FALSE_ALARM"
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            told = re.sub(r"\s+", " ", ast.get_docstring(node) or "").replace("FALSE_ALARM", value)
            names = frozenset(
                child.id if isinstance(child, ast.Name) else child.attr
                for child in ast.walk(node)
                if isinstance(child, ast.Name | ast.Attribute)
            )
            found.append(Test(path, node.name, told, names))
    return found


def all_tests() -> list[Test]:
    """Every test of the suite."""
    paths = sorted((ROOT / "tests").rglob("test_*.py"))
    return [test for path in paths for test in tests_in(str(path.relative_to(ROOT)))]


def escaped(text: str) -> str:
    """Text for a cell of a Markdown table."""
    return re.sub(r"([|\\*_`$<>\[\]])", r"\\\1", text)


def linked(test: Test) -> str:
    """The words of a test, leading to its file."""
    return f"[{escaped(test.words)}](../{test.path})"


def of_equation(entry: Entry, used: dict[str, set[str]]) -> str:
    """Entry of an equation: its code, checks that call it, what they say of chance, controls."""
    modules = tests_of(entry, used)
    name = entry.name.rpartition(".")[2]
    there = [test for module in modules for test in tests_in(module)]
    direct = [test for test in there if name in test.names] or there
    checks = [test for test in direct if not test.is_control]
    chance = [test for test in there if test.meets_chance]
    controls = [test for test in direct if test.is_control] or [t for t in there if t.is_control]
    told = (
        f"{len(checks)} checks: {'; '.join(map(linked, checks[:2])) or 'none'}",
        f"chance: {'; '.join(map(linked, chance[:2])) or 'none stated'}",
        f"controls: {'; '.join(map(linked, controls[:3])) or 'none named'}",
    )
    head = f"- {entry.paper} ({entry.number}), [`{entry.name}`](../{entry.path})"
    return "\n".join([head, *(f"  - {one}" for one in told)])


def page() -> str:
    """The tables, in Markdown, to stand below docs/trust.md."""
    tests = all_tests()
    chance = [test for test in tests if test.meets_chance]
    controls: dict[str, list[Test]] = {test.path: [] for test in chance}
    for test in tests:
        if test.is_control and test.path in controls:
            controls[test.path].append(test)
    used = users_of_names()
    bare = sum(not controls[test.path] for test in chance)
    stated = sum(bool(STATED.search(test.told)) for test in chance)
    lines = [
        "",
        "## Every equation with its checks",
        "",
        f"Of {len(tests)} test functions {len(chance)} meet chance and say so, and "
        f"{sum(test.is_control for test in tests)} are negative controls or hold one. *Checks*: "
        "how many tests call the function, two of them named; *chance*: those of the same files "
        "that need an interval; *controls*: what must fail where something is wrong.",
        "",
        *(of_equation(entry, used) for entry in sorted(entries(), key=lambda e: e.order)),
        "",
        "## Every test that meets chance",
        "",
        f"With what it says of its false alarms or its interval, and the controls in its file. Of "
        f"{len(chance)}, {stated} state a rate in so many words; in the files of {bare} no control "
        "is found by name.",
        "",
    ]
    for test in chance:
        beside = [one for one in controls[test.path] if one is not test][:3]
        own = ["itself"] if test.is_control else []
        named = "; ".join([*own, *(escaped(one.words) for one in beside)]) or "none named"
        lines.append(f"- {linked(test)}: {escaped(test.told)}\n  - controls: {named}")
    return "\n".join(lines) + "\n"
