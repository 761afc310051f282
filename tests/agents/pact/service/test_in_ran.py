"""Services of PACT as operators would sell them, and the scenario that does."""

import numpy as np
import pytest

from airan_market.agents.market.model import Market
from airan_market.agents.pact.market import markets_of
from airan_market.agents.pact.service.in_ran import ran_service
from airan_market.agents.pact.service.services import services_of
from airan_market.agents.solution.solver import solve
from airan_market.scenarios import ScenarioError, load_pact, load_scenario

PACT = load_pact("pact")
VALUATION = markets_of(PACT)[0].valuation


def test_the_scenario_sells_what_the_catalogue_has():
    """Every number of a service in `pact_in_ran` is the one that PACT's formulas give."""
    scenario = load_scenario("pact_in_ran")
    for place, service in enumerate(scenario.services):
        sold = ran_service(PACT, VALUATION, service.name, 8.0)
        for key, value in vars(sold).items():
            np.testing.assert_allclose(scenario.of_services(key)[place], value, rtol=1e-12)


def test_a_service_by_hand():
    """100 KB up and down, D/4 tokens a KB, 2 (parameters + layers · context · width) FLOP each."""
    sold = ran_service(PACT, VALUATION, "Phi-2, 100+100 KB", 3.0)
    flop = 50 * 2 * (2.7e9 + 32 * 2048 * 32)
    quality = services_of(PACT).quality[5]
    assert sold.input_bits == sold.output_bits == 8e5
    np.testing.assert_allclose(sold.work_flop, flop, rtol=1e-12)
    np.testing.assert_allclose(sold.service_value_usd, 3 * np.log1p(quality), rtol=1e-12)
    np.testing.assert_allclose(sold.running_cost_usd, 1e-12 * flop + 0.5, rtol=1e-12)


@pytest.mark.parametrize(
    ("pact", "name", "said"),
    [
        (PACT, "GPT-9", r'pact.services = "GPT-9": must be one of GPT-2 Small'),
        (
            load_pact({"name": "two", "pact": {"types": [1, 2], "services": [
                {"name": "fast", "quality": 0.6, "cost_usd": 0.02}]}}),
            "fast",
            r"pact.services\[1\].input_kb: required, to be sent over the air",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_sold_is_told(pact, name, said):
    with pytest.raises(ScenarioError, match=said):
        ran_service(pact, VALUATION, name, 8.0)


def test_liability_moves_no_menu_and_every_profit():
    """κ enters no design: the same menus and users, and 0.7 USD a request less with GPT-2."""
    free = [f"services.{n}.running_cost_usd={cost}" for n, cost in ((2, 0.27), (3, 0.7))]
    free.append("economics.running_cost_usd=0.012")
    one, other = solve(load_scenario("pact_in_ran")), solve(load_scenario("pact_in_ran", free))
    np.testing.assert_array_equal(one.menu.price_usd, other.menu.price_usd)
    np.testing.assert_array_equal(one.match_probability, other.match_probability)
    paid = (other.operator_profit_usd - one.operator_profit_usd)[0]
    np.testing.assert_allclose(paid, [0.2, 0.5, 0.7, 0.2, 0.5, 0.7], atol=5e-4)


def test_it_plays_and_balances():
    settings = {"simulation.rounds": 2, "simulation.horizon_s": 5.0, "simulation.warmup_s": 1.0}
    market = Market("pact_in_ran", 1, **settings)
    tables = market.run()
    assert market.clearing.ledger.imbalance_usd() < 1e-9
    assert tables.rounds["tasks"].sum() == (tables.tasks["round"] > 0).sum() > 100
