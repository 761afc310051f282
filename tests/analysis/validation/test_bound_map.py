import numpy as np
import pytest

from airan_market.analysis.validation.bound.map import (
    bound_map,
    failing_level,
    far_tail_fails,
    summarise_map,
)
from airan_market.sim.theory.chernoff import chernoff_coefficients, chernoff_tail
from airan_market.sim.theory.decay import preemptive_decay
from airan_market.sim.theory.preemptive import class_end_to_end_tail

LEVELS = 10.0 ** -np.arange(1.0, 13.0)


@pytest.fixture(scope="module")
def rows():
    return bound_map([1, 2, 3, 4, 8, 12], [0.3, 0.6, 0.8, 0.9, 0.95], [1, 2, 4, 8, 16], LEVELS)


def test_a_row_is_what_the_two_laws_say(rows):
    row = rows[(rows["servers"] == 3) & (rows["load"] == 0.8) & (rows["position"] == 4)].iloc[2]
    own = 0.8 * 3 / 4  # mean service time 1
    believed = chernoff_tail(row["latency_s"], *chernoff_coefficients([3], [1.0], 0.8 * 3, 0.9))
    exact = class_end_to_end_tail(row["latency_s"], 3, 1.0, [3 * own, own])[1, 0]
    assert believed == pytest.approx(row["belief"], rel=1e-9)
    assert row["exact"] == pytest.approx(exact, rel=1e-9)
    assert row["decades"] == pytest.approx(np.log10(row["belief"] / exact), abs=1e-9)


def test_the_bound_is_a_bound_for_the_highest_type(rows):
    assert (rows[rows["position"] == 1]["decades"].dropna() > 0).all()


def test_the_bound_fails_only_where_its_exponent_is_the_larger(rows):
    cells = failing_level(rows)
    far = far_tail_fails(cells["servers"], cells["load"], cells["position"], 0.9)
    fails = cells["fails_at"] > 0
    assert fails.sum() > 30
    assert not (fails & ~far).any()
    # where it will fail far out, twelve decades are mostly enough to see it
    assert (fails & far).sum() > 0.8 * far.sum()


def test_the_exponents_of_the_map_are_those_of_the_theory_of_decay(rows):
    cells = rows[["servers", "load", "position"]].drop_duplicates()
    for c, rho, position in cells[cells["position"] > 1].itertuples(index=False):
        load = rho * c
        own = load / position
        decay = preemptive_decay(c, 1.0, [load - own, own]).rate_per_s[1]
        assert (decay < 0.9 * (c - load) / c) == far_tail_fails(c, rho, position, 0.9)


def test_control_another_share_of_the_load_does_not_explain_the_map(rows):
    cells = failing_level(rows)
    position = np.maximum(cells["position"] / 2, 1)
    wrong = far_tail_fails(cells["servers"], cells["load"], position, 0.9)
    assert ((cells["fails_at"] > 0) & ~wrong).any()


def test_under_heavy_load_an_nth_type_needs_fewer_than_zeta_n_servers():
    n = np.array([2, 4, 8, 16, 32])
    for zeta in (0.6, 0.9):
        most = [max(c for c in range(1, 200) if far_tail_fails(c, 0.999, k, zeta)) for k in n]
        # c must be below ζ n, strictly
        assert most == (np.ceil(zeta * n) - 1).astype(int).tolist()


def test_a_tail_below_the_smallest_double_counts_as_slack():
    rows = bound_map([64], [0.9], [2], [1e-9])
    assert rows["decades"].isna().all() == (rows["exact"].iloc[0] <= 1e-300)
    slack = summarise_map(bound_map([64], [0.9], [2], [1e-2, 1e-9]))
    assert slack["cells_absurdly_slack_at_1_percent"] == 1
    assert slack["cells_that_fail"] == 0


def test_the_summary_counts_the_map(rows):
    summary = summarise_map(rows)
    assert summary["cells"] == 6 * 5 * 5
    assert sum(cell["cells"] for cell in summary["by_position"].values()) == summary["cells"]
    assert summary["by_position"]["1"]["most_servers_that_fail"] is None
    assert summary["by_position"]["16"]["most_servers_that_fail"] == 12
    assert summary["greatest_factor_at_1_percent"] > 10
