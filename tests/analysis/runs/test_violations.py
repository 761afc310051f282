import numpy as np
import pandas as pd
import pytest

from airan_market.analysis.runs.violations import WORDS, violation_table
from airan_market.analysis.verdict import UNDECIDED, Verdict
from airan_market.sim.estimation.intervals import family_level
from airan_market.sim.estimation.proportions import exceedance_band

COVERS, TOO_LOW = WORDS[Verdict.HOLDS], WORDS[Verdict.FAILS]


def cells(rows: list[tuple]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows (round, operator, type, belief, decided, violations)."""
    names = ["round", "operator", "type", "violation_belief", "decided", "violations"]
    frame = pd.DataFrame(rows, columns=names).assign(batch=0)
    tally = frame.drop(columns="violation_belief").assign(tasks=frame["decided"] + 1)
    return frame[names[:4]], tally


def test_believed_is_weighted_by_the_tasks_of_each_round():
    rounds, tally = cells([(1, 1, 1, 0.1, 900, 90), (2, 1, 1, 0.5, 100, 10)])
    row = violation_table(rounds, tally).iloc[0]
    assert row["believed"] == pytest.approx(0.14, rel=1e-12)
    assert row["simulated"] == pytest.approx(0.1, rel=1e-12)
    assert row["ratio"] == pytest.approx(0.1 / 0.14, rel=1e-12)
    assert (row["tasks"], row["decided"], row["clusters"]) == (1002, 1000, 2)


def test_totals_pool_the_cells_of_a_round_into_one_cluster():
    rounds, tally = cells(
        [
            (1, 1, 1, 0.1, 50, 5),
            (1, 2, 1, 0.2, 50, 15),
            (2, 1, 1, 0.1, 80, 4),
            (2, 2, 1, 0.2, 20, 2),
        ]
    )
    row = violation_table(rounds, tally, by=()).iloc[0]
    share, rest = (
        26 / 200,
        1 - 26 / 200,
    )  # two clusters of 100: v = ((20 - 13)² + (6 - 13)²) · 2 / 200²
    effect = 2 * (7**2 + 7**2) / 200**2 / (share * rest / 200)
    pooled = exceedance_band([[20], [6]], [100, 100], [effect])
    assert row["design_effect"] == pytest.approx(effect, rel=1e-12)
    assert [row["low"], row["high"]] == pytest.approx([pooled.low[0], pooled.high[0]], rel=1e-9)
    assert row["clusters"] == 2
    assert row["believed"] == pytest.approx((0.1 * 130 + 0.2 * 70) / 200, rel=1e-12)
    by_operator = violation_table(rounds, tally, by=("operator",))
    assert by_operator["decided"].tolist() == [130, 70]


def test_warm_up_is_left_out():
    rounds, tally = cells([(1, 1, 1, 0.1, 50, 5), (2, 1, 1, 0.1, 50, 6)])
    warm = tally.iloc[:1].assign(round=0, decided=0, violations=0)
    pd.testing.assert_frame_equal(
        violation_table(rounds, pd.concat([warm, tally])), violation_table(rounds, tally)
    )


def test_a_missing_belief_stays_missing():
    rounds, tally = cells([(1, 1, 1, np.nan, 50, 5), (2, 1, 1, 0.1, 50, 6)])
    row = violation_table(rounds, tally).iloc[0]
    assert np.isnan(row["believed"])
    assert row["verdict"] == UNDECIDED


def test_no_tasks_no_rows():
    rounds, tally = cells([(1, 1, 1, 0.1, 50, 5)])
    for by in ((), ("operator",), ("operator", "type")):
        assert violation_table(rounds, tally[:0], by=by).empty


@pytest.mark.parametrize(
    ("believed", "events", "expected"),
    [
        (0.2, [8, 11, 10, 11], COVERS),
        (0.01, [8, 11, 10, 11], TOO_LOW),
        (0.1, [8, 11, 10, 11], UNDECIDED),
        (1e-3, [0, 0, 0, 0], UNDECIDED),  # 400 tasks cannot tell 0 from 1e-3
        (0.1, [0, 0, 0, 0], COVERS),
        (1.0, [100, 100, 100, 100], COVERS),
        (0.9, [1], UNDECIDED),  # one cluster decides nothing
    ],
)
def test_verdicts(believed, events, expected):
    rounds, tally = cells([(n + 1, 1, 1, believed, 100, each) for n, each in enumerate(events)])
    assert violation_table(rounds, tally)["verdict"].tolist() == [expected]


def test_bursts_at_shorter_latencies_widen_the_interval():
    """Two violations, one in each half; half the tasks of the second half were nearly late."""
    rounds, tally = cells([(n, 1, 1, 0.1, 100, n in (1, 4)) for n in range(1, 9)])
    bare = violation_table(rounds, tally).iloc[0]
    bursty = violation_table(rounds, tally.assign(later_1=[1, 0, 0, 1, 50, 50, 50, 50])).iloc[0]
    assert (bare["clusters"], bare["design_effect"], bare["note"]) == (4, 1, "no shorter latencies")
    assert bursty["design_effect"] > 50
    assert bursty["note"] == ""
    assert bursty["high"] > 3 * bare["high"]


def test_verdicts_hold_together():
    """The interval shown holds by itself; the verdict rests on one for all rows (Bonferroni)."""
    rounds, tally = cells(
        [(n, 1, type_, 0.0, 1000, 1) for n in (1, 2, 3, 4) for type_ in range(1, 41)]
    )
    alone = violation_table(rounds[rounds["type"] == 1], tally[tally["type"] == 1])
    together = violation_table(rounds, tally)
    assert alone["low"].iloc[0] == together["low"].iloc[0]
    believed = float(alone["low"].iloc[0]) * 0.99
    for frame, expected in ((alone, TOO_LOW), (together, UNDECIDED)):
        one = rounds.assign(violation_belief=believed)
        kept = tally[tally["type"].isin(frame["type"])]
        assert set(violation_table(one, kept)["verdict"]) == {expected}
    assert family_level(40) > 0.998
