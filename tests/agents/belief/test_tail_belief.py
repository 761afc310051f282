"""Beliefs that others bring: a formula of the tail is enough, and its faults are told by name."""

import numpy as np
import pytest

from airan_market.agents import Primitives
from airan_market.agents.belief import FcfsLaw, TailBelief, belief_from_tail, believe
from airan_market.agents.belief.tail_belief import TailLaw
from airan_market.agents.primitives.traffic import knows_traffic
from airan_market.agents.screening.monotone import maximise_monotone
from airan_market.agents.solution import arrive
from airan_market.scenarios import load_scenario
from airan_market.scenarios.registry import RegistryError, register_belief
from airan_market.sim.estimation.pilot import PilotRun
from airan_market.sim.theory.end_to_end import end_to_end_tail

SERVERS = np.array([[9, 4, 20], [7, 3, 15]], dtype=float)
RATES = np.array([[270.0, 110.0, 180.0], [250.0, 120.0, 190.0]])
LOADS = np.array([[100.0, 250.0, 400.0], [100.0, 300.0, 420.0]])  # last: GPU of operator 2 full
AT = np.array([0.02, 0.03, 0.05])


def first_come(latency_s, servers, service_rate_per_s, load_per_s):
    return end_to_end_tail(latency_s, servers, service_rate_per_s, load_per_s)


def test_a_formula_alone_is_the_belief_that_has_a_density_too() -> None:
    register_belief("mine")(belief_from_tail(first_come))
    mine, ours = (believe(name, SERVERS, RATES, LOADS, 0.9) for name in ("mine", "fifo"))
    assert mine.saturated.tolist() == ours.saturated.tolist()
    assert mine.probability(AT) == pytest.approx(ours.probability(AT), rel=1e-12)
    slope, weight = np.full((2, 3), 5.0), np.full((2, 3), 2.0)
    designed = [
        maximise_monotone(belief.pieces(slope, weight, 1e-3, 2.0), 1e-3, 2.0)
        for belief in (mine, ours)
    ]
    assert designed[0] == pytest.approx(designed[1], rel=1e-7)
    assert designed[0][1, 2] == 2.0


@pytest.mark.parametrize("latency_s", [0.0, 1e-4, 0.01, 0.03, 0.1, 0.4])
def test_differences_keep_the_digits_of_a_density(latency_s: float) -> None:
    free = (SERVERS[:1], RATES[:1], LOADS[:1, 1])
    law = belief_from_tail(first_come)(*(part[:, np.newaxis] for part in free[:2]), LOADS[:1, 1:2])
    at = np.array([latency_s]), np.array([0])
    exact = FcfsLaw(*free).density(*at)
    found = law.law.density(*at)
    # absolute: far out the tail itself has an absolute error of 1e-12 or so over a step of 2e-6 s
    assert found == pytest.approx(exact, rel=1e-6, abs=1e-4)


def test_a_whole_market_is_solved_as_with_ours() -> None:
    register_belief("mine")(belief_from_tail(first_come))
    short = ["mechanism.max_iterations=8"]
    mine, ours = (
        arrive_at(load_scenario("teleoperation", [*short, f"mechanism.belief={name}"]))
        for name in ("mine", "fifo")
    )
    assert mine.menu.latency_s == pytest.approx(ours.menu.latency_s, rel=1e-6)
    assert mine.match_probability == pytest.approx(ours.match_probability, abs=1e-6)


def arrive_at(scenario):
    return arrive(Primitives.from_scenario(scenario))


