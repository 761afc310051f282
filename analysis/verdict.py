"""What becomes of a number that was believed, promised or published, and how that is found.

One set of verdicts; every report has words of its own for them, and an *undecided* one is no
failure: the interval of the truth reaches across the number, or there is no interval.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

UNDECIDED = "undecided"  # the word for it in every report
#: Said wherever verdicts are counted, so that an undecided one is not read as a failure.
TOO_LITTLE = "too little was simulated to tell"


class Verdict(Enum):
    """What became of a claim."""

    HOLDS = 1
    FAILS = 2
    UNDECIDED = 3
    BELOW = 4  # the truth is below the number beyond doubt
    ABOVE = 5
    PARTLY = 6  # the direction is right, the size is not
    MISSING = 7  # nothing was computed that could tell


def of_bound(bound: float, low: float, high: float) -> Verdict:
    """Whether the truth, known to lie in an interval, is at most a bound.

    Examples
    --------
    >>> of_bound(0.3, 0.1, 0.2).name, of_bound(0.05, 0.1, 0.2).name, of_bound(0.15, 0.1, 0.2).name
    ('HOLDS', 'FAILS', 'UNDECIDED')
    >>> of_bound(0.3, float("nan"), float("nan")).name
    'UNDECIDED'
    """
    if high <= bound:
        return Verdict.HOLDS
    return Verdict.FAILS if low > bound else Verdict.UNDECIDED


def of_value(value: float, low: float, high: float, rounding: float = 0.0) -> Verdict:
    """Whether the truth, known to lie in an interval, may be a value: else it is below or above.

    Parameters
    ----------
    value, low, high : float
    rounding : float
        Differences up to this are none.

    Examples
    --------
    >>> of_value(0.5, 0.35, 0.45).name, of_value(0.5, 0.6, 0.7).name, of_value(0.5, 0.4, 0.6).name
    ('BELOW', 'ABOVE', 'HOLDS')
    """
    if low != low:
        return Verdict.UNDECIDED
    if high < value - rounding:
        return Verdict.BELOW
    return Verdict.ABOVE if low > value + rounding else Verdict.HOLDS


def counted(verdicts: Mapping[str, int], form: str) -> str:
    """Verdicts that occur, by the words for them, and how often.

    Examples
    --------
    >>> counted({"holds": 2, "fails": 0, "undecided": 1}, "{word} in {count}")
    'holds in 2, undecided in 1, where too little was simulated to tell'
    """
    return ", ".join(
        form.format(word=word, count=count) + f", where {TOO_LITTLE}" * (word == UNDECIDED)
        for word, count in verdicts.items()
        if count
    )
