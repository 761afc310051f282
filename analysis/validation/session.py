"""From a scenario to a validation directory: findings, tables, text, figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from airan_market.analysis.ended import Ended, drawn
from airan_market.analysis.exits import is_interruption
from airan_market.analysis.process.interruption import Interruption
from airan_market.analysis.store.directory import DirectoryWriter, default_directory
from airan_market.analysis.store.durable import write_json, write_text
from airan_market.analysis.store.manifest import Manifest
from airan_market.analysis.store.tables import write_frame
from airan_market.analysis.validation.findings import COMPLETE, Findings
from airan_market.analysis.validation.report.summary import answer, sentences
from airan_market.analysis.validation.stored import (
    APPROXIMATIONS,
    BATCHES,
    BEYOND,
    INDEPENDENCE,
    MAP,
    MARKETS,
    VERDICTS,
    load_validation,
)
from airan_market.analysis.validation.validating import Wanted, validate
from airan_market.scenarios import Scenario


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
) -> Ended:
    """Validate a scenario and leave a directory with tables, verdicts, summary and figures.

    Ctrl-C and the signal to terminate end it early: the operators simulated by then are kept, in
    tables that are readable, with the status `interrupted`.

    Parameters
    ----------
    scenario, seed, wanted, on_step
        As for `analysis.validation.validating.validate`.
    out : Path, optional
        `runs/validate-<scenario>-<seed>-<hash>` unless told; where something else than the usual
        is wanted, that is in the hash.
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
            place = out or default_directory(scenario, seed, prefix="validate", settings=unusual)
            manifest = Manifest.begun("validation", scenario, seed, settings=settings)
            writer = DirectoryWriter(place, scenario, manifest, force=force)
        try:
            found = find(scenario, seed, wanted, on_step=on_step)
        except BaseException as fault:
            writer.discard()
            if is_interruption(fault):
                return Ended("interrupted", messages=tuple(writer.messages))
            raise
        error, undrawn = None, False
        try:
            with interruption.shield(swallow=found.status != COMPLETE):
                write_tables(writer.partial, found)
                writer.seal(found.status, notes=found.notes)
            if found.status == COMPLETE:
                error, undrawn = drawn(on_draw, lambda: draw(writer.partial))
            with interruption.shield(swallow=True):
                path = writer.publish()
        except BaseException:
            writer.give_up()
            raise
        told = tuple(writer.messages)
        return Ended(found.status, found.simulated, path, found.summary, told, error, undrawn)


def write_tables(directory: Path, found: Findings) -> None:
    """Write every table that there is, the verdicts also for people, and the summary."""
    from airan_market.analysis.validation.report.text import verdicts_text

    for name, frame in (
        (APPROXIMATIONS, found.approximations),
        (VERDICTS, found.verdicts),
        (BEYOND, found.beyond),
        (MAP, found.map),
        (INDEPENDENCE, found.independence),
        (MARKETS, found.markets),
        (BATCHES, found.batches),
    ):
        if len(frame):
            write_frame(directory / f"{name}.parquet", "validation", frame)
    write_frame(directory / "verdicts.csv", "validation", found.verdicts)
    write_text(directory / "verdicts.md", verdicts_text(found))
    write_json(directory / "summary.json", found.summary)


def draw(directory: Path) -> dict[str, Any]:
    """Write figures and report of a validation directory; its summary."""
    from airan_market.analysis.page import write_page
    from airan_market.analysis.validation.report.figures import drawable
    from airan_market.analysis.validation.report.text import page_sections

    found = load_validation(directory)
    write_page(
        directory, found.manifest, "validation/report/page.html.j2", drawable(found),
        answer(found.summary), sentences(found.summary), notes=found.summary["notes"],
        sections=page_sections(found),
    )  # fmt: skip
    return found.summary