@pytest.mark.parametrize(
    ("formula", "said"),
    [
        (
            lambda t, c, mu, load: np.full(t.shape, 1.2),
            r"P\(T > t\)\[\d+\].* = 1.2: .* from 0 to 1",
        ),
        (lambda t, c, mu, load: np.full(t.shape, np.nan), r"= nan: must be a finite number"),
        (lambda t, c, mu, load: 0.5, r"must be an array of float64 \(.*\), is float"),
        (lambda t, c, mu, load: np.exp(-mu * t[..., np.newaxis]), r"is float64 \(\d+, 3\)"),
        (lambda t, c, mu, load: 1 - np.exp(-t), r"P\(T > t\) rises with t"),
    ],
)
def test_a_formula_that_is_no_tail_is_told(formula, said) -> None:
    register_belief("mine")(belief_from_tail(formula))
    scenario = load_scenario("teleoperation", ["mechanism.belief=mine"])
    with pytest.raises(RegistryError, match=r"<lambda>: ") as error:
        arrive_at(scenario)
    assert error.match(said)


def test_a_formula_with_other_parameters_is_refused_at_once() -> None:
    with pytest.raises(RegistryError, match=r"must take .latency_s, servers, service_rate_per"):
        belief_from_tail(lambda t: t)
    with pytest.raises(RegistryError, match=r"belief 'mine': must take .*zeta, pilot"):
        register_belief("mine")(lambda servers, rates, loads: None)


class Half:
    """Half of all tasks are late; nothing to design with."""

    def __init__(self, shape, **wrong) -> None:
        self.saturated = np.zeros(shape, dtype=bool)
        self.__dict__.update(wrong)

    def raw(self, latency_s):
        return np.full(self.saturated.shape, 0.5)

    def probability(self, latency_s):
        return self.raw(latency_s)

    def pieces(self, slope, weight, lower_s, upper_s):
        raise NotImplementedError


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"saturated": np.zeros(3)}, r"saturated must be .* bool \(2, 3\), is float64 \(3,\)"),
        ({"raw": lambda t: -t, "probability": lambda t: -t}, r"= -0.02: .* from 0 to inf"),
        ({"probability": lambda t: t + 1}, r"probability\[1\]\[1\] = 1.02: .* from 0 to 1"),
        ({"probability": lambda t: t[0]}, r"probability: must be an array .* is float64 \(3,\)"),
    ],
)
def test_a_belief_of_its_own_kind_is_checked_where_it_is_asked(wrong, said) -> None:
    register_belief("half")(lambda c, mu, load, **settings: Half(load.shape))
    at = np.tile(AT, (2, 1))
    assert believe("half", SERVERS, RATES, LOADS, 0.9).probability(at).tolist() == [[0.5] * 3] * 2
    register_belief("mine")(lambda c, mu, load, **settings: Half(load.shape, **wrong))

    def asked():
        belief = believe("mine", SERVERS, RATES, LOADS, 0.9)
        return belief.raw(at), belief.probability(at)

    with pytest.raises(RegistryError, match=r"^belief 'mine': ") as error:
        asked()
    assert error.match(said)


def test_what_is_no_belief_is_told() -> None:
    register_belief("mine")(lambda c, mu, load, **settings: 3)
    with pytest.raises(RegistryError, match="'mine': returned int, which has no saturated, no raw"):
        believe("mine", SERVERS, RATES, LOADS, 0.9)


def test_a_builder_is_told_the_settings() -> None:
    told = {}

    @register_belief("mine")
    def build(servers, service_rate_per_s, load_per_s, **settings):
        told.update(settings)
        return Half(load_per_s.shape)

    believe("mine", SERVERS, RATES, LOADS, 0.7, PilotRun(seed=3))
    assert told == {"zeta": 0.7, "pilot": PilotRun(seed=3)}


def test_nothing_is_said_of_what_it_reckons_with() -> None:
    assert knows_traffic("mine")
    assert not knows_traffic("fifo")  # the control


def test_ours_are_laws_of_the_same_kinds() -> None:
    for name, kind in (("fifo", FcfsLaw), ("chernoff-optimised", TailLaw)):
        belief = believe(name, SERVERS, RATES, LOADS, 0.9)
        assert isinstance(belief, TailBelief)
        assert isinstance(belief.law, kind)
