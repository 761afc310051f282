"""The exact preemptive-resume law as a belief: own rates from loads, envelopes, whole markets."""

from collections.abc import Callable

import numpy as np
import pytest

from airan_market.agents import Market
from airan_market.agents.belief.belief import believe
from airan_market.agents.certificate import menu_search
from airan_market.agents.contract.design import design_menu
from airan_market.agents.mechanism.pure import type_utility
from airan_market.agents.primitives.primitives import Primitives
from airan_market.agents.screening.envelope import bends
from airan_market.agents.screening.monotone import maximise_monotone
from airan_market.agents.solution.solver import settle
from airan_market.scenarios import load_scenario
from airan_market.scenarios.registry import MECHANISMS
from airan_market.sim.theory.preemptive import SojournLaws, class_end_to_end_tail

MarketOf = Callable[..., Primitives]

SERVERS = np.array([[9, 4, 20], [7, 3, 15]], dtype=float)
RATES = np.array([[270.0, 110.0, 180.0], [250.0, 120.0, 190.0]])
OWN = np.array([[100.0, 150.0, 0.0, 120.0], [50.0, 0.0, 200.0, 110.0]])
LOADS = OWN.cumsum(axis=-1)  # the last type of operator 2 meets a full GPU
LOWER, UPPER = 1e-3, 2.0


def test_own_rates_are_the_differences_of_the_loads() -> None:
    belief = believe("priority", SERVERS, RATES, LOADS, 0.9)
    at = np.array([[0.02, 0.04, 0.07, 0.3]] * 2)
    for m in range(2):
        tails = class_end_to_end_tail(at[m][:, np.newaxis], SERVERS[m], RATES[m], OWN[m])
        assert belief.probability(at)[m] == pytest.approx(tails[:, 0], rel=1e-12)
    assert belief.probability(at)[1, 3] == 1.0


def test_first_type_is_believed_as_first_come_and_low_types_are_not() -> None:
    exact, first = (believe(name, SERVERS, RATES, LOADS, 0.9) for name in ("priority", "fifo"))
    at = np.full((2, 4), 0.15)
    assert exact.raw(at)[:, 0] == pytest.approx(first.raw(at)[:, 0], rel=1e-9)
    assert (exact.raw(at)[0, 1:] > 1.2 * first.raw(at)[0, 1:]).all()


def test_last_two_loads_are_enough_for_the_last_type() -> None:
    """What `pure.type_utility` relies on: a type feels those above it only through their sum."""
    at = np.full((2, 1), 0.1)
    whole = believe("priority", SERVERS, RATES, LOADS[:, :3], 0.9).raw(at)
    two = believe("priority", SERVERS, RATES, LOADS[:, 1:3], 0.9).raw(at)
    assert two[:, -1] == pytest.approx(whole[:, -1], rel=1e-12)


def test_utility_of_a_type_alone_is_that_among_all(market: MarketOf) -> None:
    primitives = market(belief="priority")
    matching = np.array([0, 1, 0])
    load = np.cumsum((matching == 0) * primitives.demand_per_s)
    everyone = np.stack([load, np.cumsum((matching == 1) * primitives.demand_per_s)])
    menu = design_menu(primitives, everyone, np.full((2, 3), 60.0))
    alone = type_utility(primitives, menu, matching, 2)
    p = believe("priority", primitives.servers, primitives.service_rate_per_s, everyone, 0.9)
    refund = primitives.refund_usd * p.probability(menu.latency_s)[:, 2]
    waiting = 2e-4 * menu.latency_s[:, 2]
    expected = primitives.service_value_usd - waiting - menu.price_usd[:, 2] + refund
    assert alone == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize("load", [0.0, 0.3, 0.9, 0.99])
def test_density_rises_and_then_falls_so_that_one_line_makes_the_envelope(load: float) -> None:
    """The assumption of `envelope`, at the markets' stages and positions; not true of any rates."""
    position = np.array([0.0, 0.3, 0.7, 0.99, 1.0])
    for servers, rates in zip(SERVERS, RATES, strict=True):
        total = load * float((servers * rates).min())
        laws = SojournLaws(
            np.tile(servers, (5, 1)), np.tile(rates, (5, 1)), np.full(5, total), position * total
        )
        t = np.geomspace(1e-4, 5, 400)
        for law in range(5):
            tail, density = laws(t, np.full(t.size, law))
            steps = np.diff(np.log(density[tail > 1e-13]))
            signs = np.sign(steps[np.abs(steps) > 1e-8])
            assert (np.diff(signs) != 0).sum() == 1, (load, law)
            assert signs[0] == 1


