"""The directory that `pact` leaves: tables, outcome, figures, page, the claims if asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from airan_market.agents.pact.outcome import PactOutcome, SolvedMarket
from airan_market.analysis.pact import claims as pact_claims
from airan_market.analysis.pact.page import places, write_report
from airan_market.analysis.pact.tables import (
    audit_table,
    liability_table,
    menu_table,
    scale_table,
    service_table,
)
from airan_market.analysis.process.watchdog import WATCHDOG
from airan_market.analysis.progress import Progress
from airan_market.analysis.store.directory import (
    DirectoryWriter,
    amended,
    default_directory,
    manifest_there,
)
from airan_market.analysis.store.durable import write_json, write_text
from airan_market.analysis.store.manifest import (
    Manifest,
    package_versions,
    read_manifest,
    sealed,
    sha256,
)
from airan_market.analysis.store.reader import Stored
from airan_market.analysis.store.tables import write_frame
from airan_market.scenarios import PactScenario, scenario_hash

KIND = "menu"
CLAIMS = "claims.md"


def publish(
    scenario: PactScenario,
    outcome: PactOutcome,
    out: Path | None = None,
    *,
    claims: bool = False,
    force: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Write what is not there already.

    Parameters
    ----------
    scenario, outcome
    out : Path, optional
        `runs/<scenario>-<hash>` unless told.
    claims : bool
        Whether to hold the paper's claims against every reading of what it leaves open. An
        interruption leaves what is already there; the same call goes on from it.
    force : bool
        Whether a complete menu there may be replaced.
    progress : Progress, optional

    Raises
    ------
    RunError
        When something else is there.
    """
    progress = progress or Progress("", quiet=True)
    directory = default_directory(scenario) if out is None else out
    begun = Manifest.begun(KIND, scenario)
    kept = not force and _is_kept(directory, begun)
    if not kept:
        progress.now("tables and figures")
        writer = DirectoryWriter(directory, scenario, begun, force=force)
        try:
            _write_tables(writer.partial, scenario, outcome)
            write_report(
                writer.partial, writer.seal("complete", notes=tuple(outcome.notes())), outcome
            )
        except BaseException:
            writer.discard()
            raise
        writer.publish()
    elif not claims or _has_claims(directory):
        progress.note(f"{directory} holds this result already; --force computes it again")
    if claims and not _has_claims(directory):
        with amended(directory):
            _add_claims(directory, outcome, progress)
    return directory


def _is_kept(directory: Path, begun: Manifest) -> bool:
    """Whether a directory holds this result whole, claims aside.

    Raises
    ------
    RunError
        When it does, but a table of it was changed.
    """
    there = manifest_there(directory, KIND)
    if there is None or there.status != "complete" or there.identity != begun.identity:
        return False
    Stored(directory, there).verify(tables_only=True)
    return True


def _has_claims(directory: Path) -> bool:
    """Whether claims.md, which comes last, is there as it was written."""
    record, file = read_manifest(directory).files.get(CLAIMS), directory / CLAIMS
    return record is not None and file.is_file() and sha256(file) == record["sha256"]


def _write_tables(directory: Path, scenario: PactScenario, outcome: PactOutcome) -> None:
    for solved, place in places(directory, outcome):
        place.mkdir(exist_ok=True)
        tables = {"services": service_table(solved), "menus": menu_table(solved)}
        if solved.market.services.liability_usd.any():
            tables["liability"], zeros = liability_table(solved.market)
            tables["break_even"] = scale_table(solved.market)
            tables["audits"] = audit_table(solved.market, zeros)
        for name, frame in tables.items():
            write_frame(place / f"{name}.csv", KIND, frame)
    fields = {
        "scenario_hash": scenario_hash(scenario),
        "versions": package_versions(),
        **outcome.to_json(),
        "certificates": [_certificates(solved) for solved in outcome.markets],
        "notes": outcome.notes(),
    }
    write_json(directory / "pact.json", fields)


def _add_claims(directory: Path, outcome: PactOutcome, progress: Progress) -> None:
    """Judge every reading; claims.md comes last."""
    each = pact_claims.count_readings()
    every = each * len(outcome.markets)
    pages = []
    kept = f"tables and figures are kept in {directory}"
    WATCHDOG.line = f"interrupted; {kept}; the same command goes on from there"
    for number, (solved, place) in enumerate(places(directory, outcome)):
        market, level, before = solved.market, solved.liability_level, number * each

        def told(done: int, before: int = before) -> None:
            progress.reading(before + done, every)

        grid = pact_claims.over_readings(market, level, told)
        rows = pact_claims.claim_rows(pact_claims.judge(market, level), grid)
        claims = pd.DataFrame([asdict(row) for row in rows])
        write_frame(place / "claims.csv", KIND, claims)
        write_frame(place / "readings.csv", KIND, grid)
        page = pact_claims.markdown(rows, grid)
        pages.append(f"## {market.name}\n\n{page}" if market.name else page)
    write_report(directory, sealed(directory, read_manifest(directory)), outcome)
    write_text(directory / CLAIMS, "\n".join(pages))


def claims_in(directory: Path, outcome: PactOutcome) -> list[dict[str, Any]]:
    """The claims that `publish` left in a directory, a row each, those of every task."""
    return [
        ({"task": solved.market.name} if solved.market.name else {}) | row
        for solved, place in places(directory, outcome)
        for row in pd.read_csv(place / "claims.csv", keep_default_na=False).to_dict("records")
    ]


def claim_sentences(rows: list[dict[str, Any]]) -> list[str]:
    """What became of every claim, a sentence each."""
    return [
        f"{row['claim']}: {row['verdict']} (here {row['here']}; in {row['share']:.1%} of "
        f"{row['readings']} readings)"
        for row in rows
    ]


def _certificates(solved: SolvedMarket) -> Mapping[str, Any]:
    return {
        menu: {**asdict(found), "ir_type": found.ir_type + 1, "ic_type": found.ic_type + 1,
               "ic_item": found.ic_item + 1, "holds": found.holds}
        for menu, found in solved.certificates().items()
    }  # fmt: skip
