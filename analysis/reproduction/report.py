"""The directory of a reproduction: the table of claims, the totals behind it, the figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from airan_market.analysis.page import write_page
from airan_market.analysis.reproduction.cells import (
    DRAWS,
    SCENARIO,
    Cell,
    cells,
    reproduce,
    totals,
)
from airan_market.analysis.reproduction.claim import (
    SPLIT,
    WHOLE,
    Row,
    counts,
    markdown,
    section,
    table,
)
from airan_market.analysis.reproduction.claim_draws import draws_of, gains, points, win_rate
from airan_market.analysis.reproduction.figures import drawable
from airan_market.analysis.reproduction.published import BENCHMARKS, PROPOSED, TOTALS, WHOLE_TYPES
from airan_market.analysis.reproduction.verdicts import verdict_rows
from airan_market.analysis.store.cell_store import growing, stored
from airan_market.analysis.store.directory import amended
from airan_market.analysis.store.durable import write_text
from airan_market.analysis.store.reader import opened
from airan_market.analysis.store.tables import write_frame
from airan_market.scenarios import load_scenario

ASSUMED = (
    "Assumed where the paper is silent: with N other than 8 types the latency sensitivity falls "
    "linearly from 8e-4 to 1e-4; user counts are whole, by largest remainder; draw d takes its "
    "shares from seed d. Gains are (u - b) / |b| over the best benchmark b of each draw. GSMC is "
    "read twice: types split by the operators' quotas, and types kept whole, the last one "
    "overfilling its operator. "
    "Table I and the default totals (in sample) are those of the shares in the scenario file."
)


def reproduce_into(
    directory: Path,
    only: Sequence[str] = (),
    draws: int = DRAWS,
    *,
    workers: int | None = None,
    on_cell: Callable[[Cell, int, int], None] = lambda cell, done, of: None,
) -> list[Row]:
    """Compute what is missing, write the tables and draw; the claims.

    Parameters
    ----------
    directory : Path
        Of a reproduction, or empty.
    only, draws
        As for `analysis.reproduction.cells.cells`.
    workers, on_cell
        As for `analysis.reproduction.cells.reproduce`.
    """
    wanted = cells(only, draws)
    settings = {"only": list(only), "draws": draws}
    with growing(directory, "reproduction", load_scenario(SCENARIO), settings):
        answers = reproduce(directory, wanted, processes=workers, on_cell=on_cell)
        write(directory, answers)
    with amended(directory):
        return draw(directory)


def write(directory: Path, answers: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Write claims.md, claims.csv, totals.csv and wins.csv; return the claims.

    Parameters
    ----------
    directory : Path
        Of the reproduction.
    answers : sequence
        As `reproduction.cells.reproduce` returns them.
    """
    frame = totals(answers)
    rows = verdict_rows(frame)
    text = f"# The paper's claims, held against our draws\n\n{ASSUMED}\n\n{markdown(rows)}"
    write_text(directory / "claims.md", text)
    found = {"claims": table(rows), "totals": spread_of(frame), "wins": wins_of(frame)}
    for name, own in found.items():
        write_frame(directory / f"{name}.csv", "reproduction", own)
    return rows


def draw(directory: Path) -> list[Row]:
    """Draw figures and page of a reproduction from the cells it was last asked for; the claims."""
    manifest = opened(directory, "reproduction")
    wanted = cells(manifest.settings["only"], manifest.settings["draws"])
    frame = totals([answer for cell in wanted if (answer := stored(directory, cell))])
    rows = verdict_rows(frame)
    write_page(
        directory, manifest, "reproduction/page.html.j2", drawable(frame), headline(rows),
        place=".", notes=[ASSUMED], sections=[section(rows)],
    )  # fmt: skip
    return rows


def spread_of(frame: pd.DataFrame) -> pd.DataFrame:
    """Median and 5 and 95 % points of both totals, a row per cell and mechanism, USD/s.

    `converged` is the part of the draws for which `Outcome.converged` would be true.
    """
    keys = ["sweep", "setting", "mechanism"]
    by_cell = frame.groupby(keys, sort=False)
    columns = {
        f"{total.replace(' ', '_')}_{label}_usd_per_s": by_cell[total].quantile(q)
        for total in TOTALS
        for label, q in (("low", 0.05), ("median", 0.5), ("high", 0.95))
    }
    columns |= {"draws": by_cell["draw"].count(), "converged": by_cell["converged"].mean()}
    return pd.DataFrame(columns).reset_index()


def wins_of(frame: pd.DataFrame) -> pd.DataFrame:
    """Where the proposed method stands against the benchmarks, a row per cell and total.

    `gain_…` are points of (u − b) / |b| over the best benchmark b of each draw, `wins` the part
    of the draws in which it is positive; `whole_…` the same with GSMC's types kept whole;
    `wins_over_…` is `wins` against one benchmark.
    """
    rows = []
    for sweep, setting in frame[["sweep", "setting"]].drop_duplicates().itertuples(index=False):
        for total in TOTALS:
            draws = draws_of(frame, sweep, setting, total)
            if not {PROPOSED, *SPLIT, *WHOLE} <= set(draws.columns):
                continue
            over = {
                f"wins_over_{name}": (draws[PROPOSED] > draws[name]).mean()
                for name in (*BENCHMARKS, WHOLE_TYPES)
            }
            where = {"sweep": sweep, "setting": setting, "total": total}
            rows.append({**where, **_standing(draws, SPLIT), **_standing(draws, WHOLE, "whole_")})
            rows[-1] |= over
    return pd.DataFrame(rows)


def _standing(draws: pd.DataFrame, benchmarks: Sequence[str], prefix: str = "") -> dict[str, float]:
    low, median, high = points(gains(draws, benchmarks))
    found = {"gain_low": low, "gain_median": median, "gain_high": high}
    found["wins"] = win_rate(draws, benchmarks)
    return {prefix + name: value for name, value in found.items()}


def headline(rows: Sequence[Row]) -> list[str]:
    """Number of rows of each verdict, in and out of sample, a sentence each.

    The out-of-sample one comes again with GSMC's types kept whole, if that was computed.
    """
    names = {"in": "in sample", "out": "out of sample"}
    told = [_sentence(names[sample], found) for sample, found in counts(rows).items()]
    if any(row.whole_verdict for row in rows):
        whole = counts(rows, whole=True)["out"]
        told.append(_sentence("out of sample, with GSMC's types kept whole", whole))
    return [sentence for sentence in told if sentence]


def _sentence(sample: str, found: Mapping[str, int]) -> str:
    words = ", ".join(f"{n} {verdict}" for verdict, n in found.items() if n)
    return f"{sample}: {words}" if words else ""


def as_fields(rows: Sequence[Row]) -> dict[str, Any]:
    """What `reproduce --json` prints: verdict counts in both readings of GSMC, and every row."""
    return {
        "counts": counts(rows),
        "counts_whole_types": counts(rows, whole=True),
        "claims": [asdict(row) for row in rows],
    }
