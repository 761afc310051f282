"""Every published claim held against the reproduction: a row each, with its criterion.

The criteria are fixed here, before any number is looked at, and say what a row means:

- a level holds when the published number lies within our 90 % range over Dirichlet draws;
- a gain "at least" or "from … to" holds when our median gain does the same; one "about" holds when
  it lies within our 90 % range;
- a gain that misses so but has the published sign in most draws is `direction only`;
- a statement about signs or order holds when it does in most draws;
- entries of Table I and the two default totals are in sample: they were fitted, and hold when
  they are met to 0.02 and to 1 %.

A gain is (u − b) / |b| of a draw, b the best benchmark of that draw.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from analysis import published
from analysis.published import BENCHMARKS, OPERATOR, PROPOSED, TOTALS, WELFARE

HOLDS, DIRECTION, FAILS, MISSING = "holds", "direction only", "does not hold", "not computed"
TABLE_TOLERANCE, TOTAL_TOLERANCE = 0.02, 0.01
RANGE = (5.0, 95.0)
MOST = 0.5

SWEEP_NAMES = {
    "users": "{:g} users",
    "types": "{:g} types",
    "refund": "refund × {:g}",
    "violation_cost": "violation cost × {:g}",
    "dirichlet": "Dirichlet parameter {:g}",
    "zeta": "ζ = {:g}",
    "default": "default market",
}
_NAMES = {PROPOSED: "proposed", "ct": "CT", "mc": "MC", "gsmc": "GSMC"}


@dataclass(frozen=True)
class Row:
    """A published claim and what became of it; text as it is printed."""

    claim: str
    published: str
    ours: str
    in_sample: bool
    verdict: str
    criterion: str
    why: str = ""


def verdict_rows(frame: pd.DataFrame) -> list[Row]:
    """All rows of the reproduction table.

    Parameters
    ----------
    frame : DataFrame
        As `reproduction.totals` returns it. A claim whose cells are not in it is `not computed`.
    """
    return [
        *_table_rows(frame),
        *_benchmark_table_rows(frame),
        *_default_rows(frame),
        _menu_row(frame),
        *(_level_row(frame, level) for level in published.LEVELS),
        *(_gain_row(frame, gain) for gain in published.GAINS),
        *_ten_types_row(frame),
        *_refund_rows(frame),
        *_sign_rows(frame),
        *_best_rows(frame),
    ]


def table(rows: Iterable[Row]) -> pd.DataFrame:
    """Rows as a frame, one column per field, `sample` as in or out."""
    frame = pd.DataFrame([asdict(row) for row in rows])
    frame["in_sample"] = np.where(frame["in_sample"], "in", "out")
    return frame.rename(columns={"in_sample": "sample"})


def counts(rows: Iterable[Row]) -> dict[str, dict[str, int]]:
    """Number of rows of each verdict, in and out of sample.

    Examples
    --------
    >>> counts([Row("c", "1", "1", False, HOLDS, "")])["out"]["holds"]
    1
    """
    answer = {s: dict.fromkeys((HOLDS, DIRECTION, FAILS, MISSING), 0) for s in ("in", "out")}
    for row in rows:
        answer["in" if row.in_sample else "out"][row.verdict] += 1
    return answer


def markdown(rows: Sequence[Row]) -> str:
    """Table for people, in Markdown."""
    head = ("claim", "published", "ours: median [90 % range]", "sample", "verdict", "why not")
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for row in rows:
        sample = "in" if row.in_sample else "out"
        cells = (row.claim, row.published, row.ours, sample, row.verdict, row.why)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    lines += ["", "Criteria:", ""]
    lines += [f"- {text}" for text in dict.fromkeys(row.criterion for row in rows)]
    return "\n".join(lines) + "\n"


def spread(values: pd.Series | np.ndarray, form: str = "{:.3f}") -> str:
    """Median and 90 % range as text.

    Examples
    --------
    >>> spread(np.array([1.0, 2.0, 3.0]))
    '2.000 [1.100, 2.900]'
    """
    low, median, high = np.percentile(values, [RANGE[0], 50, RANGE[1]])
    return f"{form.format(median)} [{form.format(low)}, {form.format(high)}]"


def draws_of(frame: pd.DataFrame, sweep: str, setting: float, total: str) -> pd.DataFrame:
    """One total of a cell: a row per draw, a column per mechanism; empty when not computed."""
    if frame.empty:
        return pd.DataFrame()
    cell = frame[(frame["sweep"] == sweep) & (frame["setting"] == setting)]
    return cell.pivot(index="draw", columns="mechanism", values=total)


def gains(draws: pd.DataFrame) -> np.ndarray:
    """(u − b) / |b| of every draw; empty when a mechanism is missing."""
    if not {PROPOSED, *BENCHMARKS} <= set(draws.columns):
        return np.empty(0)
    best = draws[list(BENCHMARKS)].max(axis=1)
    return ((draws[PROPOSED] - best) / best.abs()).to_numpy()


def win_rate(draws: pd.DataFrame) -> float:
    """Part of the draws in which the proposed method beats the best benchmark; NaN if none."""
    won = gains(draws) > 0
    return float(won.mean()) if won.size else float("nan")


def _where(sweep: str, setting: float, total: str, mechanism: str = PROPOSED) -> str:
    return f"{SWEEP_NAMES[sweep].format(setting)}: {total}, {_NAMES[mechanism]}"


def _judge(holds: bool, direction: bool = False) -> str:
    return HOLDS if holds else DIRECTION if direction else FAILS


def _missing(claim: str, printed: str, criterion: str, *, in_sample: bool = False) -> Row:
    return Row(claim, printed, "–", in_sample, MISSING, criterion)


# --- in sample -----------------------------------------------------------------------------


def _cell(frame: pd.DataFrame, sweep: str, mechanism: str) -> pd.DataFrame:
    if frame.empty:
        return frame
    return frame[(frame["sweep"] == sweep) & (frame["mechanism"] == mechanism)]


def _table_rows(frame: pd.DataFrame) -> list[Row]:
    criterion = f"Table I, proposed: every entry of the fitted market within {TABLE_TOLERANCE:g}"
    fitted, drawn = _cell(frame, "fitted", PROPOSED), _cell(frame, "default", PROPOSED)
    rows = []
    for n, entries in enumerate(published.table_i()):
        claim = f"Table I: type {n + 1}, proposed"
        printed = " ".join(f"{p:g}" for p in entries)
        if fitted.empty:
            rows.append(_missing(claim, printed, criterion, in_sample=True))
            continue
        ours = np.array(fitted["match_probability"].iloc[0])[:, n]
        text = " ".join(f"{p:.3f}" for p in ours)
        if not drawn.empty:
            over = np.array(drawn["match_probability"].to_list())[:, :, n]
            text += "; drawn " + ", ".join(spread(column) for column in over.T)
        worst = np.abs(ours - entries).max()
        # the tolerance is printed to two digits, and so read
        verdict = _judge(bool(round(worst, 3) <= TABLE_TOLERANCE))
        why = "" if verdict == HOLDS else f"largest difference {worst:.3f}"
        rows.append(Row(claim, printed, text, True, verdict, criterion, why))
    return rows


def _default_rows(frame: pd.DataFrame) -> list[Row]:
    criterion = f"default totals, proposed: the fitted market within {TOTAL_TOLERANCE:.0%}"
    fitted, drawn = _cell(frame, "fitted", PROPOSED), _cell(frame, "default", PROPOSED)
    rows = []
    for total, value in zip(TOTALS, published.default_totals(), strict=True):
        claim = f"default market: {total}, proposed"
        if fitted.empty:
            rows.append(_missing(claim, f"{value:.2f}", criterion, in_sample=True))
            continue
        ours = float(fitted[total].iloc[0])
        text = f"{ours:.3f}" + ("" if drawn.empty else f"; drawn {spread(drawn[total])}")
        off = ours / value - 1
        verdict = _judge(bool(abs(off) <= TOTAL_TOLERANCE))
        why = "" if verdict == HOLDS else f"{off:+.1%}"
        rows.append(Row(claim, f"{value:.2f}", text, True, verdict, criterion, why))
    return rows


# --- out of sample -------------------------------------------------------------------------


def _benchmark_table_rows(frame: pd.DataFrame) -> list[Row]:
    criterion = "Table I, benchmarks: all eight types at the published operator, fitted market"
    rows = []
    for name, places in published.TABLE_I_BENCHMARKS.items():
        claim = f"Table I: operator of types 1 to 8, {_NAMES[name]}"
        printed = " ".join(map(str, places))
        fitted, drawn = _cell(frame, "fitted", name), _cell(frame, "default", name)
        if fitted.empty:
            rows.append(_missing(claim, printed, criterion))
            continue
        ours = _operators(np.array(fitted["match_probability"].iloc[0]))
        met = int((ours == np.array(places)).sum())
        text = " ".join(map(str, ours))
        if not drawn.empty:
            same = [
                (_operators(np.array(z)) == np.array(places)).mean()
                for z in drawn["match_probability"]
            ]
            text += f"; drawn, part of the types: {spread(np.array(same), '{:.2f}')}"
        why = "" if met == len(places) else f"{met} of {len(places)} types as published"
        rows.append(Row(claim, printed, text, False, _judge(met == len(places)), criterion, why))
    return rows


def _operators(match_probability: np.ndarray) -> np.ndarray:
    """1-based operator with the largest part of each type, 0 for out, (N,)."""
    whole = np.vstack([1.0 - match_probability.sum(axis=0), match_probability])
    return whole.argmax(axis=0)


def _menu_row(frame: pd.DataFrame) -> Row:
    claim = "Fig. 3: latency agreements increase with the type, every operator and method"
    criterion = "Fig. 3: no agreement shorter than that of the type before, in any draw"
    cells = frame[frame["sweep"].isin(["fitted", "default"])] if len(frame) else frame
    if cells.empty:
        return _missing(claim, "all", criterion)
    # pooled types have equal agreements up to rounding
    ordered = [bool((np.diff(np.array(menu)) >= -1e-12).all()) for menu in cells["latency_s"]]
    text = f"{sum(ordered)} of {len(ordered)} outcomes"
    return Row(claim, "all", text, False, _judge(all(ordered)), criterion)


def _level_row(frame: pd.DataFrame, level: published.Level) -> Row:
    criterion = "levels: the published number within our 90 % range over draws"
    claim = _where(level.sweep, level.setting, level.total, level.mechanism)
    printed = f"{level.usd_per_s:g}"
    draws = draws_of(frame, level.sweep, level.setting, level.total)
    if level.mechanism not in draws:
        return _missing(claim, printed, criterion)
    return _level(claim, level.usd_per_s, draws[level.mechanism], criterion, _why(frame, level))


def _level(claim: str, value: float, ours: pd.Series, criterion: str, why: str = "") -> Row:
    low, median, high = np.percentile(ours, [RANGE[0], 50, RANGE[1]])
    verdict = _judge(bool(low <= value <= high))
    if verdict == HOLDS:
        why = ""
    else:
        why = "; ".join(part for part in (f"our median is {median - value:+.3f} off", why) if part)
    return Row(claim, f"{value:g}", spread(ours), False, verdict, criterion, why)


def _why(frame: pd.DataFrame, level: published.Level) -> str:
    """What is known of a level that is missed: the paper's user counts look truncated."""
    if level.sweep != "users":
        return ""
    cut = draws_of(frame, "users_truncated", level.setting, level.total)
    if level.mechanism not in cut:
        return ""
    return f"with counts truncated to whole users {spread(cut[level.mechanism])}"


