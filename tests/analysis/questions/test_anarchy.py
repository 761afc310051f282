"""The price of anarchy: its arithmetic, and that nobody beats the planner."""

import math

import numpy as np
import pytest

from airan_market.agents.planner.planner import first_best_welfare
from airan_market.agents.primitives.primitives import Primitives
from airan_market.agents.solution.solver import arrive
from airan_market.analysis.questions.anarchy import anarchy_table, price_of_anarchy, split_table
from airan_market.scenarios import load_scenario


@pytest.fixture(scope="module")
def small() -> Primitives:
    tables = [
        "users.total=60",
        "users.latency_sensitivity_usd_per_s=[8e-4, 4e-4, 1e-4]",
        "users.shares=[0.3, 0.3, 0.4]",
    ]
    return Primitives.from_scenario(load_scenario("teleoperation", tables))


def test_ratio() -> None:
    assert price_of_anarchy(2.0, 1.6) == pytest.approx(1.25)
    assert math.isnan(price_of_anarchy(2.0, 0.0))
    assert math.isnan(price_of_anarchy(2.0, -0.5))


def test_order_of_everything(small: Primitives) -> None:
    """Outcome ≤ its matching with the planner's menus ≤ plan ≤ upper bound; the ratios follow."""
    table = anarchy_table(small)
    assert table["mechanism"].tolist() == ["mixed", "ct", "mc", "gsmc"]
    outcome, menus = table["social_welfare_usd_per_s"], table["best_menus_usd_per_s"]
    plan, bound = table["planner_usd_per_s"], table["upper_bound_usd_per_s"]
    assert (outcome <= menus * (1 + 1e-12)).all()
    assert (menus <= plan * (1 + 1e-12)).all()
    assert (plan <= bound).all()
    assert plan.nunique() == 1
    assert bound.iloc[0] / plan.iloc[0] - 1 < 1e-3
    positive = outcome > 0
    ratio = table["price_of_anarchy"]
    assert ratio[positive].to_numpy() == pytest.approx((plan / outcome)[positive].to_numpy())
    assert ratio[~positive].isna().all()
    assert (table["price_of_anarchy_at_most"] >= ratio)[positive].all()


def test_split_of_both(small: Primitives) -> None:
    table = split_table(small)
    assert len(table) == 2 * 3 * 3
    mixed = table[table["who"] == "mixed"].pivot(
        index="operator", columns="type", values="match_probability"
    )
    assert mixed.to_numpy() == pytest.approx(arrive(small).match_probability)
    planner = table[table["who"] == "planner"].pivot(
        index="operator", columns="type", values="match_probability"
    )
    welfare = first_best_welfare(small)
    assert welfare(planner.to_numpy())[0] > welfare(mixed.to_numpy())[0]
    load = table["load_over_capacity"].to_numpy().reshape(2, 3, 3)
    assert (np.diff(load, axis=-1) >= 0).all()
