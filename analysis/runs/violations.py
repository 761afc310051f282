"""Believed against simulated violation: what operators expected and what tasks met."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from airan_market.analysis.store.tally import SHORTER
from airan_market.analysis.verdict import UNDECIDED, Verdict, of_bound
from airan_market.sim.estimation.intervals import batched, family_level
from airan_market.sim.estimation.proportions import carried_design_effects, exceedance_band

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
    operator and type; *simulated* is violations over decided tasks. Its interval is Korn–Graubard's
    over batches of neighbouring rounds, or, in a run of one round, of its seconds (such an interval
    does not see what differs between rounds), with a design effect that is carried to violations
    from lateness at shorter latencies (`intervals.batched`, `proportions.carried_design_effects`
    and `exceedance_band`, all of `sim.estimation`): late tasks come in bursts, and few bursts do
    not tell how large they are. With the violations' own spread between rounds, intervals of rare
    ones cover 20 to 85 % (tests/analysis/runs/test_run_coverage.py).

    Each row's interval holds with probability `level` by itself. Verdicts rest on wider ones, which
    *all* hold with that probability (Bonferroni over the rows).

    Parameters
    ----------
    rounds : DataFrame
        Columns of `rounds.parquet`.
    tally : DataFrame
        As `analysis.store.tally.tally` gives it; round 0 is left out. Without its columns of
        shorter latencies the design effect is that of the violations alone, and `note` says so.
    by : sequence of str
        What a row stands for: `("operator", "type")`, `("operator",)` or `()` for the market.
    level : float
        Confidence level in (0, 1).

    Returns
    -------
    DataFrame
        `*by, tasks, decided, violations, believed, simulated, low, high, ratio, clusters,
        design_effect, note, verdict`; ratio is simulated over believed, NaN where the belief
        is 0; clusters are the batches. Cells without tasks are left out. `note` names what an
        interval rests on: "no trials", "one cluster" (nothing is known: 0 to 1), "none observed",
        "no shorter latencies", or "".

    Examples
    --------
    >>> rounds = pd.DataFrame({"round": [1, 2, 3], "operator": 1, "type": 1,
    ...     "violation_belief": [0.1, 0.2, 0.3]})
    >>> tally = pd.DataFrame({"round": [1, 2, 3], "batch": 0, "operator": 1, "type": 1,
    ...     "tasks": 500, "decided": 500, "violations": [2, 3, 2], "later_1": [5, 6, 5]})
    >>> row = violation_table(rounds, tally).iloc[0]
    >>> float(row.believed), float(row.simulated), row.verdict
    (0.2, 0.004666666666666667, 'belief covers')
    """
    counted = tally[tally["round"] > 0].merge(
        rounds[[*_KEYS, "violation_belief"]], on=_KEYS, how="left", validate="many_to_one"
    )
    counted["believed_violations"] = counted["violation_belief"] * counted["decided"]
    groups = list(counted.groupby(list(by))) if by else [((), counted)]
    groups = [(key, cell) for key, cell in groups if len(cell)]
    wide = family_level(max(len(groups), 1), level)
    rows = [dict(zip(by, key, strict=True)) | _compare(cell, level, wide) for key, cell in groups]
    return pd.DataFrame(rows, columns=[*by, *_COLUMNS])


def _compare(cell: pd.DataFrame, level: float, wide: float) -> dict[str, object]:
    shorter = [name for name in SHORTER if name in cell]
    spans = cell.groupby(["round", "batch"])[["decided", "violations", *shorter]].sum()
    counts = batched(spans[spans["decided"] > 0].to_numpy())
    trials, events = counts[:, 0], counts[:, 1:]
    effect = carried_design_effects(events, trials, [1.0, *(SHORTER[name] for name in shorter)])[:1]
    estimate, low, high = (
        float(x[0]) for x in exceedance_band(events[:, :1], trials, effect, level)
    )
    _, *judged = (float(x[0]) for x in exceedance_band(events[:, :1], trials, effect, wide))
    decided, violations = int(cell["decided"].sum()), int(cell["violations"].sum())
    # a missing belief makes the mean missing: np.sum passes NaN on where pandas would skip it
    believed = (
        float(np.sum(cell["believed_violations"].to_numpy())) / decided if decided else np.nan
    )
    return {
        "tasks": int(cell["tasks"].sum()),
        "decided": decided,
        "violations": violations,
        "believed": believed,
        "simulated": estimate,
        "low": low,
        "high": high,
        "ratio": estimate / believed if believed > 0 else np.nan,
        "clusters": len(trials),
        "design_effect": float(effect[0]),
        "note": _note(decided, violations, len(trials), bool(shorter)),
        "verdict": verdict(believed, *judged) if len(trials) > 1 else UNDECIDED,
    }


def _note(decided: int, violations: int, clusters: int, shorter: bool) -> str:
    if not decided:
        return "no trials"
    if clusters < 2:
        return "one cluster"
    return "no shorter latencies" if not shorter else "" if violations else "none observed"


def verdict(believed: float, low: float, high: float) -> str:
    """What an interval of the simulated probability says about a belief, in words.

    The belief *covers* when the whole interval lies at or below it, is *too low beyond doubt*
    when the whole interval lies above it, and is *undecided* otherwise.

    Examples
    --------
    >>> verdict(0.2, 0.01, 0.05), verdict(0.0, 0.01, 0.05), verdict(0.03, 0.01, 0.05)
    ('belief covers', 'belief too low beyond doubt', 'undecided')
    """
    return WORDS[of_bound(believed, low, high) if np.isfinite(believed) else Verdict.UNDECIDED]
