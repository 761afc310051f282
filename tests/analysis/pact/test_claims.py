"""The PACT paper's claims over what it leaves open."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from airan_market.agents.pact.market import PactMarket, markets_of
from airan_market.analysis.pact import claims as pact_claims
from airan_market.analysis.pact.claims import (
    AXES,
    CLAIMS,
    all_at_once,
    by_value,
    claim_rows,
    count_readings,
    judge,
    markdown,
    over_readings,
    readings,
    turns_on,
)
from airan_market.scenarios import load_pact


@pytest.fixture(scope="module")
def paper() -> PactMarket:
    return markets_of(load_pact("pact"))[0]


def test_as_shipped_every_claim_but_one_holds(paper: PactMarket) -> None:
    """With v = ln(1 + q) liability lowers the provider's utility, but it stays positive."""
    found = judge(paper)
    assert [name for name in CLAIMS if not found[name]] == ["negative with"]
    assert found["provider with, USD"] < found["provider without, USD"]


def test_with_users_who_value_quality_less_all_claims_hold(paper: PactMarket) -> None:
    fifth = markets_of(load_pact("pact", ["pact.valuation.scale=0.2"]))[0]
    assert all(judge(fifth)[name] for name in CLAIMS)


def test_a_provider_that_may_leave_types_out_never_loses(paper: PactMarket) -> None:
    choosy = replace(paper, serve_all=False)
    assert not judge(choosy)["negative with"]


def test_claims_can_fail(paper: PactMarket) -> None:
    """A control: liability that rises with quality lowers quality, and no claim of a rise holds."""
    services = paper.services
    harmful = replace(services, liability_usd=2 * services.base_cost_usd)
    found = judge(replace(paper, services=harmful))
    assert not found["quality rises"]
    assert not found["price rises"]
    assert not found["slightly"]


def test_the_grid_is_every_reading_once(paper: PactMarket) -> None:
    seen = [tuple(chosen.values()) for chosen, _ in readings(paper)]
    assert len(seen) == len(set(seen)) == count_readings()


def test_a_reading_is_what_it_says(paper: PactMarket) -> None:
    wanted = {
        "valuation": "power", "value scale": 0.2, "types": "falling", "computation cost": 3.0,
        "fixed cost, USD": 0.1, "form of fit": "power, refitted", "highest quality": "best service",
    }  # fmt: skip
    market = next(found for chosen, found in readings(paper) if chosen == wanted)
    assert market.valuation.value(0.25) == pytest.approx(0.1)
    assert market.types.probability[1] / market.types.probability[0] == pytest.approx(0.85)
    base = paper.services.base_cost_usd
    assert market.services.base_cost_usd == pytest.approx(3 * base + 0.1)
    assert (market.curve_form, market.hold_shape, market.menu) == ("power", False, "continuous")
    assert market.quality_max == paper.services.quality.max()


def test_rows_report_shares_and_what_they_turn_on(monkeypatch, paper: PactMarket) -> None:
    small = {name: values[:1] for name, values in AXES.items()} | {
        "value scale": (0.1, 2.0), "form of fit": ("exponential", "services"),
    }  # fmt: skip
    monkeypatch.setattr(pact_claims, "AXES", small)
    done: list[int] = []
    grid = over_readings(paper, on_reading=done.append)
    assert done == [1, 2, 3, 4]
    rows = {row.claim: row for row in claim_rows(judge(paper), grid)}
    own = rows[CLAIMS["own item"]]
    assert (own.verdict, own.share, own.turns_on) == ("holds", 1.0, "")
    negative = rows[CLAIMS["negative with"]]
    assert negative.verdict == "does not hold here, depends on the reading"
    assert negative.share == 0.5
    assert negative.turns_on == "value scale (0.1: 100 %, 2.0: 0 %)"
    assert by_value(grid, "negative with")["value scale"] == {"0.1": 1.0, "2.0": 0.0}
    page = markdown(list(rows.values()), grid)
    assert "All claims hold together in " in page
    assert page.count("\n| ") == len(CLAIMS) + 2


def test_all_at_once_needs_all() -> None:
    grid = pd.DataFrame({name: [True, True] for name in CLAIMS} | {axis: [1, 2] for axis in AXES})
    assert len(all_at_once(grid)) == 2
    grid.loc[0, "price rises"] = False
    assert all_at_once(grid).index.tolist() == [1]
    assert turns_on(grid, "price rises").endswith("(1: 0 %, 2: 100 %)")
    assert np.mean(grid["price rises"]) == 0.5