def test_a_density_can_rise_twice() -> None:
    """Why the assumption is one: a slow last server, and rates three orders apart."""
    law = SojournLaws(
        np.array([[33.0, 19.0, 1.0]]),
        np.array([[0.0024, 8.2, 0.75]]),
        np.array([0.999 * 33 * 0.0024]),
        np.array([0.802 * 0.999 * 33 * 0.0024]),
    )
    t = np.geomspace(0.1, 1e5, 400)
    steps = np.diff(np.log(law(t, np.zeros(t.size, dtype=np.int64))[1]))
    signs = np.sign(steps[np.abs(steps) > 1e-8])
    assert (np.diff(signs) != 0).sum() == 3


def test_line_touches_the_tail_from_below() -> None:
    belief = believe("priority", SERVERS[:1], RATES[:1], LOADS[:1], 0.9)
    which = np.arange(4)
    bend = bends(belief.law, which, LOWER, UPPER)
    density = belief.law.density(bend, which)
    for n in which:
        t = np.geomspace(LOWER, 3 * bend[n], 80)
        tail = belief.law.tail(t, np.full(80, n))
        assert (tail[0] - density[n] * (t - LOWER) <= tail + 1e-12).all()


def test_menu_is_the_best_of_all_on_a_grid() -> None:
    """Dynamic programming over all monotone menus of a grid, on the tails themselves."""
    belief = believe("priority", SERVERS[:1], RATES[:1], LOADS[:1], 0.9)
    slope, weight = np.array([[4.0, 3.0, 0.0, 0.5]]), np.array([[1.0, 1.0, 0.0, 1.0]])
    pieces = belief.pieces(slope, weight, LOWER, UPPER)
    latency_s = maximise_monotone(pieces, LOWER, UPPER)

    def value(menus: np.ndarray) -> np.ndarray:
        return -slope * menus - weight * belief.raw(menus)

    grid = np.geomspace(LOWER, UPPER, 1500)
    by_type = value(np.tile(grid[:, np.newaxis, np.newaxis], (1, 1, 4)))[:, 0]
    best = np.zeros(grid.size)
    for n in range(4):
        best = np.maximum.accumulate(best) + by_type[:, n]
    assert pieces.gap(latency_s) == 0
    assert value(latency_s).sum() >= best.max() - 1e-12
    assert value(latency_s).sum() <= best.max() + 1e-4


EDGES = {
    "saturation": {"users": [60.0, 80.0, 90.0]},
    "one operator": {"servers": [[9, 4, 20]], "rates": [[270.0, 110.0, 180.0]], "value": [7e-4]},
    "one type": {"users": [60.0], "sensitivity": [4e-4]},
    "a type without users": {"users": [30.0, 0.0, 40.0]},
    "no users at all": {"users": [0.0, 0.0, 0.0]},
}


@pytest.mark.parametrize("belief", ["priority", "chernoff-optimised"])
@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize("name", MECHANISMS.ours)
def test_markets_at_the_edge_are_solved(
    market: MarketOf, monkeypatch: pytest.MonkeyPatch, belief: str, edge: str, name: str
) -> None:
    monkeypatch.setattr(menu_search, "BUDGET", 3)
    primitives = market(name=name, belief=belief, max_iterations=4, **EDGES[edge])
    found = settle(primitives)
    assert found.belief == belief
    assert found.certificates.feasibility.holds(1e-15)
    assert (np.diff(found.menu.latency_s) >= 0).all()
    # the outcome charges what the belief says at its loads
    stages = primitives.servers, primitives.service_rate_per_s
    again = believe(belief, *stages, found.load_per_s, 0.9).probability(found.menu.latency_s)
    assert found.menu.violation_probability == pytest.approx(again, rel=1e-9)


@pytest.mark.parametrize("belief", ["priority", "chernoff-optimised"])
@pytest.mark.parametrize("name", MECHANISMS.ours)
def test_a_run_trades_by_it(belief: str, name: str) -> None:
    scenario = load_scenario(
        "teleoperation",
        [
            f"mechanism.belief={belief}",
            f"mechanism.name={name}",
            "mechanism.max_iterations=2",
            "simulation.rounds=1",
            "simulation.horizon_s=0.2",
            "simulation.warmup_s=0.1",
        ],
    )
    rounds = Market(scenario, seed=1).run().rounds
    traded = rounds[rounds["round"] == 1]
    assert traded["violation_belief"].between(0, 1).all()
    assert traded["tasks"].sum() > 0
