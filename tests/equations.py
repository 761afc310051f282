"""Where every equation of the papers lives, and what holds it: a page generated from the code.

A public function, class or method that computes an equation says so in its docstring, on a line of
its own, `Equation: AI-RAN (25)`, several as `Equation: AI-RAN (13), (14)`. Its tests are the test
modules that use its name. `python tests/equations.py` writes docs/equations.md.
"""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "equations.md"
FLOORS = ("sim", "agents", "analysis")
PAPERS = {
    "AI-RAN": "Matching-with-Contracts for the AI-RAN Market",
    "PACT": "PACT: A Contract-Theoretic Framework for Pricing Agentic AI Services Powered by Large "
    "Language Models",
}
LINE = re.compile(r"^\s*Equations?: (.+?)\.?$", re.MULTILINE)
HEAD = """# Where is equation (25)?

Every equation of the two papers, the code that computes it and the tests that hold it. Written
from the docstrings by `python tests/equations.py`; a test says when it is stale. Misprints and how
they are read: [DESIGN](../DESIGN.md).
"""


class Entry(NamedTuple):
    """One equation at one place in the code."""

    paper: str
    number: str
    path: str
    line: int
    name: str

    @property
    def order(self) -> tuple[str, int, str, str]:
        """Sorts (4) before (25), and (38) before (38a)."""
        digits = re.match(r"\d+", self.number)
        assert digits is not None
        return self.paper, int(digits[0]), self.number, self.path


def numbers(text: str) -> list[tuple[str, str]]:
    """Papers and equations that a line names.

    >>> numbers("AI-RAN (10)-(12), (38a); PACT (6)")
    [('AI-RAN', '10'), ('AI-RAN', '11'), ('AI-RAN', '12'), ('AI-RAN', '38a'), ('PACT', '6')]
    """
    found: list[tuple[str, str]] = []
    paper = ""
    pattern = r"(AI-RAN|PACT)|\((\d+)\)\s*[-–]\s*\((\d+)\)|\((\d+[a-z]?)\)"
    for name, first, last, one in re.findall(pattern, text):
        paper = name or paper
        if first:
            found += [(paper, str(n)) for n in range(int(first), int(last) + 1)]
        if one:
            found.append((paper, one))
    return found


def entries_of(source: str, path: str) -> list[Entry]:
    """Equations that the docstrings of a module name."""
    found: list[Entry] = []

    def look(node: ast.AST, owner: str) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.ClassDef):
                name = f"{owner}{child.name}"
                for text in LINE.findall(ast.get_docstring(child) or ""):
                    found.extend(
                        Entry(paper, number, path, child.lineno, name)
                        for paper, number in numbers(text)
                    )
                look(child, f"{name}.")

    look(ast.parse(source), "")
    return found


@cache
def entries() -> list[Entry]:
    """Equations of the whole product, in the order of the papers."""
    paths = [path for floor in FLOORS for path in sorted((ROOT / floor).rglob("*.py"))]
    found = [
        entry
        for path in paths
        for entry in entries_of(path.read_text(encoding="utf-8"), str(path.relative_to(ROOT)))
    ]
    return sorted(found, key=lambda entry: entry.order)


@cache
def users_of_names() -> dict[str, set[str]]:
    """Test modules by the names that they use."""
    used: dict[str, set[str]] = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = (
                node.id
                if isinstance(node, ast.Name)
                else node.attr
                if isinstance(node, ast.Attribute)
                else None
            )
            if name:
                used.setdefault(name, set()).add(str(path.relative_to(ROOT)))
    return used


def tests_of(entry: Entry, used: dict[str, set[str]]) -> list[str]:
    """Test modules that use an entry's name; those of its own room first, three at the most."""
    own = f"tests/{Path(entry.path).parent}/"
    found = used.get(entry.name.rpartition(".")[2], set())
    return sorted(found, key=lambda path: (not path.startswith(own), path))[:3]


def page() -> str:
    """Text of docs/equations.md."""
    used = users_of_names()
    lines = [HEAD]
    for paper, title in PAPERS.items():
        lines += [f"\n## {paper}: {title}\n", "| equation | code | tests |", "| --- | --- | --- |"]
        for entry in entries():
            if entry.paper == paper:
                where = entry.path.removesuffix(".py").replace("/", ".")
                code = f"[`{where}.{entry.name}`](../{entry.path})"
                tests = ", ".join(f"[{Path(t).stem}](../{t})" for t in tests_of(entry, used))
                lines.append(f"| ({entry.number}) | {code} | {tests} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
