"""Verdicts on made-up draws: each kind of claim once kept and once broken."""

import numpy as np
import pandas as pd
import pytest

from airan_market.analysis.reproduction import published
from airan_market.analysis.reproduction.claim import (
    DIRECTION,
    FAILS,
    HOLDS,
    MISSING,
    SPLIT,
    WHOLE,
    counts,
    markdown,
    table,
)
from airan_market.analysis.reproduction.claim_draws import gains, win_rate
from airan_market.analysis.reproduction.verdicts import verdict_rows


def cell(sweep, setting, values, draws=21, wobble=0.0):
    """Rows of a cell: mechanism → (operator utility, social welfare), spread by ± wobble."""
    shift = np.linspace(-wobble, wobble, draws)
    return [
        {
            "sweep": sweep,
            "setting": float(setting),
            "draw": draw,
            "mechanism": mechanism,
            "operator utility": pair[0] + shift[draw],
            "social welfare": pair[1] + shift[draw],
            "converged": True,
        }
        for draw in range(draws)
        for mechanism, pair in values.items()
    ]


def market(proposed, best, others=(-9.0, -9.0)):
    return {"mixed": proposed, "ct": best, "mc": others, "gsmc": others, "gsmc_types": others}


def row(rows, start):
    found = [r for r in rows if r.claim.startswith(start)]
    assert len(found) == 1, [r.claim for r in rows]
    return found[0]


def judged(cells, start):
    return row(verdict_rows(pd.DataFrame(cells)), start).verdict


GAIN_90 = "90 users: operator utility, gain"


@pytest.mark.parametrize(
    ("proposed", "verdict"),
    [(1.57, HOLDS), (1.56, DIRECTION), (1.01, DIRECTION), (0.99, FAILS)],
)
def test_a_gain_of_at_least_56_8_percent(proposed, verdict):
    assert judged(cell("users", 90, market((proposed, 2.0), (1.0, 1.0))), GAIN_90) == verdict


def test_a_gain_over_a_negative_benchmark_counts_its_size():
    cells = cell("users", 90, market((-0.5, 0.1), (-1.0, -0.1)))
    frame = pd.DataFrame(cells).pivot(index="draw", columns="mechanism", values="operator utility")
    assert gains(frame) == pytest.approx(np.full(21, 0.5))
    assert win_rate(frame) == 1.0


def test_a_claim_about_the_benchmarks_is_judged_in_both_readings_of_gsmc():
    """GSMC earns 2 with split types and 1 with whole ones; the proposed method 1.6."""
    values = market((1.6, 1.6), (0.5, 0.5)) | {"gsmc": (2.0, 2.0), "gsmc_types": (1.0, 1.0)}
    rows = verdict_rows(pd.DataFrame(cell("users", 90, values)))
    found = row(rows, GAIN_90)
    assert (found.verdict, found.whole_verdict) == (FAILS, HOLDS)
    assert found.ours.startswith("-20.0")
    assert found.whole.startswith("+60.0")
    assert "GSMC at 2.000" in found.why
    assert counts(rows, whole=True)["out"][HOLDS] == counts(rows)["out"][HOLDS] + 2
    assert (SPLIT, WHOLE) == (("ct", "mc", "gsmc"), ("ct", "mc", "gsmc_types"))
    level = row(rows, "10 types: operator utility, proposed")
    assert (level.whole, level.whole_verdict) == ("", "")  # GSMC is not in it


def test_a_level_of_gsmc_has_both_readings():
    values = market((0.1, 0.1), (0.1, 0.1)) | {"gsmc_types": (-1.1, -1.143)}
    found = row(
        verdict_rows(pd.DataFrame(cell("dirichlet", 0.1, values))),
        "Dirichlet parameter 0.1: social welfare, GSMC",
    )
    assert (found.verdict, found.whole_verdict) == (FAILS, HOLDS)


