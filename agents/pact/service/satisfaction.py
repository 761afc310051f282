"""Satisfaction estimated from rated answers, (5) of the PACT paper, with an interval."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from airan_market.scenarios import Fault, ScenarioError
from airan_market.sim.estimation.proportions import clopper_pearson, wilson

Method = Literal["exact", "wilson"]


@dataclass(frozen=True)
class Satisfaction:
    """A, the probability that an answer meets what is expected, and the interval it lies in."""

    estimate: float
    low: float
    high: float
    answers: int

    @classmethod
    def given(cls, value: float) -> Satisfaction:
        """A value that is taken as known."""
        return cls(value, value, value, 0)


def estimate(met: int, rated: int, level: float = 0.95, method: Method = "exact") -> Satisfaction:
    """Part of the rated answers that met what was expected, with a confidence interval.

    Equation: PACT (5)

    "exact" is the interval of Clopper and Pearson (1934), which covers at least with probability
    `level` whatever A is; "wilson" that of Wilson (1927), shorter, which covers so on average.

    Parameters
    ----------
    met, rated : int
        0 ≤ met ≤ rated, rated ≥ 1.
    level : float
        In (0, 1).
    method : {"exact", "wilson"}

    Raises
    ------
    ValueError
        When an argument is outside its domain.

    Examples
    --------
    >>> found = estimate(35, 100)
    >>> found.estimate, round(found.low, 4), round(found.high, 4)
    (0.35, 0.2573, 0.4518)
    >>> found = estimate(35, 100, method="wilson")
    >>> round(found.low, 4), round(found.high, 4)
    (0.2636, 0.4475)
    """
    if not (rated >= 1 and 0 <= met <= rated):
        raise ValueError(f"met = {met}, rated = {rated}: must be 0 <= met <= rated, rated >= 1")
    if not 0 < level < 1:
        raise ValueError(f"level = {level}: must be in (0, 1)")
    interval = clopper_pearson if method == "exact" else wilson
    return Satisfaction(met / rated, *interval(met, rated, level), rated)


def read_outcomes(path: str | Path) -> dict[str, tuple[int, int]]:
    """Count a CSV file of rated answers: service → (answers that met, answers rated).

    Parameters
    ----------
    path : path
        Columns `service` and `met`, the latter 1 or 0; others are ignored.

    Raises
    ------
    ScenarioError
        When the file cannot be read, or a line of it (named) is not as above.
    """
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as file:
            return _count(csv.DictReader(file), str(path))
    except OSError as error:
        raise _refused(str(path), "", error.strerror or "cannot be read") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise _refused(str(path), "", f"is no CSV text: {error}") from None


def _count(rows: csv.DictReader[str], path: str) -> dict[str, tuple[int, int]]:
    missing = {"service", "met"} - set(rows.fieldnames or ())
    if missing:
        raise _refused(path, "line 1", f"must have a column {' and '.join(sorted(missing))}")
    counts: dict[str, tuple[int, int]] = {}
    for row in rows:
        if row["met"] not in ("0", "1"):
            raise _refused(path, f"line {rows.line_num}", "met must be 1 or 0", str(row["met"]))
        met, rated = counts.get(row["service"], (0, 0))
        counts[row["service"]] = (met + int(row["met"]), rated + 1)
    return counts


def _refused(path: str, key: str, allowed: str, value: str = "") -> ScenarioError:
    return ScenarioError([Fault(path, key, value, allowed)])
