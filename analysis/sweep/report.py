"""A sweep told: figures by the number of keys, paired differences, and what a referee asks for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from airan_market.analysis.page import write_page
from airan_market.analysis.runs.summary import plain
from airan_market.analysis.store.manifest import Manifest
from airan_market.analysis.store.reader import opened
from airan_market.analysis.sweep import figures
from airan_market.analysis.sweep.frame import load_sweep
from airan_market.analysis.sweep.sensitivity import (
    METHODS,
    sensitivity,
    sensitivity_findings,
)
from airan_market.analysis.validation.verdicts import VIOLATED
from airan_market.analysis.wording import Section, capital
from airan_market.scenarios.sweep import Sweep
from airan_market.sim.estimation.intervals import mean_interval

DESIGN = ("cell", "seed", "mechanism", "reading")
#: What is shown first, where a command answers it.
FIRST = (
    "bound_violated",
    "social_welfare_usd_per_s",
    "operator_utility_usd_per_s",
    "largest_gain_usd_per_s",
    "violation_rate",
    "ratio",
)
MEASURES = 3


def drawable(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows that are drawn: of a validation those of the paper's bound, with what was found.

    `bound_violated` is 1 where the bound is violated beyond doubt, so that its mean is the part of
    the pairs.
    """
    if "method" not in frame:
        return frame
    own = frame[frame["method"] == "chernoff"]
    return own.assign(bound_violated=(own["verdict"] == VIOLATED).astype(float))