def test_the_best_benchmark_is_found_draw_by_draw():
    frame = pd.DataFrame({"mixed": [2.0, 2.0], "ct": [1.0, 4.0], "mc": [4.0, 1.0], "gsmc": [0, 0]})
    assert gains(frame).tolist() == [-0.5, -0.5]


@pytest.mark.parametrize(("proposed", "verdict"), [(0.33, HOLDS), (0.35, FAILS)])
def test_a_level_within_the_range_of_the_draws(proposed, verdict):
    cells = cell("users", 30, market((proposed, 0.3), (0.342, 0.3)), wobble=0.01)
    assert judged(cells, "30 users: operator utility, proposed") == verdict


def test_a_missed_level_at_thirty_users_tells_of_truncated_counts():
    cells = cell("users", 30, market((0.4, 0.4), (0.4, 0.4)))
    cells += cell("users_truncated", 30, market((0.325, 0.3), (0.3, 0.3)))
    found = row(verdict_rows(pd.DataFrame(cells)), "30 users: operator utility, proposed")
    assert found.verdict == FAILS
    assert "truncated to whole users 0.325" in found.why
    assert "that of 24 users" in found.why  # 30 · 0.322 / 0.4
    assert "fractional" not in found.why
    cells += cell("users_fractional", 30, market((0.41, 0.3), (0.3, 0.3)))
    found = row(verdict_rows(pd.DataFrame(cells)), "30 users: operator utility, proposed")
    assert "fractional users 0.410" in found.why
    gain = row(verdict_rows(pd.DataFrame(cells)), "30 users: operator utility, gain")
    assert "truncated to whole users +8.3 [+8.3, +8.3] %" in gain.why  # 0.325 / 0.3


