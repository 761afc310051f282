"""Arguments from print: each can come out the other way, and what they lean on is so."""

import json
from dataclasses import replace
from math import log
from pathlib import Path

import numpy as np
import pytest

from airan_market.agents.contract.design import design_menu
from airan_market.agents.contract.utility import Accounts
from airan_market.agents.primitives.primitives import Primitives
from airan_market.agents.solution.solver import arrive
from airan_market.analysis.cli.program import invoke
from airan_market.analysis.identification.prior import Prior
from airan_market.analysis.reproduction import published
from airan_market.analysis.reproduction.contradictions import (
    CONTRADICTION,
    EXACT_RATIO,
    NONE,
    Printed,
    contradictions,
    implied_ratio,
)
from airan_market.scenarios import load_scenario


def verdicts(printed=None):
    return {argument.name: argument.verdict for argument in contradictions(printed)}


def changed_gain(sweep, setting, low, high):
    gains = [
        replace(g, low=low, high=high) if (g.sweep, g.setting) == (sweep, setting) else g
        for g in published.GAINS
    ]
    return Printed(gains=gains)


def changed_level(sweep, setting, mechanism, value):
    levels = [
        replace(entry, usd_per_s=value)
        if (entry.sweep, entry.setting, entry.mechanism) == (sweep, setting, mechanism)
        else entry
        for entry in published.LEVELS
    ]
    return Printed(levels=levels)


def an_exact_table():
    table = published.table_i()
    odds = [0.0, 1.0, 1.9]  # L_1 : L_2 = 1 : 0.9
    for n, u in enumerate(odds):
        table[n] = np.exp(u) / (1 + 3 * np.exp(u))
    return Printed(table=table)


def test_the_paper_contradicts_itself_in_five_of_six():
    found = verdicts()
    assert found.pop("levels_and_gains") == NONE
    assert set(found.values()) == {CONTRADICTION}
    assert len(found) == 5


@pytest.mark.parametrize(
    ("name", "printed"),
    [
        ("default_market", changed_gain("types", 8.0, 0.10, None)),
        ("violation_cost", changed_gain("violation_cost", 1.0, 0.9, 1.1)),
        ("mc_at_90_users", changed_gain("users", 90.0, 0.1, None)),
        ("table_i", an_exact_table()),
        ("thirty_users", changed_level("users", 30.0, "mixed", 0.42)),
    ],
)
def test_control_other_numbers_would_go_together(name, printed):
    assert verdicts(printed)[name] == NONE


def test_control_levels_and_gains_that_part_are_seen():
    assert verdicts(changed_gain("users", 30.0, 0.1, 0.1))["levels_and_gains"] == CONTRADICTION


def test_the_bounds_are_those_of_the_derivations():
    numbers = {a.name: a.numbers for a in contradictions()}
    market = numbers["default_market"]
    assert market["operator utility, at least"] == pytest.approx(2.045 / 1.262)
    assert market["operator utility, at most"] == pytest.approx(2.055 / 1.896)
    cost = numbers["violation_cost"]
    fall = (2.055 - 1.9215) / log(1.68 / 1.08)
    assert cost["at_half_at_most"] == pytest.approx((2.055 + fall * log(1.08 / 0.48)) / 1.061)
    assert numbers["table_i"]["ratio_low"] == pytest.approx(0.106, abs=5e-4)
    assert numbers["table_i"]["ratio_high"] == pytest.approx(0.188, abs=5e-4)