def _gain_row(frame: pd.DataFrame, gain: published.Gain) -> Row:
    claim = (
        f"{SWEEP_NAMES[gain.sweep].format(gain.setting)}: {gain.total}, gain over best benchmark"
    )
    about = gain.low is not None and gain.low == gain.high
    criterion = (
        "gains about: the published gain within our 90 % range over draws"
        if about
        else "gains at least, or from … to: our median gain is; direction only: its sign is right "
        "in most draws"
    )
    draws = draws_of(frame, gain.sweep, gain.setting, gain.total)
    ours = gains(draws)
    if not ours.size:
        return _missing(claim, gain.printed, criterion)
    low, median, high = np.percentile(ours, [RANGE[0], 50, RANGE[1]])
    floor = -np.inf if gain.low is None else gain.low
    ceiling = np.inf if gain.high is None else gain.high
    holds = low <= floor <= high if about else floor <= median <= ceiling
    positive = ceiling > 0
    agrees = float(((ours > 0) == positive).mean())
    verdict = _judge(bool(holds), agrees > MOST)
    text = f"{spread(100 * ours, '{:+.1f}')} %; wins {np.mean(ours > 0):.0%}"
    why = "" if verdict == HOLDS else _strongest(draws)
    return Row(claim, gain.printed, text, False, verdict, criterion, why)


