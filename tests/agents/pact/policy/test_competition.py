"""Two PACT providers and the same users, through Algorithm 1's steps."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from airan_market.agents.matching.response import mixed_response
from airan_market.agents.pact.contract.certificates import check_contract
from airan_market.agents.pact.contract.virtual_types import Types
from airan_market.agents.pact.market import PactMarket, markets_of
from airan_market.agents.pact.policy.competition import compete
from airan_market.scenarios import load_pact


def provider(*services: tuple[float, float], **settings: Any) -> PactMarket:
    tables = [{"name": f"s{i}", "quality": q, "cost_usd": c} for i, (q, c) in enumerate(services)]
    users = {"types": [1, 2, 3, 4], "probabilities": [0.15, 0.2, 0.25, 0.4]}
    pact = {**users, "services": tables, **settings}
    return markets_of(load_pact({"name": "p", "pact": pact}))[0]


CHEAP = provider((0.2, 0.01), (0.4, 0.05), quality_max=0.4)
GOOD = provider((0.6, 0.2), (0.9, 0.5), quality_min=0.6, quality_max=0.9)


def test_twins_share_every_type_and_sell_the_same_menu() -> None:
    found = compete([GOOD, GOOD], iterations=60, damping=0.35)
    assert found.match_probability[0] == pytest.approx(found.match_probability[1], abs=1e-12)
    first, second = found.contracts
    assert first.price_usd.tolist() == second.price_usd.tolist()
    assert found.provider_utility_usd[0] == pytest.approx(found.provider_utility_usd[1])


def test_where_it_ends_is_a_fixed_point_of_designs_and_responses() -> None:
    end, floor = 0.02, 0.05
    found = compete([CHEAP, GOOD], temperature_end_usd=end, demand_floor=floor, tolerance=1e-12)
    assert found.converged
    utility = np.array([contract.user_utility_usd for contract in found.contracts])
    answer = mixed_response(utility, 0.0, end)
    assert found.match_probability == pytest.approx(answer, abs=1e-7)
    for market, share, contract in zip(
        (CHEAP, GOOD), found.match_probability, found.contracts, strict=True
    ):
        weight = market.types.probability * (share + floor)
        again = replace(market, types=Types(market.types.theta_usd, weight / weight.sum()))
        assert again.contract().quality == pytest.approx(contract.quality, abs=1e-9)


def test_menus_stay_rational_and_compatible_and_money_is_conserved() -> None:
    found = compete([CHEAP, GOOD])
    assert all(check_contract(contract).holds for contract in found.contracts)
    worth = sum(
        float((z * (c.theta_usd * c.valuation - c.cost_usd)) @ found.probability)
        for z, c in zip(found.match_probability, found.contracts, strict=True)
    )
    assert found.social_welfare_usd == pytest.approx(worth, abs=1e-12)
    both = found.match_probability.sum(axis=0) + found.opt_out_probability
    assert both == pytest.approx(np.ones(4), abs=1e-12)


def test_users_who_value_quality_go_to_the_better_provider() -> None:
    found = compete([CHEAP, GOOD], temperature_end_usd=0.005)
    assert found.converged
    assert found.match_probability[1, 1:].min() > 0.99
    # the lowest type keeps nothing anywhere, and is indifferent to staying out
    assert found.match_probability[:, 0] == pytest.approx([1 / 3, 1 / 3], abs=1e-6)


def test_a_design_that_jumps_may_be_chased_for_ever_and_says_so() -> None:
    """Once the types a provider lost may be left out, it drops them, and they come back."""
    choosy = [replace(market, serve_all=False) for market in (CHEAP, GOOD)]
    found = compete(choosy, iterations=80, damping=0.35, temperature_end_usd=0.01)
    assert not found.converged
    assert found.residual > 0.01
    assert found.iterations == 160


def test_twins_could_undercut_each_other_and_a_monopolist_nobody() -> None:
    twins = compete([GOOD, GOOD], iterations=60, damping=0.35)
    # who undercuts by nothing takes all users who are not indifferent to staying out
    assert (twins.undercutting_gain_usd() > 0.1).all()
    first = twins.contracts[0]
    everybody = float(twins.probability @ first.profit_usd)
    expected = everybody - twins.provider_utility_usd[0]
    assert twins.undercutting_gain_usd()[0] == pytest.approx(expected, abs=1e-12)


def test_no_cut_of_a_fine_grid_gains_more_than_undercutting_does() -> None:
    """Every type goes where it has most, to who undercuts at a tie; one has to cut by something."""
    middle = provider((0.5, 0.1), (0.7, 0.2), quality_min=0.5, quality_max=0.7)
    found = compete([middle, GOOD])
    utility = np.array([contract.user_utility_usd for contract in found.contracts])
    best = []
    cuts = np.linspace(0.0, 2.0, 20_001)[:, np.newaxis]
    for m, contract in enumerate(found.contracts):
        won = utility[m] + cuts >= np.maximum(utility[1 - m], 0.0)
        profit = contract.price_usd - contract.cost_usd - cuts
        gain = (won * profit) @ found.probability - found.provider_utility_usd[m]
        assert found.undercutting_gain_usd()[m] == pytest.approx(gain.max(), abs=1e-4)
        best.append(float(cuts[gain.argmax(), 0]))
    assert best == pytest.approx([0.1291, 0.0], abs=1e-3)


def test_the_order_of_the_providers_does_not_matter() -> None:
    one, other = compete([CHEAP, GOOD], iterations=50), compete([GOOD, CHEAP], iterations=50)
    assert one.match_probability == pytest.approx(other.match_probability[::-1], abs=1e-9)


def test_providers_must_face_the_same_users() -> None:
    skewed = replace(GOOD, types=Types(GOOD.types.theta_usd, [0.4, 0.3, 0.2, 0.1]))
    with pytest.raises(ValueError, match="same types and probabilities"):
        compete([CHEAP, skewed])
