"""What "Matching-with-Contracts for the AI-RAN Market" publishes in section VII-B, as data.

Table I and the two default totals are what a calibration may look at (`CALIBRATION` names them);
every other number is there to be predicted. Utilities are USD/s, gains are parts of the best
benchmark's value (0.568 for "56.8 %").
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from airan_market.sim.arrays import FloatArray

OPERATOR, WELFARE = "operator utility", "social welfare"
#: The two totals, in the order in which the paper gives a pair.
TOTALS = (OPERATOR, WELFARE)
PROPOSED = "mixed"
DIRICHLET = 10.0  # parameter of the law that shares of types are drawn from, section VII-A
BENCHMARKS = ("ct", "mc", "gsmc")

_TABLE_I = (
    ("0.25", "0.25", "0.25"),
    ("0.256", "0.256", "0.256"),
    ("0.29", "0.29", "0.29"),
    ("0.306", "0.312", "0.317"),
    ("0.315", "0.323", "0.335"),
    ("0.294", "0.325", "0.368"),
    ("0.252", "0.311", "0.432"),
    ("0.164", "0.247", "0.589"),
)
#: Table I: operator (1-based) that each benchmark gives types 1..8.
TABLE_I_BENCHMARKS = {
    "ct": (1, 1, 3, 3, 3, 3, 3, 3),
    "mc": (1, 1, 1, 1, 1, 1, 1, 1),
    "gsmc": (1, 2, 1, 1, 3, 3, 3, 3),
}
_DEFAULT_TOTALS = ("2.05", "2.14")


def table_i() -> FloatArray:
    """Matching probabilities of the proposed method, (types, operators).

    Examples
    --------
    >>> table_i()[7].tolist()
    [0.164, 0.247, 0.589]
    """
    return np.array(_TABLE_I, dtype=float)


def table_i_rounding() -> FloatArray:
    """Half a unit of the last digit printed, (types, operators).

    Trailing zeros are not printed in the paper: types 1 and 3, all of whose entries have two
    digits, are read as given to two.

    Examples
    --------
    >>> table_i_rounding()[[0, 1], 0].tolist()
    [0.005, 0.0005]
    """
    return np.array([[half_unit(entry) for entry in row] for row in _TABLE_I])


def default_totals() -> FloatArray:
    """Operator utility and social welfare of the proposed method at 150 users, USD/s.

    Examples
    --------
    >>> default_totals().tolist()
    [2.05, 2.14]
    """
    return np.array(_DEFAULT_TOTALS, dtype=float)


def default_totals_rounding() -> FloatArray:
    """Half a unit of the last digit of the two totals, USD/s."""
    return np.array([half_unit(entry) for entry in _DEFAULT_TOTALS])


def half_unit(printed: str) -> float:
    """Half a unit of the last digit of a number as printed.

    Examples
    --------
    >>> half_unit("0.256"), half_unit("2.05")
    (0.0005, 0.005)
    """
    return 0.5 * 10.0 ** -len(printed.partition(".")[2])


@dataclass(frozen=True)
class Level:
    """A published total: sweep, its setting, mechanism, which total, its value in USD/s."""

    sweep: str
    setting: float
    mechanism: str
    total: str
    usd_per_s: float


@dataclass(frozen=True)
class Gain:
    """A published relation to the best benchmark at one setting.

    `low` and `high` bound the gain (u − b) / |b|; None leaves that side open.
    """

    sweep: str
    setting: float
    total: str
    printed: str
    low: float | None
    high: float | None


LEVELS: tuple[Level, ...] = tuple(
    Level(sweep, setting, mechanism, total, value)
    for sweep, setting, mechanism, *values in (
        ("users", 30, PROPOSED, 0.322, 0.334),
        ("users", 30, "ct", 0.342, 0.354),
        ("types", 10, PROPOSED, 2.121, None),
        ("violation_cost", 1.5, PROPOSED, 1.922, 2.017),
        ("dirichlet", 0.1, PROPOSED, None, -0.076),
        ("dirichlet", 0.1, "ct", None, -0.336),
        ("dirichlet", 0.1, "mc", None, -0.316),
        ("dirichlet", 0.1, "gsmc", None, -1.143),
    )
    for total, value in zip(TOTALS, values, strict=True)
    if value is not None
)
#: The best benchmark's operator utility with ten types, whichever benchmark that is.
BEST_BENCHMARK_AT_TEN_TYPES = -0.129
#: Over refund factors 0.5 to 1.5 the proposed totals stay in these ranges.
REFUND_RANGES = {OPERATOR: (2.036, 2.062), WELFARE: (2.126, 2.150)}


def _gains(sweep: str, settings: tuple[float, ...], words: str, *ends: tuple) -> list[Gain]:
    """Gains at some settings, (low, high) of both totals; `words` are how they are printed."""
    return [
        Gain(sweep, setting, total, words.format(*(100 * end for end in pair if end is not None)),
             *pair)
        for setting in settings
        for total, pair in zip(TOTALS, ends, strict=True)
    ]  # fmt: skip


_ABOUT, _LEAST, _BETWEEN = "{:+.1f} %", "at least {:+.1f} %", "{:+.1f} to {:+.1f} %"
GAINS: tuple[Gain, ...] = (
    *_gains("users", (30,), _ABOUT, (-0.057, -0.057), (-0.056, -0.056)),
    *_gains("users", (60,), "slightly below", (-0.1, 0.0), (-0.1, 0.0)),
    *_gains("users", (90,), _LEAST, (0.568, None), (0.517, None)),
    *_gains("users", (120,), _ABOUT, (0.020, 0.020), (0.006, 0.006)),
    *_gains("types", (8, 12), _LEAST, (0.896, None), (0.631, None)),
    *_gains("refund", (0.5, 1.0, 1.5), _BETWEEN, (0.037, 0.429), (0.028, 0.339)),
    *_gains("violation_cost", (0.5, 1.0), _BETWEEN, (0.061, 0.262), (0.046, 0.164)),
    *_gains("dirichlet", (1.0, 100.0), _LEAST, (0.964, None), (0.721, None)),
    *_gains("zeta", (0.7, 0.85), _LEAST, (2.087, None), (1.368, None)),
)
