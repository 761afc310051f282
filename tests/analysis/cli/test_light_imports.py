import json
import subprocess
import sys

import pytest

HEAVY = [
    "pandas", "matplotlib", "seaborn", "mesa", "scipy", "numpy", "pyarrow", "simpy", "numba",
    "jinja2",
]  # fmt: skip


def modules_after(script: str) -> set[str]:
    """Modules that a fresh process has imported after a script."""
    code = f"{script}\nimport sys, json; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_help_imports_nothing_heavy():
    """One process asks for all of it, and says after which words something heavy was there."""
    words = [["--help"], ["--version"]]
    words += [[name, "--help"] for name in ("run", "validate", "pact", "questions", "calibrate")]
    script = f"""
import sys
import airan_market.analysis
seen = [("the import", sorted(set({HEAVY}) & sys.modules.keys()))]
from airan_market.analysis.cli.program import invoke
for words in {words}:
    assert invoke(words) == 0
    seen.append((words, sorted(set({HEAVY}) & sys.modules.keys())))
assert not any(heavy for _, heavy in seen), seen
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


COMPLETED = {
    "airan-market run tele": "teleoperation",
    "airan-market solve pact --mechanism g": "gsmc",
    "airan-market run pact --belief chernoff-": "chernoff-optimised",
    "airan-market cal": "calibrate",
}


def test_the_shell_completes_names_without_anything_heavy():
    script = f"""
import os, sys
from airan_market.analysis.cli.program import invoke
os.environ["_AIRAN_MARKET_COMPLETE"] = "complete_bash"
for typed in {list(COMPLETED)}:
    os.environ.update(COMP_WORDS=typed, COMP_CWORD=str(len(typed.split()) - 1))
    try:
        invoke([])
    except SystemExit:
        pass
    print("\\nafter", typed, *(set({HEAVY}) & sys.modules.keys()))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    lines = done.stdout.splitlines()
    for typed, wanted in COMPLETED.items():
        assert f"after {typed}" in lines, done.stderr
        assert wanted in lines[: lines.index(f"after {typed}")]
        del lines[: lines.index(f"after {typed}") + 1]


def test_control_a_public_name_does_import_what_it_needs():
    assert {"pandas", "matplotlib"} <= modules_after(
        "from airan_market.analysis import load_run, figures; figures.menus"
    )


def test_unknown_names_are_refused():

    from airan_market import analysis

    with pytest.raises(AttributeError, match="attribute colour"):
        _ = analysis.colour
