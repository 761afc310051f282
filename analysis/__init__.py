"""What it means: run store, intervals, summary, figures, report and the command line.

>>> from analysis import load_run, figures

Nothing heavy is imported until a name is used, so that `airan-market --help` answers at once.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis.runs import figures
    from analysis.runs.manifest import RunError
    from analysis.runs.store import Run, load_run
    from analysis.runs.summary import summarise
    from analysis.validation.store import load_validation
    from analysis.validation.validate import Findings, Wanted, validate

__all__ = [
    "Findings",
    "Run",
    "RunError",
    "Wanted",
    "figures",
    "load_run",
    "load_validation",
    "summarise",
    "validate",
]

_HOME = {
    "Findings": "validation.validate",
    "Run": "runs.store",
    "RunError": "runs.manifest",
    "Wanted": "validation.validate",
    "figures": "runs",  # a module
    "load_run": "runs.store",
    "load_validation": "validation.store",
    "summarise": "runs.summary",
    "validate": "validation.validate",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = f"{__name__}.{_HOME[name]}"
    return (
        import_module(f"{home}.{name}") if name == "figures" else getattr(import_module(home), name)
    )
