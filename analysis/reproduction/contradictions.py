"""What contradicts itself in print: arguments from the printed numbers and the paper's own model.

Nothing is simulated and no reading is chosen. An argument states its assumptions, derives a number
that the printed ones force, and compares it with another printed one. `NONE` is what it says of
numbers that go together, so it can come out either way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from math import inf, isfinite, log
from typing import Any

import numpy as np

from airan_market.analysis.reproduction import published
from airan_market.analysis.reproduction.published import OPERATOR, PROPOSED, TOTALS
from airan_market.sim.arrays import FloatArray

CONTRADICTION, NONE = "contradiction under these assumptions", "no contradiction"
_USERS = 150  # of the default market, section VII-A
_REFUND, _COST = 1.2e-4, 1.2e-3  # R̄ and C̄, USD
_BETA = np.arange(8, 0, -1) * 1e-4  # USD per task and second
_TYPES = _BETA.size


@dataclass(frozen=True)
class Printed:
    """The numbers that the arguments use; by default those of the paper.

    Attributes
    ----------
    table : array (N, M)
        Table I, proposed method, and half a unit of its last digits.
    rounding : array (N, M)
    totals : array (2,)
        Of the default market, in the order of `published.TOTALS`.
    gains : sequence of published.Gain
    levels : sequence of published.Level
    """

    table: FloatArray = field(default_factory=published.table_i)
    rounding: FloatArray = field(default_factory=published.table_i_rounding)
    totals: FloatArray = field(default_factory=published.default_totals)
    gains: Sequence[published.Gain] = published.GAINS
    levels: Sequence[published.Level] = published.LEVELS

    def gain(self, sweep: str, setting: float, total: str) -> tuple[float, float]:
        """Least and greatest gain over the best benchmark that is printed."""
        (found,) = (
            g for g in self.gains if (g.sweep, g.setting, g.total) == (sweep, setting, total)
        )
        return -inf if found.low is None else found.low, inf if found.high is None else found.high

    def level(self, sweep: str, setting: float, mechanism: str, total: str) -> float:
        """A printed total, USD/s."""
        (found,) = (
            entry.usd_per_s
            for entry in self.levels
            if (entry.sweep, entry.setting, entry.mechanism, entry.total)
            == (sweep, setting, mechanism, total)
        )
        return found

    def total(self, total: str) -> tuple[float, float]:
        """Ends of a default total, given its rounding."""
        value = float(self.totals[TOTALS.index(total)])
        half = float(published.default_totals_rounding()[TOTALS.index(total)])
        return value - half, value + half


@dataclass(frozen=True)
class Argument:
    """One argument: what it assumes, how it goes, and what comes of it."""

    name: str
    title: str
    assumptions: tuple[str, ...]
    steps: tuple[str, ...]
    verdict: str
    numbers: dict[str, float]

    def text(self) -> str:
        """The argument for people."""
        assumed = [f"  assumed: {text}" for text in self.assumptions]
        steps = [f"  {k}. {text}" for k, text in enumerate(self.steps, 1)]
        return "\n".join([f"{self.title}: {self.verdict}", *assumed, *steps])

    def to_json(self) -> dict[str, Any]:
        """Plain data; what is not finite is null."""
        numbers = {key: value if isfinite(value) else None for key, value in self.numbers.items()}
        return {**asdict(self), "numbers": numbers}


def benchmark(total: tuple[float, float], gain: tuple[float, float]) -> tuple[float, float]:
    """Ends of the best benchmark b, given u and the gain g = (u − b)/|b|, for a positive b.

    A negative b would need a gain above 1 of a positive u, which only gains without an upper end
    allow; then b may be anything below.

    Examples
    --------
    >>> [round(end, 3) for end in benchmark((2.0, 2.0), (0.25, 1.0))]
    [1.0, 1.6]
    """
    low, high = gain
    return (-inf if high == inf else total[0] / (1 + high)), total[1] / (1 + low)


def _range(low: float, high: float) -> str:
    return f"at most {high:.3f}" if low == -inf else f"{low:.3f} to {high:.3f}"


def one_default_market(printed: Printed) -> Argument:
    """The default market stands in three sweeps, each of which bounds its best benchmark."""
    places = (("refund", 1.0), ("violation_cost", 1.0), ("types", 8.0))
    steps: list[str] = []
    numbers: dict[str, float] = {}
    apart = False
    for total in TOTALS:
        ends = {
            sweep: benchmark(printed.total(total), printed.gain(sweep, setting, total))
            for sweep, setting in places
        }
        low, high = max(end[0] for end in ends.values()), min(end[1] for end in ends.values())
        told = ", ".join(f"{_range(*end)} ({sweep})" for sweep, end in ends.items())
        steps.append(f"best benchmark, {total}: {told}")
        steps.append(f"all at once: at least {low:.3f} and at most {high:.3f}")
        numbers |= {f"{total}, at least": low, f"{total}, at most": high}
        apart |= low > high
    return Argument(
        "default_market",
        "One default market in three sweeps",
        ("the default point of each sweep is the same market, with the same draw of the users",),
        (*steps, "so the sweeps were computed for different draws of the users")
        if apart
        else tuple(steps),
        CONTRADICTION if apart else NONE,
        numbers,
    )


def violation_cost(printed: Printed) -> Argument:
    """The best benchmark where a violation costs half as much again."""
    excess = {k: k * _COST - _REFUND for k in (0.5, 1.0, 1.5)}
    default = printed.total(OPERATOR)
    dear = printed.level("violation_cost", 1.5, PROPOSED, OPERATOR) - 5e-4
    fall = (default[1] - dear) / log(excess[1.5] / excess[1.0])
    cheap = default[1] + fall * log(excess[1.0] / excess[0.5])
    at_one = benchmark(default, printed.gain("violation_cost", 1.0, OPERATOR))[0]
    at_half = benchmark((cheap, cheap), printed.gain("violation_cost", 0.5, OPERATOR))[1]
    least = 2 * at_one - at_half
    return Argument(
        "violation_cost",
        "Violation cost × 1.5",
        (
            "who is where does not depend on the violation cost C̄",
            "menus are redesigned for it, no latency at a bound or pooled",
            "users are individually rational, so that welfare is not below profit",
        ),
        (
            "at its optimum p_n = a_n / ((C̄ − R̄) η_n d_n), so profit falls with ln(C̄ − R̄): the "
            f"proposed method earns {default[1]:.3f} at × 1 and {dear:.3f} at × 1.5, hence at most "
            f"{cheap:.3f} at × 0.5",
            f"the gains printed bound the best benchmark: at most {at_half:.3f} at × 0.5, at least "
            f"{at_one:.3f} at × 1",
            "a redesigned profit is the largest of functions linear in C̄, hence convex in it, and "
            f"so is the largest of several: at least {least:.3f} at × 1.5",
            "printed: all benchmarks have negative welfare there",
        ),
        CONTRADICTION if least > 0 else NONE,
        {"at_half_at_most": at_half, "at_one_at_least": at_one, "at_one_and_half_at_least": least},
    )


def thirty_users(printed: Printed) -> Argument:
    """Thirty users earn less each than a hundred and fifty do."""
    few = printed.level("users", 30.0, PROPOSED, OPERATOR)
    least = 30 / _USERS * printed.total(OPERATOR)[0]
    served = few / (printed.total(OPERATOR)[1] / _USERS)
    return Argument(
        "thirty_users",
        "Thirty users",
        (
            "the shares of the types are the same at 30 and at 150 users",
            "all users take part",
            "a task earns no less where the load is lower",
        ),
        (
            f"so 30 users earn at least {least:.3f} USD/s, a fifth of the default total",
            f"printed: {few:.3f}, what {served:.1f} users of the default market earn; rounding the "
            f"users of {_TYPES} types down would lose up to {_TYPES - 1}",
        ),
        CONTRADICTION if few + 5e-4 < least else NONE,
        {"at_least": least, "printed": few, "users_served": served},
    )


def ninety_and_a_hundred_and_twenty(printed: Printed) -> Argument:
    """MC is 2 % behind at 120 users and 36 % behind at 90."""
    few = printed.level("users", 30.0, PROPOSED, OPERATOR) + 5e-4
    each = few / (30 - (_TYPES - 1))
    proposed_90 = 90 * each
    proposed_120 = (120 - (_TYPES - 1)) * printed.total(OPERATOR)[0] / _USERS
    mc_120 = benchmark((proposed_120, proposed_120), printed.gain("users", 120.0, OPERATOR))[0]
    mc_90 = (90 - (_TYPES - 1)) / 120 * mc_120
    most = proposed_90 / mc_90 - 1
    least = printed.gain("users", 90.0, OPERATOR)[0]
    return Argument(
        "mc_at_90_users",
        "MC at 90 and at 120 users",
        (
            "MC sends everybody to operator 1, as in Table I, or at least the same types alike",
            "a task earns no less where the load is lower, under either method",
            f"whole users: up to {_TYPES - 1} may be lost to rounding",
        ),
        (
            f"30 users earn {few:.3f}, so a user at most {each:.4f} USD/s, and 90 at most "
            f"{proposed_90:.3f} under the proposed method",
            f"150 users earn at least {printed.total(OPERATOR)[0]:.3f}, so 120 at least "
            f"{proposed_120:.3f}, and MC, which is the best benchmark there, {mc_120:.3f}",
            f"so at 90 users MC earns at least {mc_90:.3f}, and the gain over it is at most "
            f"{most:.1%}",
            f"printed: at least {least:.1%}",
        ),
        CONTRADICTION if most < least else NONE,
        {"gain_at_most": most, "gain_printed_at_least": least},
    )


def implied_ratio(probability: FloatArray) -> float:
    """L_1/L_2 that the first three rows of a table imply at operator 1, (33) and (25).

    u_1 = 0 at every operator; u_n = τ ln(z_n / z_0n), and u_{n+1} − u_n = (β_n − β_{n+1}) L_n.

    Examples
    --------
    >>> u = np.array([0.0, 0.2, 1.2])  # so L_1 : L_2 = 0.2 : 1, where β falls evenly
    >>> z = np.exp(u) / (1 + 3 * np.exp(u))
    >>> round(implied_ratio(np.repeat(z[:, np.newaxis], 3, axis=1)), 12)
    0.2
    """
    rows = probability[:3]
    log_odds = np.log(rows[:, 0] / (1 - rows.sum(axis=1)))
    return float((log_odds[1] - log_odds[0]) / (log_odds[2] - log_odds[1]))


#: L_1/L_2 of the exact design in the markets of `tests/…/test_contradictions.py`: never below this.
EXACT_RATIO = 0.8


def table_i(printed: Printed) -> Argument:
    """Table I is not what the optimum of (38) leads to."""
    # type 1 is indifferent, which (33) makes exactly 1/4 at each of three operators
    ratios = []
    for second in (-1, 1):
        for third in (-1, 1):
            rows = printed.table[:3].copy()
            rows[0] = 0.25
            rows[1] += second * printed.rounding[1]
            rows[2] += third * printed.rounding[2]
            ratios.append(implied_ratio(rows))
    low, high = min(ratios), max(ratios)
    return Argument(
        "table_i",
        "Table I and the optimum of (38)",
        (
            "type 1 has utility 0 at every operator, as (25) leaves it, and opting out has 0, so "
            "that (33) gives it 1/4 each",
            "users answer with (33) to the menus in force, at the last temperature",
        ),
        (
            "u_2/τ and u_3/τ follow from the first three rows, and by (25) L_1 : L_2 from these: "
            f"{low:.3f} to {high:.3f} within the rounding",
            "the optimum of (38) promises type 1 and type 2 nearly the same latency: L_1/L_2 is "
            f"{EXACT_RATIO:g} to 1 in every market that the paper leaves possible (a test)",
        ),
        CONTRADICTION if high < EXACT_RATIO else NONE,
        {"ratio_low": low, "ratio_high": high, "exact_at_least": EXACT_RATIO},
    )


def levels_and_gains(printed: Printed) -> Argument:
    """The gains at 30 users against the levels there."""
    steps: list[str] = []
    numbers: dict[str, float] = {}
    apart = False
    for total in TOTALS:
        ours, theirs = (printed.level("users", 30.0, name, total) for name in (PROPOSED, "ct"))
        low = (ours - 5e-4) / (theirs + 5e-4) - 1
        high = (ours + 5e-4) / (theirs - 5e-4) - 1
        gain = printed.gain("users", 30.0, total)[0]
        steps.append(f"{total}: {low:.1%} to {high:.1%} from the levels, {gain:.1%} printed")
        numbers |= {f"{total}, low": low, f"{total}, high": high, f"{total}, printed": gain}
        apart |= not low - 5e-4 <= gain <= high + 5e-4
    return Argument(
        "levels_and_gains",
        "Levels and gains at 30 users",
        ("CT is the best benchmark there, as printed",),
        tuple(steps),
        CONTRADICTION if apart else NONE,
        numbers,
    )


ARGUMENTS = (
    one_default_market,
    violation_cost,
    ninety_and_a_hundred_and_twenty,
    table_i,
    thirty_users,
    levels_and_gains,
)


def contradictions(printed: Printed | None = None) -> list[Argument]:
    """All arguments about the printed numbers.

    Examples
    --------
    >>> [argument.verdict for argument in contradictions()].count(CONTRADICTION)
    5
    """
    return [argue(printed or Printed()) for argue in ARGUMENTS]


def as_text(arguments: Sequence[Argument]) -> str:
    """The arguments for people."""
    return "\n\n".join(argument.text() for argument in arguments)
