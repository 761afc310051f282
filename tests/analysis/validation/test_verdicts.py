import numpy as np
import pytest

from airan_market.analysis.validation.verdicts import (
    CAUSES,
    HOLDS,
    VIOLATED,
    log_errors,
    verdicts,
)
from airan_market.analysis.verdict import UNDECIDED
from airan_market.sim.estimation.intervals import family_level
from airan_market.sim.estimation.proportions import cluster_proportion


def test_verdicts_at_the_ends_of_an_interval():
    belief = [0.1, np.nextafter(0.1, 0), 0.2, np.nextafter(0.2, 0), 1.0, 0.0]
    found = verdicts(belief, 0.1, 0.2).tolist()
    assert found == [UNDECIDED, VIOLATED, HOLDS, UNDECIDED, HOLDS, VIOLATED]


def test_a_certain_violation_is_never_too_low():
    assert verdicts(1.0, 0.0, 1.0) == HOLDS


@pytest.mark.parametrize("bad", [(np.nan, 0.1, 0.2), (0.1, 0.2, 0.1), (0.1, np.nan, 0.2)])
def test_what_is_no_interval_gets_no_verdict(bad):
    with pytest.raises(ValueError, match="must be numbers"):
        verdicts(*bad)


@pytest.mark.parametrize("bad", [(0, 0.95), (3, 1.0), (3, 0.0)])
def test_levels_out_of_their_domain(bad):
    with pytest.raises(ValueError, match="pairs"):
        family_level(*bad)


def wrong_tables(belief_over_truth, bonferroni, tables=100, pairs=60):
    """Part of simulated tables in which some verdict is wrong; every truth is 0.02."""
    rng = np.random.default_rng(5)
    truth = 0.02
    level = family_level(pairs) if bonferroni else 0.95
    wrong = 0
    for _ in range(tables):
        events = rng.binomial(400, truth, (pairs, 10))
        intervals = [cluster_proportion(row, np.full(10, 400), level) for row in events]
        found = verdicts(
            truth * belief_over_truth, [i.low for i in intervals], [i.high for i in intervals]
        )
        never = HOLDS if belief_over_truth < 1 else VIOLATED
        wrong += (found == never).any()
    return wrong / tables


def test_a_table_is_wrong_in_no_more_than_five_percent():
    # a belief a hair below or above the truth: each verdict that is given should hardly ever be
    # the wrong one. Of 100 tables more than 10 would be wrong with chance 0.012 at a rate of 5 %.
    assert wrong_tables(1 - 1e-9, bonferroni=True) <= 0.1
    assert wrong_tables(1 + 1e-9, bonferroni=True) <= 0.1


def test_control_intervals_at_the_bare_level_are_wrong_too_often():
    assert wrong_tables(1 - 1e-9, bonferroni=False) > 0.2


def test_causes_add_up_to_the_whole_error():
    rng = np.random.default_rng(1)
    methods = ("chernoff", "chernoff_optimised", "fifo_exact", "priority_exact", "simulated")
    p = {method: 10 ** -rng.uniform(0, 20, 50) for method in methods}
    parts = log_errors(p)
    assert list(parts) == list(CAUSES)
    assert sum(parts.values()) == pytest.approx(np.log10(p["chernoff"] / p["simulated"]), abs=1e-12)


def test_a_cause_that_is_unknown_stays_unknown():
    p = dict.fromkeys(("chernoff", "chernoff_optimised", "fifo_exact", "priority_exact"), 0.1)
    parts = log_errors({**p, "simulated": 0.0})
    assert np.isnan(parts["independent stages"])
    assert parts["Chernoff slack"] == 0.0
