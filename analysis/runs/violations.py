"""Believed against simulated violation: what operators expected and what tasks met."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from airan_market.analysis.verdict import UNDECIDED, Verdict, of_bound
from airan_market.sim.estimation.intervals import ProportionInterval, cluster_proportion

#: Verdicts on a belief as they are told.
WORDS = {
    Verdict.HOLDS: "belief covers",
    Verdict.FAILS: "belief too low beyond doubt",
    Verdict.UNDECIDED: UNDECIDED,
}
CELL = ["operator", "type"]
_KEYS = ["round", *CELL]
_COLUMNS = [
    "tasks", "decided", "violations", "believed", "simulated", "low", "high", "ratio", "clusters",
    "design_effect", "note", "verdict",
]  # fmt: skip


def violation_table(
    rounds: pd.DataFrame,
    tally: pd.DataFrame,
    by: Sequence[str] = ("operator", "type"),
    level: float = 0.95,
) -> pd.DataFrame:
    """Believed and simulated violation over all rounds, with intervals and a verdict.

    *believed* is the mean of `violation_belief`, weighted by the decided tasks of each round,
    operator and type; *simulated* is violations over decided tasks, with the Korn–Graubard
    interval of `sim.estimation.intervals.cluster_proportion`. Clusters are the rounds, or, in a run
    of one round, its seconds (such an interval does not see what differs between rounds).

    Each row's interval holds with probability `level` by itself; of many rows about
    1 − `level` miss, and more where violations are rare and come in few bursts: then
    `airan-market validate` tells more.

    Parameters
    ----------
    rounds : DataFrame
        Columns of `rounds.parquet`.
    tally : DataFrame
        As `analysis.store.tally.tally` gives it; round 0 is left out.
    by : sequence of str
        What a row stands for: `("operator", "type")`, `("operator",)` or `()` for the market.
    level : float
        Confidence level in (0, 1).

    Returns
    -------
    DataFrame
        `*by, tasks, decided, violations, believed, simulated, low, high, ratio, clusters,
        design_effect, note, verdict`; ratio is simulated over believed, NaN where the belief
        is 0. Cells without tasks are left out.

    Examples
    --------
    >>> rounds = pd.DataFrame({"round": [1, 2], "operator": 1, "type": 1,
    ...     "violation_belief": [0.1, 0.3]})
    >>> tally = pd.DataFrame({"round": [1, 2], "batch": 0, "operator": 1, "type": 1,
    ...     "tasks": [500, 500], "decided": [500, 500], "violations": [2, 3]})
    >>> row = violation_table(rounds, tally).iloc[0]
    >>> float(row.believed), float(row.simulated), row.verdict
    (0.2, 0.005, 'belief covers')
    """
    counted = tally[tally["round"] > 0].merge(
        rounds[[*_KEYS, "violation_belief"]], on=_KEYS, how="left", validate="many_to_one"
    )
    counted["believed_violations"] = counted["violation_belief"] * counted["decided"]
    groups = counted.groupby(list(by)) if by else [((), counted)]
    rows = [
        dict(zip(by, key, strict=True)) | _compare(cell, level) for key, cell in groups if len(cell)
    ]
    return pd.DataFrame(rows, columns=[*by, *_COLUMNS])


def _compare(cell: pd.DataFrame, level: float) -> dict[str, object]:
    _, cluster = np.unique(cell[["round", "batch"]].to_numpy(), axis=0, return_inverse=True)
    violated, decided_in = (
        np.bincount(cluster.ravel(), cell[count].to_numpy()) for count in ("violations", "decided")
    )
    interval = cluster_proportion(violated, decided_in, level)
    decided = int(cell["decided"].sum())
    # a missing belief makes the mean missing: np.sum passes NaN on where pandas would skip it
    believed = (
        float(np.sum(cell["believed_violations"].to_numpy())) / decided if decided else np.nan
    )
    return {
        "tasks": int(cell["tasks"].sum()),
        "decided": decided,
        "violations": int(interval.events),
        "believed": believed,
        "simulated": interval.estimate,
        "low": interval.low,
        "high": interval.high,
        "ratio": interval.estimate / believed if believed > 0 else np.nan,
        "clusters": interval.clusters,
        "design_effect": interval.design_effect,
        "note": interval.note,
        "verdict": verdict(believed, interval),
    }


def verdict(believed: float, interval: ProportionInterval) -> str:
    """What the interval says about a belief, in words.

    The belief *covers* when the whole interval lies at or below it, is *too low beyond doubt*
    when the whole interval lies above it, and is *undecided* otherwise, also when a single
    cluster leaves the spread between clusters unknown.

    Examples
    --------
    >>> verdict(0.2, cluster_proportion([1, 2, 0], [100, 100, 100]))
    'belief covers'
    >>> verdict(0.0, cluster_proportion([1, 2, 3], [100, 100, 100]))
    'belief too low beyond doubt'
    >>> verdict(0.5, cluster_proportion([1], [100]))
    'undecided'
    """
    known = np.isfinite(believed) and interval.clusters > 1
    found = of_bound(believed, interval.low, interval.high) if known else Verdict.UNDECIDED
    return WORDS[found]
