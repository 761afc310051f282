"""Promises on GPUs that batch: known stations, controls, and the sentences."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from airan_market.analysis.validation.batches import (
    ANSWER,
    FIRST,
    GROWS,
    LATE,
    SAME_TASKS,
    SHORT_RUN,
    TOO_LONG,
    TOO_SHORT,
    batch_table,
    summarise_batches,
)
from airan_market.analysis.validation.offered import latency_of, offered
from airan_market.analysis.validation.report.batch_figure import batch_figure
from airan_market.analysis.validation.report.summary import (
    batch_sentences,
    sentences,
    summarise_validation,
)
from airan_market.analysis.validation.session import validate_into
from airan_market.analysis.validation.stored import load_validation
from airan_market.scenarios import load_scenario

#: GPUs of one slot and steps of one length: an M/M/c station but for whole steps, so that exact
#: beliefs are right. No context, no prompt to speak of.
STATION = [
    "simulation.batching.slots=1", "simulation.batching.step_s=0.1",
    "simulation.batching.request_s=0", "simulation.batching.context_token_s=0",
    "simulation.batching.prompt_token_s=0", "simulation.batching.prompt_tokens=1",
    "operators[2].gpu.servers=8", "operators[1].gpu.servers=8",
    "users.tasks_per_user_per_s=0.02", "users.shares=[0.0, 0.0, 0.0, 1.0]",
]  # fmt: skip


def table(settings=(), loads=(0.4, 0.8), tasks=6_000, replications=6):
    scenario = load_scenario("batching", list(settings))
    return batch_table(
        scenario, offered(scenario, 1)[1:], 0.95, seed=1, tasks=tasks, loads=loads,
        replications=replications,
    )  # fmt: skip


@pytest.fixture(scope="module")
def batched():
    return table()


def test_exact_laws_are_right_where_the_gpu_is_the_station():
    """One type, GPUs of one slot: `priority` is exact, and its promise is not told apart.

    All intervals together cover with 95 %; the seed is fixed. Controls: `chernoff`, a bound, is too
    long; with a context that slows steps down the promise of the exact law is too short.
    """
    right = table(STATION, tasks=4_000).query(f"promise == '{ANSWER}'").set_index("belief")
    exact = right.loc["priority"]
    assert len(exact) >= 2
    assert not exact["verdict"].isin([TOO_SHORT, TOO_LONG]).any()
    assert exact["error"].abs().max() < 0.15
    assert (right.loc["chernoff", "verdict"] == TOO_LONG).all()
    slow = [*STATION, "simulation.batching.context_token_s=5e-3"]
    wrong = table(slow, loads=(0.4,), tasks=4_000).query(f"promise == '{ANSWER}'")
    assert (wrong.set_index("belief").loc["priority", "verdict"] == TOO_SHORT).all()


def test_promises_err_to_both_sides_and_first_tokens_to_one(batched):
    """What the documentation says: too long at light load, too short at heavy load."""
    exact = batched[(batched["belief"] == "priority") & batched["error"].notna()]
    assert (exact[exact["load"] == 0.4]["error"] > 0.1).all()
    assert (exact[exact["load"] == 0.8]["error"] < 0).all()
    first = batched[(batched["promise"] == FIRST) & batched["error"].notna()]
    assert (first["error"] < -0.3).all()


def test_what_grows_has_no_truth():
    rows = table(loads=(1.3,)).query("load == 1.3 and type == 4")
    assert set(rows["verdict"]) == {GROWS}
    assert rows["true_s"].isna().all()


def test_a_run_that_still_feels_its_beginning_is_not_judged():
    """4 / (1 − 0.97)² is 4,444 tasks: more than a fifth of a replication of 1,000."""
    rows = table(loads=(0.97,)).query("load == 0.97 and type == 4")
    assert set(rows["verdict"]) <= {SHORT_RUN, GROWS}
    assert rows["error"].isna().all()


def test_the_interval_holds_the_error_and_the_promise_is_judged_by_it(batched):
    known = batched[batched["error"].notna()]
    assert (known["error_low"] <= known["error"]).all()
    assert (known["error"] <= known["error_high"]).all()
    short, long_ = known["error_high"] < 0, known["error_low"] > 0
    assert (known["verdict"][short] == TOO_SHORT).all()
    assert (known["verdict"][long_] == TOO_LONG).all()
    assert not known["verdict"][~short & ~long_].isin([TOO_SHORT, TOO_LONG]).any()


def test_the_same_seed_gives_the_same_rows():
    again = [table(loads=(), tasks=1_200, replications=2) for _ in range(2)]
    pd.testing.assert_frame_equal(*again)


def test_a_latency_is_found_on_a_tail_that_is_known():
    """An exponential tail; 0 where nobody is ever late; infinite where everybody is."""
    rate = np.array([2.0, 0.25, np.inf, 0.0])
    with np.errstate(invalid="ignore"):
        found = latency_of(
            lambda t: np.where(rate == 0, 1.0, np.exp(-rate * t)), np.full(4, LATE), 1.0
        )
    assert found[:2] == pytest.approx(np.log(20) / rate[:2], rel=1e-9)
    assert found[2] < 1e-9
    assert found[3] == np.inf


def test_the_summary_orders_by_nearness_and_says_so(batched):
    rows = summarise_batches(batched)
    answers = [row for row in rows if row["promise"] == ANSWER]
    assert [row["nearness"] for row in answers] == sorted(row["nearness"] for row in answers)
    assert len({row["pairs"] for row in answers}) == 1
    said = batch_sentences(rows)
    nearest = next(row["belief"] for row in answers if row["belief"] != SAME_TASKS)
    assert f"nearest is {nearest}" in said[0]
    assert "first token" in said[-1]
    assert batch_sentences([]) == []


def test_the_figure_has_a_panel_for_each_promise(batched):
    figure = batch_figure(batched, ["two GPUs", "one GPU"])
    titles = [axis.get_title() for axis in figure.axes]
    assert titles == ["2: one GPU, type 3: whole answer", "2: one GPU, type 3: first token"]


def test_the_table_is_written_read_told_and_drawn(batched, found, tmp_path):
    told = replace(found, batches=batched.assign(operator=1), summary={})
    told.summary.update(summarise_validation(told, 0.95))
    ended = validate_into(found.scenario, 1, tmp_path / "here", find=lambda *_, **__: told)
    assert ended.error is None
    read = load_validation(ended.path, verify=True)
    pd.testing.assert_frame_equal(read.batches, told.batches, check_dtype=False)
    assert (ended.path / "figures" / "batches.png").exists()
    page = (ended.path / "report.html").read_text(encoding="utf-8")
    assert "GPUs that batch: which belief comes nearest" in page
    assert "GPUs that batch: promises at the solved loads" in page
    assert any("nearest is" in sentence for sentence in sentences(read.summary))
    assert "batches" not in found.summary  # of a market whose GPUs do not
