"""The tables of a validation: every approximation at every latency, and the verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from airan_market.analysis.validation.ladder import CHERNOFF, METHODS, SIMULATED, THEORIES
from airan_market.analysis.validation.offered import Offered
from airan_market.analysis.validation.truth import Truth
from airan_market.analysis.validation.verdicts import (
    CAUSES,
    FAILS_FAR,
    HOLDS,
    IDLE,
    NOT_SEEN,
    SATURATED,
    UNDECIDED,
    VIOLATED,
    log_errors,
    verdicts,
)
from airan_market.sim.arrays import FloatArray
from airan_market.sim.estimation.intervals import family_level

INTERVAL_LEVEL = 0.95  # of ci_low and ci_high, each on its own

#: Columns of approximations.parquet; the last two go beyond the fixed ones.
COLUMNS = (
    "operator", "type", "latency_s", "method", "probability", "ci_low", "ci_high", "replications",
    "tasks", "agreed", "simulation",
)  # fmt: skip


def approximations(
    site: Offered, latency_s: FloatArray, tails: Mapping[str, FloatArray], truth: Truth | None
) -> pd.DataFrame:
    """Rows of one operator for `approximations.parquet`.

    Parameters
    ----------
    site : Offered
    latency_s : array (N, T)
        The first is the agreed latency.
    tails : mapping
        As `analysis.validation.ladder.ladder` returns it.
    truth : Truth, optional
        None while the operator is not simulated: then there are no rows `simulated`.

    Returns
    -------
    DataFrame
        `COLUMNS`, operators and types 1-based, sorted by type, method and latency. Theory has no
        interval and no replications. `agreed` marks the agreed latency, `simulation` how a
        simulated row was had. A type that saturates the operator has its theories, all 1, and
        no simulated row; so has one that sends no tasks, with theories of a task that would come.
    """
    frames = [_rows(site, latency_s, method, probability) for method, probability in tails.items()]
    if truth is not None:
        p, low, high = truth.interval(INTERVAL_LEVEL)
        replications, tasks = truth.effort()
        simulated = _rows(site, latency_s, SIMULATED, p).assign(
            ci_low=low.ravel(), ci_high=high.ravel(), replications=replications.ravel(),
            tasks=tasks.ravel(), simulation=truth.how().ravel(),
        )  # fmt: skip
        frames.append(simulated[np.repeat(truth.looked_at, latency_s.shape[1])])
    frame = pd.concat(frames, ignore_index=True)
    order = {method: place for place, method in enumerate(METHODS)}
    return frame.sort_values(
        ["operator", "type", "method", "latency_s"], kind="stable",
        key=lambda column: column.map(order) if column.name == "method" else column,
        ignore_index=True,
    )  # fmt: skip


def _rows(
    site: Offered, latency_s: FloatArray, method: str, probability: FloatArray
) -> pd.DataFrame:
    types, points = latency_s.shape
    unknown = np.full(latency_s.size, np.nan)
    return pd.DataFrame(
        {
            "operator": site.operator + 1,
            "type": np.repeat(np.arange(1, types + 1), points),
            "latency_s": latency_s.ravel(),
            "method": method,
            "probability": probability.ravel(),
            "ci_low": unknown,
            "ci_high": unknown,
            "replications": 0,
            "tasks": 0,
            "agreed": np.tile(np.arange(points) == 0, types),
            "simulation": None,
        },
        columns=list(COLUMNS),
    ).astype({"simulation": object})


def verdict_table(
    sites: Sequence[Offered],
    tails: Sequence[Mapping[str, FloatArray]],
    truths: Sequence[Truth | None],
    level: float,
) -> pd.DataFrame:
    """Verdict on every method for every operator and type, at the agreed latency.

    Parameters
    ----------
    sites, tails, truths : sequences over operators
        As for `approximations`; the first latency of each is the agreed one.
    level : float
        With which all intervals of the table together cover their truths (Bonferroni over the
        pairs simulated; over all their latencies for the columns `tail_…`).

    Returns
    -------
    DataFrame
        A row per operator, type and method:

        - `latency_s`, `load` (of the types felt, of the bottleneck), `own_share` of that load;
        - `belief`, `truth`, `truth_low`, `truth_high`, `verdict`;
        - `ratio` = belief/truth with `ratio_low` and `ratio_high`, infinite where nothing late
          was seen;
        - `tail_latencies` judged on the grid, and how many of them hold, are violated beyond
          doubt or are undecided; `violated_from_s`, the first violated beyond doubt;
        - for the paper's bound `decades` = log10(belief/truth) with limits, and its causes;
        - for the paper's bound `exponent_per_s` = η, `decay_per_s` of the exact preemptive law with
          independent stages, and `far_tail`, "fails" where the bound falls faster;
        - `simulation`, `replications`, `tasks` behind the truth.
    """
    pairs = sum(int(truth.looked_at.sum()) for truth in truths if truth is not None)
    points = sum(
        int(truth.looked_at.sum()) * truth.latency_s.shape[1]
        for truth in truths
        if truth is not None
    )
    rows = [
        row
        for site, tail, truth in zip(sites, tails, truths, strict=True)
        for row in _verdicts_of(
            site,
            tail,
            truth,
            family_level(max(pairs, 1), level),
            family_level(max(points, 1), level),
        )
    ]
    return pd.DataFrame(rows)


def _verdicts_of(
    site: Offered,
    tails: Mapping[str, FloatArray],
    truth: Truth | None,
    level: float,
    tail_level: float,
) -> list[dict[str, Any]]:
    far = _far_tails(site)
    at_agreed = truth.interval(level) if truth is not None else None
    over_tail = truth.interval(tail_level) if truth is not None else None
    rows = []
    for n in range(site.types):
        common = {
            "operator": site.operator + 1,
            "type": n + 1,
            "latency_s": site.agreed_s[n],
            "load": site.load_per_s[n] / site.capacity_per_s,
            "own_share": site.own_rate_per_s[n] / max(site.load_per_s[n], np.finfo(float).tiny),
        }
        seen = truth is not None and truth.looked_at[n]
        for method in THEORIES:
            belief = float(tails[method][n, 0])
            row = {**common, "method": method, "belief": belief}
            if method == CHERNOFF:
                row |= far[n]
            if seen and truth is not None and at_agreed is not None and over_tail is not None:
                row |= _judged(belief, *(limit[n, 0] for limit in at_agreed))
                row |= _judged_tail(
                    tails[method][n], truth.latency_s[n], *(limit[n] for limit in over_tail[1:])
                )
                if method == CHERNOFF:
                    row |= _split({m: tails[m][n, 0] for m in THEORIES}, row)
                replications, tasks = truth.effort()
                row |= {
                    "simulation": truth.how()[n, 0],
                    "replications": replications[n, 0],
                    "tasks": tasks[n, 0],
                }
            else:
                row |= _nothing_judged(site, n)
            rows.append({**_EMPTY, **row})
    return rows


_EMPTY: dict[str, Any] = {
    "operator": 0, "type": 0, "method": "", "latency_s": np.nan, "load": np.nan,
    "own_share": np.nan, "belief": np.nan, "truth": np.nan, "truth_low": np.nan,
    "truth_high": np.nan, "verdict": NOT_SEEN, "ratio": np.nan, "ratio_low": np.nan,
    "ratio_high": np.nan, "tail_latencies": 0, "tail_holds": 0, "tail_violated": 0,
    "tail_undecided": 0, "violated_from_s": np.nan, "decades": np.nan, "decades_low": np.nan,
    "decades_high": np.nan, **dict.fromkeys(CAUSES, np.nan), "exponent_per_s": np.nan,
    "decay_per_s": np.nan, "far_tail": "", "simulation": None, "replications": 0, "tasks": 0,
}  # fmt: skip


def _far_tails(site: Offered) -> list[dict[str, Any]]:
    """Exponent of the bound and decay of the exact law, type by type; nothing where saturated."""
    from airan_market.sim.theory.chernoff import chernoff_coefficients
    from airan_market.sim.theory.decay import preemptive_decay

    stages = site.servers, site.service_rate_per_s
    _, exponent = chernoff_coefficients(*stages, site.load_per_s[:, np.newaxis], site.zeta)
    decay = preemptive_decay(*stages, site.own_rate_per_s).rate_per_s
    return [
        {}
        if site.saturated[n]
        else {
            "exponent_per_s": exponent[n, 0],
            "decay_per_s": decay[n],
            "far_tail": FAILS_FAR if exponent[n, 0] > decay[n] else HOLDS,
        }
        for n in range(site.types)
    ]


def _nothing_judged(site: Offered, n: int) -> dict[str, Any]:
    state = SATURATED if site.saturated[n] else IDLE if site.idle[n] else NOT_SEEN
    return {"verdict": state}


def _judged(belief: float, truth: float, low: float, high: float) -> dict[str, Any]:
    if np.isnan(low):
        return {"verdict": UNDECIDED}
    with np.errstate(divide="ignore"):
        ratio, ratio_low, ratio_high = belief / np.array([truth, high, low])
    return {
        "truth": truth, "truth_low": low, "truth_high": high,
        "verdict": str(verdicts(belief, low, high)),
        "ratio": ratio, "ratio_low": ratio_low, "ratio_high": ratio_high,
    }  # fmt: skip


def _judged_tail(
    belief: FloatArray, latency_s: FloatArray, low: FloatArray, high: FloatArray
) -> dict[str, Any]:
    known = ~np.isnan(low)
    found = verdicts(belief[known], low[known], high[known])
    violated_s = latency_s[known][found == VIOLATED]
    return {
        "tail_latencies": int(known.sum()),
        "tail_holds": int((found == HOLDS).sum()),
        "tail_violated": int((found == VIOLATED).sum()),
        "tail_undecided": int((found == UNDECIDED).sum()),
        "violated_from_s": violated_s.min() if violated_s.size else np.nan,
    }


def _split(beliefs: dict[str, float], row: dict[str, Any]) -> dict[str, Any]:
    """Decades of the bound over the truth and of each cause, at the agreed latency."""
    causes = log_errors({**beliefs, SIMULATED: row.get("truth", np.nan)})
    answer: dict[str, Any] = {cause: float(part) for cause, part in causes.items()}
    for ours, theirs in (
        ("decades", "ratio"),
        ("decades_low", "ratio_low"),
        ("decades_high", "ratio_high"),
    ):
        ratio = row.get(theirs, np.nan)
        answer[ours] = np.log10(ratio) if np.isfinite(ratio) and ratio > 0 else np.nan
    return answer
