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
#: GSMC in its other reading, types kept whole (`mechanism.gsmc_unit`).
WHOLE_TYPES = "gsmc_types"

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


def _levels(
    sweep: str, setting: float, mechanism: str, operator: float | None, welfare: float | None
) -> list[Level]:
    pairs = zip(TOTALS, (operator, welfare), strict=True)
    return [Level(sweep, setting, mechanism, t, v) for t, v in pairs if v is not None]


def _at_least(sweep: str, setting: float, operator: float, welfare: float) -> list[Gain]:
    return [
        Gain(sweep, setting, total, f"at least {100 * low:+.1f} %", low, None)
        for total, low in zip(TOTALS, (operator, welfare), strict=True)
    ]


def _between(
    sweep: str, setting: float, operator: tuple[float, float], welfare: tuple[float, float]
) -> list[Gain]:
    return [
        Gain(sweep, setting, total, f"{100 * low:+.1f} to {100 * high:+.1f} %", low, high)
        for total, (low, high) in zip(TOTALS, (operator, welfare), strict=True)
    ]


def _about(sweep: str, setting: float, operator: float, welfare: float) -> list[Gain]:
    return [
        Gain(sweep, setting, total, f"{100 * gain:+.1f} %", gain, gain)
        for total, gain in zip(TOTALS, (operator, welfare), strict=True)
    ]


LEVELS: tuple[Level, ...] = (
    *_levels("users", 30, PROPOSED, 0.322, 0.334),
    *_levels("users", 30, "ct", 0.342, 0.354),
    *_levels("types", 10, PROPOSED, 2.121, None),
    *_levels("violation_cost", 1.5, PROPOSED, 1.922, 2.017),
    *_levels("dirichlet", 0.1, PROPOSED, None, -0.076),
    *_levels("dirichlet", 0.1, "ct", None, -0.336),
    *_levels("dirichlet", 0.1, "mc", None, -0.316),
    *_levels("dirichlet", 0.1, "gsmc", None, -1.143),
)
#: The best benchmark's operator utility with ten types, whichever benchmark that is.
BEST_BENCHMARK_AT_TEN_TYPES = -0.129
#: Over refund factors 0.5 to 1.5 the proposed totals stay in these ranges.
REFUND_RANGES = {OPERATOR: (2.036, 2.062), WELFARE: (2.126, 2.150)}

GAINS: tuple[Gain, ...] = (
    *_about("users", 30, -0.057, -0.056),
    *(Gain("users", 60, total, "slightly below", -0.1, 0.0) for total in TOTALS),
    *_at_least("users", 90, 0.568, 0.517),
    *_about("users", 120, 0.020, 0.006),
    *_at_least("types", 8, 0.896, 0.631),
    *_at_least("types", 12, 0.896, 0.631),
    *(
        gain
        for factor in (0.5, 1.0, 1.5)
        for gain in _between("refund", factor, (0.037, 0.429), (0.028, 0.339))
    ),
    *(
        gain
        for factor in (0.5, 1.0)
        for gain in _between("violation_cost", factor, (0.061, 0.262), (0.046, 0.164))
    ),
    *_at_least("dirichlet", 1.0, 0.964, 0.721),
    *_at_least("dirichlet", 100.0, 0.964, 0.721),
    *_at_least("zeta", 0.7, 2.087, 1.368),
    *_at_least("zeta", 0.85, 2.087, 1.368),
)
