import numpy as np
import pytest

from airan_market.analysis.validation.bound import markets as bound_markets
from airan_market.analysis.validation.bound.markets import (
    market_rows,
    market_table,
    summarise_markets,
    variants,
)
from airan_market.analysis.validation.ladder import CHERNOFF, PRIORITY, ladder
from airan_market.analysis.validation.report.summary import sentences
from airan_market.scenarios import load_scenario


@pytest.fixture(scope="module")
def shared():
    """The edge site with its one fast GPU split into twelve."""
    return load_scenario(
        "bound_fails",
        ["operators[1].gpu.servers=12", "operators[1].gpu.rate_flop_per_s=3e13"],
    )


def test_pooling_keeps_the_capacity(shared):
    pooled = [(s, v) for family, s, _, v in variants(shared, 1) if family == "pooled GPUs"]
    assert [setting for setting, _ in pooled] == ["12", "6", "3", "2", "1"]
    for setting, variant in pooled:
        gpu = variant.operators[0].gpu
        assert gpu.servers == int(setting)
        assert gpu.servers * gpu.rate_flop_per_s == pytest.approx(3.6e14, rel=1e-12)
        assert variant.users == shared.users


def test_draws_are_those_of_the_seed(shared):
    drawn = [(s, d, v) for family, s, d, v in variants(shared, 2) if family == "Dirichlet"]
    assert [(setting, draw) for setting, draw, _ in drawn] == [
        (alpha, draw) for alpha in ("0.1", "1", "10") for draw in (0, 1)
    ]
    assert all(v.users.dirichlet_alpha == float(s) for s, _, v in drawn)


def test_fewer_and_faster_gpus_break_the_bound(shared, monkeypatch):
    monkeypatch.setattr(bound_markets, "DIRICHLET", (10.0,))
    told = []
    table = market_table(shared, draws=1, on_variant=lambda *step: told.append(step))
    assert told == [(done, 6) for done in range(1, 7)]
    summary = summarise_markets(table).set_index(["family", "setting"])
    ratios = summary.loc["pooled GPUs"]["worst_ratio"]
    assert ratios["12"] < 1 < ratios["3"] < ratios["1"]
    assert summary.loc[("pooled GPUs", "1"), "pairs_that_fail"] == 1
    assert summary.loc[("pooled GPUs", "12"), "pairs_that_fail"] == 0


def test_variants_that_fail_are_told(found, shared, monkeypatch):
    monkeypatch.setattr(bound_markets, "DIRICHLET", ())
    markets = summarise_markets(market_table(shared)).to_dict("records")
    told = [s for s in sentences({**found.summary, "markets": markets}) if s.startswith("Variant")]
    assert len(told) == sum(market["pairs_that_fail"] > 0 for market in markets) >= 2
    assert told[-1].startswith("Variant pooled GPUs 1: the bound is below the exact law in 1 of 2")


def test_a_row_is_what_the_ladder_says(site):
    tails = ladder(site, site.agreed_s[:, np.newaxis])
    rows = market_rows(site)
    assert [row["belief"] for row in rows] == tails[CHERNOFF][:, 0].tolist()
    assert [row["exact"] for row in rows] == tails[PRIORITY][:, 0].tolist()
    assert rows[1]["servers"] == 1
    assert rows[1]["load"] == pytest.approx(0.9, abs=1e-3)
    assert rows[1]["position"] == pytest.approx(9, rel=1e-2)
    assert rows[1]["ratio"] > 100


def test_types_without_a_law_have_no_row(make_site):
    site = make_site(own=(20.0, 0.0, 90.0), agreed=(0.1, 0.1, 0.1))
    assert [row["type"] for row in market_rows(site)] == [1]
