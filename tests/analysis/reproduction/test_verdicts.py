"""Verdicts on made-up draws: each kind of claim once kept and once broken."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from airan_market.analysis.reproduction import published
from airan_market.analysis.reproduction.cells import DEFAULT, FITTED, SWEEPS
from airan_market.analysis.reproduction.claim import (
    DIRECTION,
    FAILS,
    HOLDS,
    MISSING,
    beyond,
    counts,
    markdown,
    table,
)
from airan_market.analysis.reproduction.claim_draws import gains, win_rate
from airan_market.analysis.reproduction.comparison import KNOWN, compared, standing, unexplained
from airan_market.analysis.reproduction.contradictions import contradictions
from airan_market.analysis.reproduction.verdicts import verdict_rows
from airan_market.scenarios import Reading, load_reading

OURS = load_reading("ours")


def cell(sweep, setting, values, draws=21, wobble=0.0, fitted=None):
    """Rows of a cell: mechanism → (operator utility, social welfare), spread by ± wobble."""
    shift = np.linspace(-wobble, wobble, draws)
    every = [(draw, values, shift[draw]) for draw in range(draws)]
    if fitted is not None:
        every.append((FITTED, fitted, 0.0))
    return [
        {
            "reading": "ours",
            "sweep": sweep,
            "setting": float(setting),
            "draw": draw,
            "mechanism": mechanism,
            "operator utility": pair[0] + off,
            "social welfare": pair[1] + off,
            "converged": True,
        }
        for draw, own, off in every
        for mechanism, pair in own.items()
    ]


def market(proposed, best, others=(-9.0, -9.0)):
    return {"mixed": proposed, "ct": best, "mc": others, "gsmc": others}


def row(rows, start):
    found = [r for r in rows if r.claim.startswith(start)]
    assert len(found) == 1, [r.claim for r in rows]
    return found[0]


def judge(cells, reading=OURS):
    return verdict_rows(pd.DataFrame(cells), reading)


def judged(cells, start):
    return row(judge(cells), start).verdict


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


def test_the_best_benchmark_is_found_draw_by_draw():
    frame = pd.DataFrame({"mixed": [2.0, 2.0], "ct": [1.0, 4.0], "mc": [4.0, 1.0], "gsmc": [0, 0]})
    assert gains(frame).tolist() == [-0.5, -0.5]


@pytest.mark.parametrize(("proposed", "verdict"), [(0.33, HOLDS), (0.35, FAILS)])
def test_a_level_within_the_range_of_the_draws(proposed, verdict):
    cells = cell("users", 30, market((proposed, 0.3), (0.342, 0.3)), wobble=0.01)
    assert judged(cells, "30 users: operator utility, proposed") == verdict


def test_a_claim_is_judged_as_that_of_a_single_draw_too():
    """21 draws from 1.4 to 1.8 over a benchmark of 1: a gain of 0.568 in twelve of them."""
    cells = cell("users", 90, market((1.6, 2.0), (1.0, 1.0)))
    for entry in cells:
        if entry["mechanism"] == "mixed":
            entry["operator utility"] = 1.4 + 0.02 * entry["draw"]
    found = row(judge(cells), GAIN_90)
    assert found.happens == pytest.approx(12 / 21)  # draws 9 to 20
    assert found.happens_low == pytest.approx(0.3402, abs=1e-4)  # Clopper-Pearson, 12 of 21
    assert found.happens_high == pytest.approx(0.7818, abs=1e-4)
    assert found.fitted is None
    level = row(judge(cell("users", 30, market((0.33, 0.3), (0.3, 0.3)), wobble=0.01)), LEVEL_30)
    # 0.322: draws 0 to 2 are below it, as far on the other side are as many
    assert level.happens == pytest.approx(2 * 3 / 21)
    assert level.happens_low == pytest.approx(2 * 0.0305, abs=2e-4)
    assert (beyond(np.zeros(5), 1.0), beyond(np.zeros(5), 0.0)) == ((0, 5), (5, 5))


LEVEL_30 = "30 users: operator utility, proposed"


@pytest.mark.parametrize(("total", "true"), [(0.3219, True), (0.326, False)])
def test_the_fitted_market_is_held_against_a_claim_by_itself(total, true):
    alone = market((total, 0.3), (0.342, 0.3))
    found = row(judge(cell("users", 30, market((9.0, 9.0), (9.0, 9.0)), fitted=alone)), LEVEL_30)
    assert (found.verdict, found.fitted) == (FAILS, true)


@pytest.mark.parametrize(("best", "true"), [(1.0, True), (1.1, False)])
def test_so_is_a_gain_and_a_sign(best, true):
    alone = market((1.57, 1.0), (best, 1.0))
    cells = cell("users", 90, market((0.5, 0.5), (1.0, 1.0)), fitted=alone)
    assert row(judge(cells), GAIN_90).fitted is true
    signs = cell(
        "violation_cost", 1.5, market((1, 1), (1, 1)), fitted=market((1, 1), (1, best - 1.05))
    )
    start = "violation cost × 1.5: social welfare, all benchmarks"
    assert (judged(signs, start), row(judge(signs), start).fitted) == (FAILS, true)


def test_a_missed_level_of_ct_tells_whether_its_users_came_to_rest():
    cells = cell("users", 30, market((0.4, 0.4), (0.4, 0.4)))
    start = "30 users: operator utility, CT"
    assert "come to rest" not in row(judge(cells), start).why
    for entry in cells[: len(cells) // 3]:
        entry["converged"] = False
    found = row(judge(cells), start)
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
    start = "every ζ: operator utility"
    good, bad = market((2.0, 2.0), (1.0, 1.0)), market((2.0, 2.0), (3.0, 3.0))
    all_good = [entry for zeta in SWEEPS["zeta"] for entry in cell("zeta", zeta, good, fitted=good)]
    found = row(judge(all_good), start)
    assert (found.verdict, found.happens, found.fitted) == (HOLDS, 1.0, True)
    one_bad = [r for r in all_good if r["setting"] != 0.8] + cell("zeta", 0.8, bad, fitted=bad)
    found = row(judge(one_bad), start)
    assert (found.verdict, found.happens, found.fitted) == (FAILS, 0.0, False)
    assert judged([r for r in all_good if r["setting"] != 0.8], start) == MISSING


def test_the_refund_trend_and_range():
    welfare = dict(zip(SWEEPS["refund"], (2.13, 2.135, 2.14, 2.142, 2.145), strict=True))
    markets = {at: market((2.05, value), (1.0, 1.0)) for at, value in welfare.items()}
    cells = [r for at, own in markets.items() for r in cell("refund", at, own, fitted=own)]
    start = "refund × 0.5 to 1.5: social welfare, proposed"
    rows = judge(cells)
    for claim in (f"{start}, inc", f"{start}, stays"):
        found = row(rows, claim)
        assert (found.verdict, found.happens, found.fitted) == (HOLDS, 1.0, True)
    high = market((3.0, 2.0), (1.0, 1.0))
    rows = judge(
        [r for r in cells if r["setting"] != 1.25] + cell("refund", 1.25, high, fitted=high)
    )
    found = row(rows, f"{start}, inc")
    assert (found.verdict, found.happens, found.fitted) == (FAILS, 0.0, False)
    stays = row(rows, "refund × 0.5 to 1.5: operator utility, proposed, stays")
    assert (stays.verdict, stays.why) == (FAILS, "0.938 above")


def default_market(table_i, totals, latency):
    """The default market with one outcome for all mechanisms, draws and the fitted market."""
    own = market(totals, totals, totals)
    rows = cell(DEFAULT, 0, own, draws=3, fitted=own)
    for r in rows:
        r["match_probability"], r["latency_s"] = table_i.T.tolist(), latency.tolist()
    return rows


RISING = np.tile(np.linspace(0.1, 0.8, 8), (3, 1))


def test_the_published_outcome_itself_holds_in_sample():
    rows = judge(default_market(published.table_i(), (2.05, 2.14), RISING))
    inside = [r for r in rows if r.in_sample]
    assert len(inside) == 10
    assert {r.verdict for r in inside} == {HOLDS}
    assert row(rows, "Fig. 3").verdict == HOLDS


def test_control_a_wrong_entry_total_or_menu_does_not_hold():
    wrong = published.table_i()
    wrong[4, 2] += 0.03
    falling = RISING.copy()
    falling[1, 5] = 0.0
    rows = judge(default_market(wrong, (2.0, 2.14), falling))
    assert [r.claim for r in rows if r.in_sample and r.verdict == FAILS] == [
        "Table I: type 5, proposed",
        "default market: operator utility, proposed",
    ]
    assert row(rows, "Table I: type 5, proposed").happens == 0.0
    assert row(rows, "Fig. 3").verdict == FAILS


def test_benchmark_operators_of_table_i():
    places = np.array(published.TABLE_I_BENCHMARKS["gsmc"])
    pure = (places[:, np.newaxis] == np.arange(1, 4)).astype(float)
    rows = judge(default_market(pure, (2.05, 2.14), RISING))
    assert row(rows, "Table I: operator of types 1 to 8, GSMC").verdict == HOLDS
    other = row(rows, "Table I: operator of types 1 to 8, MC")
    assert other.verdict == FAILS
    assert "ours is the published column of GSMC" in other.why
    assert "column" not in row(rows, "Table I: operator of types 1 to 8, GSMC").why


def test_what_was_not_computed_says_so():
    assert {r.verdict for r in judge([])} == {MISSING}
    everything = cell("zeta", 0.7, market((2.0, 2.0), (1.0, 1.0)))
    only_mixed = [r for r in everything if r["mechanism"] == "mixed"]
    assert judged(only_mixed, "ζ = 0.7: operator utility, gain") == MISSING


def test_what_a_reading_looked_at_is_not_out_of_sample():
    cells = cell("users", 90, market((1.6, 1.6), (1.0, 1.0)))
    plain, looked = OURS, replace(OURS, used=(*OURS.used, "users"))
    users = replace(OURS, used_for_users=("users",))
    assert [row(judge(cells, r), GAIN_90).used for r in (plain, looked, users)] == [
        "", "settings", "users",
    ]  # fmt: skip
    held = [counts(judge(cells, r))["out"][HOLDS] for r in (plain, looked, users)]
    assert held == [2, 0, 2]


def test_readings_stand_side_by_side():
    """A right reading and a wrong one: the comparison tells them apart, claim by claim."""
    right = cell("users", 90, market((1.6, 1.6), (1.0, 1.0)))
    wrong = [r | {"reading": "wrong"} for r in cell("users", 90, market((0.5, 0.5), (1.0, 1.0)))]
    frame, asked = (
        pd.DataFrame(right + wrong),
        [OURS, Reading("wrong", "as they say", used=OURS.used)],
    )
    rows = {reading.name: verdict_rows(frame, reading) for reading in asked}
    (gain,) = [line for line in compared(rows).rows if line[0].startswith(GAIN_90)]
    assert gain[2].startswith("holds; 100%")
    assert gain[3].startswith("no; 0%")
    stands = standing(asked, rows, frame).set_index("reading")
    assert stands["holds"].to_dict() == {"ours": 2, "wrong": 0}
    assert stands["expected_in_a_draw"].to_dict() == {"ours": 2.0, "wrong": 0.0}
    assert stands.loc["wrong", "description"] == "as they say"
    assert unexplained(rows) == "Every claim holds under one reading at least."
    alone = unexplained({"wrong": rows["wrong"]})
    assert "90 users: operator utility" in alone
    assert "reason: contradicts other printed numbers (mc_at_90_users)" in alone
    assert set(KNOWN.values()) <= {argument.name for argument in contradictions()}


def test_tables_hold_every_row():
    rows = judge(cell("users", 90, market((1.0, 1.0), (2.0, 2.0))))
    assert len(table(rows)) == len(rows)
    assert sum(n for found in counts(rows).values() for n in found.values()) == len(rows)
    assert markdown(rows).count("\n| ") == len(rows) + 1  # the head, after its own line break