def _strongest(draws: pd.DataFrame) -> str:
    """Which benchmark is the best in most draws, and where its median stands."""
    best = draws[list(BENCHMARKS)].idxmax(axis=1).mode().iloc[0]
    others = [name for name in BENCHMARKS if name != best]
    against = (draws[PROPOSED] > draws[others].max(axis=1)).mean()
    return (
        f"best benchmark is mostly {_NAMES[best]} at {draws[best].median():.3f}, proposed "
        f"{draws[PROPOSED].median():.3f}; over the two others it wins {against:.0%}"
    )


def _ten_types_row(frame: pd.DataFrame) -> list[Row]:
    claim = "10 types: operator utility, best benchmark"
    criterion = "levels: the published number within our 90 % range over draws"
    value = published.BEST_BENCHMARK_AT_TEN_TYPES
    draws = draws_of(frame, "types", 10.0, OPERATOR)
    if not set(BENCHMARKS) <= set(draws.columns):
        return [_missing(claim, f"{value:g}", criterion)]
    best = draws[list(BENCHMARKS)].max(axis=1)
    return [_level(claim, value, best, criterion, _strongest(draws))]


def _refund_rows(frame: pd.DataFrame) -> list[Row]:
    rows = []
    for total, (low, high) in published.REFUND_RANGES.items():
        claim = f"refund × 0.5 to 1.5: {total}, proposed, stays in its range"
        criterion = "refund range: our medians at all factors lie in the published range"
        printed = f"{low:g} to {high:g}"
        medians = _medians(frame, "refund", total)
        if medians.empty:
            rows.append(_missing(claim, printed, criterion))
            continue
        inside = bool(((medians >= low) & (medians <= high)).all())
        text = f"medians {medians.min():.3f} to {medians.max():.3f}"
        why = "" if inside else _range_why(medians, low, high)
        rows.append(Row(claim, printed, text, False, _judge(inside), criterion, why))
    claim = "refund × 0.5 to 1.5: social welfare, proposed, increases"
    criterion = "refund trend: our median welfare increases from each factor to the next"
    medians = _medians(frame, "refund", WELFARE)
    if medians.empty:
        return [*rows, _missing(claim, "increases slightly", criterion)]
    rises = bool((np.diff(medians) > 0).all())
    text = ", ".join(f"{value:.3f}" for value in medians)
    return [*rows, Row(claim, "increases slightly", text, False, _judge(rises), criterion)]


