"""Runs compared: what a change does, as paired differences over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from airan_market.analysis.store.manifest import RunError
from airan_market.analysis.store.reader import Run, load_run
from airan_market.analysis.wording import as_text, columns, number
from airan_market.sim.estimation.intervals import mean_interval

#: What is compared: column of the market, or what `_figures` makes of the rounds; its unit.
FIGURES = {
    "social welfare, realised": "USD/s",
    "operators' utility, realised": "USD/s",
    "users' utility, realised": "USD/s",
    "tasks violated": "1",
    "users who stay out": "users",
}


def compare(directories: Sequence[Path], first_round: int = 1, level: float = 0.95) -> pd.DataFrame:
    """Compare runs of several scenarios, seed by seed, with those of the first one's scenario.

    Parameters
    ----------
    directories : sequence of Path
        Finished runs of markets. Runs of one scenario make a group; the first directory's group is
        what the others are compared with. Only seeds that two groups share count.
    first_round : int
        Figures are means over the rounds from this one on.
    level : float
        Of the t interval of the mean difference over seeds.

    Returns
    -------
    DataFrame
        `scenario, figure, unit, seeds, base, mean, difference, low, high`; limits are NaN with one
        seed.

    Raises
    ------
    RunError
        For what is no run of a market, for one run twice, for a single scenario, and where two
        groups share no seed.
    """
    runs = [load_run(directory) for directory in directories]
    groups: dict[str, dict[int, Run]] = {}
    labels: dict[str, str] = {}
    for run in runs:
        if run.manifest.kind != "market":
            raise RunError(f"{run.path}: holds no run of a market")
        own = groups.setdefault(run.manifest.scenario_hash, {})
        labels.setdefault(run.manifest.scenario_hash, _label(run))
        seed = run.manifest.seed
        assert seed is not None  # every run has one
        if seed in own:
            raise RunError(f"{run.path}: the same scenario and seed as {own[seed].path}")
        own[seed] = run
    if len(groups) < 2:
        raise RunError(f"{directories[0]}: all runs are of one scenario, there is no difference")
    (base_hash, base), *others = groups.items()
    known = {seed: _figures(run, first_round) for seed, run in base.items()}
    rows: list[dict[str, Any]] = []
    for hash_, group in others:
        seeds = sorted(set(group) & set(base))
        if not seeds:
            raise RunError(f"{next(iter(group.values())).path}: no seed of the first scenario")
        mine = [_figures(group[seed], first_round) for seed in seeds]
        theirs = [known[seed] for seed in seeds]
        for figure in mine[0]:
            one, two = (np.array([row[figure] for row in rows_]) for rows_ in (theirs, mine))
            interval = mean_interval(two - one, level)
            rows.append(
                {
                    "scenario": labels[hash_], "compared_with": labels[base_hash],
                    "figure": figure, "unit": FIGURES.get(figure, "USD/s"), "seeds": len(seeds),
                    "base": one.mean(), "mean": two.mean(), "difference": interval.mean,
                    "low": interval.low, "high": interval.high,
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def _label(run: Run) -> str:
    return f"{run.manifest.scenario} {run.manifest.scenario_hash[:8]}"


def _figures(run: Run, first_round: int) -> dict[str, float]:
    """Means over rounds of one run, those of every operator and type after those of all."""
    rounds = run.rounds[run.rounds["round"] >= first_round]
    market = run.market[run.market["round"] >= first_round]
    if not len(market):
        raise RunError(f"{run.path}: has no round {first_round}")
    welfare = market["social_welfare_realised_usd_per_s"].mean()
    operators = market["operator_utility_realised_usd_per_s"].mean()
    played = len(market)
    figures = dict(
        zip(
            FIGURES,
            (
                welfare, operators, welfare - operators,
                rounds["violations"].sum() / max(rounds["tasks"].sum(), 1),
                market["opted_out_users"].mean(),
            ),
            strict=True,
        )
    )  # fmt: skip
    profit = rounds.groupby("operator")["operator_utility_realised_usd_per_s"].sum() / played
    figures |= {f"utility of operator {m}": value for m, value in profit.items()}
    surplus = rounds.groupby("type")["user_utility_realised_usd_per_s"].sum() / played
    figures |= {f"utility of users of type {n}": value for n, value in surplus.items()}
    return {name: float(value) for name, value in figures.items()}


def shown(table: pd.DataFrame) -> str:
    """The differences as people read them, a table for every scenario."""
    parts = []
    for (scenario, base), rows in table.groupby(["scenario", "compared_with"], sort=False):
        headings = "figure", "unit", "seeds", "base", "changed", "difference", "from", "to"
        drawn = columns(f"{scenario} against {base}", headings, ("figure", "unit"))
        for row in rows.to_dict("records"):
            drawn.add_row(
                row["figure"], row["unit"], str(row["seeds"]), number(row["base"]),
                number(row["mean"]), number(row["difference"], 3), number(row["low"], 3),
                number(row["high"], 3),
            )  # fmt: skip
        parts.append(drawn)
    return as_text(parts)