@pytest.mark.parametrize("ratio", [0.1, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("tau", [1e-6, 1e-5])
def test_the_ratio_is_found_from_what_the_response_makes_of_it(ratio, tau):
    u = np.array([0.0, ratio, ratio + 1.0]) * 1e-4 * 0.05 / tau
    z = np.exp(u) / (1 + 3 * np.exp(u))
    assert implied_ratio(np.repeat(z[:, np.newaxis], 3, axis=1)) == pytest.approx(ratio, rel=1e-9)


def test_exact_menus_promise_the_first_two_types_nearly_the_same():
    """In 60 markets of the prior; the local design breaks it in most: the negative control."""
    cube = np.random.default_rng(3).random((60, 12))
    ratios = {}
    for design in ("exact", "local"):
        prior = Prior.of(load_scenario("teleoperation", [f"mechanism.design={design}"]))
        menus = (arrive(prior.market(prior.point(one))).menu.latency_s for one in cube)
        ratios[design] = np.array([latency[:, 0] / latency[:, 1] for latency in menus])
    assert ratios["exact"].min() > EXACT_RATIO
    assert (ratios["local"] < EXACT_RATIO).mean() > 0.8


def at_operator_one(users, cost=1.0, gpu_flop_per_s=40e12, draw=0):
    """Profit when everybody is at operator 1 and its menu is redesigned, USD/s."""
    market = Primitives.from_scenario(
        load_scenario(
            "teleoperation",
            [
                "users.dirichlet_alpha=10",
                "users.whole_users=false",
                f"users.total={users}",
                f"economics.violation_cost_usd={cost * 1.2e-3}",
                *(f"operators[{m}].gpu.rate_flop_per_s={gpu_flop_per_s}" for m in (1, 2, 3)),
            ],
        ),
        draw,
    ).of_operator(0)
    menu = design_menu(market, market.demand_per_s.cumsum(), market.demand_per_s)
    return float(Accounts(market, menu, np.ones(8)).operator_utility_usd_per_s)


@pytest.mark.parametrize("draw", range(8))
def test_a_redesigned_profit_is_convex_in_the_violation_cost(draw):
    """And logarithmic to 1 in 1,000, pooled items apart: no latency of 60 users is at a bound."""
    costs = np.linspace(0.5, 1.5, 5)
    profit = [at_operator_one(60, cost, draw=draw) for cost in costs]
    assert (np.diff(profit, 2) > 0).all()
    logs = np.log(costs * 1.2e-3 - 1.2e-4)
    assert np.diff(profit) / np.diff(logs) == pytest.approx(
        np.full(4, (profit[-1] - profit[0]) / (logs[-1] - logs[0])), rel=1e-3
    )


@pytest.mark.parametrize("gpu", [34e12, 40e12, 60e12])
@pytest.mark.parametrize("draw", range(4))
def test_a_user_of_mc_earns_no_less_where_there_are_fewer(gpu, draw):
    each = [at_operator_one(n, gpu_flop_per_s=gpu, draw=draw) / n for n in (30, 60, 90, 120, 150)]
    assert (np.diff(each) <= 0).all()


def test_the_command_prints_them_and_refuses_what_it_does_not_use(capsys, tmp_path):
    assert invoke(["reproduce", "--contradictions"]) == 0
    told = capsys.readouterr().out
    assert told.count("contradiction under these assumptions") == 5
    assert "-inf" not in told
    assert invoke(["reproduce", "--contradictions", "--json"]) == 0
    arguments = json.loads(capsys.readouterr().out)["arguments"]
    assert [a["verdict"] for a in arguments].count(NONE) == 1
    for more in (["--out", str(tmp_path / "x")], ["--draws", "3"], ["--only", "zeta"],
                 ["--reading", "all"]):  # fmt: skip
        assert invoke(["reproduce", "--contradictions", *more]) == 2
        said = capsys.readouterr().err
        assert said.startswith(f"{more[0]}: is not used with --contradictions")
        assert said.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_the_page_says_what_the_arguments_find():
    page = (Path(__file__).resolve().parents[3] / "docs/the_paper_claim_by_claim.md").read_text()
    numbers = {a.name: a.numbers for a in contradictions()}
    market, cost = numbers["default_market"], numbers["violation_cost"]
    mc, thirty = numbers["mc_at_90_users"], numbers["thirty_users"]
    for text in (
        f"least {market['operator utility, at least']:.3f} USD/s and at most "
        f"{market['operator utility, at most']:.3f}",
        f"at least {cost['at_one_and_half_at_least']:.2f} where",
        f"at most {100 * mc['gain_at_most']:.0f} % behind",
        f"at least {100 * mc['gain_printed_at_least']:.1f} % is printed",
        f"what {thirty['users_served']:.1f} of 150 do",
        f"{numbers['table_i']['ratio_low']:.2f} to {numbers['table_i']['ratio_high']:.2f} to 1",
    ):
        assert text in page.replace("\n  ", " ").replace("\n   ", " "), text