def by_cell(frame: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """One row a cell: means of numbers over its rows; with `group`, what a line is drawn for."""
    if "margins" in frame:  # two games a cell: each is a line of its own
        games = [_one_game(frame[frame["margins"] == game], keys, game) for game in (False, True)]
        return pd.concat(games, ignore_index=True)
    return _one_game(frame, keys, None)


def _one_game(frame: pd.DataFrame, keys: list[str], margins: bool | None) -> pd.DataFrame:
    numbers = frame.select_dtypes(["number", "bool"]).columns.difference([*DESIGN, *keys])
    held = frame.groupby("cell")[list(numbers)].mean()
    kept = frame.drop_duplicates("cell").set_index("cell")[[*DESIGN[1:], *keys]]
    joined = kept.join(held).reset_index()
    named = [name for name in ("mechanism", "reading") if joined[name].nunique() > 1]
    parts = [joined[name] for name in named]
    joined["group"] = parts[0] if parts else ""
    for part in parts[1:]:
        joined["group"] = joined["group"] + ", " + part
    if margins is not None:
        name = "margins free" if margins else "prices tied"
        joined["group"] = (joined["group"] + ", " + name).str.removeprefix(", ")
    return joined


def measures_of(frame: pd.DataFrame, keys: list[str]) -> list[str]:
    """The measures that are drawn."""
    numbers = [
        name for name in frame.select_dtypes("number").columns
        if name not in (*DESIGN, *keys) and frame[name].nunique() > 1
    ]  # fmt: skip
    first = [name for name in FIRST if name in numbers]
    return (first + [name for name in numbers if name not in first])[:MEASURES]


def paired(frame: pd.DataFrame, keys: list[str], measure: str) -> pd.DataFrame:
    """Each group less the first, on the same point and seed: mean and 95 % interval (Student).

    Returns
    -------
    DataFrame
        point of the design, group, against, difference, low, high, pairs.
    """
    groups, rows = list(frame["group"].unique()), []
    wide = frame.pivot_table(index=[*keys, "seed"], columns="group", values=measure)
    for point, own in wide.groupby(keys) if keys else [((), wide)]:
        for group in groups[1:]:
            apart = (own[group] - own[groups[0]]).dropna()
            found = mean_interval(apart.to_numpy())
            rows.append(
                dict(zip(keys, point, strict=True))
                | {
                    "group": group,
                    "against": groups[0],
                    "difference": found.mean,
                    "low": found.low,
                    "high": found.high,
                    "pairs": found.count,
                }
            )
    return pd.DataFrame(rows)


def numeric_of(cells: pd.DataFrame, keys: list[str]) -> list[str]:
    """Keys whose values are numbers, which have an axis."""
    return [key for key in keys if pd.api.types.is_numeric_dtype(cells[key])]


def pictures(directory: Path) -> dict[str, Figure]:
    """All figures of a sweep by name, from its tables."""
    manifest = opened(directory, "sweep")
    sweep, frame = Sweep.model_validate(manifest.settings), drawable(load_sweep(directory))
    keys = _keys(frame, sweep)
    cells = by_cell(frame, keys)
    measures, numeric = measures_of(cells, keys), numeric_of(cells, keys)
    groups = list(cells["group"].unique())
    drawn: dict[str, Figure] = {}
    if measures and len(numeric) == 1:
        drawn["sweep"] = figures.over_one_key(cells, numeric[0], measures, groups)
    elif measures and len(numeric) == 2 and sweep.grid:
        drawn["sweep"] = figures.over_two_keys(cells, numeric, measures[0], groups)
    elif measures and numeric:
        drawn["sweep"] = figures.over_many_keys(cells, numeric, measures[0], groups)
    if sweep.random is not None and sweep.random.kind in METHODS and measures:
        drawn["sensitivity"] = figures.sensitivities(sensitivity(sweep, cells, measures))
    return drawn


def draw(directory: Path) -> dict[str, Any]:
    """Draw figures and page of a sweep; what `report --json` prints."""
    manifest = opened(directory, "sweep")
    sweep, frame = Sweep.model_validate(manifest.settings), drawable(load_sweep(directory))
    keys = _keys(frame, sweep)
    cells = by_cell(frame, keys)
    measures = measures_of(cells, keys)
    groups = list(cells["group"].unique())
    numeric = numeric_of(cells, keys)
    sections = []
    pairs = pd.DataFrame()
    if measures and len(groups) > 1:
        pairs = paired(cells, numeric if sweep.random is None else [], measures[0])
        sections.append(Section.of(f"Paired differences, {figures.label(measures[0])}", pairs))
    sensitive = pd.DataFrame()
    if sweep.random is not None and sweep.random.kind in METHODS and measures:
        sensitive = sensitivity(sweep, cells, measures)
        sections.append(Section.of(f"Sensitivity, {METHODS[sweep.random.kind]}", sensitive))
    totals = _totals(cells, numeric if sweep.random is None else [], measures)
    sections.append(Section.of("Means over seeds", totals))
    told = _findings(sweep, cells, pairs, measures, manifest) + sensitivity_findings(sensitive)
    write_page(
        directory, manifest, "sweep/page.html.j2", pictures(directory),
        answer(sweep, cells, measures), told, place=".", notes=manifest.notes[:20],
        sections=sections, experiments=_design(sweep, cells),
    )  # fmt: skip
    return {"findings": told, "means": plain(totals.to_dict("records")),
            "differences": plain(pairs.to_dict("records")),
            "sensitivity": plain(sensitive.to_dict("records"))}  # fmt: skip


def _keys(frame: pd.DataFrame, sweep: Sweep) -> list[str]:
    asked = [*sweep.grid, *(key for point in sweep.listed for key in point)]
    asked += [*sweep.random.keys] if sweep.random else []
    found = [key for key in dict.fromkeys(asked) if key in frame]
    return [key for key in found if frame[key].nunique() > 1]


def _totals(cells: pd.DataFrame, keys: list[str], measures: list[str]) -> pd.DataFrame:
    rows = []
    for point, own in cells.groupby([*keys, "group"], sort=False):
        row: dict[str, Any] = dict(zip([*keys, "group"], point, strict=True))
        for measure in measures:
            found = mean_interval(own[measure].dropna().to_numpy())
            row |= {measure: found.mean, f"{measure} low": found.low,
                    f"{measure} high": found.high}  # fmt: skip
        rows.append(row | {"cells": len(own)})
    return pd.DataFrame(rows)


def answer(sweep: Sweep, cells: pd.DataFrame, measures: list[str]) -> list[str]:
    """What the sweep asks and what came out, for whoever has not read the papers."""
    question, mark, _ = sweep.description.partition("?")  # what follows it is how it is answered
    asked = question.rstrip(".") or f"What do the settings of {sweep.name} change"
    asked += mark or ("?" if not sweep.description else ": what comes out?")
    if not measures:
        return [asked, "Nothing that was measured differs between its cells."]
    measure = measures[0]
    means = cells.groupby("group")[measure].mean()
    said = f"{figures.label(measure)} lies between {cells[measure].min():.3g} and "
    said += f"{cells[measure].max():.3g} over {len(cells)} markets"
    if len(means) > 1:
        said += f"; on average it is highest with {means.idxmax()} ({means.max():.3g}) and lowest "
        said += f"with {means.idxmin()} ({means.min():.3g})"
    return [asked, f"{capital(said)}."]


def _findings(
    sweep: Sweep, cells: pd.DataFrame, pairs: pd.DataFrame, measures: list[str],
    manifest: Manifest,
) -> list[str]:  # fmt: skip
    told = [f"{len(cells)} cells of {sweep.command} on {sweep.scenario}."]
    if manifest.notes:
        told.append(f"{len(manifest.notes)} cells failed; their faults are in the ledger.")
    for group, own in pairs.groupby("group", sort=False) if len(pairs) else []:
        above, below = int((own["low"] > 0).sum()), int((own["high"] < 0).sum())
        where = (
            f"higher at {above} of {len(own)} points and lower at {below} (95 % intervals, each by "
            f"itself); mean difference {np.mean(own['difference']):+.4g}"
            if sweep.random is None
            else f"mean difference {np.mean(own['difference']):+.4g} over all points (95 % "
            f"interval over seeds {own['low'].iloc[0]:.4g} to {own['high'].iloc[0]:.4g})"
        )
        told.append(
            f"{group} against {own['against'].iloc[0]}, {figures.label(measures[0])} on the same "
            f"seeds: {where}."
        )
    return told


def _design(sweep: Sweep, cells: pd.DataFrame) -> str:
    """What was varied, in a line."""
    design = {"grid": dict(sweep.grid), "list": sweep.listed,
              "random": sweep.random.model_dump() if sweep.random else None}  # fmt: skip
    kind, what = next(((k, v) for k, v in design.items() if v), ("one point", ""))
    held = f"; set: {dict(sweep.settings)}" if sweep.settings else ""
    return (
        f"{sweep.command} over {kind} {what}{held}; {cells['seed'].nunique()} seeds, the same at "
        "every point"
    )
