from contextlib import closing

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from airan_market.analysis.store.tables import (
    TableWriter,
    read_table,
    schema_of,
    to_arrow,
    write_table,
)
from airan_market.analysis.store.tally import tally, tally_tasks

MARKET = pd.DataFrame(
    {
        "round": [1, 2],
        "temperature": [1e-4, np.nan],
        "residual": [0.1, 0.2],
        "opted_out_users": [3, 4],
        "operator_utility_expected_usd_per_s": [1.0, 2.0],
        "operator_utility_realised_usd_per_s": [1.0, 2.0],
        "social_welfare_expected_usd_per_s": [1.0, 2.0],
        "social_welfare_realised_usd_per_s": [1.0, 2.0],
    }
)


def test_columns_are_those_of_the_interface():
    names = (
        "task, round, operator, type, user, arrival_s, uplink_service_s, gpu_service_s, "
        "downlink_service_s, uplink_end_s, gpu_end_s, downlink_end_s, uplink_preemptions, "
        "gpu_preemptions, downlink_preemptions, latency_s, agreed_latency_s, price_usd, violated, "
        "refund_usd"
    )
    assert schema_of("market", "tasks").names == names.split(", ")
    names = (
        "round, operator, type, latency_s, price_usd, violation_belief, match_probability, users, "
        "offered_tasks_per_s, tasks, violations, violation_rate, revenue_usd, refunds_usd, "
        "violation_cost_usd, running_cost_usd, operator_utility_expected_usd_per_s, "
        "operator_utility_realised_usd_per_s, user_utility_expected_usd_per_s, "
        "user_utility_realised_usd_per_s"
    )
    assert schema_of("market", "rounds").names == names.split(", ")


def test_round_trip_keeps_values_and_nulls(tmp_path):
    path = tmp_path / "market.parquet"
    assert write_table(path, "market", "market", MARKET) == 2
    back = read_table(path)
    assert back["round"].dtype == np.int32
    assert np.isnan(back["temperature"].iloc[1])
    pd.testing.assert_frame_equal(back, MARKET, check_dtype=False)
    assert read_table(path, ["residual"]).columns.tolist() == ["residual"]


def test_column_order_and_index_of_the_frame_do_not_matter(tmp_path):
    shuffled = MARKET[MARKET.columns[::-1]].set_index(pd.Index([7, 3]))
    write_table(tmp_path / "a", "market", "market", MARKET)
    write_table(tmp_path / "b", "market", "market", shuffled)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert b"pandas" not in (tmp_path / "a").read_bytes()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"colour": 1}, "market: unknown columns colour"),
        ({"round": [1, None]}, r"market.round: 1 values are missing"),
        ({"round": [1, 2.5]}, r"market.round: .*2.5"),
        ({"residual": [1.0, np.inf]}, "market.residual: infinite values"),
        ({"opted_out_users": ["a", "b"]}, "market.opted_out_users"),
    ],
)
def test_frames_that_do_not_fit_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        to_arrow(MARKET.assign(**change), "market", "market")


def test_streamed_frames_are_one_row_group_each_and_empty_ones_none(tmp_path):
    path = tmp_path / "market.parquet"
    with closing(TableWriter(path, "market", "market")) as writer:
        writer.write(MARKET)
        writer.write(MARKET[:0])
        writer.write(MARKET)
    assert (writer.rows, pq.ParquetFile(path).num_row_groups) == (4, 2)


def test_violated_is_true_false_or_missing(run):
    violated = run.read_tasks(["violated"])["violated"]
    assert violated.dtype == pd.BooleanDtype()
    assert violated.isna().any()
    assert violated.any()


def test_tally_is_the_same_streamed_and_at_once(run):
    for by_second in (False, True):
        streamed = tally_tasks(run.path / "tasks.parquet", by_second=by_second)
        # sums of money may differ in the last bit: they are added in another order
        pd.testing.assert_frame_equal(streamed, tally(run.tasks, by_second=by_second), rtol=1e-12)


def test_tally_counts_what_a_loop_counts(run):
    tasks = run.tasks
    one = run.tally.set_index(["round", "operator", "type"]).loc[(2, 1, 3)]
    mine = tasks[(tasks["round"] == 2) & (tasks["operator"] == 1) & (tasks["type"] == 3)]
    assert one["tasks"] == len(mine)
    assert one["violations"] == sum(v is True for v in mine["violated"].tolist())
    assert one["decided"] == sum(v is not pd.NA for v in mine["violated"].tolist())
    assert one["price_usd"] == pytest.approx(sum(mine["price_usd"]), rel=1e-12)
