import numpy as np
import pandas as pd
import pytest

from airan_market.analysis.runs.violations import WORDS, verdict, violation_table
from airan_market.analysis.verdict import UNDECIDED, Verdict
from airan_market.sim.estimation.intervals import cluster_proportion

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
    pooled = cluster_proportion([20, 6], [100, 100])
    assert (row["low"], row["high"], row["clusters"]) == (pooled.low, pooled.high, 2)
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
    ],
)
def test_verdicts(believed, events, expected):
    assert verdict(believed, cluster_proportion(events, [100] * 4)) == expected


def test_one_cluster_decides_nothing():
    assert verdict(0.9, cluster_proportion([1], [1000])) == UNDECIDED
