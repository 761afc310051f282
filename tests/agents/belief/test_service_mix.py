"""The belief of a market of several services: equal sizes, a second derivation, its error."""

from dataclasses import replace

import numpy as np
import pytest

from airan_market.agents.belief.belief import operator_belief
from airan_market.agents.primitives.primitives import Primitives
from airan_market.agents.primitives.services import Services
from airan_market.scenarios import load_scenario
from airan_market.sim.theory.erlang import erlang_c
from airan_market.sim.theory.own_rates import own_rates_tail

PLAIN = Primitives.from_scenario(load_scenario("teleoperation"))
EQUAL = Primitives.from_scenario(
    load_scenario(
        "teleoperation", ['services=[{name="a",types=[1,3,5,7]},{name="b",types=[2,4,6,8]}]']
    )
)
SEVERAL = Primitives.from_scenario(load_scenario("several_services"))


@pytest.mark.parametrize("share", [0.0, 0.1, 0.3, 0.45])
def test_with_equal_sizes_it_is_the_belief_of_the_paper(share):
    """Saturated types too: at 0.45 the third operator is."""
    load = np.cumsum(PLAIN.demand_per_s) * share * np.ones((3, 1))
    plain, mix = operator_belief(PLAIN, load), operator_belief(EQUAL, load)
    np.testing.assert_array_equal(plain.saturated, mix.saturated)
    np.testing.assert_allclose(mix.exponent_per_s, plain.exponent_per_s, rtol=1e-11)
    np.testing.assert_allclose(mix.log_gain, plain.log_gain, rtol=1e-10, atol=1e-12)


def test_the_expression_by_hand():
    """Type by type and stage by stage in plain Python, at loads that differ between operators."""
    rate = SEVERAL.demand_per_s * np.array([[0.3], [0.25], [0.1]])
    belief = operator_belief(SEVERAL, np.cumsum(rate, axis=-1))
    work = SEVERAL.services.work
    for m in range(3):
        for n in range(SEVERAL.types):
            terms, caps = [], []
            for s in range(3):
                c, mu = SEVERAL.servers[m, s], SEVERAL.service_rate_per_s[m, s]
                means = [work[j, s] / mu for j in range(n + 1)]
                total = sum(rate[m, : n + 1])
                load = sum(rate[m, j] * means[j] for j in range(n + 1))
                second = sum(rate[m, j] * 2 * means[j] ** 2 for j in range(n + 1)) / total
                # mean wait by Lee and Longton: that of M/M/c times (1 + s) / 2
                mean = load / total
                # of those that wait, that is
                wait = second / mean**2 / 2 / (c / mean - total)
                terms.append((float(erlang_c(c, load)), float(1 / wait)))
                caps.append(min(terms[-1][1] / c, 1 / means[n]))
            eta = 0.9 * min(caps)
            gain = 1.0
            for s, (delay, fall) in enumerate(terms):
                own = SEVERAL.service_rate_per_s[m, s] / work[n, s]
                gain *= (1 - delay + delay * fall / (fall - eta)) * own / (own - eta)
            np.testing.assert_allclose(belief.exponent_per_s[m, n], eta, rtol=1e-9)
            np.testing.assert_allclose(np.exp(belief.log_gain[m, n]), gain, rtol=1e-8)


def station(servers, size, share):
    """One station at a share of its capacity, half of it by either type; the second of a size."""
    work = np.array([[1e-9, 1.0, 1e-9], [1e-9, size, 1e-9]])
    rate = np.array([0.5, 0.5 / size]) * share * servers
    one = np.ones(2)
    market = replace(
        PLAIN,
        users=rate,
        latency_sensitivity_usd_per_s=np.array([2.0, 1.0]),
        task_rate_per_user_per_s=one,
        servers=np.array([[1000.0, servers, 1000.0]]),
        service_rate_per_s=np.ones((1, 3)),
        service_value_usd=np.ones(1),
        refund_usd=one,
        violation_cost_usd=one,
        running_cost_usd=one,
        services=Services(("a", "b"), np.array([0, 1]), work, np.zeros(2)),
    )
    return operator_belief(market, np.cumsum(rate)[np.newaxis]), rate


def exact_where_it_says_one_in_a_hundred(servers, size, share):
    """Of both types, by the law of one station."""
    belief, rate = station(servers, size, share)
    latency_s = ((belief.log_gain - np.log(0.01)) / belief.exponent_per_s)[0]
    return np.diagonal(own_rates_tail(latency_s, servers, [1.0, 1 / size], rate))


@pytest.mark.parametrize("share", [0.6, 0.9])
@pytest.mark.parametrize("size", [1 / 8, 1 / 4, 4, 15])
def test_with_four_servers_it_says_more_than_the_exact_law_of_two_types(size, share):
    """No theorem: a measurement, where it says 1 %."""
    assert (exact_where_it_says_one_in_a_hundred(4, size, share) < 1e-3).all()


@pytest.mark.parametrize("size", [1 / 8, 1.0, 4])
def test_with_one_server_it_says_too_little(size):
    """A task that is interrupted waits longer than one that is overtaken; with equal sizes, too."""
    upper, lower = exact_where_it_says_one_in_a_hundred(1, size, 0.6)
    assert upper < 0.01 < lower < 0.1
