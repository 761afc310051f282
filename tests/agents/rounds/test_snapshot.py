"""A market that takes up the state of another one goes on as that one would have."""

import os
import pickle
import subprocess
import threading

import numpy as np
import pandas as pd
import pytest

from airan_market.agents.market import Market, OperatorAgent
from airan_market.agents.pact.run import PactSimulation
from airan_market.agents.rounds.snapshot import SnapshotError, given, packed, unpacked

SHORT = {"simulation.rounds": 3, "simulation.horizon_s": 0.3, "simulation.warmup_s": 0.1}
CROWDED = {"users.total": 900, "mechanism.max_iterations": 12}  # shadow prices are active
PACT = {"capacity": False, "simulation.rounds": 3, "simulation.horizon_s": 2.0, "traffic.users": 30}


class Doubting(OperatorAgent):
    """Keeps a generator, a memory and numbers of its own, and draws from Mesa's generators too."""

    def __init__(self, *args):
        super().__init__(*args)
        self.draws = np.random.default_rng(5)
        self.memory = []

    def observe(self, tasks, violations):
        super().observe(tasks, violations)
        chances = self.draws.random(), self.model.random.random(), self.model.rng.random()
        self.memory.append(float(np.sum(chances)))
        self.shadow_price_usd += 1e-6 * self.memory[-1]


def market(**settings):
    return lambda: Market("teleoperation", 3, **SHORT | settings)


MOVES = {"mechanism.iterations_per_round": 2, "mechanism.max_iterations": 10}
EVENTS = [
    {"at_round": 2, "what": "refund", "value": 3e-4},
    {"at_round": 2, "what": "set", "key": "mechanism.belief", "value": "priority"},
    {"at_round": 2, "what": "fails", "who": "operator 2"},
    {"at_round": 3, "what": "demand", "value": 30.0},
]
MARKETS = {
    "events": market(**MOVES, events=EVENTS),
    "mixed": market(),
    "shadow prices": market(**CROWDED),
    "gsmc": market(**{"mechanism.name": "gsmc"}),
    "simpy": market(**{"simulation.engine": "simpy", "simulation.horizon_s": 0.05}),
    "bursts": market(**{"simulation.arrivals.burst_ratio": 4.0}),
    "own agents": lambda: Market("teleoperation", 3, operator_class=Doubting, **SHORT),
    "pact": lambda: PactSimulation("pact", 3, **PACT),
    "pact measured": lambda: PactSimulation("pact", 3, **PACT | {"traffic.trust": "measured"}),
}  # fmt: skip


def play(model, rounds=None):
    while model.running and model.round != rounds:
        model.step()
    return model


def held(model):
    """What agents hold, without what the scenario gave them."""
    left_out = ("model", "primitives", "market", "valuation", "draws", "contract", "_agreed")
    return [
        {name: value for name, value in vars(agent).items() if name not in left_out}
        for agent in model.agents
    ]


def assert_same(one, other):
    """What agents hold, and all tables but tasks, of which the first market has more rows."""
    np.testing.assert_equal(held(one), held(other))
    one, other = one.tables(), other.tables()
    for name in vars(one):
        if name != "tasks":
            assert getattr(one, name).equals(getattr(other, name)), name


@pytest.mark.parametrize("name", MARKETS)
def test_a_restored_market_goes_on_as_the_other(name):
    first, second = (MARKETS[name]() for _ in range(2))
    second.restore(play(first, 2 if name == "events" else 1).snapshot())
    for model in (first, second):
        play(model).close()
    assert_same(first, second)


@pytest.mark.parametrize("name", ["_state", "_offered", "clearing"])
def test_control_what_is_forgotten_shows(name):
    first, second = (MARKETS["mixed"]() for _ in range(2))
    fresh = getattr(second, name)
    second.restore(play(first, 1).snapshot())
    setattr(second, name, fresh)
    for model in (first, second):
        play(model)
    with pytest.raises(AssertionError):
        assert_same(first, second)


@pytest.mark.parametrize("attribute", ["draws", "memory", "shadow_price_usd"])
def test_control_what_an_agent_forgets_shows(attribute):
    first, second = (MARKETS["own agents"]() for _ in range(2))
    fresh = [getattr(operator, attribute) for operator in second.operators]
    second.restore(play(first, 1).snapshot())
    for operator, value in zip(second.operators, fresh, strict=True):
        setattr(operator, attribute, value)
    for model in (first, second):
        play(model)
    with pytest.raises(AssertionError):
        assert_same(first, second)


@pytest.mark.parametrize(
    ("held", "said"),
    [
        (threading.Lock(), "lock"),
        (pd.DataFrame({"a": [1]}), "pandas"),
        (lambda: 0, "<lambda>"),
        (print, "print"),
    ],
    ids=["lock", "frame", "lambda", "function"],
)
def test_a_state_that_no_file_can_keep_is_said(held, said):
    model = MARKETS["mixed"]()
    play(model, 1)
    model.operators[0].held = held
    with pytest.raises(SnapshotError, match=f"the state of the market cannot be kept, .*{said}"):
        model.snapshot()


class Trap:
    """What a file from a stranger may hold."""

    def __init__(self, call, *arguments):
        self.call = call, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    "call",
    [
        (os.system, "true"),
        (subprocess.Popen, ["true"]),
        (eval, "1"),
        (getattr, "", "join"),
        (np.load, "nothing"),
    ],
    ids=lambda call: call[0].__name__,
)
def test_nothing_but_numbers_is_made_of_a_file(call):
    with pytest.raises(SnapshotError, match="not what the state of a market is made of"):
        unpacked(pickle.dumps(Trap(*call)), given({}, {}))


@pytest.mark.parametrize("module", ["airan_market.sim.streams", "airan_market.analysis.play"])
def test_functions_and_imports_of_our_modules_are_not_reached(module):
    name = {"airan_market.sim.streams": "stream", "airan_market.analysis.play": "Path"}[module]
    code = f"\x80\x04\x8c{chr(len(module))}{module}\x8c{chr(len(name))}{name}\x93."
    with pytest.raises(SnapshotError, match="not what the state of a market is made of"):
        unpacked(code.encode("latin-1"), given({}, {}))


@pytest.mark.parametrize("broken", [b"", b"nothing", packed({"round": 1}, given({}, {}))[:-3]])
def test_broken_bytes_are_one_line(broken):
    with pytest.raises(SnapshotError, match="not the state of such a market"):
        unpacked(broken, given({}, {}))


def test_the_state_of_another_market_is_refused():
    with pytest.raises(SnapshotError, match="not the state of such a market"):
        MARKETS["mixed"]().restore(MARKETS["pact"]().snapshot())
    few = Market("teleoperation", 3, **SHORT | {"users.total": 10})
    with pytest.raises(SnapshotError, match="not the state of such a market"):
        MARKETS["mixed"]().restore(few.snapshot())
