"""What holds for every test: machine code is made before the first, the longest come first."""

import io
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from numba.core import event
from numba.core.caching import NullCache

from airan_market.scenarios.registry import BELIEFS, DISCIPLINES, MECHANISMS
from airan_market.sim.machine_code import _caches, is_of_source

# `make test` tries the same examples every time, `make test-long` others, and many more of them
settings.register_profile("same", derandomize=True, deadline=None, max_examples=60)
settings.register_profile("other", deadline=None, max_examples=1000)
settings.load_profile("same")

ROOT = Path(__file__).resolve().parents[1]
WORKER = "tests/benchmarks/worker.py"
#: What has the machine code of a file made, all of it, for the one kind of arguments there is.
FIRST_CALLS = {
    "sim/engines/kernel.py": """
from airan_market import Workload, simulate
simulate(Workload([0], [0.0], [0], [0], [0], [[1.0, 1.0, 1.0]]), [[1, 1, 1]], until_s=1.0)
""",
    "sim/theory/preemptive_kernel.py": """
from airan_market.sim.theory.preemptive import SojournLaws, class_end_to_end_tail
class_end_to_end_tail(0.1, 2, 10.0, [3.0, 4.0])
SojournLaws.of_types(2, 10.0, [3.0, 4.0]).transform(1.0)
SojournLaws.of_types(2, 10.0, [3.0, 4.0]).transform_each([1.0, 1.0])
""",
    "sim/rare/tagged_kernel.py": """
from airan_market.sim.rare.rare_event import rare_tail
from airan_market.sim.rare.tagged import tagged_tasks
rare_tail([0.5], [2, 3], [10.0, 20.0], [3.0, 4.0], 1, seed=1, paths=64)
tagged_tasks([2, 3], [10.0, 20.0], [3.0, 4.0], 1, seed=1, paths=1)
""",
    "agents/belief/chernoff_design.py": """
from airan_market import load_scenario, solve
from airan_market.agents.belief.chernoff_design import chernoff_coefficients
chernoff_coefficients([[2.0, 3.0]], [[10.0, 20.0]], [3.0], 0.9)
solve(load_scenario("bound_fails"))
""",
    "agents/learning/q_learning.py": """
import numpy as np
from airan_market.agents.learning.q_learning import QLearning, learn
learn(np.eye(4)[:, :2].copy(), 2, 1, QLearning(patience=10))
""",
    "tests/benchmarks/first_numba.py": f"""
import sys, runpy
sys.path.append({str((ROOT / WORKER).parent)!r})
sys.argv, sys.stdin = [{WORKER!r}, "first Numba", "tandem-8", "0"], open("/dev/null")
runpy.run_path({str(ROOT / WORKER)!r}, run_name="__main__")
""",
    "tests/benchmarks/rival_methods.py": f"""
import sys
sys.path.append({str((ROOT / WORKER).parent)!r})
from rival_methods import importance
from airan_market.sim.rare.rare_event import rare_tail
rare_tail([0.5], [2, 3], [10.0, 20.0], [3.0, 4.0], 1, seed=1, paths=64, method=importance)
""",
}
#: Files whose functions are part of the machine code of another.
WITHIN = {"tests/benchmarks/rival_methods.py": "sim/rare/tagged_kernel.py"}
#: Files whose tests run processes of many seconds each: begun last, one of them would end alone.
LONGEST = (
    "test_notebooks.py", "test_front_door.py", "test_wheel.py", "test_use.py", "test_benchmarks.py",
)  # fmt: skip


def made(name: str) -> bool:
    """Whether all machine code of a file, as it stands, is in Numba's caches."""
    source, within_s = ROOT / name, (ROOT / WITHIN.get(name, name)).stat().st_mtime
    kept = re.findall(r"^@njit\(.*cache=True.*\)\ndef (\w+)", source.read_text("utf-8"), re.M)
    assert kept
    indices = [index for cache in _caches(source) for index in cache.rglob("*.nbi")
               if is_of_source(index, source)
               and (name not in WITHIN or index.stat().st_mtime >= within_s)]  # fmt: skip
    return all(any(i.name.startswith(f"{source.stem}.{name}-") for i in indices) for name in kept)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Make the machine code that is missing, before there are workers: each would make its own."""
    if hasattr(session.config, "workerinput"):
        return
    missing = [name for name in FIRST_CALLS if not made(name)]
    if missing:
        print("making machine code of", *missing, flush=True)
    calls = [subprocess.Popen([sys.executable, "-c", FIRST_CALLS[name]],
                              stdout=subprocess.DEVNULL) for name in missing]  # fmt: skip
    assert [call.wait() for call in calls] == [0] * len(calls)
    assert [name for name in missing if not made(name)] == []


class Made(event.Listener):
    """Notes the functions whose machine code is made here; those not kept have only tests to do."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def on_start(self, event: event.Event) -> None:
        function = event.data["dispatcher"]
        if not isinstance(function._cache, NullCache):
            self.names.append(function.py_func.__qualname__)

    def on_end(self, event: event.Event) -> None:
        pass


MADE = Made()
event.register("numba:compile", MADE)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown() -> Iterator[None]:
    """Refuse that a test, or a fixture of it, waits for the compiler."""
    yield
    names, MADE.names = MADE.names, []
    assert names == [], "a test makes machine code: a call of this kind is missing in FIRST_CALLS"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.name not in LONGEST)


@pytest.fixture(autouse=True)
def names_that_a_test_registers_are_forgotten() -> Iterator[None]:
    """Mechanisms, beliefs and disciplines of one test, or page, are unknown to the next."""
    before = [(registry, dict(registry._found)) for registry in (MECHANISMS, BELIEFS, DISCIPLINES)]
    yield
    for registry, found in before:
        registry._found.clear()
        registry._found.update(found)


@pytest.fixture(scope="session")
def sketch() -> Callable[[Any], bytes]:
    """What draws a figure coarsely and without a layout, in the place of `figure_style.png`."""
    from airan_market.analysis.figure_style import FigureCanvasAgg

    def drawn(figure: Any) -> bytes:
        figure.set_layout_engine("none")
        figure.dpi = 20
        file = io.BytesIO()
        FigureCanvasAgg(figure).print_png(file, metadata={"Software": None})
        return file.getvalue()

    return drawn


@pytest.fixture
def sketched(monkeypatch: pytest.MonkeyPatch, sketch: Callable[[Any], bytes]) -> None:
    """Figures as sketches, for tests of what stands around them."""
    for kind in ("png", "svg"):
        monkeypatch.setattr(f"airan_market.analysis.figure_style.{kind}", sketch)
