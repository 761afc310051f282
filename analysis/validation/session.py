"""From a scenario to a validation directory: findings, tables, text, figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from airan_market.analysis.exits import is_interruption
from airan_market.analysis.store.interruption import Interruption
from airan_market.analysis.store.manifest import write_json, write_text
from airan_market.analysis.validation.store import (
    APPROXIMATIONS,
    BEYOND,
    MAP,
    MARKETS,
    VERDICTS,
    ValidationWriter,
    default_directory,
)
from airan_market.analysis.validation.validate import COMPLETE, Findings, Wanted, validate
from airan_market.scenarios import Scenario


@dataclass(frozen=True)
class Validated:
    """How a validation ended.

    Attributes
    ----------
    status : str
        `complete` or `interrupted`.
    path : Path or None
        The directory; None when nothing was kept.
    summary : dict or None
        Content of `summary.json`.
    error : Exception or None
        What made the drawing of complete tables fail.
    undrawn : bool
        Whether the figures were not finished, though the tables are complete.
    """

    status: str
    path: Path | None = None
    summary: dict[str, Any] | None = None
    error: Exception | None = None
    undrawn: bool = False


def validate_into(
    scenario: Scenario,
    seed: int = 1,
    out: Path | None = None,
    wanted: Wanted | None = None,
    *,
    force: bool = False,
    on_step: Callable[[str, int, int], None] = lambda what, done, of: None,
    on_draw: Callable[[], None] = lambda: None,
    find: Callable[..., Findings] = validate,
) -> Validated:
    """Validate a scenario and leave a directory with tables, verdicts, summary and figures.

    Ctrl-C and the signal to terminate end it early: the operators simulated by then are kept, in
    tables that are readable, with the status `interrupted`.

    Parameters
    ----------
    scenario, seed, wanted, on_step
        As for `analysis.validation.validate.validate`.
    out : Path, optional
        `runs/validate-<scenario>-<seed>-<hash>` unless told.
    force : bool
        Whether a complete validation there may be replaced.
    on_draw : function
        Called once, before the figures are made.
    find : function
        `validate`, or what stands for it in a test.

    Raises
    ------
    RunError
        When the directory is taken.
    Exception
        Whatever `validate` raises; nothing is left then.
    """
    wanted = Wanted() if wanted is None else wanted
    settings = asdict(wanted) | {"trace": None if wanted.trace is None else wanted.trace.name}
    unusual = None if wanted == Wanted() else settings
    with Interruption() as interruption:
        with interruption.shield():
            directory = out or default_directory(scenario, seed, unusual)
            writer = ValidationWriter(directory, scenario, seed, settings, force=force)
        try:
            found = find(scenario, seed, wanted, on_step=on_step)
        except BaseException as fault:
            writer.discard()
            if is_interruption(fault):
                return Validated("interrupted")
            raise
        error: Exception | None = None
        undrawn = False
        with interruption.shield(swallow=found.status != COMPLETE):
            write_tables(writer, found)
        if found.status == COMPLETE:
            try:
                on_draw()
                draw_into(writer.partial, found)
            except KeyboardInterrupt:
                undrawn = True
            except Exception as fault:  # the tables are complete, whatever drawing does
                error = fault
        with interruption.shield(swallow=True):
            writer.finish(found.status, found.notes)
            path = writer.publish()
        return Validated(found.status, path, found.summary, error, undrawn)


def write_tables(writer: ValidationWriter, found: Findings) -> None:
    """Write every table that there is, the verdicts also for people, and the summary."""
    from airan_market.analysis.validation.text import verdicts_text

    for name, frame in (
        (APPROXIMATIONS, found.approximations),
        (VERDICTS, found.verdicts),
        (BEYOND, found.beyond),
        (MAP, found.map),
        (MARKETS, found.markets),
    ):
        if len(frame):
            writer.table(name, frame)
    found.verdicts.to_csv(writer.partial / "verdicts.csv", index=False)
    write_text(writer.partial / "verdicts.md", verdicts_text(found))
    write_json(writer.partial / "summary.json", found.summary)


def draw_into(directory: Path, found: Findings) -> None:
    """Write every figure into `figures/`."""
    from airan_market.analysis.figure_style import png
    from airan_market.analysis.validation.figures import drawable

    (directory / "figures").mkdir(exist_ok=True)
    for name, figure in drawable(found).items():
        (directory / "figures" / f"{name}.png").write_bytes(png(figure))
