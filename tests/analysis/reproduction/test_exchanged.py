"""CT and MC with exchanged selection: each is the other's matching on its own kind of menu."""

from dataclasses import replace

import numpy as np
import pytest

from airan_market.agents.primitives.primitives import Primitives
from airan_market.analysis.reproduction.cells import agreed, totals_usd_per_s
from airan_market.analysis.reproduction.exchanged import exchanged
from airan_market.scenarios import load_scenario


@pytest.fixture(scope="module")
def primitives():
    return Primitives.from_scenario(load_scenario("teleoperation"))


def test_matchings_are_exchanged_and_menus_are_not(primitives):
    swapped = exchanged(primitives)
    ct, mc = (agreed(primitives, name) for name in ("ct", "mc"))
    assert (swapped["ct"].match_probability == mc.match_probability).all()
    assert (swapped["mc"].match_probability == ct.match_probability).all()
    assert (swapped["ct"].menu.latency_s == ct.menu.latency_s).all()  # as posted
    assert (swapped["mc"].menu.latency_s != mc.menu.latency_s).any()  # follow the other load


def test_nothing_is_exchanged_where_both_rules_agree(primitives):
    """One operator: everybody is there by either rule, so nothing changes."""
    alone = replace(
        primitives,
        users=np.full(8, 2.0),
        servers=primitives.servers[:1],
        service_rate_per_s=primitives.service_rate_per_s[:1],
        service_value_usd=primitives.service_value_usd[:1],
    )
    swapped = exchanged(alone)
    for name in ("ct", "mc"):
        found = agreed(alone, name)
        assert totals_usd_per_s(alone, swapped[name]) == totals_usd_per_s(alone, found)
