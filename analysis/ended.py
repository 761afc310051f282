"""How the writing of a directory ended, and the drawing that follows complete tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airan_market.analysis.exits import is_interruption


@dataclass(frozen=True)
class Ended:
    """How a run or a validation ended.

    Attributes
    ----------
    status : str
        `complete`, `interrupted` or `failed`.
    finished : int
        Rounds of a run, simulated operators of a validation, that are kept.
    path : Path or None
        The directory; None when nothing was finished and nothing was kept.
    summary : dict or None
        Content of `summary.json`.
    messages : tuple of str
        What the user should be told, besides the notes in the summary.
    error : Exception or None
        What made the market, or the drawing of complete tables, fail.
    undrawn : bool
        Whether Ctrl-C ended the drawing, though the tables are complete.
    """

    status: str
    finished: int = 0
    path: Path | None = None
    summary: dict[str, Any] | None = None
    messages: tuple[str, ...] = ()
    error: Exception | None = None
    undrawn: bool = False


def drawn(*steps: Callable[[], object]) -> tuple[Exception | None, bool]:
    """Take steps of drawing, one after another: what failed, and whether Ctrl-C came.

    The tables are complete and are kept whatever drawing does.
    """
    try:
        for step in steps:
            step()
    except KeyboardInterrupt:
        return None, True
    except Exception as fault:
        return (None, True) if is_interruption(fault) else (fault, False)
    return None, False
