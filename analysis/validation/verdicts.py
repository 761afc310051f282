"""Is a belief a bound on what happens? The verdict, and the causes of the error.

A verdict rests on an interval of the simulated probability. Intervals of one table are drawn at a
level that leaves the wanted chance, by default 5 %, that *any* of them misses its truth
(Bonferroni); the methods judged by one interval share it, so judging more methods costs nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from airan_market.analysis.validation.ladder import (
    CHERNOFF,
    FIRST_COME,
    OPTIMISED,
    PRIORITY,
    SIMULATED,
)
from airan_market.analysis.verdict import UNDECIDED, Verdict, of_bound

#: Verdicts on a belief as they are told.
WORDS = {
    Verdict.HOLDS: "holds",
    Verdict.FAILS: "violated beyond doubt",
    Verdict.UNDECIDED: UNDECIDED,
}
HOLDS, VIOLATED = WORDS[Verdict.HOLDS], WORDS[Verdict.FAILS]
FAILS_FAR = "fails"  # of the far tail: by exponents, not by simulation
#: States in which there is nothing to judge.
SATURATED, IDLE, NOT_SEEN = "saturated", "no traffic", "not simulated"
FAMILY_LEVEL = 0.95

#: Causes of the error, in the order of the ladder, and the two methods whose ratio each is.
CAUSES = {
    "choice of η": (CHERNOFF, OPTIMISED),
    "Chernoff slack": (OPTIMISED, FIRST_COME),
    "first come for preemptive": (FIRST_COME, PRIORITY),
    "independent stages": (PRIORITY, SIMULATED),
}


def verdicts(belief: ArrayLike, low: ArrayLike, high: ArrayLike) -> NDArray[np.str_]:
    """Verdict on beliefs, given intervals of the truth; the arguments broadcast.

    `violated beyond doubt` where the whole interval lies above the belief, `holds` where none of
    it does, `undecided` where it reaches across.

    Raises
    ------
    ValueError
        When a number is NaN or an interval is upside down.

    Examples
    --------
    >>> verdicts([0.1, 0.2, 0.3], 0.15, [0.25, 0.25, 0.25]).tolist()
    ['violated beyond doubt', 'undecided', 'holds']
    """
    p, a, b = np.broadcast_arrays(*(np.asarray(x, dtype=float) for x in (belief, low, high)))
    if np.isnan(p).any() or not (a <= b).all():
        raise ValueError("belief, low and high: must be numbers with low <= high")
    found = [WORDS[of_bound(*one)] for one in zip(p.flat, a.flat, b.flat, strict=True)]
    return np.array(found, dtype=str).reshape(p.shape)


def log_errors(probabilities: dict[str, ArrayLike]) -> dict[str, NDArray[np.float64]]:
    """Split log10(belief / truth) into its causes: factors of the ladder, which add up.

    Parameters
    ----------
    probabilities : dict
        Every method → array, positive where anything is to be said.

    Returns
    -------
    dict
        Cause → log10 of the ratio of its two methods: positive where the cause makes the belief
        too high, negative where it makes it too low, NaN where a probability is 0 or unknown.

    Examples
    --------
    >>> parts = log_errors({"chernoff": 1e-3, "chernoff_optimised": 1e-4, "fifo_exact": 1e-5,
    ...                     "priority_exact": 1e-1, "simulated": 1e-1})
    >>> [round(float(part), 9) for part in parts.values()]
    [1.0, 1.0, -4.0, 0.0]
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = {method: np.log10(np.asarray(p, dtype=float)) for method, p in probabilities.items()}
    finite = {method: np.where(np.isfinite(log), log, np.nan) for method, log in logs.items()}
    return {cause: finite[upper] - finite[lower] for cause, (upper, lower) in CAUSES.items()}
