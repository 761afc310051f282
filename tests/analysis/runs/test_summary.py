import json
from types import SimpleNamespace

import pytest
from scipy import stats

from airan_market.analysis.play import play
from airan_market.analysis.runs.headline import answer
from airan_market.analysis.runs.summary import summarise
from airan_market.analysis.store.reader import load_run


def test_totals_are_last_round_mean_and_t_interval(run):
    entry = summarise(run)["operator_utility_usd_per_s"]["realised"]
    values = run.market["operator_utility_realised_usd_per_s"].to_numpy()
    low, high = stats.t.interval(0.95, len(values) - 1, values.mean(), stats.sem(values))
    assert entry["last_round"] == values[-1]
    assert (entry["mean"], entry["low"], entry["high"]) == pytest.approx((values.mean(), low, high))


def test_violations_are_counted_from_the_tasks(run):
    summary = summarise(run)
    tasks = run.tasks[run.tasks["round"] > 0]
    total = summary["violations"]["total"]
    assert total["violations"] == int(tasks["violated"].sum())
    assert total["decided"] == int(tasks["violated"].notna().sum())
    assert summary["tasks"]["undecided"] == int(tasks["violated"].isna().sum()) > 0
    assert summary["tasks"]["warm_up"] == int((run.tasks["round"] == 0).sum())
    assert sum(summary["violations"]["verdicts"].values()) == len(summary["violations"]["cells"])
    assert [entry["name"] for entry in summary["operators"]] == ["north <b>&", "south"]


def test_money_differences_show_a_lost_entry(run):
    money = summarise(run)["money"]
    assert abs(money["paid_less_received_usd"]) < 1e-12
    lost = run.rounds.copy()
    lost.loc[0, "revenue_usd"] -= 0.01
    changed = SimpleNamespace(
        manifest=run.manifest, scenario=run.scenario, rounds=lost, market=run.market,
        operators=run.operators, tally=run.tally,
    )  # fmt: skip
    assert summarise(changed)["money"]["paid_less_received_usd"] == pytest.approx(0.01, rel=1e-9)


@pytest.mark.usefixtures("undrawn")
def test_settled_means_the_last_residual_meets_the_tolerance(run, tmp_path, toy, fake_market):
    assert summarise(run)["settlement"] == {
        "residual": 1e-4, "tolerance": 1e-9, "settled": False,
    }  # fmt: skip
    loose = toy("mechanism.tolerance=1e-3", "simulation.horizon_s=1")
    path = play(loose, out=tmp_path / "loose", make_market=fake_market).path
    assert load_run(path).summary["settlement"]["settled"] is True


@pytest.mark.usefixtures("undrawn")
def test_a_single_round_is_clustered_by_seconds_and_has_no_t_interval(tmp_path, toy, fake_market):
    path = play(toy("simulation.rounds=1"), out=tmp_path / "one", make_market=fake_market).path
    summary = load_run(path).summary
    assert summary["violations"]["total"]["clusters"] == 5
    assert summary["social_welfare_usd_per_s"]["realised"]["low"] is None


def test_summary_is_json_without_nan_and_what_the_file_holds(run):
    summary = summarise(run)
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary == run.summary


@pytest.mark.parametrize(
    ("simulated", "ratio", "word"),
    [(0.011, 1.1, "about as many as"), (0.02, 2.0, "more than"), (0.001, 0.1, "fewer than")],
)
def test_the_answer_for_whoever_has_not_read_the_papers(simulated, ratio, word) -> None:
    total = {"decided": 1000, "simulated": simulated, "believed": 0.01, "ratio": ratio,
             "low": 0.9 * simulated, "high": 1.1 * simulated}  # fmt: skip
    summary = {
        "violations": {"total": total},
        "operator_utility_usd_per_s": {"realised": {"mean": 2.0}},
        "social_welfare_usd_per_s": {"realised": {"mean": 2.25}},
    }
    _, told = answer(summary)
    assert f"Of 1,000 tasks {1000 * simulated:g} came later than promised, {word}" in told
    assert "operators expected (10)" in told
    assert "users gain 0.25 USD" in told
    assert ("may be chance" in told) == (simulated == 0.011)
    nobody = answer({"violations": {"total": None}})
    assert nobody[1] == "Nobody bought anything."
