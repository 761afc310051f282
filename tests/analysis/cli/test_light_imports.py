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
    "words",
    [[], ["--help"], ["--version"], ["run", "--help"], ["validate", "--help"], ["pact", "--help"],
     ["questions", "--help"], ["calibrate", "--help"]],
)  # fmt: skip
def test_help_imports_nothing_heavy(words):
    asked = f"from airan_market.analysis.cli.program import invoke; assert invoke({words}) == 0"
    assert modules_after(asked if words else "import airan_market.analysis").isdisjoint(HEAVY)


COMPLETED = {
    "airan-market run tele": "teleoperation",
    "airan-market solve pact --mechanism g": "gsmc",
    "airan-market run pact --belief chernoff-": "chernoff-optimised",
    "airan-market cal": "calibrate",
}


@pytest.mark.parametrize("typed", COMPLETED)
def test_the_shell_completes_names_without_anything_heavy(typed):
    asked = {"_AIRAN_MARKET_COMPLETE": "complete_bash", "COMP_WORDS": typed,
             "COMP_CWORD": str(len(typed.split()) - 1)}  # fmt: skip
    script = (
        f"import os; os.environ.update({asked})\n"
        "from airan_market.analysis.cli.program import invoke\n"
        "try: invoke([])\n"
        "except SystemExit: pass\n"
    )
    code = f"{script}import sys, json; print(); print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    *offered, modules = done.stdout.splitlines()
    assert COMPLETED[typed] in offered
    assert set(json.loads(modules)).isdisjoint(HEAVY)


def test_control_a_public_name_does_import_what_it_needs():
    assert {"pandas", "matplotlib"} <= modules_after(
        "from airan_market.analysis import load_run, figures"
    )


def test_unknown_names_are_refused():

    from airan_market import analysis

    with pytest.raises(AttributeError, match="attribute colour"):
        _ = analysis.colour
