"""The directory of a reproduction: the tables of claims, the totals behind them, the figures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from airan_market.analysis.page import write_page
from airan_market.analysis.reproduction.cells import (
    DRAWS,
    FITTED,
    SCENARIO,
    Cell,
    cells,
    readings,
    reproduce,
    totals,
)
from airan_market.analysis.reproduction.claim import (
    DIRECTION,
    FAILS,
    HOLDS,
    MISSING,
    Row,
    counts,
    markdown,
    section,
    table,
)
from airan_market.analysis.reproduction.claim_draws import (
    Outcomes,
    draws_of,
    gains,
    points,
    win_rate,
)
from airan_market.analysis.reproduction.comparison import compared, standing, unexplained
from airan_market.analysis.reproduction.figures import drawable
from airan_market.analysis.reproduction.published import BENCHMARKS, PROPOSED, TOTALS
from airan_market.analysis.reproduction.verdicts import verdict_rows
from airan_market.analysis.store.cell_store import growing, stored
from airan_market.analysis.store.directory import amended
from airan_market.analysis.store.durable import write_text
from airan_market.analysis.store.reader import opened
from airan_market.analysis.store.tables import write_frame
from airan_market.scenarios import Reading, load_scenario

Judged = Mapping[str, Sequence[Row]]  # rows of every claim, by the name of the reading

ASSUMED = (
    "Assumed where the paper is silent: with N other than 8 types the latency sensitivity falls "
    "linearly from 8e-4 to 1e-4; draw d takes its shares from seed d. Gains are (u - b) / |b| over "
    "the best benchmark b of each draw."
)


def reproduce_into(
    directory: Path,
    only: Sequence[str] = (),
    draws: int = DRAWS,
    names: Sequence[str] = (),
    *,
    workers: int | None = None,
    on_cell: Callable[[Cell, int, int], None] = lambda cell, done, of: None,
) -> dict[str, list[Row]]:
    """Compute what is missing, write the tables and draw; the claims under every reading.

    Parameters
    ----------
    directory : Path
        Of a reproduction, or empty.
    only, draws
        As for `analysis.reproduction.cells.cells`.
    names
        As for `analysis.reproduction.cells.readings`.
    workers, on_cell
        As for `analysis.reproduction.cells.reproduce`.
    """
    asked = readings(names)
    wanted = cells(only, draws, asked)
    settings = {"only": list(only), "draws": draws, "readings": [as_plain(one) for one in asked]}
    with growing(directory, "reproduction", load_scenario(SCENARIO), settings):
        answers = reproduce(directory, wanted, processes=workers, on_cell=on_cell)
        write(directory, asked, answers)
    with amended(directory):
        return draw(directory)


def as_plain(reading: Reading) -> dict[str, Any]:
    """A reading as plain data, for the manifest."""
    return asdict(reading)


def as_reading(plain: Mapping[str, Any]) -> Reading:
    """The reading that `as_plain` wrote down.

    Examples
    --------
    >>> mine = Reading("mine", users=(1, 2), used=("refund",))
    >>> as_reading(as_plain(mine)) == mine
    True
    """
    lists = {key: tuple(value) for key, value in plain.items() if isinstance(value, list | tuple)}
    return Reading(**{**plain, **lists})


def judged(frame: pd.DataFrame, asked: Iterable[Reading]) -> dict[str, list[Row]]:
    """Rows of every claim under every reading."""
    return {reading.name: verdict_rows(frame, reading) for reading in asked}


def write(directory: Path, asked: Sequence[Reading], answers: Sequence[Mapping[str, Any]]) -> None:
    """Write claims.md, claims.csv, readings.csv, totals.csv and wins.csv.

    Parameters
    ----------
    directory : Path
        Of the reproduction.
    asked : sequence of Reading
    answers : sequence
        As `reproduction.cells.reproduce` returns them.
    """
    frame = totals(answers)
    rows = judged(frame, asked)
    write_text(directory / "claims.md", as_markdown(asked, rows))
    claims = pd.concat(
        [table(found).assign(reading=name) for name, found in rows.items()], ignore_index=True
    )
    found = {
        "claims": claims[["reading", *claims.columns.drop("reading")]],
        "readings": standing(asked, rows, frame),
        "totals": spread_of(frame),
        "wins": wins_of(frame),
    }
    for name, own in found.items():
        write_frame(directory / f"{name}.csv", "reproduction", own)


def as_markdown(asked: Sequence[Reading], rows: Judged) -> str:
    """The claims for people: readings side by side where there are several, then each."""
    parts = ["# The paper's claims, held against our draws", ASSUMED]
    if len(asked) > 1:
        parts += ["## Readings side by side", compared(rows).markdown(), unexplained(rows)]
    for reading in asked:
        parts += [
            f"## Reading {reading.name}",
            f"{reading.description}.",
            markdown(rows[reading.name]),
        ]
    return "\n\n".join(parts)


def computed_in(directory: Path) -> tuple[list[Reading], pd.DataFrame]:
    """Readings that a directory was last asked for, and the totals of their cells."""
    settings = opened(directory, "reproduction").settings
    asked = [as_reading(plain) for plain in settings["readings"]]
    wanted = cells(settings["only"], settings["draws"], asked)
    return asked, totals([kept for cell in wanted if (kept := stored(directory, cell))])


def pictures(asked: Sequence[Reading], frame: pd.DataFrame) -> dict[str, Figure]:
    """All figures by name, led by that of the reading where there are several."""
    return {
        name if len(asked) == 1 else f"{reading.name}_{name}": figure
        for reading in asked
        for name, figure in drawable(frame[frame["reading"] == reading.name]).items()
    }


def draw(directory: Path) -> dict[str, list[Row]]:
    """Draw figures and page of a reproduction from the cells it was last asked for; the claims."""
    manifest = opened(directory, "reproduction")
    asked, frame = computed_in(directory)
    rows, alone = judged(frame, asked), len(asked) == 1
    sections = [] if alone else [compared(rows)]
    sections += [section(f"Claims under the reading {name}", found) for name, found in rows.items()]
    write_page(
        directory, manifest, "reproduction/page.html.j2", pictures(asked, frame), answer(rows),
        headline(rows), place=".", notes=[ASSUMED], sections=sections,
    )  # fmt: skip
    return rows


def spread_of(frame: pd.DataFrame) -> pd.DataFrame:
    """Median and 5 and 95 % points of both totals, a row per cell and mechanism, USD/s.

    `converged` is the part of the draws for which `Outcome.converged` would be true.
    """
    keys = ["reading", "sweep", "setting", "mechanism"]
    by_cell = frame[frame["draw"] != FITTED].groupby(keys, sort=False)
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
    of the draws in which it is positive; `wins_over_…` is `wins` against one benchmark.
    """
    rows = []
    places = frame[["reading", "sweep", "setting"]].drop_duplicates().itertuples(index=False)
    for reading, sweep, setting in places:
        own = Outcomes(frame[frame["reading"] == reading])
        for total in TOTALS:
            draws = draws_of(own, sweep, setting, total)
            if not {PROPOSED, *BENCHMARKS} <= set(draws.columns):
                continue
            low, median, high = points(gains(draws))
            rows.append(
                {
                    "reading": reading, "sweep": sweep, "setting": setting, "total": total,
                    "gain_low": low, "gain_median": median, "gain_high": high,
                    "wins": win_rate(draws),
                    **{f"wins_over_{n}": (draws[PROPOSED] > draws[n]).mean() for n in BENCHMARKS},
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def answer(rows: Judged) -> list[str]:
    """What a reproduction asks and what came out, for whoever has not read the papers."""
    asked = "Does what the paper claims come out when its market is computed again?"
    told = {reading: _held(own) for reading, own in rows.items()}
    best = max(told, key=lambda reading: told[reading][0])
    holds, partly, judged = told[best]
    if not judged:
        return [asked, "Nothing was computed that could tell."]
    where = f" under the reading {best}, which brings out most" if len(told) > 1 else ""
    return [
        asked,
        f"Of {judged} claims that the market was not fitted to, {holds} hold{where}, {partly} have "
        f"the right direction but another size, and {judged - holds - partly} do not come out.",
    ]


def _held(rows: Sequence[Row]) -> tuple[int, int, int]:
    """How many claims out of sample hold, hold in their direction, were judged."""
    found = counts(rows)["out"]
    return found[HOLDS], found[DIRECTION], sum(found.values()) - found[MISSING]


def headline(rows: Judged) -> list[str]:
    """Number of claims of each verdict, in and out of sample, a sentence each."""
    names = {"in": "in sample", "out": "out of sample"}
    return [
        f"{reading}, {names[sample]}: "
        + ", ".join(f"{n} {_of_several(verdict, n)}" for verdict, n in found.items() if n)
        for reading, own in rows.items()
        for sample, found in counts(own).items()
        if sum(found.values())
    ]


def _of_several(verdict: str, count: int) -> str:
    """A verdict as it is said of so many claims.

    >>> _of_several("holds", 10), _of_several("holds", 1), _of_several("direction only", 2)
    ('hold', 'holds', 'direction only')
    """
    return {HOLDS: "hold", FAILS: "do not hold"}.get(verdict, verdict) if count > 1 else verdict


def as_fields(rows: Judged) -> dict[str, Any]:
    """What `reproduce --json` prints: by reading, counts of the verdicts and every row."""
    return {
        "readings": {
            name: {"counts": counts(own), "claims": [asdict(row) for row in own]}
            for name, own in rows.items()
        }
    }
