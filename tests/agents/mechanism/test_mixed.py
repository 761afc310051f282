"""Algorithm 1 against a second implementation: plain loops, another ironing, another Erlang C."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from airan_market.agents.contract.design import design_menu, designed_menus
from airan_market.agents.contract.utility import task_utility
from airan_market.agents.matching.response import adjusted_utility, damp, mixed_response
from airan_market.agents.matching.shadow_price import update_shadow_price
from airan_market.agents.mechanism.mixed import iterate, respond, start, step
from airan_market.agents.primitives.primitives import Primitives
from airan_market.scenarios import load_scenario

Market = Callable[..., Primitives]


# ------------------------------------------------ the second implementation, one number at a time


def wait_probability(c: int, a: float) -> float:
    """Erlang C by the sum over states, each term from the one before."""
    term, total = 1.0, 1.0
    for k in range(1, c):
        term *= a / k
        total += term
    full = term * a / c * c / (c - a)
    return full / (total + full)


def chernoff(servers: list[float], rates: list[float], load: float, zeta: float) -> tuple:
    """(ln G, η) by eqs. (11), (12); (0, 0) when a stage is saturated."""
    if any(c * mu <= load for c, mu in zip(servers, rates, strict=True)):
        return 0.0, 0.0
    eta = zeta * min(mu - load / c for c, mu in zip(servers, rates, strict=True))
    gain = 1.0
    for c, mu in zip(servers, rates, strict=True):
        r = c * mu - load
        p = wait_probability(int(c), load / mu)
        gain *= ((1 - p) + p * r / (r - eta)) * mu / (mu - eta)
    return math.log(gain), eta


def block_maximum(terms: list[tuple[float, float, float, float]]) -> float:
    """argmax of Σ −a L − w G e^{−η L}: bisection on its derivative, which falls."""
    low, high = -50.0, 50.0

    def slope(x: float) -> float:
        # e^700 is steep enough to tell the sign
        return sum(w * eta * math.exp(min(gain - eta * x, 700.0)) - a for a, w, gain, eta in terms)

    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if slope(middle) > 0 else (low, middle)
    return low


def plain_menu(market: Primitives, m: int, loads: list[float], weights: list[float]) -> list[tuple]:
    """(L, R, p) of every type: ironing by the min-max formula, prices by the recursion (25)."""
    beta = market.latency_sensitivity_usd_per_s.tolist()
    count, settings = len(beta), market.mechanism
    servers, rates = market.servers[m].tolist(), market.service_rate_per_s[m].tolist()
    bound = [chernoff(servers, rates, load, settings.chernoff_zeta) for load in loads]
    margin = market.violation_cost_usd - market.refund_usd
    terms = []
    for n in range(count):
        a = beta[n] * weights[n]
        if n + 1 < count:
            a += (beta[n] - beta[n + 1]) * sum(weights[n + 1 :])
        terms.append((a, margin * weights[n], *bound[n]))
    stable = sum(1 for _, eta in bound if eta > 0)
    menu: list[tuple] = []
    for n in range(count):
        latency = settings.latency_max_s
        if n < stable:
            # L_n = max over i ≤ n of min over j ≥ n of the optimum of the block i..j
            latency = max(
                min(block_maximum(terms[i : j + 1]) for j in range(n, stable)) for i in range(n + 1)
            )
        latency = min(max(latency, settings.latency_min_s), settings.latency_max_s)
        gain, eta = bound[n]
        p = min(1.0, math.exp(gain - eta * latency))
        if n == 0:
            price = float(market.service_value_usd[m]) - beta[0] * latency + market.refund_usd * p
        else:
            before = menu[-1]
            price = before[1] - beta[n] * (latency - before[0])
            price += market.refund_usd * (p - before[2])
        menu.append((latency, price, p))
    return menu


@dataclass
class PlainResult:
    z: list[list[float]]
    omega: list[float]
    menus: list[list[tuple]]
    residuals: list[float]
    ironed: bool


def plain_algorithm(market: Primitives) -> PlainResult:
    """Algorithm 1 as the specification fixes it."""
    s, beta = market.mechanism, market.latency_sensitivity_usd_per_s.tolist()
    users, delta = market.users.tolist(), market.task_rate_per_user_per_s
    count, operators = len(beta), market.operators
    value = market.service_value_usd.tolist()
    capacity = [
        s.capacity_safety
        * min(c * mu for c, mu in zip(market.servers[m], market.service_rate_per_s[m], strict=True))
        for m in range(operators)
    ]
    z = [[1 / (operators + 1)] * count for _ in range(operators)]
    omega = [0.0] * operators
    residuals: list[float] = []
    ironed = False

    def menus() -> list[list[tuple]]:
        result = []
        for m in range(operators):
            loads = [sum(users[j] * z[m][j] * delta for j in range(n + 1)) for n in range(count)]
            weights = [
                users[n] * delta * ((1 - s.demand_floor) * z[m][n] + s.demand_floor)
                for n in range(count)
            ]
            result.append(plain_menu(market, m, loads, weights))
        return result

    for k in range(1, s.max_iterations + 1):
        tau = s.temperature_end_usd
        if s.max_iterations > 1:
            ratio = s.temperature_end_usd / s.temperature_start_usd
            tau = s.temperature_start_usd * ratio ** ((k - 1) / (s.max_iterations - 1))
        posted = menus()
        ironed = ironed or any(
            menu[n][0] == menu[n + 1][0] and s.latency_min_s < menu[n][0] < s.latency_max_s
            for menu in posted
            for n in range(count - 1)
        )
        new = [row[:] for row in z]
        for n in range(count):
            utility = []
            for m in range(operators):
                latency, price, p = posted[m][n]
                u = value[m] - beta[n] * latency - price + market.refund_usd * p
                utility.append(u - omega[m] * users[n] * delta / capacity[m])
            top = max([market.opt_out_utility_usd, *utility])
            weights = [math.exp((u - top) / tau) for u in utility]
            total = math.exp((market.opt_out_utility_usd - top) / tau) + sum(weights)
            for m in range(operators):
                new[m][n] = (1 - s.damping) * z[m][n] + s.damping * weights[m] / total
        residuals.append(
            max(abs(new[m][n] - z[m][n]) for m in range(operators) for n in range(count))
        )
        z = new
        for m in range(operators):
            load = sum(users[n] * z[m][n] * delta for n in range(count))
            change = s.shadow_price_step_usd * (load - capacity[m]) / capacity[m]
            omega[m] = max(0.0, omega[m] + change)
        if residuals[-1] <= s.tolerance:
            break
    return PlainResult(z, omega, menus(), residuals, ironed)


def compare(market: Primitives, tolerance: float) -> PlainResult:
    plain = plain_algorithm(market)
    states = list(iterate(market))
    last = states[-1]
    menu = designed_menus(market, last.match_probability)
    assert last.iteration == len(plain.residuals)
    assert last.match_probability == pytest.approx(np.array(plain.z), abs=tolerance)
    assert last.shadow_price_usd == pytest.approx(plain.omega, abs=tolerance * 1e-3)
    residuals = [state.residual for state in states[1:]]
    assert residuals == pytest.approx(plain.residuals, abs=tolerance)
    for place, part in enumerate((menu.latency_s, menu.price_usd, menu.violation_probability)):
        theirs = np.array([[item[place] for item in row] for row in plain.menus])
        assert part == pytest.approx(theirs, abs=tolerance)
    return plain


CASES: dict[str, dict[str, Any]] = {
    "ordinary": {},
    "shadow prices at work": {
        "task_rate": 12.0,
        "shadow_price_step_usd": 2e-5,
        "capacity_safety": 0.7,
    },
    "stops early": {
        "temperature_start_usd": 1e-4,
        "temperature_end_usd": 1e-4,
        "tolerance": 1e-7,
        "damping": 0.8,
    },
    "one iteration": {"max_iterations": 1},
    "one operator": {"servers": [[9, 4, 20]], "rates": [[270.0, 110.0, 180.0]], "value": [7e-4]},
    "one type": {"users": [60.0], "sensitivity": [4e-4]},
    "opting out is worth something": {"opt_out": 2e-5},
    "ironing": {
        "users": [40.0, 0.5, 80.0],
        "sensitivity": [8e-4, 5e-4, 4.9e-4],
        "demand_floor": 0.01,
    },
    "a type without users": {"users": [30.0, 0.0, 40.0]},
}


@pytest.mark.parametrize("case", CASES)
def test_agrees_with_plain_loops(market: Market, case: str) -> None:
    """To 1e-12 after every number of iterations that the case makes."""
    settings = {"max_iterations": 12, **CASES[case]}
    plain = compare(market(**settings), 1e-12)
    assert plain.ironed == (case in ("ironing", "a type without users"))
    if case == "shadow prices at work":
        assert max(plain.omega) > 1e-6
    if case == "stops early":
        assert len(plain.residuals) < 12


def test_agrees_with_plain_loops_on_the_default_market() -> None:
    """Eight types, three operators, one of them close to saturation; 10 of the 50 iterations."""
    market = Primitives.from_scenario(load_scenario("teleoperation"))
    short = replace(market, mechanism=market.mechanism.model_copy(update={"max_iterations": 10}))
    compare(short, 1e-11)


# ------------------------------------------------------------------------------------ properties


def test_shadow_prices_turn_an_excess_of_demand_away(market: Market) -> None:
    """The same market with shadow prices ends below the effective capacities."""
    primitives = market(task_rate=60.0, shadow_price_step_usd=1e-6)
    states = list(iterate(primitives))
    first, last = (states[k].match_probability @ primitives.demand_per_s for k in (0, -2))
    assert (first > primitives.effective_capacity_per_s).all()
    assert (last < primitives.effective_capacity_per_s).all()
    assert (states[-1].shadow_price_usd > 0).all()


def test_starts_where_the_specification_says(market: Market) -> None:
    primitives = market()
    state = start(primitives)
    assert (state.match_probability == 1 / 3).all()
    assert (state.shadow_price_usd == 0).all()
    demand = [30 * 6.0, 50 * 6.0, 90 * 6.0]
    rate = np.tile(primitives.demand_per_s, (2, 1))
    alone = design_menu(primitives, np.tile(demand, (2, 1)), rate)
    assert state.menu.latency_s == pytest.approx(alone.latency_s, rel=1e-12)
    assert state.iteration == 0


def test_permuting_the_operators_permutes_the_result(market: Market) -> None:
    primitives = market(max_iterations=15)
    swapped = replace(
        primitives,
        servers=primitives.servers[::-1],
        service_rate_per_s=primitives.service_rate_per_s[::-1],
        service_value_usd=primitives.service_value_usd[::-1],
    )
    one, other = list(iterate(primitives))[-1], list(iterate(swapped))[-1]
    assert other.match_probability[::-1] == pytest.approx(one.match_probability, abs=1e-14)
    assert other.menu.latency_s[::-1] == pytest.approx(one.menu.latency_s, rel=1e-13)
    assert np.abs(one.match_probability[0] - one.match_probability[1]).max() > 0.01


def test_identical_operators_get_identical_shares(market: Market) -> None:
    primitives = market(
        servers=[[9, 4, 20]] * 2, rates=[[270.0, 110.0, 180.0]] * 2, value=[7e-4] * 2
    )
    z = list(iterate(primitives))[-1].match_probability
    assert z[0].tolist() == z[1].tolist()


def test_one_agent_at_a_time_gives_the_same_iteration(market: Market) -> None:
    """Operators design from their own rows, users respond for their own type."""
    primitives = market(task_rate=12.0, shadow_price_step_usd=2e-5, capacity_safety=0.7)
    states = list(iterate(primitives))
    before, after = states[5], states[6]
    rows = [primitives.of_operator(m) for m in range(2)]
    announced = [
        designed_menus(row, z) for row, z in zip(rows, before.match_probability, strict=True)
    ]
    demand, capacity = primitives.demand_per_s, primitives.effective_capacity_per_s
    for n in range(3):
        latency, price, p = (
            np.array([getattr(menu, name)[n] for menu in announced])
            for name in ("latency_s", "price_usd", "violation_probability")
        )
        utility = task_utility(
            primitives.service_value_usd,
            primitives.latency_sensitivity_usd_per_s[n],
            latency,
            price,
            p,
            primitives.refund_usd,
        )
        adjusted = adjusted_utility(utility, before.shadow_price_usd, demand[n], capacity)
        response = mixed_response(adjusted, 0.0, after.temperature_usd)
        z = damp(before.match_probability[:, n], response, primitives.mechanism.damping)
        assert z == pytest.approx(after.match_probability[:, n], abs=1e-14)
    for m in range(2):
        omega = update_shadow_price(
            before.shadow_price_usd[m], after.match_probability[m] @ demand, capacity[m], 2e-5
        )
        assert omega == pytest.approx(after.shadow_price_usd[m], abs=1e-18)


def test_response_uses_the_shadow_price_before_and_updates_it_after(market: Market) -> None:
    primitives = market(task_rate=12.0, shadow_price_step_usd=2e-5)
    first = step(primitives, start(primitives))
    menu = designed_menus(primitives, start(primitives).match_probability)
    tau = primitives.mechanism.temperature_start_usd
    response = respond(primitives, menu, np.zeros(2), tau)
    z = damp(np.full((2, 3), 1 / 3), response, primitives.mechanism.damping)
    assert first.match_probability.tolist() == z.tolist()
    assert first.shadow_price_usd.max() > 0


def test_saturated_operator_is_a_state_not_a_failure(market: Market) -> None:
    """Demand far beyond all capacity, and no shadow price to turn it away."""
    for state in iterate(market(task_rate=60.0, shadow_price_step_usd=0.0)):
        assert np.isfinite(state.match_probability).all()
        assert np.isfinite(state.menu.price_usd).all()
        assert (np.diff(state.menu.latency_s) >= 0).all()
    assert (state.menu.latency_s[:, -1] == 2.0).all()


def test_converges_at_a_fixed_temperature(market: Market) -> None:
    primitives = market(
        temperature_start_usd=1e-4, temperature_end_usd=1e-4, max_iterations=200, tolerance=1e-12
    )
    last = list(iterate(primitives))[-1]
    assert last.residual <= 1e-12
    menu = designed_menus(primitives, last.match_probability)
    response = respond(primitives, menu, last.shadow_price_usd, 1e-4)
    assert response == pytest.approx(last.match_probability, abs=1e-10)  # a fixed point


def test_exact_tails_as_the_belief(market: Market) -> None:
    """Shorter agreements than the bound allows, at the same or lower charged probability scale."""
    bound, exact = (
        list(iterate(market(belief=name, max_iterations=6)))[-1] for name in ("chernoff", "fifo")
    )
    assert (np.diff(exact.menu.latency_s) >= 0).all()
    assert (exact.menu.latency_s < bound.menu.latency_s).all()
