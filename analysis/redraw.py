"""Anything finished drawn again from its tables, by the kind of its directory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from airan_market.analysis.exits import unexpected_line
from airan_market.analysis.resume import recover
from airan_market.analysis.store.directory import amended
from airan_market.analysis.store.manifest import KINDS, Manifest, RunError
from airan_market.analysis.store.reader import Stored, load_run, opened
from airan_market.scenarios import InputError

#: What reading numbers that are none of ours may come to.
_UNFIT = (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError)


def redraw(directory: Path) -> dict[str, Any]:
    """Compare the tables with the manifest, then write figures and `report.html` again.

    Of a run that a killed process left, the finished rounds are first made one that is readable.

    Returns
    -------
    dict
        What the command that left the directory prints with `--json`.

    Raises
    ------
    RunError
        When it is none of ours, is not finished, or was changed.
    """
    recover(directory)
    with amended(directory):
        return _checked(directory)


def _checked(directory: Path) -> dict[str, Any]:
    manifest = opened(directory)
    try:
        return _redrawn(directory, manifest)
    except InputError:
        raise
    except _UNFIT as error:
        held = f"does not hold what its {KINDS[manifest.kind]} left there"
        raise RunError(f"{directory}: {held}: {unexpected_line(error)}") from error


def _redrawn(directory: Path, manifest: Manifest) -> dict[str, Any]:
    if manifest.kind in ("market", "pact"):
        from airan_market.analysis import play

        load_run(directory).verify(tables_only=True)
        summary = play.write_summary(directory)
        play.draw(directory, summary)
        return summary
    stored = Stored(directory, manifest)
    stored.verify(tables_only=True)
    if manifest.kind == "validation":
        from airan_market.analysis.validation.session import draw as draw_validation

        draw_validation(directory)
        return stored.summary
    if manifest.kind == "reproduction":
        from airan_market.analysis.reproduction import report as reproduction

        return reproduction.as_fields(reproduction.draw(directory))
    if manifest.kind == "identification":
        from airan_market.analysis.identification import report as identification

        return identification.draw(directory)
    if manifest.kind == "questions":
        from airan_market.analysis.questions import report as questions

        return questions.draw(directory)
    if manifest.kind == "sweep":
        from airan_market.analysis.sweep import report as sweep

        return sweep.draw(directory)
    if manifest.kind == "equilibrium":
        from airan_market.analysis.equilibrium import report as equilibrium

        return equilibrium.draw(directory)
    if manifest.kind == "calibration":
        from airan_market.analysis.calibration import text as calibration

        return calibration.write_report(directory, manifest)
    from airan_market.agents.pact import solve_pact
    from airan_market.analysis.pact.page import write_report
    from airan_market.scenarios import load_pact

    outcome = solve_pact(load_pact(directory / "scenario.toml"))
    write_report(directory, manifest, outcome)
    return outcome.to_json()
