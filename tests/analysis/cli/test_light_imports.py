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


@pytest.mark.parametrize(
    "script",
    [
        "import airan_market.analysis",
        "from airan_market.analysis.cli.program import invoke; assert invoke(['--help']) == 0",
        "import airan_market.analysis.cli.program as p; assert p.invoke(['run', '--help']) == 0",
        "from airan_market.analysis.cli.program import invoke; assert invoke(['--version']) == 0",
    ],
)
def test_help_imports_nothing_heavy(script):
    assert modules_after(script).isdisjoint(HEAVY)


def test_control_a_public_name_does_import_what_it_needs():
    assert {"pandas", "matplotlib"} <= modules_after(
        "from airan_market.analysis import load_run, figures"
    )


def test_unknown_names_are_refused():

    from airan_market import analysis

    with pytest.raises(AttributeError, match="attribute colour"):
        _ = analysis.colour
