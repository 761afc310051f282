"""Which settings move an answer: Sobol' indices and Morris's elementary effects, through SALib."""

from __future__ import annotations

import numpy as np
import pandas as pd

from airan_market.scenarios.sweep import Quasi, Sweep, unit_points, unit_problem
from airan_market.sim.arrays import FloatArray

METHODS = {"saltelli": "Sobol' indices", "morris": "elementary effects"}
RESAMPLES = 500


def indices(design: Quasi, values: FloatArray) -> pd.DataFrame:
    """Indices of one answer over the points of a design, a row a key.

    Parameters
    ----------
    design : Quasi
        Of kind "saltelli" or "morris".
    values : array (P,)
        The answer at each of its points.

    Returns
    -------
    DataFrame
        key; first, first_half: first-order index and half its 95 % interval (Sobol' only); total,
        total_half: total index (Sobol'), or the mean absolute effect of a step (Morris, μ*).

    References
    ----------
    A. Saltelli et al. (2010), Computer Physics Communications 181, 259; M. D. Morris (1991),
    Technometrics 33, 161.
    """
    from SALib.analyze import morris, sobol

    problem, keys = unit_problem(design), list(design.keys)
    if design.kind == "saltelli":
        found = sobol.analyze(
            problem, values, calc_second_order=False, num_resamples=RESAMPLES, seed=design.seed
        )
        columns = {"first": found["S1"], "first_half": found["S1_conf"], "total": found["ST"],
                   "total_half": found["ST_conf"]}  # fmt: skip
    else:
        found = morris.analyze(
            problem, unit_points(design), values, num_levels=4, num_resamples=RESAMPLES,
            seed=design.seed,
        )  # fmt: skip
        none = np.full(len(keys), np.nan)
        columns = {"first": none, "first_half": none, "total": np.array(found["mu_star"]),
                   "total_half": np.array(found["mu_star_conf"])}  # fmt: skip
    return pd.DataFrame({"key": keys} | {name: np.asarray(v) for name, v in columns.items()})


def sensitivity(sweep: Sweep, cells: pd.DataFrame, measures: list[str]) -> pd.DataFrame:
    """Indices of each measure and group, of means over seeds, with the noise of replication.

    Every point has the same seeds. `noise` is the variance of a mean over them, within points, over
    the variance of the means between points: what of the spread is chance. A group with a point
    that is missing has no indices.

    Returns
    -------
    DataFrame
        measure, group, what `indices` has, noise.
    """
    design = sweep.random
    assert design is not None
    wanted, rows = len(unit_points(design)), []
    seeds = len(sweep.seed_list())
    each = max(1, len(sweep.mechanisms)) * max(1, len(sweep.readings)) * seeds
    cells = cells.assign(point=cells["cell"] // each)
    for measure in measures:
        for group, own in cells.groupby("group", sort=False):
            by_point = own.groupby("point")[measure]
            means = by_point.mean().reindex(range(wanted))
            if means.isna().any():
                continue
            noise = float(by_point.var().mean() / seeds / means.var()) if seeds > 1 else np.nan
            found = indices(design, means.to_numpy())
            rows.append(found.assign(measure=measure, group=group, noise=noise))
    if not rows:
        return pd.DataFrame(columns=["measure", "group", "key", "first", "first_half", "total",
                                     "total_half", "noise"])  # fmt: skip
    table = pd.concat(rows, ignore_index=True)
    return table[["measure", "group", *table.columns.difference(["measure", "group"], sort=False)]]


def sensitivity_findings(table: pd.DataFrame) -> list[str]:
    """What moves each measure, a sentence each."""
    told: list[str] = []
    if table.empty:
        return told
    for (measure, group), own in table.groupby(["measure", "group"], sort=False):
        ordered = own.sort_values("total", ascending=False)
        keys = ", ".join(
            f"{row.key} {row.total:.2g} ± {row.total_half:.1g}" for row in ordered.itertuples()
        )
        noise = own["noise"].iloc[0]
        chance = "" if np.isnan(noise) else f"; {noise:.1%} of the spread is chance of the seeds"
        told.append(f"{group}, {measure}: {keys}{chance}.".lstrip(", "))
    return told