def test_a_missed_level_of_ct_tells_whether_its_users_came_to_rest():
    cells = cell("users", 30, market((0.4, 0.4), (0.4, 0.4)))
    start = "30 users: operator utility, CT"
    assert "come to rest" not in row(verdict_rows(pd.DataFrame(cells)), start).why
    for entry in cells[: len(cells) // 3]:
        entry["converged"] = False
    found = row(verdict_rows(pd.DataFrame(cells)), start)
    assert "come to rest in 67% of the draws" in found.why


@pytest.mark.parametrize(("proposed", "verdict"), [(1.1, HOLDS), (1.9, DIRECTION), (0.9, FAILS)])
def test_a_gain_between_two_bounds(proposed, verdict):
    cells = cell("refund", 0.5, market((proposed, 1.0), (1.0, 1.0)))
    assert judged(cells, "refund × 0.5: operator utility, gain") == verdict


def test_slightly_below_wants_a_negative_gain():
    start = "60 users: social welfare, gain"
    assert judged(cell("users", 60, market((1.0, 0.98), (1.0, 1.0))), start) == HOLDS
    assert judged(cell("users", 60, market((1.0, 0.5), (1.0, 1.0))), start) == DIRECTION
    assert judged(cell("users", 60, market((1.0, 1.1), (1.0, 1.0))), start) == FAILS


@pytest.mark.parametrize(("best", "verdict"), [(-0.1, HOLDS), (0.1, FAILS)])
def test_all_benchmarks_negative(best, verdict):
    cells = cell("violation_cost", 1.5, market((1.9, 2.0), (best, best)))
    assert judged(cells, "violation cost × 1.5: social welfare, all benchmarks") == verdict


def test_which_benchmark_is_the_best():
    """At 30 users CT is published as the best: true when it is, not when MC is."""
    start = "30 users: operator utility, the best benchmark"
    values = market((1.0, 1.0), (0.9, 0.9), (0.8, 0.8))
    assert judged(cell("users", 30, values), start) == HOLDS
    assert judged(cell("users", 30, values | {"mc": (0.95, 0.95)}), start) == FAILS


def test_best_throughout_wants_every_setting():
    good = cell("zeta", 0.7, market((2.0, 2.0), (1.0, 1.0)))
    bad = cell("zeta", 0.8, market((2.0, 2.0), (3.0, 3.0)))
    assert judged(good, "every ζ: operator utility") == HOLDS
    assert judged(good + bad, "every ζ: operator utility") == FAILS


def test_the_refund_trend_and_range():
    values = [(0.5, 2.13), (1.0, 2.14), (1.5, 2.145)]
    cells = [r for s, w in values for r in cell("refund", s, market((2.05, w), (1.0, 1.0)))]
    rows = verdict_rows(pd.DataFrame(cells))
    assert row(rows, "refund × 0.5 to 1.5: social welfare, proposed, inc").verdict == HOLDS
    assert row(rows, "refund × 0.5 to 1.5: social welfare, proposed, stays").verdict == HOLDS
    cells += cell("refund", 1.25, market((3.0, 2.0), (1.0, 1.0)))
    rows = verdict_rows(pd.DataFrame(cells))
    assert row(rows, "refund × 0.5 to 1.5: social welfare, proposed, inc").verdict == FAILS
    stays = row(rows, "refund × 0.5 to 1.5: operator utility, proposed, stays")
    assert (stays.verdict, stays.why) == (FAILS, "0.938 above")


def fitted(table_i, totals, latency):
    """The cell of the scenario's own shares with one outcome for all mechanisms."""
    rows = cell("fitted", 0, market(totals, totals, totals), draws=1)
    for r in rows:
        r["match_probability"], r["latency_s"] = table_i.T.tolist(), latency.tolist()
    return rows


RISING = np.tile(np.linspace(0.1, 0.8, 8), (3, 1))


def test_the_published_outcome_itself_holds_in_sample():
    rows = verdict_rows(pd.DataFrame(fitted(published.table_i(), (2.05, 2.14), RISING)))
    inside = [r for r in rows if r.in_sample]
    assert len(inside) == 10
    assert {r.verdict for r in inside} == {HOLDS}
    assert row(rows, "Fig. 3").verdict == HOLDS


def test_control_a_wrong_entry_total_or_menu_does_not_hold():
    wrong = published.table_i()
    wrong[4, 2] += 0.03
    falling = RISING.copy()
    falling[1, 5] = 0.0
    rows = verdict_rows(pd.DataFrame(fitted(wrong, (2.0, 2.14), falling)))
    assert [r.claim for r in rows if r.in_sample and r.verdict == FAILS] == [
        "Table I: type 5, proposed",
        "default market: operator utility, proposed",
    ]
    assert row(rows, "Fig. 3").verdict == FAILS


def test_benchmark_operators_of_table_i():
    places = np.array(published.TABLE_I_BENCHMARKS["gsmc"])
    pure = (places[:, np.newaxis] == np.arange(1, 4)).astype(float)
    rows = verdict_rows(pd.DataFrame(fitted(pure, (2.05, 2.14), RISING)))
    assert row(rows, "Table I: operator of types 1 to 8, GSMC").verdict == HOLDS
    other = row(rows, "Table I: operator of types 1 to 8, MC")
    assert other.verdict == FAILS
    assert "ours is the published column of GSMC" in other.why
    assert "column" not in row(rows, "Table I: operator of types 1 to 8, GSMC").why


def test_what_was_not_computed_says_so():
    rows = verdict_rows(pd.DataFrame())
    assert {r.verdict for r in rows} == {MISSING}
    whole = cell("zeta", 0.7, market((2.0, 2.0), (1.0, 1.0)))
    only_mixed = [r for r in whole if r["mechanism"] == "mixed"]
    assert judged(only_mixed, "ζ = 0.7: operator utility, gain") == MISSING


def test_tables_hold_every_row():
    rows = verdict_rows(pd.DataFrame(cell("users", 90, market((1.0, 1.0), (2.0, 2.0)))))
    assert len(table(rows)) == len(rows)
    assert sum(n for found in counts(rows).values() for n in found.values()) == len(rows)
    assert markdown(rows).count("\n| ") == len(rows) + 1  # the head, after its own line break
