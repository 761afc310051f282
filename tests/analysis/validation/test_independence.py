"""Two loaded stations in a row: where independent stages are the law, and where they are not."""

from dataclasses import replace

import numpy as np
import pytest

from airan_market.analysis.figure_style import png
from airan_market.analysis.validation import validating
from airan_market.analysis.validation.bound.independence import (
    HIGH,
    LOW,
    independence_table,
    queue_twice,
    summarise_independence,
)
from airan_market.analysis.validation.bound.independence_figure import independence_figure
from airan_market.analysis.validation.report.figures import drawable
from airan_market.analysis.validation.report.summary import sentences, summarise_validation
from airan_market.analysis.validation.report.text import sections
from airan_market.analysis.validation.validating import Effort, Wanted, validate
from airan_market.scenarios import load_scenario
from airan_market.sim.theory.preemptive import class_end_to_end_tail


@pytest.fixture(scope="module")
def rows():
    """All intervals together miss a truth with probability 5 % at most; the seed is fixed."""
    return independence_table(
        0.95, seed=1, servers=[1], loads=[0.5], positions=[1, 9], levels=[0.1, 0.01]
    )


def test_alone_at_single_servers_the_sojourns_are_independent(rows):
    """Reich (1957): a theorem, so the intervals hold it. Control: the test below."""
    alone = rows[rows["position"] == 1]
    assert (alone["ci_low"] < alone["independent"]).all()
    assert (alone["independent"] < alone["ci_high"]).all()
    assert not alone["verdict"].isin([LOW, HIGH]).any()


def test_a_lower_type_is_late_more_often_than_independent_stages_say(rows):
    low = rows[rows["position"] == 9]
    assert (low["verdict"] == LOW).all()
    assert (low["error"] < 0).all()
    assert low["error"].tolist() == pytest.approx(low["independent"] / low["probability"] - 1)


def test_latencies_are_those_of_which_the_law_says_so(rows):
    for row in rows.itertuples():
        rates = [0.5] if row.position == 1 else [0.5 - 0.5 / 9, 0.5 / 9]
        at = np.full((len(rates), 1), row.latency_s)
        law = class_end_to_end_tail(at, np.array([1, 1]), np.ones(2), np.array(rates))[-1, 0]
        assert law == pytest.approx(row.independent, rel=1e-8)


def test_the_same_seed_gives_the_same_table_and_another_another():
    few = {"servers": [2], "loads": [0.7], "positions": [2], "tasks": 2e4}
    first, again, other = (independence_table(0.95, seed=s, **few) for s in (1, 1, 2))
    assert first.equals(again)
    assert not first["probability"].equals(other["probability"])


def test_what_is_told_of_them(rows):
    alone_10, alone_100, low_10, low_100 = (
        (row["tails"], row["too_low"], row["too_high"]) for row in _by_place(rows)
    )
    assert alone_10 == alone_100 == (1, 0, 0)
    assert low_10 == low_100 == (1, 1, 0)
    assert all(row["lowest_error"] is None for row in _by_place(rows)[:2])
    figure = independence_figure(rows)
    shown = [text.get_text() for axis in figure.axes for text in axis.texts]
    assert len(shown) == 4
    assert [text.startswith("(") for text in shown] == [True, False, True, False]
    assert "makes 2 of 4 tails too low" in figure.texts[0].get_text()
    assert png(figure) == png(independence_figure(rows))


def _by_place(rows):
    return sorted(
        summarise_independence(rows), key=lambda row: (row["position"], -row["independent"])
    )


def test_two_bottlenecks_are_told_of_it_and_others_are_not(monkeypatch, rows, found):
    """What a validation of a market with two loaded stages has besides."""
    assert found.independence.empty
    assert "independence" not in drawable(found)
    effort = Effort(replications=4, relative=0.5, budget_tasks=2e4, paths=64, points=1)
    asked = []

    def told(level, *, seed, tasks, on_done):
        asked.append((level, seed, tasks))
        return rows

    monkeypatch.setattr(validating, "independence_table", told)
    market = load_scenario("two_bottlenecks")
    both = validate(market, 1, Wanted(effort, beyond=False))
    assert asked == [(0.95, 1, 3_000_000 * 2e4 / Effort.budget_tasks)]
    assert both.independence is rows
    assert "independence" in drawable(both)
    (sentence,) = (text for text in sentences(both.summary) if "Two equally loaded" in text)
    assert "2 of 4 tails too low beyond doubt, by up to 1" in sentence
    assert "nobody interrupts 0 of 2" in sentence
    assert any("stages taken to be independent" in s.title for s in sections(both))
    assert validate(market, 1, Wanted(effort, beyond=False, map=False)).independence.empty
    none = summarise_validation(replace(both, independence=rows[:0], summary={}), 0.95)
    assert not any("Two equally loaded" in text for text in sentences(none))


def test_stages_that_queue(make_site):
    """A stage that is idle, and one in which nobody waits, do not count."""
    assert queue_twice(make_site(servers=(2, 2, 16), rate=(50.0, 50.0, 90.0)))
    assert not queue_twice(make_site(servers=(8, 2, 16)))
    everybody_waits = make_site(servers=(1, 1, 16), rate=(50.0, 50.0, 90.0))  # saturated
    assert queue_twice(everybody_waits)
