"""The examples of every docstring, run on the package as it is installed."""

import doctest
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FLOORS = ("scenarios", "sim", "agents", "analysis", "airan_market")


def modules() -> list[str]:
    """Names of the modules with examples."""
    paths = [path for floor in FLOORS for path in sorted((ROOT / floor).rglob("*.py"))]
    names = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in paths
        if ">>> " in path.read_text(encoding="utf-8")
    ]
    return ["airan_market" if name == "airan_market" else f"airan_market.{name}" for name in names]


@pytest.mark.parametrize("name", modules())
def test_the_examples_say_what_happens(name: str) -> None:
    lines: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    module = importlib.import_module(name)
    for example in doctest.DocTestFinder(exclude_empty=True).find(module, name):
        runner.run(example, out=lines.append)
    assert runner.tries > 0
    assert runner.failures == 0, "".join(lines)
