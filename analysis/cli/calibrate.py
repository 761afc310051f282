"""`airan-market calibrate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from airan_market.analysis.cli import asking as ask
from airan_market.analysis.cli.telling import result


def calibrate(
    scenario: ask.ScenarioArgument = "teleoperation",
    out: Annotated[
        Path | None, ask.out_option("Keep the account there; nothing by default.")
    ] = None,
    force: ask.Force = False,
    workers: ask.Workers = None,
    settings: ask.Set = None,
    reading: ask.Reading = None,
    quiet: ask.Quiet = False,
    as_json: ask.Json = False,
    debug: ask.Debug = False,
) -> None:
    """Find what the published numbers say of what the paper leaves out: fits and their ranges.

    Prints the account; it takes some two minutes. The scenario gives what is not fitted, and where
    the search begins.
    """
    loaded = ask.load(scenario, settings, {}, reading, quiet=quiet, one_service=True)
    from airan_market.analysis.calibration.account import calibrate as calibrated
    from airan_market.analysis.calibration.text import account_fields, account_text, keep
    from airan_market.analysis.progress import Progress

    with Progress("fitting", quiet=quiet) as progress:
        account = calibrated(loaded, workers, progress.step)
    if out is not None:
        keep(out, loaded, account, force=force)
    text = account_text(account) + ("" if out is None else f"\n{out}")
    result(account_fields(account), text, as_json=as_json)
