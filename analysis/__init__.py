"""What it means: run store, intervals, summary, figures, report and the command line.

>>> from analysis import load_run, figures

Nothing heavy is imported until a name is used, so that `airan-market --help` answers at once.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis import figures
    from analysis.manifest import RunError
    from analysis.run_store import Run, load_run
    from analysis.summary import summarise
    from analysis.validation.validate import Findings, Wanted, validate
    from analysis.validation.store import load_validation

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
    "Run": "run_store",
    "RunError": "manifest",
    "Wanted": "validation.validate",
    "figures": "",  # the module itself
    "load_run": "run_store",
    "load_validation": "validation.store",
    "summarise": "summary",
    "validate": "validation.validate",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if not _HOME[name]:
        return import_module(f"{__name__}.{name}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