def _range_why(medians: pd.Series, low: float, high: float) -> str:
    misses = {"above": medians.max() - high, "below": low - medians.min()}
    parts = [f"{off:.3f} {side}" for side, off in misses.items() if off > 0]
    return "; ".join(parts)


def _medians(frame: pd.DataFrame, sweep: str, total: str) -> pd.Series:
    if frame.empty:
        return pd.Series(dtype=float)
    rows = frame[(frame["sweep"] == sweep) & (frame["mechanism"] == PROPOSED)]
    return rows.groupby("setting")[total].median()


def _sign_rows(frame: pd.DataFrame) -> list[Row]:
    """Claims about signs and order, each true or false in every draw."""
    everybody = (PROPOSED, *BENCHMARKS)

    def negative(names: Sequence[str]) -> Callable[[pd.DataFrame], pd.Series]:
        return lambda draws: (draws[list(names)] < 0).all(axis=1)

    def best(draws: pd.DataFrame) -> pd.Series:
        return draws[PROPOSED] > draws[list(BENCHMARKS)].max(axis=1)

    claims: list[tuple[str, float, str, str, Callable[[pd.DataFrame], pd.Series]]] = [
        ("violation_cost", 1.5, WELFARE, "all benchmarks negative", negative(BENCHMARKS)),
        *(("dirichlet", 0.1, total, "all methods negative", negative(everybody))
          for total in TOTALS),
        *(("dirichlet", 0.1, total, "proposed best (least negative)", best) for total in TOTALS),
    ]  # fmt: skip
    criterion = "signs and order: true in most draws"
    rows = []
    for sweep, setting, total, words, test in claims:
        claim = f"{SWEEP_NAMES[sweep].format(setting)}: {total}, {words}"
        draws = draws_of(frame, sweep, setting, total)
        if not set(everybody) <= set(draws.columns):
            rows.append(_missing(claim, "true", criterion))
            continue
        part = float(test(draws).mean())
        verdict = _judge(part > MOST)
        why = "" if verdict == HOLDS else _strongest(draws)
        rows.append(
            Row(claim, "true", f"true in {part:.0%} of draws", False, verdict, criterion, why)
        )
    return rows


def _best_rows(frame: pd.DataFrame) -> list[Row]:
    """Sweeps in which the proposed method is published as the best at every setting."""
    criterion = "best throughout: a win rate above one half at every setting"
    rows = []
    for sweep, words in (("zeta", "every ζ"), ("refund", "every refund")):
        for total in TOTALS:
            claim = f"{words}: {total}, proposed is the best"
            settings = (
                sorted(set(frame.loc[frame["sweep"] == sweep, "setting"])) if len(frame) else []
            )
            rates = [win_rate(draws_of(frame, sweep, setting, total)) for setting in settings]
            if not rates or np.isnan(rates).any():
                rows.append(_missing(claim, "true", criterion))
                continue
            text = "wins " + ", ".join(
                f"{rate:.0%} at {setting:g}" for setting, rate in zip(settings, rates, strict=True)
            )
            verdict = _judge(min(rates) > MOST)
            rows.append(Row(claim, "true", text, False, verdict, criterion))
    return rows
